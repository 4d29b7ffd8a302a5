//! Fetches a component from an OCI registry: an artifact whose only layer is wasm, by the
//! digest of its manifest.
//!
//! The manifest is verified by its digest, and names the layer by digest, so nothing that a
//! registry sends is trusted. The manifest may be the tenant's: of a layer's descriptor only
//! size and digest are used.
//!
//! `oci-client` reads a manifest, a token and an error's text completely, whatever their size:
//! an allowed registry could use up memory that way, within [`Timeouts`].
//!
//! - `registry_auth`: credentials, from a Docker config.json.
//! - `failure`: what an answer, or none, means.

mod failure;
mod registry_auth;

use std::path::Path;
use std::sync::Once;
use std::time::Duration;

use futures_util::StreamExt;
use oci_client::client::{ClientConfig, ClientProtocol, LayerDescriptor};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
    OciDescriptor, OciImageIndex, OciManifest, WASM_LAYER_MEDIA_TYPE,
};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};

use model::{ComponentErrorKind, Digest, Failure, Fault};

/// The layer of a component, as CNCF's layout of wasm artifacts has it.
const CNCF_LAYER: &str = "application/wasm";

/// The largest manifest that is parsed, in bytes: what registries take.
const MAX_MANIFEST: usize = 4 << 20;

/// The most manifests of an index, or layers of an artifact, that an error names.
const MAX_NAMED: usize = 8;

/// The timeouts of a registry.
#[derive(Debug, Clone, Copy)]
struct Timeouts {
    /// The time to connect.
    connect: Duration,
    /// The longest silence.
    idle: Duration,
    /// The time for everything: token, manifest, layer.
    total: Duration,
}

/// Shorter than a fetch may take. 64 MiB, the largest component, need 22 Mbit/s.
const TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_secs(5), idle: Duration::from_secs(10), total: Duration::from_secs(25) };

/// An artifact.
#[derive(Debug, Clone, Copy)]
pub(super) struct Artifact<'a> {
    /// Host, and port where it has one.
    pub(super) registry: &'a str,
    /// Repository.
    pub(super) name: &'a str,
    /// The manifest's digest.
    pub(super) manifest: Digest,
}

/// Fetches the layer, of at most `most` bytes. `auth`: a Docker config.json.
///
/// Plain HTTP is used only with this machine (localhost, 127.0.0.1, [::1]).
///
/// # Errors
/// `component-missing`, `-source` (the registry can't be asked), `-digest`,
/// `-too-large`, `-refused` (no artifact of one wasm layer).
pub(super) async fn fetch(artifact: Artifact<'_>, most: u64, auth: Option<&Path>) -> Result<Vec<u8>, Failure> {
    fetch_within(artifact, most, auth, TIMEOUTS).await
}

async fn fetch_within(
    artifact: Artifact<'_>,
    most: u64,
    auth: Option<&Path>,
    timeouts: Timeouts,
) -> Result<Vec<u8>, Failure> {
    let pull = ArtifactPull::new(artifact, most, auth, timeouts)?;
    let context = pull.context.clone();
    // A task of its own, since the library panics over a token that can't be a header.
    let mut task = tokio::spawn(async move { pull.run().await });
    match tokio::time::timeout(timeouts.total, &mut task).await {
        Ok(Ok(done)) => done,
        Ok(Err(_)) => {
            Err(context.failed(ComponentErrorKind::Source, "the registry's answer can't be used; check the registry"))
        }
        Err(_) => {
            task.abort();
            let seconds = timeouts.total.as_secs_f32();
            Err(context.failed(
                ComponentErrorKind::Source,
                format!("the registry took longer than {seconds} s; it is tried again"),
            ))
        }
    }
}

/// The context of errors.
#[derive(Debug, Clone)]
struct ErrorContext {
    registry: String,
    artifact: String,
    /// Whether there are credentials for the registry.
    with_credentials: bool,
}

impl ErrorContext {
    fn failed(&self, kind: ComponentErrorKind, text: impl AsRef<str>) -> Failure {
        Failure::new(kind, format!("{}: {}", self.artifact, text.as_ref())).with_fault(Fault::Component)
    }

    /// `of`: what was asked for.
    fn call(&self, of: &str, error: OciDistributionError) -> Failure {
        let (kind, text) = failure::of_call(&self.registry, of, self.with_credentials, error);
        self.failed(kind, text)
    }
}

/// One pull.
struct ArtifactPull {
    client: Client,
    reference: Reference,
    auth: RegistryAuth,
    manifest: Digest,
    most: u64,
    context: ErrorContext,
}

impl ArtifactPull {
    fn new(artifact: Artifact<'_>, most: u64, auth: Option<&Path>, timeouts: Timeouts) -> Result<Self, Failure> {
        let Artifact { registry, name, manifest } = artifact;
        let shown = format!("component oci://{registry}/{name}@sha256:{manifest}");
        let mut context = ErrorContext { registry: registry.to_owned(), artifact: shown, with_credentials: false };
        if !is_plain(registry, b".-:[]") || !is_plain(name, b".-_/") || name.split('/').any(|part| part == "..") {
            return Err(context.failed(ComponentErrorKind::Source, "expected oci://REGISTRY/NAME@sha256:HEX"));
        }
        let credentials = auth.map(|path| registry_auth::of(path, registry)).transpose();
        let credentials = credentials.map_err(|problem| context.failed(ComponentErrorKind::Source, problem))?.flatten();
        context.with_credentials = credentials.is_some();
        let auth = credentials.map_or(RegistryAuth::Anonymous, |(user, password)| RegistryAuth::Basic(user, password));
        let client = client(registry, timeouts).map_err(|error| {
            let (kind, text) = failure::of_client(&error);
            context.failed(kind, text)
        })?;
        let reference = Reference::with_digest(registry.to_owned(), name.to_owned(), format!("sha256:{manifest}"));
        Ok(Self { client, reference, auth, manifest, most, context })
    }

    async fn run(&self) -> Result<Vec<u8>, Failure> {
        let (digest, size) = match self.manifest().await? {
            OciManifest::Image(image) => self.layer(&image.layers)?,
            OciManifest::ImageIndex(index) => return Err(self.refused(&list_manifests(&index))),
        };
        self.bytes(digest, size).await
    }

    async fn manifest(&self) -> Result<OciManifest, Failure> {
        const ACCEPTED: [&str; 4] = [
            OCI_IMAGE_MEDIA_TYPE,
            IMAGE_MANIFEST_MEDIA_TYPE,
            OCI_IMAGE_INDEX_MEDIA_TYPE,
            IMAGE_MANIFEST_LIST_MEDIA_TYPE,
        ];
        let pulled = self.client.pull_manifest_raw(&self.reference, &self.auth, &ACCEPTED).await;
        let (bytes, _) = pulled.map_err(|error| self.context.call("the manifest", error))?;
        if bytes.len() > MAX_MANIFEST {
            return Err(self.refused(&format!("its manifest has more than {MAX_MANIFEST} bytes")));
        }
        let found = Digest::of(&bytes);
        if found != self.manifest {
            let text = format!("the registry sent a manifest whose digest is sha256:{found}, not the one asked for");
            return Err(self.context.failed(ComponentErrorKind::Digest, text));
        }
        // The parser's own words might quote the manifest.
        serde_json::from_slice(&bytes).map_err(|_| self.refused("what the digest names is no manifest of an artifact"))
    }

    /// Digest and size of the only layer, which must be wasm.
    fn layer(&self, layers: &[OciDescriptor]) -> Result<(Digest, u64), Failure> {
        let wasm = |layer: &&OciDescriptor| [CNCF_LAYER, WASM_LAYER_MEDIA_TYPE].contains(&layer.media_type.as_str());
        let [layer] = layers else {
            let text = format!(
                "an artifact of a component has one layer, of {CNCF_LAYER}; this one has {}: {}",
                layers.len(),
                join_first(layers.iter().map(|layer| printable(&layer.media_type)))
            );
            return Err(self.refused(&text));
        };
        if !wasm(&layer) {
            let text = format!(
                "its layer is {}, and a component's is {CNCF_LAYER} (or the older {WASM_LAYER_MEDIA_TYPE}); push it as \
                 a wasm artifact, not as an image",
                printable(&layer.media_type)
            );
            return Err(self.refused(&text));
        }
        let digest = layer.digest.strip_prefix("sha256:").and_then(|digits| digits.parse().ok());
        let Some((digest, size)) = digest.zip(u64::try_from(layer.size).ok()) else {
            return Err(self.refused("its layer has no size and sha256 digest"));
        };
        if size > self.most {
            return Err(self.too_large(size));
        }
        Ok((digest, size))
    }

    async fn bytes(&self, digest: Digest, size: u64) -> Result<Vec<u8>, Failure> {
        let name = format!("sha256:{digest}");
        // None of the layer's own addresses, which would have this machine ask them.
        let layer = LayerDescriptor { digest: &name, urls: &None };
        let pulled = self.client.pull_blob_stream(&self.reference, &layer).await;
        let mut stream = pulled.map_err(|error| self.context.call("the layer", error))?;
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| self.context.call("the layer", error.into()))?;
            if u64::try_from(bytes.len().saturating_add(chunk.len())).is_ok_and(|length| length > size) {
                let text = format!("the registry sends more than the {size} bytes that the manifest says");
                return Err(self.context.failed(ComponentErrorKind::Digest, text));
            }
            bytes.extend_from_slice(&chunk);
        }
        let found = Digest::of(&bytes);
        if found != digest {
            let text = format!("the layer's bytes have the digest sha256:{found}, and the manifest says {name}");
            return Err(self.context.failed(ComponentErrorKind::Digest, text));
        }
        Ok(bytes)
    }

    fn refused(&self, text: &str) -> Failure {
        self.context.failed(ComponentErrorKind::Refused, text)
    }

    fn too_large(&self, size: u64) -> Failure {
        let most = self.most;
        let text = format!("its layer has {size} bytes, at most {most} may (PLUGIN_MAX_COMPONENT_BYTES)");
        self.context.failed(ComponentErrorKind::TooLarge, text)
    }
}

/// A client that accesses no other registry.
fn client(registry: &str, timeouts: Timeouts) -> Result<Client, OciDistributionError> {
    use_ring();
    Client::try_from(ClientConfig {
        protocol: if is_local(registry) { ClientProtocol::Http } else { ClientProtocol::Https },
        platform_resolver: None,
        connect_timeout: Some(timeouts.connect),
        read_timeout: Some(timeouts.idle),
        user_agent: concat!("log-processor/", env!("CARGO_PKG_VERSION")),
        ..ClientConfig::default()
    })
}

/// Sets the process's TLS provider, which the client needs. AWS's clients bring their own.
fn use_ring() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Another thread may have set it first, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// Whether the registry is on this machine: plain HTTP, as Docker has it.
fn is_local(registry: &str) -> bool {
    let host = match registry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => registry.split_once(':').map_or(registry, |(host, _)| host),
    };
    ["localhost", "127.0.0.1", "::1"].contains(&host)
}

/// Whether a text has only letters, digits and `others`, so that it can't be anything but a
/// part of a URL.
fn is_plain(text: &str, others: &[u8]) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
}

/// Lists the digests that could be meant instead of the index's.
fn list_manifests(index: &OciImageIndex) -> String {
    let entries = index.manifests.iter().map(|entry| {
        let platform = entry.platform.as_ref();
        let platform = platform.map(|p| printable(&format!("{}/{}", p.os, p.architecture)));
        format!("{} ({})", printable(&entry.digest), platform.unwrap_or_else(|| "any platform".to_owned()))
    });
    format!("this digest is that of an index of several manifests; name that of one of them: {}", join_first(entries))
}

/// Joins the first names.
fn join_first(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(MAX_NAMED);
    let mut text = names.take(MAX_NAMED).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// Escapes a text of the manifest, which anybody may have written.
fn printable(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic()).take(80).collect()
}

#[cfg(test)]
mod real_tests;

#[cfg(test)]
#[path = "oci_tests.rs"]
mod tests;
