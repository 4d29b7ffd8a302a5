//! The sources that the operator allows: PLUGIN_SOURCES.

use std::path::Path;

use super::Sources;
use super::file::{FileLocation, locate};
use crate::plugin::blocking::blocking;
use crate::plugin::failure;
use model::{AllowedSource, ComponentErrorKind, ComponentRef, Failure, Plugin};

impl Sources {
    /// Whether the operator's environment names this very component.
    pub(in crate::plugin) fn is_own(&self, plugin: &Plugin) -> bool {
        self.own.iter().any(|(component, sha256)| *component == plugin.component && *sha256 == plugin.sha256)
    }

    /// Checks that a component may come from where it lies.
    ///
    /// # Errors
    /// `component-forbidden`, and what is allowed.
    pub(in crate::plugin) async fn permit(&self, component: &ComponentRef) -> Result<(), Failure> {
        let allowed = match component {
            ComponentRef::S3 { bucket, key } => is_plain(key) && self.allowed.iter().any(|source| {
                matches!(source, AllowedSource::S3 { bucket: its, prefix } if its == bucket && key.starts_with(prefix))
            }),
            ComponentRef::Oci { registry, name, .. } => is_plain(name) && self.allowed.iter().any(|source| {
                matches!(source, AllowedSource::Oci { registry: its, name: above }
                    if its == registry && is_at_or_below(name, above))
            }),
            ComponentRef::File(path) => return self.permit_file(component, path).await,
        };
        if allowed { Ok(()) } else { Err(self.forbidden(component)) }
    }

    async fn permit_file(&self, component: &ComponentRef, path: &Path) -> Result<(), Failure> {
        let folders = self.allowed.iter().filter_map(|source| match source {
            AllowedSource::Folder(folder) => Some(folder.clone()),
            _ => None,
        });
        let (folders, path): (Vec<_>, _) = (folders.collect(), path.to_owned());
        let found = blocking(component, move || Ok(locate(&path, &folders))).await?;
        match found {
            // A missing file may be in the cache; otherwise reading it reports that it is
            // missing.
            FileLocation::Below | FileLocation::Missing => Ok(()),
            FileLocation::Elsewhere => Err(self.forbidden(component)),
        }
    }

    fn forbidden(&self, component: &ComponentRef) -> Failure {
        let shown: Vec<String> = self.allowed.iter().map(shown).collect();
        let text = if shown.is_empty() {
            "no component may come from anywhere: the operator names in PLUGIN_SOURCES where they may".to_owned()
        } else {
            format!(
                "components may not come from there; the operator allows (PLUGIN_SOURCES): {}. Put it there, or have \
                 its place added",
                shown.join(", ")
            )
        };
        failure::of_component(ComponentErrorKind::Forbidden, component, text)
    }
}

/// Whether a path is free of segments that could be taken for a parent folder.
fn is_plain(path: &str) -> bool {
    path.split('/').all(|segment| !matches!(segment, "." | ".."))
}

fn is_at_or_below(name: &str, above: &str) -> bool {
    above.is_empty() || name.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The source as the operator writes it.
fn shown(source: &AllowedSource) -> String {
    match source {
        AllowedSource::S3 { bucket, prefix } => format!("s3://{bucket}/{prefix}"),
        AllowedSource::Oci { registry, name } if name.is_empty() => format!("oci://{registry}"),
        AllowedSource::Oci { registry, name } => format!("oci://{registry}/{name}"),
        AllowedSource::Folder(folder) => format!("file:{}", folder.display()),
    }
}
