//! What the tests of several rooms need.

use model::Origin;

/// The origin of an object, as the default guest reads it from `c/n/a/p/...`.
pub(crate) fn origin() -> Origin {
    Origin {
        cluster_id: "c".into(),
        namespace: "n".into(),
        tenant_id: "n".into(),
        application: "a".into(),
        pod_name: "p".into(),
        environment: "production".into(),
    }
}
