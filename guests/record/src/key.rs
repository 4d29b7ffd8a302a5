//! Object keys: `cluster_id/namespace/application/pod_name/…/file`.

use std::fmt;

/// The origin of an object, as read from its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// First segment of the key.
    pub cluster_id: String,
    /// Second segment.
    pub namespace: String,
    /// The tenant's id in the tenant table: the namespace.
    pub tenant_id: String,
    /// Third segment.
    pub application: String,
    /// Fourth segment, which becomes the log stream's name.
    pub pod_name: String,
    /// `production`, `staging` or `development`.
    pub environment: String,
}

/// A key that names no log object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyError {
    key: String,
    fault: Fault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Segments(usize),
    Blank(&'static str),
    Parent,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "object key {:?} ", self.key)?;
        match self.fault {
            Fault::Segments(count) => write!(f, "has {count} segments")?,
            Fault::Blank(name) => write!(f, "has a blank {name}")?,
            Fault::Parent => write!(f, "has a segment \"..\"")?,
        }
        write!(f, "; expected cluster_id/namespace/application/pod_name/…/file")
    }
}

impl std::error::Error for KeyError {}

/// Reads an object key, already decoded from its notification.
///
/// # Errors
/// The key has fewer than five segments, a blank one among the first four, or a segment `..`,
/// which could lead out of the tenant's part of a bucket.
pub fn parse_key(key: &str) -> Result<Origin, KeyError> {
    let refuse = |fault| Err(KeyError { key: key.to_owned(), fault });
    let segments: Vec<&str> = key.split('/').collect();
    let [cluster_id, namespace, application, pod_name, _, ..] = *segments.as_slice() else {
        return refuse(Fault::Segments(segments.len()));
    };
    let named =
        [("cluster_id", cluster_id), ("namespace", namespace), ("application", application), ("pod_name", pod_name)];
    if let Some((name, _)) = named.iter().find(|(_, value)| value.trim().is_empty()) {
        return refuse(Fault::Blank(name));
    }
    if segments.contains(&"..") {
        return refuse(Fault::Parent);
    }
    Ok(Origin {
        cluster_id: cluster_id.to_owned(),
        namespace: namespace.to_owned(),
        tenant_id: namespace.to_owned(),
        application: application.to_owned(),
        pod_name: pod_name.to_owned(),
        environment: environment(cluster_id).to_owned(),
    })
}

fn environment(cluster_id: &str) -> &'static str {
    match cluster_id.split_once('-') {
        Some(("stg", _)) => "staging",
        Some(("dev", _)) => "development",
        _ => "production",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_segments() {
        let origin = parse_key("stg-eu/acme/api/api-7f/2026/11/f.json.gz").unwrap();
        assert_eq!(origin.cluster_id, "stg-eu");
        assert_eq!(origin.namespace, "acme");
        assert_eq!(origin.tenant_id, "acme");
        assert_eq!(origin.application, "api");
        assert_eq!(origin.pod_name, "api-7f");
        assert_eq!(origin.environment, "staging");
    }

    #[test]
    fn environment_is_what_stands_before_the_first_dash() {
        for (cluster_id, expected) in [
            ("prod-1", "production"),
            ("stg-1-prod", "staging"),
            ("dev-", "development"),
            ("dev", "production"),
            ("-dev", "production"),
            ("DEV-1", "production"),
        ] {
            assert_eq!(environment(cluster_id), expected, "{cluster_id}");
        }
    }

    #[test]
    fn refuses_and_says_why() {
        for (key, expected) in [
            ("", "has 1 segments"),
            ("a/b/c/d", "has 4 segments"),
            ("a/b//d/e", "has a blank application"),
            ("\u{a0}/b/c/d/e", "has a blank cluster_id"),
            ("a/b/c/d/../e", "has a segment \"..\""),
            ("a/../c/d/e", "has a segment \"..\""),
        ] {
            let error = parse_key(key).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(error.contains("expected cluster_id/"), "{error}");
        }
        assert!(parse_key("a/b/c/d/").is_ok());
        assert!(parse_key("a/b/c/...d/e..").is_ok());
    }
}
