//! Parses references of components, and places that components may come from. Errors don't
//! quote the text: it may hold a password.

use std::path::{Path, PathBuf};

use crate::tenant::rules::{BUCKET, PREFIX};
use model::{AllowedSource, ComponentRef, Digest};

/// The forms of a component's reference.
pub(super) const COMPONENT: &str = "s3://bucket/key, oci://registry/name@sha256:<digest of the manifest> or file:path";

/// The forms of a place.
const SOURCE: &str = "s3://bucket/prefix/, oci://registry/name or file:/folder";

/// AWS's limit for a key.
const MAX_KEY_BYTES: usize = 1024;

/// The limit of the distribution specification for a repository's name together with its
/// registry.
const MAX_REPOSITORY_CHARS: usize = 255;

const TAGGED: &str = "a reference with a tag, which may be moved to another component at any time; name the \
                      manifest by its digest, oci://registry/name@sha256:<64 hexadecimal digits>, which `oras \
                      resolve registry/name:tag` prints";

const NO_MANIFEST: &str = "a reference without the digest of the artifact's manifest; append @sha256:<64 hexadecimal \
                           digits>, which `oras resolve registry/name:tag` prints";

const BAD_REGISTRY: &str = "a registry that is no host's name in lower case, with its port where it has one";

const BAD_REPOSITORY: &str = "a repository's name that is not allowed; expected parts of a-z 0-9 and single . _ - \
                              between them, separated by /, together at most 255 bytes";

/// Parses a component's reference. A relative path starts from `folder`, and is refused
/// without one.
///
/// # Errors
/// What is wrong with the text, to follow "found".
pub(crate) fn component(text: &str, folder: Option<&Path>) -> Result<ComponentRef, String> {
    if let Some(rest) = text.strip_prefix("s3://") {
        return s3(rest);
    }
    if let Some(rest) = text.strip_prefix("oci://") {
        return oci(rest);
    }
    match text.strip_prefix("file:") {
        Some(path) => file(path, folder).map(ComponentRef::File),
        None => Err(format!("no place of a component, expected {COMPONENT}")),
    }
}

/// Parses a place below which components may lie. A prefix means the keys below it, as a
/// folder does, with or without `/` at its end.
///
/// # Errors
/// What is wrong with the text, to follow "found".
pub(crate) fn allowed(text: &str) -> Result<AllowedSource, String> {
    if let Some(rest) = text.strip_prefix("s3://") {
        let (bucket, prefix) =
            split_bucket_prefix(rest).ok_or_else(|| format!("no bucket and prefix, expected {}", BUCKET.expected))?;
        return Ok(AllowedSource::S3 { bucket, prefix });
    }
    if let Some(rest) = text.strip_prefix("oci://") {
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (registry, name) = match rest.split_once('/') {
            Some((registry, name)) => repository(registry, name)?,
            None => (self::registry(rest)?, String::new()),
        };
        return Ok(AllowedSource::Oci { registry, name });
    }
    match text.strip_prefix("file:") {
        Some(path) => file(path, None).map(AllowedSource::Folder),
        None => Err(format!("no place, expected {SOURCE}")),
    }
}

/// Bucket, and prefix that ends in `/` or is empty, of what follows `s3://`.
fn split_bucket_prefix(rest: &str) -> Option<(String, String)> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let end = if prefix.is_empty() || prefix.ends_with('/') { "" } else { "/" };
    let good = (BUCKET.allows)(bucket) && (PREFIX.allows)(prefix) && !has_dot_segments(prefix);
    good.then(|| (bucket.to_owned(), format!("{prefix}{end}")))
}

fn s3(rest: &str) -> Result<ComponentRef, String> {
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    if !(BUCKET.allows)(bucket) {
        return Err(format!("no bucket's name after s3://, expected {}", BUCKET.expected));
    }
    let named = (1..=MAX_KEY_BYTES).contains(&key.len()) && !key.ends_with('/');
    if !named || key.chars().any(char::is_control) || has_dot_segments(key) {
        return Err("no key of an object, expected s3://bucket/key with 1 to 1024 bytes, no control characters, \
                    no parts . or .., and no / at its end"
            .to_owned());
    }
    Ok(ComponentRef::S3 { bucket: bucket.to_owned(), key: key.to_owned() })
}

/// Whether a key has `.` or `..` segments, which could lead out of an allowed prefix if
/// somebody normalizes paths.
fn has_dot_segments(key: &str) -> bool {
    key.split('/').any(|part| matches!(part, "." | ".."))
}

fn oci(rest: &str) -> Result<ComponentRef, String> {
    let (place, digest) = match rest.rsplit_once('@') {
        Some((place, digest)) => (place, Some(digest)),
        None => (rest, None),
    };
    let (registry, name) = place.split_once('/').unwrap_or((place, ""));
    if name.contains(':') {
        return Err(TAGGED.to_owned());
    }
    let digest = digest.ok_or(NO_MANIFEST)?;
    let (registry, name) = repository(registry, name)?;
    let manifest = digest.starts_with("sha256:").then(|| digest.parse::<Digest>().ok()).flatten();
    let manifest = manifest.ok_or("something else than sha256:<64 hexadecimal digits> after the @")?;
    Ok(ComponentRef::Oci { registry, name, manifest })
}

/// A registry and a repository in it.
fn repository(registry: &str, name: &str) -> Result<(String, String), String> {
    if name.contains([':', '@']) {
        return Err("a tag or digest where a repository's name is expected; leave it out".to_owned());
    }
    let registry = self::registry(registry)?;
    let fits = registry.len().saturating_add(name.len()) < MAX_REPOSITORY_CHARS;
    let good = fits && name.split('/').all(is_part);
    if good { Ok((registry, name.to_owned())) } else { Err(BAD_REPOSITORY.to_owned()) }
}

fn registry(text: &str) -> Result<String, String> {
    if is_registry(text) { Ok(text.to_owned()) } else { Err(BAD_REGISTRY.to_owned()) }
}

fn is_registry(text: &str) -> bool {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let inner = |c: char| is_plain(c) || c == '-';
    let label =
        |l: &str| (1..=63).contains(&l.len()) && l.chars().all(inner) && !l.starts_with('-') && !l.ends_with('-');
    let is_port = |p: &str| !p.starts_with(['0', '+']) && p.parse::<u16>().is_ok();
    host.len() <= 253 && host.split('.').all(label) && port.is_none_or(is_port)
}

/// A part of a repository's name: letters and digits, between which stand `.`, `_`,
/// `__` or dashes.
fn is_part(part: &str) -> bool {
    let separators = part.split(is_plain).filter(|separator| !separator.is_empty());
    part.starts_with(is_plain)
        && part.ends_with(is_plain)
        && separators.into_iter().all(|s| matches!(s, "." | "_" | "__") || s.chars().all(|c| c == '-'))
}

fn is_plain(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

fn file(path: &str, folder: Option<&Path>) -> Result<PathBuf, String> {
    if path.starts_with("//") {
        return Err("a URL of a file, expected file: and the path as it is, such as file:/components".to_owned());
    }
    if path.is_empty() || path.chars().any(char::is_control) {
        return Err("no path after file:, expected one without control characters".to_owned());
    }
    match (Path::new(path), folder) {
        (path, _) if path.is_absolute() => Ok(path.to_owned()),
        (path, Some(folder)) => Ok(folder.join(path)),
        (_, None) => Err("a relative path, expected an absolute one, such as file:/components".to_owned()),
    }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
