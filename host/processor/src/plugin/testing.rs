//! Small components, and loaders of them, for the tests of this room.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use fake_aws::{Effect, FakeAws, PROCESSOR_ACCOUNT, Rule, Service};
use tempfile::TempDir;

use super::{CacheOptions, CompiledBucket, Loader, LoaderOptions, LoaderStats, Sources};
use crate::aws::{Aws, S3};
use model::{AllowedSource, ComponentRef, Digest, Failure, Limits, OnError, Plugin};
use sandbox::Engine;

/// One for all tests.
pub(super) fn engine() -> Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(16, 64 << 20).unwrap()).clone()
}

/// Exports `log-filter`; another number, another component.
pub(super) fn component(number: u32) -> Vec<u8> {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();
    padded(COMPONENT.get_or_init(|| assemble::filter("", "")).clone(), number)
}

/// The same, with some 100 KB of code.
pub(super) fn large_code(number: u32) -> Vec<u8> {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();
    let body = "(drop (i32.div_u (i32.load (i32.const 64)) (i32.load (i32.const 68))))".repeat(1000);
    padded(COMPONENT.get_or_init(|| assemble::filter(&body, "")).clone(), number)
}

/// Exports `settings-check`, which wants none; or `body` in its place.
pub(super) fn settings_check(body: Option<&str>) -> Vec<u8> {
    let body = body.unwrap_or("(select (i32.const 8) (i32.const 16) (i32.eqz (local.get 1)))");
    let core = format!(
        r#"(data (i32.const 16) "\01\00\00\00\00\04\00\00\08\00\00\00") (data (i32.const 1024) "go away!")
        (func (export "log-router:plugin/settings-check@0.1.0#check") (param i32 i32) (result i32) {body})"#
    );
    let world = "export log-router:plugin/settings-check@0.1.0;";
    assemble::Parts { world, core: &core, ..assemble::Parts::default() }.build()
}

/// A component with a start function of its own.
pub(super) fn starting(body: &str) -> Vec<u8> {
    assemble::filter("", &format!("(func $start {body}) (start $start)"))
}

/// The same component with so many bytes more, which cost nothing to compile.
pub(super) fn padded(mut component: Vec<u8>, bytes: u32) -> Vec<u8> {
    component.push(0);
    let length = bytes + 2;
    // LEB128 in five bytes, whatever its value.
    component.extend((0..5).map(|at| (length >> (7 * at)).to_le_bytes()[0] & 0x7f | if at < 4 { 0x80 } else { 0 }));
    component.extend([1, b'x']);
    component.resize(component.len() + bytes as usize, 7);
    component
}

/// A plugin as an item names it.
pub(super) fn plugin(component: ComponentRef, bytes: &[u8]) -> Plugin {
    Plugin {
        component,
        sha256: Some(Digest::of(bytes)),
        settings: Arc::default(),
        on_error: OnError::Retry,
        limits: Limits::default(),
        logs_to_operator: false,
    }
}

/// A plugin from a file of `folder`, which is written.
pub(super) fn in_file(folder: &Path, bytes: &[u8]) -> Plugin {
    let path = folder.join(format!("{}.wasm", Digest::of(bytes).short()));
    std::fs::write(&path, bytes).unwrap();
    plugin(ComponentRef::File(path), bytes)
}

/// Components come from `folder`; nothing is kept on disk.
pub(super) fn options(folder: &Path) -> LoaderOptions {
    LoaderOptions {
        sources: Sources { allowed: vec![AllowedSource::Folder(folder.to_owned())], ..Sources::default() },
        cache: CacheOptions { folder: None, bytes: 1 << 30, key: None },
        compiled: None,
        compile_at_most: None,
        loaded_bytes: 256 << 20,
        guest_words: false,
    }
}

pub(super) const KEY: &[u8] = b"0123456789abcdef";

/// A folder with components in `source`, and a cache in `cache`.
pub(super) struct Files {
    pub(super) dir: TempDir,
}

impl Files {
    pub(super) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join("source")).unwrap();
        Self { dir }
    }

    pub(super) fn source(&self) -> PathBuf {
        self.dir.path().join("source")
    }

    pub(super) fn plugin(&self, bytes: &[u8]) -> Plugin {
        in_file(&self.source(), bytes)
    }

    /// Without a cache on disk.
    pub(super) fn options(&self) -> LoaderOptions {
        options(&self.source())
    }

    pub(super) fn loader(&self) -> Loader {
        Loader::new(engine(), self.options())
    }

    pub(super) fn with_cache(&self, key: Option<&[u8]>) -> LoaderOptions {
        let folder = Some(self.dir.path().join("cache"));
        let cache = CacheOptions { folder, bytes: 1 << 30, key: key.map(<[u8]>::to_vec) };
        LoaderOptions { cache, ..self.options() }
    }
}

/// S3 with a bucket `b`, from which components may come, and in which compiled ones
/// are published below `compiled/`.
pub(super) struct Bucket {
    pub(super) fake: FakeAws,
    pub(super) s3: S3,
}

impl Bucket {
    pub(super) async fn new() -> Self {
        let fake = FakeAws::start().await;
        fake.add_bucket(PROCESSOR_ACCOUNT, "b");
        let (endpoint, own) = (fake.endpoint(), fake.own().clone());
        let s3 = Aws::at(&endpoint, &own.access_key_id, &own.secret_access_key).await.components();
        Self { fake, s3 }
    }

    pub(super) fn plugin(&self, key: &str, bytes: &[u8]) -> Plugin {
        self.fake.put_object("b", key, bytes.to_vec());
        plugin(reference(key), bytes)
    }

    pub(super) fn options(&self) -> LoaderOptions {
        let allowed = vec![AllowedSource::S3 { bucket: "b".to_owned(), prefix: String::new() }];
        let sources = Sources { allowed, s3: Some(self.s3.clone()), ..Sources::default() };
        LoaderOptions { sources, ..options("/".as_ref()) }
    }

    pub(super) fn loader(&self) -> Loader {
        Loader::new(engine(), self.options())
    }

    pub(super) fn place(&self) -> CompiledBucket {
        CompiledBucket { s3: self.s3.clone(), bucket: "b".to_owned(), prefix: "compiled/".to_owned() }
    }

    /// A Lambda's, which compiles nothing.
    pub(super) fn lambda(&self, key: Option<&[u8]>) -> Loader {
        let cache = CacheOptions { folder: None, bytes: 1 << 30, key: key.map(<[u8]>::to_vec) };
        let (compiled, compile_at_most) = (Some(self.place()), Some(0));
        Loader::new(engine(), LoaderOptions { cache, compiled, compile_at_most, ..self.options() })
    }

    pub(super) fn gets(&self) -> u64 {
        self.fake.count(Service::S3, "GetObject")
    }

    pub(super) fn fault(&self, what: Effect, resource: &str) {
        self.fake.fault(Rule::new(what).service(Service::S3).operation("GetObject").resource(resource));
    }
}

pub(super) fn reference(key: &str) -> ComponentRef {
    ComponentRef::S3 { bucket: "b".to_owned(), key: key.to_owned() }
}

pub(super) fn unavailable() -> Effect {
    Effect::Status { status: 503, code: "ServiceUnavailable".to_owned(), message: "later".to_owned() }
}

/// What was done, in order: memory, disk, published, compiled, failed.
pub(super) fn did(loader: &Loader) -> [u64; 5] {
    let LoaderStats { memory, disk, published, compiled, failed, .. } = loader.stats();
    [memory, disk, published, compiled, failed]
}

/// Fails as `name`, saying each of `says`, and which component it is about.
#[track_caller]
pub(super) fn fails<T>(result: Result<T, Failure>, plugin: &Plugin, name: &str, says: &[&str]) {
    let failed = result.err().expect("a failure");
    assert_eq!(failed.kind.name(), name, "{failed}");
    for text in says.iter().copied().chain([plugin.component.to_string().as_str()]) {
        assert!(failed.to_string().contains(text), "{text}: {failed}");
    }
}
