use std::os::unix::fs::symlink;
use std::time::Duration;

use fake_aws::{Effect, FakeAws, PROCESSOR_ACCOUNT, PROCESSOR_ARN, Permissions, Rule, Service};
use tempfile::TempDir;

use super::*;
use crate::aws::Aws;
use model::Digest;

/// S3 with a bucket `components`, of which `team/` is allowed.
async fn s3() -> (FakeAws, Sources) {
    let fake = FakeAws::start().await;
    fake.add_bucket(PROCESSOR_ACCOUNT, "components");
    let own = fake.own();
    let aws = Aws::at(&fake.endpoint(), &own.access_key_id, &own.secret_access_key).await;
    let allowed = vec![AllowedSource::S3 { bucket: "components".to_owned(), prefix: "team/".to_owned() }];
    (fake, Sources { allowed, s3: Some(aws.components()), ..Sources::default() })
}

fn s3_ref(key: &str) -> ComponentRef {
    ComponentRef::S3 { bucket: "components".to_owned(), key: key.to_owned() }
}

fn oci_ref(registry: &str, name: &str) -> ComponentRef {
    ComponentRef::Oci { registry: registry.to_owned(), name: name.to_owned(), manifest: Digest::of(b"") }
}

/// Fails as `name`, saying each of `says`, and which component it is about.
#[track_caller]
fn fails<T: std::fmt::Debug>(result: Result<T, Failure>, component: &ComponentRef, name: &str, says: &[&str]) {
    let failed = result.unwrap_err();
    assert_eq!(failed.kind.name(), name, "{failed}");
    for text in says.iter().copied().chain([component.to_string().as_str()]) {
        assert!(failed.to_string().contains(text), "{text}: {failed}");
    }
}

#[tokio::test]
async fn an_object_of_s3() {
    let (fake, sources) = s3().await;
    fake.put_object("components", "team/it.wasm", "bytes");
    let component = s3_ref("team/it.wasm");
    assert_eq!(sources.fetch(&component, 5).await.unwrap(), b"bytes");
    fails(
        sources.fetch(&component, 4).await,
        &component,
        "component-too-large",
        &["has 5 bytes", "may have 4", "PLUGIN_MAX_COMPONENT_BYTES"],
    );
    let missing = s3_ref("team/other.wasm");
    fails(sources.fetch(&missing, 5).await, &missing, "component-missing", &["NoSuchKey", "`component`"]);
    fake.remove_bucket("components");
    fails(sources.fetch(&component, 5).await, &component, "component-missing", &["NoSuchBucket"]);
    let none = Sources { s3: None, ..sources };
    fails(none.fetch(&component, 5).await, &component, "component-source", &["no AWS"]);
}

#[tokio::test]
async fn a_large_object_is_not_read() {
    let (fake, sources) = s3().await;
    fake.put_object("components", "team/it.wasm", vec![0; 64 << 20]);
    // Read, it would take days.
    let slow = Effect::SlowBody { bytes: 1, every: Duration::from_millis(100) };
    fake.fault(Rule::new(slow).service(Service::S3).operation("GetObject"));
    let component = s3_ref("team/it.wasm");
    let fetched = tokio::time::timeout(Duration::from_secs(240), sources.fetch(&component, 1 << 20)).await;
    fails(fetched.expect("it is read"), &component, "component-too-large", &["has 67108864 bytes"]);
}

#[tokio::test]
async fn what_s3_fails_with() {
    let (fake, sources) = s3().await;
    fake.put_object("components", "team/it.wasm", "bytes");
    let component = s3_ref("team/it.wasm");
    let error = Effect::Status { status: 500, code: "InternalError".to_owned(), message: "no".to_owned() };
    for (what, says) in [
        (error, "InternalError"),
        (Effect::Throttle, "SlowDown"),
        (Effect::ResetBefore, "network"),
        (Effect::TruncateBody(2), "broke off after 2 of 5"),
    ] {
        fake.fault(Rule::new(what).service(Service::S3).times(1));
        fails(sources.fetch(&component, 5).await, &component, "component-source", &[says]);
    }
    fake.set_permissions(PROCESSOR_ARN, Permissions::none());
    fails(sources.fetch(&component, 5).await, &component, "component-source", &["AccessDenied", "allow s3:GetObject"]);
}

#[tokio::test]
async fn only_what_is_allowed_is_asked_for() {
    let (fake, sources) = s3().await;
    for key in ["team", "team2/it.wasm", "other/it.wasm", "team/../other/it.wasm", "team/./it.wasm", "/team/it.wasm"] {
        let component = s3_ref(key);
        let says = ["PLUGIN_SOURCES", "s3://components/team/"];
        fails(sources.fetch(&component, 5).await, &component, "component-forbidden", &says);
    }
    let elsewhere = ComponentRef::S3 { bucket: "components2".to_owned(), key: "team/it.wasm".to_owned() };
    fails(sources.fetch(&elsewhere, 5).await, &elsewhere, "component-forbidden", &[]);
    let nothing = Sources::default();
    for component in [elsewhere, oci_ref("r", "n"), ComponentRef::File("/etc/passwd".into())] {
        let says = ["no component may come from anywhere", "PLUGIN_SOURCES"];
        fails(nothing.fetch(&component, 5).await, &component, "component-forbidden", &says);
    }
    assert_eq!(fake.count(Service::S3, "GetObject"), 0);
}

#[tokio::test]
async fn repositories_of_a_registry() {
    let allow = |registry: &str, name: &str| Sources {
        allowed: vec![AllowedSource::Oci { registry: registry.to_owned(), name: name.to_owned() }],
        ..Sources::default()
    };
    let sources = allow("registry.example:5000", "team/plugins");
    for name in ["team/plugins", "team/plugins/redact", "team/plugins/a/b"] {
        assert_eq!(sources.permit(&oci_ref("registry.example:5000", name)).await, Ok(()), "{name}");
    }
    for (registry, name) in [
        ("registry.example:5000", "team/plugins2"),
        ("registry.example:5000", "team"),
        ("registry.example:5000", "team/plugins/../other"),
        ("registry.example", "team/plugins"),
        ("registry.example:5000.evil", "team/plugins"),
        ("evil", "registry.example:5000/team/plugins"),
    ] {
        let component = oci_ref(registry, name);
        let says = ["oci://registry.example:5000/team/plugins"];
        fails(sources.permit(&component).await, &component, "component-forbidden", &says);
    }
    let all = allow("r", "");
    assert_eq!(all.permit(&oci_ref("r", "anything/at/all")).await, Ok(()));
    fails(all.permit(&oci_ref("q", "n")).await, &oci_ref("q", "n"), "component-forbidden", &["oci://r."]);
}

/// A folder `allowed` with a folder and files, and one `other` beside it.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(TempDir::new().unwrap());
        for folder in ["allowed/team", "other", "allowed2"] {
            std::fs::create_dir_all(files.path(folder)).unwrap();
        }
        for file in ["allowed/it.wasm", "allowed/team/it.wasm", "other/it.wasm", "allowed2/it.wasm"] {
            std::fs::write(files.path(file), file).unwrap();
        }
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn sources(&self, folder: &str) -> Sources {
        Sources { allowed: vec![AllowedSource::Folder(self.path(folder))], ..Sources::default() }
    }
}

#[tokio::test]
async fn files_below_a_folder_links_followed() {
    let files = Files::new();
    symlink(files.path("allowed/it.wasm"), files.path("other/in.wasm")).unwrap();
    symlink(files.path("other/it.wasm"), files.path("allowed/out.wasm")).unwrap();
    symlink(files.path("other"), files.path("allowed/out")).unwrap();
    symlink(files.path("allowed"), files.path("link")).unwrap();
    for sources in [files.sources("allowed"), files.sources("link"), files.sources("other/../allowed")] {
        for (name, there) in [
            ("allowed/it.wasm", "allowed/it.wasm"),
            ("allowed/team/it.wasm", "allowed/team/it.wasm"),
            ("allowed/team/../it.wasm", "allowed/it.wasm"),
            ("link/it.wasm", "allowed/it.wasm"),
            ("other/in.wasm", "allowed/it.wasm"),
        ] {
            let component = ComponentRef::File(files.path(name));
            assert_eq!(sources.fetch(&component, 100).await, Ok(there.as_bytes().to_vec()), "{name}");
        }
        for name in [
            "other/it.wasm",
            "allowed2/it.wasm",
            "allowed/../other/it.wasm",
            "allowed/out.wasm",
            "allowed/out/it.wasm",
            "other/none.wasm",
            "allowed/../other/none.wasm",
        ] {
            let component = ComponentRef::File(files.path(name));
            fails(
                sources.fetch(&component, 100).await,
                &component,
                "component-forbidden",
                &["file:/", "PLUGIN_SOURCES"],
            );
        }
        let component = ComponentRef::File(files.path("allowed/none.wasm"));
        fails(sources.fetch(&component, 100).await, &component, "component-missing", &["put it there"]);
    }
}

#[tokio::test]
async fn a_file_is_read_up_to_the_limit_and_nothing_but_a_file_is() {
    let files = Files::new();
    let sources = files.sources("allowed");
    let huge = std::fs::File::create(files.path("allowed/huge.wasm")).unwrap();
    huge.set_len(1 << 30).unwrap();
    let component = ComponentRef::File(files.path("allowed/huge.wasm"));
    // It says how many, and so hasn't read them: else it would say that there are more.
    fails(sources.fetch(&component, 64 << 20).await, &component, "component-too-large", &["has 1073741824 bytes"]);

    let component = ComponentRef::File(files.path("allowed/team"));
    fails(sources.fetch(&component, 100).await, &component, "component-source", &["no file"]);
    let pipe = files.path("allowed/pipe.wasm");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    let component = ComponentRef::File(pipe);
    fails(sources.fetch(&component, 100).await, &component, "component-source", &["no file"]);
    // What says that it is empty, and isn't.
    let endless = ComponentRef::File("/proc/self/status".into());
    let sources = Sources { allowed: vec![AllowedSource::Folder("/proc".into())], ..Sources::default() };
    fails(sources.fetch(&endless, 10).await, &endless, "component-too-large", &["has more bytes"]);
}
