use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::super::testing::{component, engine};
use super::*;

const KEY: &[u8] = b"0123456789abcdef";

struct Scene {
    dir: TempDir,
    sha256: Digest,
    bytes: Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        let bytes = component(1);
        Self { dir: TempDir::new().unwrap(), sha256: Digest::of(&bytes), bytes }
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("deep/cache")
    }

    fn cache(&self, key: Option<&[u8]>) -> DiskCache {
        DiskCache::new(CacheOptions { folder: Some(self.folder()), bytes: 1 << 30, key: key.map(<[u8]>::to_vec) })
    }

    /// Keeps the component's compiled form; whether it was kept.
    fn keep(&self, cache: &DiskCache) -> bool {
        let compiled = engine().compile("", &self.bytes).unwrap();
        cache.keep_compiled(&engine(), &compiled, self.sha256, self.bytes.len() as u64).unwrap().is_some()
    }

    fn has(&self, cache: &DiskCache) -> bool {
        cache.compiled(&engine(), self.sha256, u64::MAX).is_some()
    }

    fn entry(&self) -> PathBuf {
        self.folder().join(compiled_name(self.sha256, engine().fingerprint()))
    }
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn both_forms_are_kept_for_this_user_alone() {
    for key in [None, Some(KEY)] {
        let scene = Scene::new();
        let cache = scene.cache(key);
        assert!(!scene.has(&cache) && cache.component(scene.sha256, 1 << 20).is_none());
        assert!(scene.keep(&cache));
        cache.keep_component(scene.sha256, &scene.bytes);
        let again = scene.cache(key);
        let (loaded, bytes) = again.compiled(&engine(), scene.sha256, u64::MAX).unwrap();
        assert_eq!((loaded.digest(), bytes), (scene.sha256.to_string().as_str(), scene.bytes.len() as u64));
        assert_eq!(again.component(scene.sha256, 1 << 20), Some(scene.bytes.clone()));
        assert_eq!(again.component(scene.sha256, 10), None);
        assert_eq!(std::fs::metadata(scene.folder()).unwrap().mode() & 0o777, 0o700);
        assert_eq!(std::fs::metadata(scene.entry()).unwrap().mode() & 0o777, 0o600);
        assert_eq!(names(&scene.folder()).len(), 2, "nothing half-written is left");
    }
}

#[test]
fn what_was_tampered_with_is_removed_and_can_be_kept_anew() {
    for key in [None, Some(KEY)] {
        let scene = Scene::new();
        let cache = scene.cache(key);
        assert!(scene.keep(&cache));
        let whole = std::fs::read(scene.entry()).unwrap();
        let (first, last) = (0, whole.len() - 1);
        for at in [first, 20, 50, 75, 85, 100, 500, whole.len() / 2, last] {
            let mut tampered = whole.clone();
            tampered[at] ^= 0x40;
            std::fs::write(scene.entry(), tampered).unwrap();
            assert!(!scene.has(&cache), "byte {at}");
            assert!(!scene.entry().exists(), "byte {at}");
            assert!(scene.keep(&cache) && scene.has(&cache));
        }
        for length in [0, 119, whole.len() - 1] {
            std::fs::write(scene.entry(), &whole[..length]).unwrap();
            assert!(!scene.has(&cache) && !scene.entry().exists());
        }
        // Another version's, under this one's name.
        std::fs::write(scene.entry(), b"logproc\x02").unwrap();
        assert!(!scene.has(&cache) && !scene.entry().exists());

        cache.keep_component(scene.sha256, &scene.bytes);
        let own = scene.folder().join(component_name(scene.sha256));
        std::fs::write(&own, b"other").unwrap();
        assert_eq!(cache.component(scene.sha256, 1 << 20), None);
        assert!(!own.exists());
    }
}

#[test]
fn a_key_is_believed_and_nothing_else() {
    let scene = Scene::new();
    assert!(scene.keep(&scene.cache(None)));
    assert!(!scene.has(&scene.cache(Some(KEY))), "without the key's seal");
    assert!(scene.keep(&scene.cache(Some(KEY))));
    assert!(!scene.has(&scene.cache(Some(b"fedcba9876543210"))));
    assert!(scene.keep(&scene.cache(Some(KEY))));
    // Whoever can write the folder can't make a seal.
    mode(&scene.folder(), 0o777);
    assert!(scene.has(&scene.cache(Some(KEY))));
}

#[test]
fn without_a_key_a_folder_that_others_can_write_holds_no_code() {
    let scene = Scene::new();
    assert!(scene.keep(&scene.cache(None)));
    for open in [0o770, 0o707, 0o722] {
        mode(&scene.folder(), open);
        let cache = scene.cache(None);
        assert!(!scene.has(&cache), "{open:o}");
        assert!(!scene.keep(&cache), "{open:o}");
        // What is checked by its digest is taken from there.
        cache.keep_component(scene.sha256, &scene.bytes);
        assert!(cache.component(scene.sha256, 1 << 20).is_some());
    }
    assert!(scene.entry().exists(), "it may be another's");
    for closed in [0o700, 0o755] {
        mode(&scene.folder(), closed);
        assert!(scene.has(&scene.cache(None)), "{closed:o}");
    }
    // A file of before, when the folder was open.
    mode(&scene.entry(), 0o666);
    assert!(!scene.has(&scene.cache(None)) && !scene.entry().exists());
}

#[test]
fn without_a_key_a_link_is_no_folder_of_ones_own() {
    let scene = Scene::new();
    assert!(scene.keep(&scene.cache(None)));
    let link = scene.dir.path().join("link");
    symlink(scene.folder(), &link).unwrap();
    let through = |key: Option<&[u8]>| {
        DiskCache::new(CacheOptions { folder: Some(link.clone()), bytes: 1 << 30, key: key.map(<[u8]>::to_vec) })
    };
    assert!(!scene.has(&through(None)));
    assert!(scene.keep(&through(Some(KEY))) && scene.has(&through(Some(KEY))));
}

#[test]
fn a_folder_of_another_user_is_not_believed() {
    // Root alone can give a folder away.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let scene = Scene::new();
    assert!(scene.keep(&scene.cache(None)));
    std::os::unix::fs::chown(scene.entry(), Some(12345), None).unwrap();
    assert!(!scene.has(&scene.cache(None)));
    assert!(scene.keep(&scene.cache(None)));
    std::os::unix::fs::chown(scene.folder(), Some(12345), None).unwrap();
    assert!(!scene.has(&scene.cache(None)));
}

#[test]
fn what_is_no_file_is_left_alone() {
    let scene = Scene::new();
    let cache = scene.cache(None);
    assert!(scene.keep(&cache));
    std::fs::remove_file(scene.entry()).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, scene.entry(), fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    assert!(!scene.has(&cache), "and nobody waits for a writer");
    // A link to what is true elsewhere isn't followed.
    assert!(scene.keep(&cache));
    let elsewhere = scene.dir.path().join("elsewhere");
    std::fs::rename(scene.entry(), &elsewhere).unwrap();
    symlink(&elsewhere, scene.entry()).unwrap();
    assert!(!scene.has(&cache));
    assert!(scene.keep(&cache) && scene.has(&cache));
}

#[test]
fn what_was_not_used_for_longest_goes_first() {
    let scene = Scene::new();
    let cache = DiskCache::new(CacheOptions { folder: Some(scene.folder()), bytes: 10_000, key: None });
    let kept: Vec<(Digest, Vec<u8>)> = (0..4_u8).map(|n| (Digest::of(&[n; 3000]), vec![n; 3000])).collect();
    let has = |n: usize| scene.folder().join(component_name(kept[n].0)).exists();
    let stranger = scene.dir.path().join("deep/cache/notes.txt");
    for (n, (sha256, bytes)) in kept.iter().enumerate().take(3) {
        cache.keep_component(*sha256, bytes);
        let file = std::fs::File::options().write(true).open(scene.folder().join(component_name(*sha256))).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(100 - n as u64)).unwrap();
    }
    std::fs::write(&stranger, [0; 5000]).unwrap();
    assert!(cache.component(kept[0].0, 1 << 20).is_some(), "used now");
    cache.keep_component(kept[3].0, &kept[3].1);
    assert_eq!([has(0), has(1), has(2), has(3)], [true, false, true, true]);
    // What would never fit is not kept, and drives nobody out.
    cache.keep_component(Digest::of(&[9; 10_001]), &[9; 10_001]);
    assert_eq!([has(0), has(1), has(2), has(3)], [true, false, true, true]);
    cache.keep_component(Digest::of(&[8; 10_000]), &[8; 10_000]);
    assert_eq!([has(0), has(1), has(2), has(3)], [false; 4]);
    assert!(stranger.exists(), "nobody else's files are touched");
}

#[test]
fn what_a_dead_writer_left_goes_after_an_hour() {
    let scene = Scene::new();
    let cache = scene.cache(None);
    assert!(scene.keep(&cache));
    for (name, age) in [(".old.part", 3700), (".new.part", 10)] {
        let file = std::fs::File::create(scene.folder().join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    }
    cache.keep_component(scene.sha256, &scene.bytes);
    assert_eq!((names(&scene.folder()).len(), names(&scene.folder())[0].as_str()), (3, ".new.part"));
}

#[test]
fn a_folder_that_can_not_be_used_is_gone_without() {
    let scene = Scene::new();
    std::fs::write(scene.dir.path().join("deep"), "a file").unwrap();
    let cache = scene.cache(None);
    assert!(!scene.keep(&cache) && !scene.has(&cache));
    cache.keep_component(scene.sha256, &scene.bytes);
    let none = DiskCache::new(CacheOptions { folder: None, bytes: 1, key: None });
    assert!(!scene.keep(&none) && !scene.has(&none));
}

/// The folder that the test which started this process works with.
fn folder_of_parent() -> PathBuf {
    std::env::vars_os().find(|(name, _)| name == "TEST_CACHE").unwrap().1.into()
}

/// Keeps and reads in a loop, as one of two processes.
#[test]
#[ignore = "run by another, in processes of their own"]
fn keeps_and_reads() {
    let folder = folder_of_parent();
    // Room for two of the five.
    let cache = DiskCache::new(CacheOptions { folder: Some(folder), bytes: 45_000, key: None });
    let mut found = 0;
    for value in (0..5_u8).cycle().take(500) {
        let bytes = vec![value; 20_000];
        let sha256 = Digest::of(&bytes);
        cache.keep_component(sha256, &bytes);
        // Driven out by the other process, maybe; but never damaged.
        if let Some(kept) = cache.component(sha256, 1 << 20) {
            assert_eq!(kept, bytes);
            found += 1;
        }
    }
    assert!(found > 0);
    assert_eq!(cache.warnings.admit("", Instant::now()), Some(0), "nothing failed");
}

#[test]
fn two_processes_share_a_folder() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("cache");
    let start = || {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--ignored", "--exact", "--nocapture", "plugin::cache::tests::keeps_and_reads"]);
        child.env("TEST_CACHE", &folder).spawn().unwrap()
    };
    let (mut one, mut two) = (start(), start());
    assert!(one.wait().unwrap().success() && two.wait().unwrap().success());
    let names = names(&folder);
    assert!(names.iter().all(|name| is_entry(name)), "{names:?}");
    for name in names {
        let bytes = std::fs::read(folder.join(&name)).unwrap();
        assert_eq!(name, component_name(Digest::of(&bytes)));
    }
}

#[test]
fn a_fingerprint_is_the_same_in_another_process() {
    let scene = Scene::new();
    assert!(scene.keep(&scene.cache(None)));
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--ignored", "--exact", "--nocapture", "plugin::cache::tests::finds"]);
    assert!(child.env("TEST_CACHE", scene.folder()).status().unwrap().success());
}

#[test]
#[ignore = "run by another, in a process of its own"]
fn finds() {
    let folder = folder_of_parent();
    let cache = DiskCache::new(CacheOptions { folder: Some(folder), bytes: 1 << 30, key: None });
    assert!(cache.compiled(&engine(), Digest::of(&component(1)), u64::MAX).is_some());
}

#[test]
fn the_default_folder() {
    let folder = |environment: &[(&str, &str)]| {
        let found = |name: &str| environment.iter().find(|(its, _)| *its == name).map(|(_, value)| value.into());
        default_folder(found).to_str().unwrap().to_owned()
    };
    let uid = rustix::process::geteuid().as_raw();
    assert_eq!(folder(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]), "/x/log-processor/plugins");
    assert_eq!(folder(&[("XDG_CACHE_HOME", "relative"), ("HOME", "/h")]), "/h/.cache/log-processor/plugins");
    assert_eq!(folder(&[("XDG_CACHE_HOME", ""), ("HOME", "")]), format!("/tmp/log-processor-plugins-{uid}"));
    assert_eq!(folder(&[("TMPDIR", "/t")]), format!("/t/log-processor-plugins-{uid}"));
    let lambda = [("HOME", "/h"), ("AWS_LAMBDA_FUNCTION_NAME", "f")];
    assert_eq!(folder(&lambda), format!("/tmp/log-processor-plugins-{uid}"));
}

#[test]
fn a_key_is_never_shown() {
    let shown = format!("{:?}", CacheOptions { folder: None, bytes: 1, key: Some(KEY.to_vec()) });
    assert!(shown.contains('…') && !shown.contains("48, 49"), "{shown}");
}

/// Whatever vouches for it: that is known only once it was read.
#[test]
fn what_is_larger_than_a_compiled_form_can_be_is_not_read() {
    let scene = Scene::new();
    let cache = scene.cache(None);
    assert!(scene.keep(&cache));
    let bytes = std::fs::metadata(scene.entry()).unwrap().len();
    assert!(cache.compiled(&engine(), scene.sha256, bytes - 1).is_none());
    assert!(cache.compiled(&engine(), scene.sha256, bytes).is_some(), "it is still there");
    assert_eq!(max_compiled_bytes(1024), 16 * 1024 + (4 << 20));
    assert_eq!(max_compiled_bytes(u64::MAX), 1 << 30);
}
