//! The provenance of dead letters.

/// The fields that all dead letters of a delivery share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provenance {
    /// ETag of the object.
    pub etag: Option<String>,
    /// Version of the object.
    pub version_id: Option<String>,
    /// Digest of the tenant's component, where there is one.
    pub component: Option<String>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
}
