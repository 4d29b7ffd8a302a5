//! Who may import whom: ARCHITECTURE.md has the order of the rooms; the sandbox, the pipeline
//! and `intake/message` list their files in order. The code is held to all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::project::{read, root};

/// The rooms, from the top down; those of one line stand beside each other.
fn order() -> Vec<Vec<String>> {
    let text = read("ARCHITECTURE.md");
    let section = text.split("## Order of imports").nth(1).expect("ARCHITECTURE.md has an order of imports");
    let list = section.split("```").nth(1).expect("a list");
    let lines = list.lines().skip(1).filter(|line| !line.is_empty());
    lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

/// Where each room's files are. The processor's own folder is no room: those in it are.
fn rooms() -> BTreeMap<String, PathBuf> {
    let folders = |parent: &str| {
        let entries = std::fs::read_dir(root().join(parent)).unwrap();
        let folders = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
        folders.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path)).collect::<Vec<_>>()
    };
    let crates = folders("host").into_iter().filter(|(name, _)| name != "processor");
    crates.chain(folders("host/processor/src")).collect()
}

/// All source files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// The first segments of the paths that begin with this word: of `crate::`, `a` and `b`
/// for `crate::a::X` and `crate::{b, a::Y}`.
fn named<'a>(text: &'a str, word: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let name = |text: &'a str| text.split(|c| !is_part(c)).next().unwrap();
    for (at, _) in text.match_indices(word) {
        if text[..at].ends_with(|c| is_part(c) || c == ':') {
            continue;
        }
        let Some(path) = text[at + word.len()..].strip_prefix("::") else { continue };
        let Some(group) = path.strip_prefix('{') else {
            found.insert(name(path));
            continue;
        };
        let (mut depth, mut begins) = (0, true);
        for (at, c) in group.char_indices() {
            match c {
                '}' if depth == 0 => break,
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' => begins = depth == 0,
                _ if begins && is_part(c) => {
                    found.insert(name(&group[at..]));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    found
}

/// A file without its comments, which may name anything.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn paths_are_found() {
    let text = "use crate::a::X;\nuse crate::{b, c::{Y, d::Z}, e::*};\nfn f() { crate::g::h(); other_crate::i::j(); x::crate::k() }";
    assert_eq!(named(text, "crate"), BTreeSet::from(["a", "b", "c", "e", "g"]));
    assert_eq!(named("model::X, ::model::Y, a_model::Z, model:: ", "model"), BTreeSet::from(["", "X"]));
}

#[test]
fn every_room_imports_only_rooms_below_it() {
    let (order, rooms) = (order(), rooms());
    let floors: BTreeMap<&str, usize> = order
        .iter()
        .enumerate()
        .flat_map(|(floor, names)| names.iter().map(move |name| (name.as_str(), floor)))
        .collect();
    assert_eq!(floors.len(), order.iter().flatten().count(), "a room stands twice in the order of imports: {order:?}");
    let listed: BTreeSet<&str> = floors.keys().copied().collect();
    let there: BTreeSet<&str> = rooms.keys().map(String::as_str).collect();
    assert_eq!(listed, there, "ARCHITECTURE.md's order of imports, and the rooms that are there");
    let mut upwards = Vec::new();
    for (room, folder) in &rooms {
        let is_crate = folder.parent().unwrap().ends_with("host");
        for file in files(folder) {
            let text = code(&file);
            let own = named(&text, "crate");
            let mut used: BTreeSet<&str> =
                own.into_iter().filter(|name| !is_crate && rooms.contains_key(*name)).collect();
            used.extend(["model", "sandbox"].into_iter().filter(|name| !named(&text, name).is_empty()));
            used.remove(room.as_str());
            let up = used.into_iter().filter(|used| floors[used] <= floors[room.as_str()]);
            upwards.extend(up.map(|used| format!("{} imports {used}", file.display())));
        }
    }
    assert!(upwards.is_empty(), "against ARCHITECTURE.md's order of imports:\n{}", upwards.join("\n"));
}

/// Holds a folder's files to the list in the comment of the file that declares them: each
/// imports only files below it. `own`: how a file at this depth names its siblings.
fn check_files(folder: &str, face: &str, own: fn(usize) -> Vec<&'static str>) {
    let source = root().join(folder);
    let text = std::fs::read_to_string(source.join(face)).unwrap();
    let list = text.split("From the top down").nth(1).expect("a list of the files").split("\nmod ").next().unwrap();
    // The words in backquotes that are files; those of one item stand beside each other.
    let is_module = |name: &&str| source.join(format!("{name}.rs")).is_file() || source.join(name).is_dir();
    let items = list.split("\n//! - ").enumerate();
    let places: BTreeMap<&str, usize> = items
        .flat_map(|(place, item)| item.split('`').skip(1).step_by(2).filter(is_module).map(move |name| (name, place)))
        .collect();
    let (mut upwards, mut imports) = (Vec::new(), BTreeMap::<String, BTreeSet<String>>::new());
    for file in files(&source) {
        let relative = file.strip_prefix(&source).unwrap();
        let module = relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        let name = relative.to_str().unwrap();
        if name == face || name.ends_with("tests.rs") || name.ends_with("testing.rs") {
            continue;
        }
        let text = code(&file);
        let (place, text) = (places.get(module), text.split("#[cfg(test)]").next().unwrap());
        let place = place.unwrap_or_else(|| panic!("{folder}/{face} doesn't list `{module}`"));
        // `mod.rs` of a folder is one deeper than its place says.
        let depth = relative.components().count() - usize::from(name.ends_with("mod.rs"));
        let used = own(depth).into_iter().flat_map(|word| named(text, word)).map(str::to_owned);
        let used: BTreeSet<String> = used.filter(|used| used != module).collect();
        let up = used.iter().filter(|used| places.get(used.as_str()).is_none_or(|used| used < place));
        upwards.extend(up.map(|used| format!("{name} imports {used}")));
        imports.entry(module.to_owned()).or_default().extend(used);
    }
    assert!(upwards.is_empty(), "against the list in {folder}/{face}:\n{}", upwards.join("\n"));
    // Those of one item may import each other, but not in a circle.
    while let Some(bottom) = imports.iter().find(|(_, used)| used.is_empty()).map(|(module, _)| module.clone()) {
        imports.remove(&bottom);
        imports.values_mut().for_each(|used| used.retain(|name| *name != bottom));
    }
    assert!(imports.is_empty(), "a circle of files in {folder}: {imports:?}");
}

#[test]
fn the_sandbox_s_files_import_only_files_below_them() {
    check_files("host/sandbox/src", "lib.rs", |_| vec!["crate"]);
}

#[test]
fn the_pipeline_s_files_import_only_files_below_them() {
    let own = |depth| match depth {
        1 => vec!["super", "crate::pipeline"],
        _ => vec!["super::super", "crate::pipeline"],
    };
    check_files("host/processor/src/pipeline", "mod.rs", own);
}

#[test]
fn the_files_of_messages_import_only_files_below_them() {
    let own = |_| vec!["super", "crate::intake::message"];
    check_files("host/processor/src/intake/message", "mod.rs", own);
}

#[test]
fn only_the_sandbox_depends_on_wasmtime() {
    let mut folders = vec![root().join("bench"), root().join("host"), root().join("guests"), root().join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with("Cargo.toml") && !path.ends_with("host/sandbox/Cargo.toml") {
                let text = std::fs::read_to_string(&path).unwrap();
                let wasm = text.lines().find(|line| line.starts_with("wasmtime") || line.starts_with("wasmparser"));
                assert_eq!(wasm, None, "{}", path.display());
            }
        }
    }
}

/// An edit of the processor must not make the default guest stale.
#[test]
fn guests_are_built_with_the_sandbox_alone() {
    let text = read("guests/build/Cargo.toml");
    let own = ["log-processor", "model", "sandbox", "fake-aws", "corpus", "bench"];
    let used: Vec<&str> =
        own.into_iter().filter(|name| text.lines().any(|line| line.starts_with(&format!("{name}.")))).collect();
    assert_eq!(used, ["sandbox"]);
}
