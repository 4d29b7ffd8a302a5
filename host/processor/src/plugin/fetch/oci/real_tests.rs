//! Against a real registry: Debian's docker-registry.

use std::path::PathBuf;

use serde_json::json;

use super::tests::{NAME, QUICK, failed, layer_of, manifest_of};
use super::*;

/// Debian's docker-registry, with its own state.
struct DockerRegistry {
    process: std::process::Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl DockerRegistry {
    async fn start() -> Self {
        let binary = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/registry/docker-registry"));
        assert!(binary.exists(), "{} is missing: run `make registry`", binary.display());
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let folder = tempfile::tempdir().unwrap();
        let config = json!({
            "version": 0.1, "storage": {"filesystem": {"rootdirectory": folder.path()}}, "http": {"addr": address},
        });
        std::fs::write(folder.path().join("config.yml"), config.to_string()).unwrap();
        let mut command = std::process::Command::new(binary);
        command.arg("serve").arg(folder.path().join("config.yml"));
        let silent = || std::process::Stdio::null();
        let process = command.stdin(silent()).stdout(silent()).stderr(silent()).spawn().unwrap();
        let registry = Self { process, address, _folder: folder };
        for _ in 0..10_000 {
            if tokio::net::TcpStream::connect(&registry.address).await.is_ok() {
                return registry;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("docker-registry doesn't listen");
    }

    fn client(&self) -> (Client, Reference) {
        let reference = Reference::with_tag(self.address.clone(), NAME.to_owned(), "1".to_owned());
        (client(&self.address, QUICK).unwrap(), reference)
    }

    async fn fetch(&self, manifest: Digest, most: u64) -> Result<Vec<u8>, Failure> {
        fetch(Artifact { registry: &self.address, name: NAME, manifest }, most, None).await
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn it_understands_a_real_registry() {
    let registry = DockerRegistry::start().await;
    let (client, reference) = registry.client();
    let bytes = vec![7; 3 << 20];
    let sha256 = |bytes: &[u8]| format!("sha256:{}", Digest::of(bytes));
    client.store_auth_if_needed(&registry.address, &RegistryAuth::Anonymous).await;
    for blob in [&b"{}"[..], &bytes] {
        client.push_blob(&reference, blob.to_vec(), &sha256(blob)).await.unwrap();
    }
    let mut layer = layer_of(CNCF_LAYER, bytes.len());
    layer["digest"] = sha256(&bytes).into();
    let manifest = manifest_of(&[layer]);
    let media_type = OCI_IMAGE_MEDIA_TYPE.parse().unwrap();
    client.push_manifest_raw(&reference, manifest.to_vec(), media_type).await.unwrap();
    assert!(registry.fetch(Digest::of(&manifest), 64 << 20).await.unwrap() == bytes);
    failed(registry.fetch(Digest::of(&manifest), 1 << 20).await, "component-too-large", &["3145728 bytes"]);
    failed(registry.fetch(Digest::of(b"none"), 64 << 20).await, "component-missing", &["doesn't have the manifest"]);
}
