//! An object as it is, from bucket to bucket.

use std::future::Future;

use super::{Target, metadata};
use crate::aws::{AwsError, Copy, Kind, S3, Which};
use crate::model::{Activity, Buckets};

/// Source buckets whose versions the central role may not read, as was found out.
static NO_VERSIONS: Buckets = Buckets::new();

/// Copies the source as it is, without reading it. Where copying a version is
/// denied, its ETag is relied on instead.
///
/// # Errors
/// As S3 says.
pub async fn copy(
    s3: &S3,
    target: &Target,
    which: &Which,
    size: Option<u64>,
    activity: &Activity,
) -> Result<(), AwsError> {
    let call = async |copy: Copy| s3.copy(&copy, size).await;
    copy_with(call, target, which, &NO_VERSIONS, activity).await
}

async fn copy_with<F: Future<Output = Result<(), AwsError>>>(
    call: impl Fn(Copy) -> F,
    target: &Target,
    which: &Which,
    no_versions: &Buckets,
    activity: &Activity,
) -> Result<(), AwsError> {
    let (source, bucket) = (target.source.clone(), &target.source.bucket);
    let copy = Copy { source, which: which.clone(), target: target.object(), metadata: metadata::of(target) };
    let with_etag = Which { version_id: None, etag: which.etag.clone() };
    // Without an ETag another version would be taken for this one.
    let replaceable = which.version_id.is_some() && which.etag.is_some();
    let answered = |answer| {
        activity.tick();
        answer
    };
    if replaceable && no_versions.has(bucket) {
        return answered(call(Copy { which: with_etag, ..copy }).await);
    }
    match answered(call(copy.clone()).await) {
        Err(error) if error.kind == Kind::Denied && replaceable => {
            answered(call(Copy { which: with_etag, ..copy }).await)?;
            // Only now it is known that the version was what was denied.
            no_versions.learn(bucket);
            Ok(())
        }
        answer => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{block_on, error, target};
    use super::*;
    use std::sync::Mutex;

    /// Compiles only where copying can be done on any task.
    #[test]
    fn it_may_move_between_threads() {
        fn is_send<T: Send>(_: T) {}
        let _ = |s3: &S3, which: &Which, activity: &Activity| {
            is_send(copy(s3, &target("k"), which, None, activity));
        };
    }

    fn which(version_id: Option<&str>, etag: Option<&str>) -> Which {
        Which { version_id: version_id.map(Into::into), etag: etag.map(Into::into) }
    }

    /// Copies; the states that were asked for, and how it ended.
    fn run(asked: &Which, no_versions: &Buckets, denies: fn(&Which) -> bool) -> (Vec<Which>, Result<(), Kind>) {
        let calls = Mutex::new(Vec::new());
        let call = async |copy: Copy| {
            let denied = denies(&copy.which);
            calls.lock().unwrap().push(copy.which);
            if denied { Err(error(Kind::Denied)) } else { Ok(()) }
        };
        let (activity, target) = (Activity::default(), target("c/n/a/p/f"));
        let ended = block_on(copy_with(call, &target, asked, no_versions, &activity));
        let calls = calls.into_inner().unwrap();
        assert_eq!(activity.count(), calls.len() as u64);
        (calls, ended.map_err(|error| error.kind))
    }

    #[test]
    fn where_versions_are_denied_the_etag_is_relied_on_and_that_is_remembered() {
        let (both, etag) = (which(Some("v"), Some("e")), which(None, Some("e")));
        let memory = Buckets::new();
        let versions_denied = |which: &Which| which.version_id.is_some();
        assert_eq!(run(&both, &memory, versions_denied), (vec![both.clone(), etag.clone()], Ok(())));
        assert_eq!(run(&both, &memory, versions_denied), (vec![etag.clone()], Ok(())));
        // Without an ETag there is nothing to rely on.
        let version = which(Some("v"), None);
        assert_eq!(run(&version, &memory, versions_denied), (vec![version], Err(Kind::Denied)));
    }

    #[test]
    fn what_is_denied_anyway_says_nothing_about_versions() {
        let (both, etag) = (which(Some("v"), Some("e")), which(None, Some("e")));
        let memory = Buckets::new();
        assert_eq!(run(&both, &memory, |_| true), (vec![both.clone(), etag], Err(Kind::Denied)));
        assert_eq!(run(&both, &memory, |_| false), (vec![both], Ok(())));
    }

    #[test]
    fn the_copy_says_where_it_comes_from() {
        let target = target("c/n/a/p/x/f.json.gz");
        let call = async |copy: Copy| {
            assert_eq!(copy.target.to_string(), "s3://theirs/logs/n/a/p/f.json.gz");
            assert_eq!(copy.source, target.source);
            assert_eq!(copy.metadata, metadata::of(&target));
            Ok(())
        };
        block_on(copy_with(call, &target, &Which::default(), &Buckets::new(), &Activity::default())).unwrap();
    }
}
