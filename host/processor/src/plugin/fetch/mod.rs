//! Fetches a component's bytes from where its item says, if the operator allows it.
//!
//! - `allowed`: what the operator allows.
//! - `file`: from a file.
//! - `oci`: from an OCI registry.

mod allowed;
mod file;
mod oci;

use std::path::{Path, PathBuf};

use super::blocking::blocking;
use super::failure;
use crate::aws::{S3, WholeObject};
use model::{AllowedSource, ComponentErrorKind, ComponentRef, Digest, Failure, ObjectId};

/// The places that components may come from.
#[derive(Clone, Default)]
pub struct Sources {
    /// PLUGIN_SOURCES.
    pub allowed: Vec<AllowedSource>,
    /// Components that the operator's environment names (DEFAULT_PLUGIN, KEY_PARSER), which
    /// makes them allowed wherever they lie: exactly this reference with this digest.
    pub own: Vec<(ComponentRef, Option<Digest>)>,
    /// S3 with the central role's credentials; `None` without AWS.
    pub s3: Option<S3>,
    /// PLUGIN_REGISTRY_AUTH: a Docker config.json with credentials of registries.
    pub registry_auth: Option<PathBuf>,
}

impl Sources {
    /// Fetches a component of at most `most` bytes from an allowed place.
    ///
    /// # Errors
    /// The operator doesn't allow it, or it can't be fetched.
    pub async fn fetch(&self, component: &ComponentRef, most: u64) -> Result<Vec<u8>, Failure> {
        if !self.own.iter().any(|(own, _)| own == component) {
            self.permit(component).await?;
        }
        match component {
            ComponentRef::S3 { bucket, key } => {
                let object = ObjectId { bucket: bucket.clone(), key: key.clone() };
                self.fetch_s3(component, &object, most).await
            }
            ComponentRef::Oci { registry, name, manifest } => {
                let artifact = oci::Artifact { registry, name, manifest: *manifest };
                oci::fetch(artifact, most, self.registry_auth.as_deref()).await
            }
            ComponentRef::File(path) => read_file(component, path, most).await,
        }
    }

    async fn fetch_s3(&self, component: &ComponentRef, object: &ObjectId, most: u64) -> Result<Vec<u8>, Failure> {
        let Some(s3) = &self.s3 else {
            let text = "there is no AWS in this mode: use a `file:` or `oci:` reference";
            return Err(failure::of_component(ComponentErrorKind::Source, component, text));
        };
        match s3.get_whole(object, most).await {
            Ok(WholeObject::Bytes(bytes)) => Ok(bytes),
            Ok(WholeObject::TooLarge(bytes)) => Err(failure::too_large(component, Some(bytes), most)),
            Err(error) if error.is_missing() => Err(failure::missing(component, error)),
            Err(error) => Err(failure::by_error(ComponentErrorKind::Source, component, error)),
        }
    }
}

/// Reads an allowed file, whoever named it.
pub(super) async fn read_file(component: &ComponentRef, path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    let (component, path) = (component.clone(), path.to_owned());
    blocking(&component.clone(), move || file::read(&component, &path, most)).await
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
