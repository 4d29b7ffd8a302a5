//! What the documents refer to is there: files, headings, tests.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All documents of the project that are kept in git.
fn documents() -> Vec<PathBuf> {
    let folders = ["", "docs", "wit", "tests/fake-aws", "tests/vectors"].map(|folder| root().join(folder));
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "md")).collect()
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings.map(|heading| heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut links = 0;
    for document in documents() {
        let text = read(&document);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("https://") {
                continue;
            }
            links += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link} isn't there", document.display());
            let found = anchor.is_empty() || anchors(&read(&target)).iter().any(|heading| heading == anchor);
            assert!(found, "{}: {link}: there is no such heading", document.display());
        }
    }
    assert!(links > 40, "{links}");
}

#[test]
fn every_test_that_the_security_page_names_exists() {
    let text = read(&root().join("docs/SECURITY.md"));
    let threats = text.split("## Threats").nth(1).unwrap().split("\n## ").next().unwrap();
    let cells = threats.lines().filter_map(|line| line.strip_suffix(" |")?.rsplit(" | ").next()).skip(1);
    let named: Vec<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(named.len() > 30, "{named:?}");
    for name in named {
        // The sandbox's own tests lie beside its code.
        let (krate, rest) = name.split_once('/').unwrap_or((name, ""));
        let places = [
            format!("host/processor/tests/in_process/{name}"),
            format!("host/processor/tests/program/{name}"),
            format!("host/processor/src/{name}"),
            format!("host/{krate}/src/{rest}"),
            name.to_owned(),
        ];
        let exists = |place: &String| root().join(place).exists() || root().join(format!("{place}.rs")).exists();
        assert!(places.iter().any(exists), "docs/SECURITY.md names {name}, which is in none of {places:?}");
    }
}

#[test]
fn every_metric_of_an_alarm_is_listed() {
    let metrics = read(&root().join("docs/OPERATE.md"));
    let runbook = read(&root().join("docs/RUNBOOK.md"));
    let alarms = runbook.split("\n## Alarms").nth(1).unwrap().split("\n## ").next().unwrap();
    let cells = alarms.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let named: Vec<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(named.len() > 8, "{named:?}");
    for metric in named.iter().filter_map(|name| name.split('{').next()) {
        let rows = [format!("`{metric}"), format!(", {metric}")];
        assert!(
            rows.iter().any(|row| metrics.contains(row)),
            "docs/OPERATE.md lacks {metric}, which an alarm is about"
        );
    }
}

#[test]
fn every_path_of_the_architecture_is_there() {
    let text = read(&root().join("ARCHITECTURE.md"));
    let prose = text.split("```").step_by(2).collect::<Vec<_>>().join(" ");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    // What lies below `target/` is built.
    let is_path = |word: &&str| word.contains('/') && !word.starts_with("target/") && word.chars().all(is_plain);
    let paths: Vec<&str> = prose.split('`').skip(1).step_by(2).filter(is_path).collect();
    assert!(paths.len() > 40, "{paths:?}");
    // Beside the root: the rooms' folder, and the folders that a row or sentence is about.
    let source = "host/processor/src";
    let places = ["", source, "tests"].map(PathBuf::from).into_iter();
    let places = places.chain(["intake", "delivery", "plugin"].map(|room| Path::new(source).join(room)));
    let places: Vec<PathBuf> = places.map(|place| root().join(place)).collect();
    for path in paths {
        assert!(
            places.iter().any(|place| place.join(path).exists()),
            "ARCHITECTURE.md names {path}, which isn't there"
        );
    }
}
