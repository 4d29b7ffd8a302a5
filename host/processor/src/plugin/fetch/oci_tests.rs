use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;

const WASM: &[u8] = b"\0asm\x0d\0\x01\0 and so on";
pub(super) const NAME: &str = "team/redact";
const MAX_BYTES: u64 = 1000;

/// For tests, that nothing may hold up.
pub(super) const QUICK: Timeouts =
    Timeouts { connect: Duration::from_secs(60), idle: Duration::from_secs(60), total: Duration::from_secs(120) };

/// What a registry answers.
#[derive(Clone)]
struct Answer {
    status: u16,
    header: Option<(&'static str, String)>,
    body: Bytes,
    hangs: bool,
}

fn answer(status: u16, body: impl Into<Bytes>) -> Answer {
    Answer { status, header: None, body: body.into(), hangs: false }
}

impl Answer {
    fn with(self, name: &'static str, value: impl Into<String>) -> Self {
        Self { header: Some((name, value.into())), ..self }
    }
}

/// Path and query of a request, and its Authorization.
type Asked = (String, Option<String>);

/// A registry on this machine: a closure answers, requests are recorded.
struct Registry {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Registry {
    async fn start(answer: impl Fn(&str, Option<&str>) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        tokio::spawn(accept(listener, Arc::new(answer), Arc::clone(&asked)));
        Self { address, asked }
    }

    /// One that has an artifact, and asks for no credentials.
    async fn with(manifest: Bytes, layer: &'static [u8]) -> Self {
        Self::start(move |path, _| artifact(path, &manifest, layer)).await
    }

    async fn fetch(&self, manifest: &[u8]) -> Result<Vec<u8>, Failure> {
        self.fetch_as(Digest::of(manifest), None).await
    }

    async fn fetch_as(&self, manifest: Digest, auth: Option<&Path>) -> Result<Vec<u8>, Failure> {
        let registry = self.address.to_string();
        fetch_within(Artifact { registry: &registry, name: NAME, manifest }, MAX_BYTES, auth, QUICK).await
    }

    /// A Docker config.json with `user:secret` for it.
    fn auth(&self) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let auths = json!({"auths": {self.address.to_string(): {"auth": "dXNlcjpzZWNyZXQ="}}});
        std::fs::write(file.path(), auths.to_string()).unwrap();
        file
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn accept<A>(listener: TcpListener, answer: Arc<A>, asked: Arc<Mutex<Vec<Asked>>>)
where
    A: Fn(&str, Option<&str>) -> Answer + Send + Sync + 'static,
{
    while let Ok((stream, _)) = listener.accept().await {
        let (answer, asked) = (Arc::clone(&answer), Arc::clone(&asked));
        let service = service_fn(move |request: Request<hyper::body::Incoming>| {
            let path = request.uri().path_and_query().unwrap().to_string();
            let authorization = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
            asked.lock().unwrap().push((path.clone(), authorization.clone()));
            let answer = answer(&path, authorization.as_deref());
            async move {
                if answer.hangs {
                    std::future::pending::<()>().await;
                }
                let mut response = Response::builder().status(answer.status);
                if let Some((name, value)) = answer.header {
                    response = response.header(name, value);
                }
                Ok::<_, Infallible>(response.body(Full::new(answer.body)).unwrap())
            }
        });
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

fn artifact(path: &str, manifest: &Bytes, layer: &'static [u8]) -> Answer {
    match path {
        "/v2/" => answer(200, "{}"),
        path if path.starts_with("/v2/team/redact/manifests/sha256:") => answer(200, manifest.clone()),
        path if path == format!("/v2/team/redact/blobs/sha256:{}", Digest::of(WASM)) => answer(200, layer),
        _ => answer(404, r#"{"errors": [{"code": "NAME_UNKNOWN", "message": "canary"}]}"#),
    }
}

pub(super) fn layer_of(media_type: &str, size: usize) -> Value {
    json!({"mediaType": media_type, "digest": format!("sha256:{}", Digest::of(WASM)), "size": size})
}

pub(super) fn manifest_of(layers: &[Value]) -> Bytes {
    let config = json!({
        "mediaType": "application/vnd.wasm.config.v0+json", "digest": format!("sha256:{}", Digest::of(b"{}")), "size": 2,
    });
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers}).to_string().into()
}

/// Both layouts that are in use.
fn manifest() -> Bytes {
    manifest_of(&[layer_of(CNCF_LAYER, WASM.len())])
}

pub(super) fn failed(fetched: Result<Vec<u8>, Failure>, name: &str, says: &[&str]) {
    let error = fetched.unwrap_err();
    assert_eq!(error.kind.name(), name, "{error}");
    for part in says.iter().chain(&["oci://127.0.0.1:"]) {
        assert!(error.to_string().contains(part), "no {part:?} in {error}");
    }
    for secret in ["secret", "dXNlcjpzZWNyZXQ=", "canary"] {
        assert!(!error.to_string().contains(secret), "{error}");
    }
}

#[tokio::test]
async fn an_artifact_of_either_layout_is_pulled() {
    for layout in [CNCF_LAYER, WASM_LAYER_MEDIA_TYPE] {
        let manifest = manifest_of(&[layer_of(layout, WASM.len())]);
        let registry = Registry::with(manifest.clone(), WASM).await;
        assert_eq!(registry.fetch(&manifest).await.unwrap(), WASM, "{layout}");
        assert!(registry.asked().iter().all(|(_, authorization)| authorization.is_none()));
    }
}

#[tokio::test]
async fn a_manifest_that_is_not_the_digest_s_is_refused() {
    let registry = Registry::with(manifest(), WASM).await;
    let other = Digest::of(b"another");
    failed(registry.fetch_as(other, None).await, "component-digest", &["the manifest", &other.to_string()]);
}

#[tokio::test]
async fn a_layer_that_is_not_the_manifest_s_is_refused() {
    let cases: [(&'static [u8], &str); 3] = [
        (b"\0asm\x0d\0\x01\0 and so ON", "the layer has the digest"),
        (b"\0asm", "the layer has the digest"),
        (b"\0asm\x0d\0\x01\0 and so on and on", "more than the 18 bytes"),
    ];
    for (layer, says) in cases {
        let registry = Registry::with(manifest(), layer).await;
        failed(registry.fetch(&manifest()).await, "component-digest", &[says]);
    }
}

#[tokio::test]
async fn what_is_no_component_s_artifact_is_refused_by_name() {
    let wasm = layer_of(CNCF_LAYER, WASM.len());
    let image = layer_of("application/vnd.oci.image.layer.v1.tar+gzip", WASM.len());
    let mut md5 = wasm.clone();
    md5["digest"] = "md5:../../../v2/other".into();
    let index = json!({"schemaVersion": 2, "manifests": (0..10).map(|number| json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 1, "digest": format!("sha256:{number:064}"),
        "platform": {"os": "linux", "architecture": "amd64"},
    })).collect::<Vec<_>>()});
    let seventh = format!("sha256:{:064} (linux/amd64) and 2 more", 7);
    let cases: [(Bytes, &[&str]); 6] = [
        (
            manifest_of(&[wasm.clone(), image.clone()]),
            &["has one layer", "has 2: application/wasm, application/vnd.oci"],
        ),
        (manifest_of(&[]), &["has 0"]),
        (manifest_of(&[image]), &["its layer is application/vnd.oci.image.layer.v1.tar+gzip"]),
        (manifest_of(&[md5]), &["no size and sha256 digest"]),
        (index.to_string().into(), &["an index", &seventh]),
        (Bytes::from_static(b"canary"), &["no manifest"]),
    ];
    for (manifest, says) in cases {
        let registry = Registry::with(manifest.clone(), WASM).await;
        failed(registry.fetch(&manifest).await, "component-refused", says);
        assert!(!registry.asked().iter().any(|(path, _)| path.contains("/blobs/")), "a layer was pulled: {says:?}");
    }
}

#[tokio::test]
async fn a_layer_larger_than_allowed_is_not_pulled() {
    let manifest = manifest_of(&[layer_of(CNCF_LAYER, 1001)]);
    let registry = Registry::with(manifest.clone(), WASM).await;
    let says = ["1001 bytes", "at most 1000", "PLUGIN_MAX_COMPONENT_BYTES"];
    failed(registry.fetch(&manifest).await, "component-too-large", &says);
    assert!(!registry.asked().iter().any(|(path, _)| path.contains("/blobs/")));
}

#[tokio::test]
async fn a_layer_s_own_addresses_are_never_asked() {
    let trap = Registry::start(|_, _| answer(200, WASM)).await;
    let mut layer = layer_of(CNCF_LAYER, WASM.len());
    layer["urls"] = json!([format!("http://{}/", trap.address)]);
    let manifest = manifest_of(&[layer]);
    let sent = manifest.clone();
    let registry = Registry::start(move |path, _| match path.contains("/blobs/") {
        true => answer(404, ""),
        false => artifact(path, &sent, WASM),
    })
    .await;
    failed(registry.fetch(&manifest).await, "component-missing", &["the layer"]);
    assert_eq!(trap.asked(), []);
}

#[tokio::test]
async fn what_is_not_there_is_missing() {
    let registry = Registry::start(|path, _| artifact(&path.replace("team", "tame"), &manifest(), WASM)).await;
    failed(registry.fetch(&manifest()).await, "component-missing", &["doesn't have the manifest", "push it"]);
    let registry = Registry::start(|path, _| match path.contains("/blobs/") {
        true => answer(404, ""),
        false => artifact(path, &manifest(), WASM),
    })
    .await;
    failed(registry.fetch(&manifest()).await, "component-missing", &["doesn't have the layer"]);
}

#[tokio::test]
async fn a_registry_that_hangs_or_fails_is_a_source_s_failure() {
    for hangs_at in ["/v2/", "/manifests/", "/blobs/"] {
        let registry = Registry::start(move |path, _| {
            let hangs = path == hangs_at || (hangs_at != "/v2/" && path.contains(hangs_at));
            Answer { hangs, ..artifact(path, &manifest(), WASM) }
        })
        .await;
        let artifact = registry.address.to_string();
        let artifact = Artifact { registry: &artifact, name: NAME, manifest: Digest::of(&manifest()) };
        let total = Duration::from_millis(300);
        let fetched = fetch_within(artifact, MAX_BYTES, None, Timeouts { total, ..QUICK }).await;
        failed(fetched, "component-source", &["longer than 0.3 s"]);
    }
    let statuses = [(500, "status 500"), (429, "too many requests"), (204, "doesn't follow the protocol")];
    for (status, says) in statuses {
        let registry = Registry::start(move |_, _| answer(status, "canary")).await;
        failed(registry.fetch(b"").await, "component-source", &[says]);
    }
    let registry = Registry::start(|_, _| answer(200, "")).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    failed(Registry { address: nobody, ..registry }.fetch(b"").await, "component-source", &["Connection refused"]);
}

#[tokio::test]
async fn basic_credentials_go_to_who_asks_for_them() {
    let basic = "Basic dXNlcjpzZWNyZXQ=";
    let registry = Registry::start(move |path, authorization| match authorization {
        Some(sent) if sent == basic => artifact(path, &manifest(), WASM),
        _ => answer(401, "canary").with("www-authenticate", "Basic realm=\"registry\""),
    })
    .await;
    let digest = Digest::of(&manifest());
    let says = ["denies access to the manifest", "PLUGIN_REGISTRY_AUTH has no credentials"];
    failed(registry.fetch_as(digest, None).await, "component-source", &says);
    assert_eq!(registry.fetch_as(digest, Some(registry.auth().path())).await.unwrap(), WASM);
    let wrong = Registry::start(|_, _| answer(403, r#"{"errors": [{"code": "DENIED"}]}"#)).await;
    let says = ["check the credentials", "PLUGIN_REGISTRY_AUTH"];
    failed(wrong.fetch_as(digest, Some(wrong.auth().path())).await, "component-source", &says);
}

#[tokio::test]
async fn a_token_is_asked_for_and_used() {
    let realm = Registry::start(|_, authorization| match authorization {
        Some("Basic dXNlcjpzZWNyZXQ=") => answer(200, r#"{"token": "of-the-user"}"#),
        Some(_) => answer(401, ""),
        None => answer(200, r#"{"token": "of-anybody"}"#),
    })
    .await;
    let challenge = format!("Bearer realm=\"http://{}/token\",service=\"registry\"", realm.address);
    let registry = Registry::start(move |path, authorization| match authorization {
        Some("Bearer of-the-user") => artifact(path, &manifest(), WASM),
        Some(_) => answer(403, ""),
        None => answer(401, "").with("www-authenticate", &*challenge),
    })
    .await;
    let digest = Digest::of(&manifest());
    assert_eq!(registry.fetch_as(digest, Some(registry.auth().path())).await.unwrap(), WASM);
    let asked = realm.asked();
    assert!(asked[0].0.contains("repository%3Ateam%2Fredact%3Apull"), "{asked:?}");
    failed(registry.fetch_as(digest, None).await, "component-source", &["denies access"]);
}

#[tokio::test]
async fn a_token_that_is_none_ends_the_pull_alone() {
    let realm = Registry::start(|_, _| answer(200, "{\"token\": \"a\\nb\"}")).await;
    let challenge = format!("Bearer realm=\"http://{}/\"", realm.address);
    let registry = Registry::start(move |_, _| answer(401, "").with("www-authenticate", &*challenge)).await;
    failed(registry.fetch(b"").await, "component-source", &["can't be used"]);
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_elsewhere() {
    let store = Registry::start(|_, _| answer(200, WASM)).await;
    let there = format!("http://{}/blob?signature=canary", store.address);
    let registry = Registry::start(move |path, authorization| match (authorization, path.contains("/blobs/")) {
        (None, _) => answer(401, "").with("www-authenticate", "Basic realm=\"registry\""),
        (Some(_), true) => answer(307, "").with("location", &*there),
        (Some(_), false) => artifact(path, &manifest(), WASM),
    })
    .await;
    let fetched = registry.fetch_as(Digest::of(&manifest()), Some(registry.auth().path())).await;
    assert_eq!(fetched.unwrap(), WASM);
    assert_eq!(store.asked(), [("/blob?signature=canary".to_owned(), None)]);
}

#[tokio::test]
async fn what_a_redirect_says_is_never_shown() {
    let registry = Registry::start(|path, _| match path.contains("/blobs/") {
        true => answer(307, "").with("location", "http://127.0.0.1:1/blob?signature=canary"),
        false => artifact(path, &manifest(), WASM),
    })
    .await;
    failed(registry.fetch(&manifest()).await, "component-source", &["can't be asked for the layer"]);
}

#[tokio::test]
async fn what_can_t_stand_in_a_url_is_refused() {
    for (registry, name) in
        [("user@127.0.0.1", NAME), ("127.0.0.1:1/x", NAME), ("127.0.0.1:1", "a/../b"), ("127.0.0.1:1", "a?b")]
    {
        let error = fetch(Artifact { registry, name, manifest: Digest::of(b"") }, MAX_BYTES, None).await.unwrap_err();
        assert!(error.kind.name() == "component-source" && error.to_string().contains("expected oci://"), "{error}");
    }
}

#[test]
fn only_this_machine_is_spoken_to_without_tls() {
    for here in ["localhost", "localhost:5000", "127.0.0.1:5000", "[::1]", "[::1]:5000"] {
        assert!(is_local(here), "{here}");
    }
    for elsewhere in ["localhost.evil.org", "127.0.0.10:5000", "10.0.0.1", "registry.example.com:5000", "[::2]:5000"] {
        assert!(!is_local(elsewhere), "{elsewhere}");
    }
}
