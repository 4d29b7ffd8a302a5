use std::sync::Mutex;

use super::super::tests::{block_on, error, target};
use super::*;
use crate::aws::Headers;
use crate::aws::Operation;

/// S3 that denies versions, or says something else, to HeadObject and to CopyObject.
struct Fake {
    versions_denied: bool,
    head: Result<CopySource, AwsError>,
    copies: Mutex<Vec<Result<(), AwsError>>>,
    calls: Mutex<Vec<(&'static str, ObjectVersion)>>,
    copied: Mutex<Option<CopyRequest>>,
}

fn source() -> CopySource {
    let headers = Headers { content_encoding: Some("gzip".to_owned()), ..Headers::default() };
    CopySource { size: Some(7), etag: Some("e".to_owned()), headers, kms_key: None }
}

/// What HeadObject of the source fails with.
fn refusal(kind: AwsErrorKind) -> AwsError {
    error(kind).with_fault(Fault::Source)
}

impl Fake {
    fn new() -> Self {
        Self {
            versions_denied: false,
            head: Ok(source()),
            copies: Mutex::default(),
            calls: Mutex::default(),
            copied: Mutex::default(),
        }
    }

    fn answer(&self, call: &'static str, version: &ObjectVersion) -> Result<(), AwsError> {
        self.calls.lock().unwrap().push((call, version.clone()));
        if self.versions_denied && version.version_id.is_some() { Err(error(AwsErrorKind::Denied)) } else { Ok(()) }
    }
}

impl CopyObjects for Fake {
    async fn head(&self, source: &ObjectId, version: &ObjectVersion) -> Result<CopySource, AwsError> {
        assert_eq!(source.bucket, "central");
        self.answer("head", version).map_err(|error| error.with_fault(Fault::Source))?;
        self.head.clone()
    }

    async fn copy(&self, copy: &CopyRequest, _: Option<u64>) -> Result<(), AwsError> {
        *self.copied.lock().unwrap() = Some(copy.clone());
        self.answer("copy", &copy.version)?;
        self.copies.lock().unwrap().pop().unwrap_or(Ok(()))
    }
}

/// Compiles only where copying can be done on any task.
#[test]
fn it_may_move_between_threads() {
    fn is_send<T: Send>(_: T) {}
    let _ = |s3: &S3, version: &ObjectVersion, activity: &Activity| {
        is_send(copy(s3, &target("k"), version, None, activity));
    };
}

fn version(version_id: Option<&str>, etag: Option<&str>) -> ObjectVersion {
    ObjectVersion { version_id: version_id.map(Into::into), etag: etag.map(Into::into) }
}

type Calls = Vec<(&'static str, ObjectVersion)>;

/// Copies; the calls, and how it ended.
fn run(
    fake: &Fake,
    asked: &ObjectVersion,
    known: Option<&CopySource>,
    memory: (&LearnedBuckets, Instant),
) -> (Calls, Result<Copied, (AwsErrorKind, Fault)>) {
    let (activity, target) = (Activity::default(), target("c/n/a/p/f"));
    let copying = Copier { s3: fake, target: &target, no_versions: memory.0, now: memory.1, activity: &activity };
    let ended = block_on(copying.copied(asked, known));
    let calls = std::mem::take(&mut *fake.calls.lock().unwrap());
    assert_eq!(activity.count(), calls.len() as u64, "each answer is a sign of life");
    (calls, ended.map_err(|error| (error.kind, error.fault)))
}

fn copied() -> Result<Copied, (AwsErrorKind, Fault)> {
    Ok(Copied { bytes: Some(7), warning: None })
}

#[test]
fn where_versions_are_denied_the_etag_is_relied_on_and_that_is_remembered_for_a_while() {
    let (both, etag) = (version(Some("v"), Some("e")), version(None, Some("e")));
    let (memory, now) = (LearnedBuckets::new(), Instant::now());
    let mut fake = Fake { versions_denied: true, ..Fake::new() };
    let first = vec![("head", both.clone()), ("head", etag.clone()), ("copy", etag.clone())];
    assert_eq!(run(&fake, &both, None, (&memory, now)), (first.clone(), copied()));
    let remembered = vec![("head", etag.clone()), ("copy", etag)];
    assert_eq!(run(&fake, &both, None, (&memory, now)), (remembered, copied()));
    // Without an ETag there is nothing to rely on.
    let by_version = version(Some("v"), None);
    let denied = Err((AwsErrorKind::Denied, Fault::Source));
    let tried = vec![("head", by_version.clone()), ("copy", by_version.clone())];
    assert_eq!(run(&fake, &by_version, None, (&memory, now)), (tried, denied));
    let later = now + LearnedBuckets::TTL;
    assert_eq!(run(&fake, &both, None, (&memory, later)).0, first, "it is asked again");
    fake.versions_denied = false;
    let mended = later + LearnedBuckets::TTL;
    assert_eq!(run(&fake, &both, None, (&memory, mended)).0, [("head", both.clone()), ("copy", both)]);
}

#[test]
fn what_is_denied_anyway_is_the_sources_and_says_nothing_about_versions() {
    let (both, etag) = (version(Some("v"), Some("e")), version(None, Some("e")));
    let (memory, now) = (LearnedBuckets::new(), Instant::now());
    let fake = Fake { head: Err(refusal(AwsErrorKind::Denied)), ..Fake::new() };
    let denied = || Err(error_of_copy(AwsErrorKind::Denied, None, "Access Denied"));
    fake.copies.lock().unwrap().extend([denied(), denied()]);
    let tried = vec![("head", both.clone()), ("head", etag.clone()), ("copy", both.clone()), ("copy", etag)];
    assert_eq!(run(&fake, &both, None, (&memory, now)), (tried, Err((AwsErrorKind::Denied, Fault::Source))));
    assert!(!memory.has("central", now));
}

#[test]
fn the_copy_says_where_it_comes_from_and_what_it_is() {
    let (fake, asked) = (Fake::new(), ObjectVersion::default());
    run(&fake, &asked, None, (&LearnedBuckets::new(), Instant::now())).1.unwrap();
    let copy = fake.copied.into_inner().unwrap().unwrap();
    let target = target("c/n/a/p/f");
    assert_eq!(copy.target.to_string(), "s3://theirs/logs/n/a/p/f");
    assert_eq!((copy.source, copy.metadata), (target.source.clone(), metadata::user_metadata(&target)));
    assert_eq!(copy.headers, source().headers);
    assert_eq!(copy.version, version(None, Some("e")), "of the state that was asked about");
}

#[test]
fn what_is_known_already_is_not_asked_again_but_to_find_out_who_denies() {
    let (etag, memory, now) = (version(None, Some("e")), LearnedBuckets::new(), Instant::now());
    let known = source();
    let fake = Fake::new();
    let only_the_copy = vec![("copy", etag.clone())];
    assert_eq!(run(&fake, &etag, Some(&known), (&memory, now)), (only_the_copy, copied()));
    // The source can be read: it is the destination that denies.
    fake.copies.lock().unwrap().push(Err(error_of_copy(AwsErrorKind::Denied, None, "Access Denied")));
    let asked = vec![("copy", etag.clone()), ("head", etag.clone())];
    assert_eq!(
        run(&fake, &etag, Some(&known), (&memory, now)),
        (asked.clone(), Err((AwsErrorKind::Denied, Fault::Destination)))
    );
    // It can't.
    let fake = Fake { head: Err(refusal(AwsErrorKind::Denied)), ..Fake::new() };
    fake.copies.lock().unwrap().push(Err(error_of_copy(AwsErrorKind::Denied, None, "Access Denied")));
    assert_eq!(run(&fake, &etag, Some(&known), (&memory, now)), (asked, Err((AwsErrorKind::Denied, Fault::Source))));
    // It can be, but not by its version.
    let fake = Fake { versions_denied: true, ..Fake::new() };
    let both = version(Some("v"), Some("e"));
    let asked = vec![("copy", both.clone()), ("head", both.clone()), ("head", etag.clone()), ("copy", etag)];
    assert_eq!(run(&fake, &both, Some(&known), (&memory, now)), (asked, copied()));
}

#[test]
fn a_source_that_can_only_be_copied_is_copied_with_a_warning() {
    let etag = version(None, Some("e"));
    for kind in [AwsErrorKind::OtherRegion, AwsErrorKind::Denied, AwsErrorKind::NoProof, AwsErrorKind::Other] {
        let fake = Fake { head: Err(refusal(kind)), ..Fake::new() };
        let (calls, ended) = run(&fake, &etag, None, (&LearnedBuckets::new(), Instant::now()));
        assert_eq!(calls, [("head", etag.clone()), ("copy", etag.clone())]);
        let Copied { bytes, warning } = ended.unwrap();
        assert!(bytes.is_none() && warning.unwrap().contains("content type and encoding"));
    }
    // What ails the copy itself is told as its own.
    let fake = Fake { head: Err(refusal(AwsErrorKind::Other)), ..Fake::new() };
    fake.copies.lock().unwrap().push(Err(error_of_copy(AwsErrorKind::Denied, None, "Access Denied")));
    let (_, ended) = run(&fake, &etag, None, (&LearnedBuckets::new(), Instant::now()));
    assert_eq!(ended, Err((AwsErrorKind::Denied, Fault::Destination)));
}

#[test]
fn a_source_that_is_gone_or_can_be_asked_later_is_not_copied_blindly() {
    use AwsErrorKind::{Archived, NotFound, Precondition, Throttled, Unavailable, Unreachable};
    let etag = version(None, Some("e"));
    for kind in [NotFound, Precondition, Throttled, Unavailable, Unreachable, Archived] {
        let fake = Fake { head: Err(refusal(kind)), ..Fake::new() };
        let asked = (vec![("head", etag.clone())], Err((kind, Fault::Source)));
        assert_eq!(run(&fake, &etag, None, (&LearnedBuckets::new(), Instant::now())), asked);
    }
    // Nor where it is a role that can't be assumed.
    let fake = Fake { head: Err(error(AwsErrorKind::Denied).with_fault(Fault::Host)), ..Fake::new() };
    let asked = (vec![("head", etag.clone())], Err((AwsErrorKind::Denied, Fault::Host)));
    assert_eq!(run(&fake, &etag, None, (&LearnedBuckets::new(), Instant::now())), asked);
}

fn error_of_copy(kind: AwsErrorKind, code: Option<&str>, message: &str) -> AwsError {
    let error = AwsError::new(Operation::CopyObject, "s3://central/x to s3://theirs/y", kind, message);
    AwsError { code: code.map(str::to_owned), ..error }
}

#[test]
fn each_failure_of_a_copy_is_charged_to_whose_it_is() {
    use Fault::{Destination, Host, Source};
    const KEY: &str = "arn:aws:kms:us-east-1:111111111111:key/source";
    let encrypted = CopySource { kms_key: Some(KEY.to_owned()), ..source() };
    let of = |kind, code, message: &str, source: &CopySource| fault(&error_of_copy(kind, code, message), Some(source));
    for (kind, code, message, expected) in [
        (AwsErrorKind::Archived, Some("ObjectNotInActiveTierError"), "not in the active tier", Source),
        (AwsErrorKind::Precondition, Some("PreconditionFailed"), "", Source),
        (AwsErrorKind::NotFound, Some("NoSuchKey"), "", Source),
        (AwsErrorKind::NoBucket, Some("NoSuchBucket"), "", Destination),
        (AwsErrorKind::Denied, Some("AccessDenied"), "Access Denied", Destination),
        (AwsErrorKind::Denied, Some("AccessDenied"), "not authorized to perform: s3:GetObject on resource: x", Source),
        (AwsErrorKind::Denied, Some("AccessDenied"), "not authorized to perform: s3:GetObjectTagging on x", Source),
        (
            AwsErrorKind::Denied,
            Some("AccessDenied"),
            "not authorized to perform: s3:PutObject on resource: x",
            Destination,
        ),
        // The source isn't encrypted with KMS: the destination is.
        (AwsErrorKind::Denied, Some("AccessDenied"), "not authorized to perform: kms:Decrypt", Destination),
        (AwsErrorKind::Denied, Some("KMS.DisabledException"), "the key is disabled", Destination),
        (AwsErrorKind::Throttled, Some("SlowDown"), "", Destination),
        (AwsErrorKind::NoProof, None, "", Destination),
    ] {
        assert_eq!(of(kind, code, message, &source()), expected, "{code:?} {message}");
    }
    let key = |action: &str, key: &str| format!("not authorized to perform: {action} on resource: {key}");
    for (code, message, expected) in [
        ("AccessDenied", key("kms:Decrypt", KEY), Source),
        ("AccessDenied", "not authorized to perform: kms:Decrypt".to_owned(), Source),
        ("AccessDenied", key("kms:GenerateDataKey", "arn:aws:kms:us-east-1:2:key/target"), Destination),
        ("AccessDenied", key("kms:Decrypt", "arn:aws:kms:us-east-1:2:key/target"), Destination),
        ("AccessDenied", "Access Denied".to_owned(), Destination),
        ("KMS.DisabledException", format!("{KEY} is disabled."), Source),
        ("KMS.DisabledException", "arn:aws:kms:us-east-1:2:key/target is disabled.".to_owned(), Destination),
    ] {
        assert_eq!(of(AwsErrorKind::Denied, Some(code), &message, &encrypted), expected, "{code} {message}");
    }
    let upload = AwsError::new(Operation::UploadPart, "x", AwsErrorKind::NotFound, "NoSuchUpload");
    assert_eq!(fault(&upload, None), Destination);
    let host = error_of_copy(AwsErrorKind::Denied, Some("NoCredentials"), "").with_fault(Host);
    assert_eq!(fault(&host, Some(&encrypted)), Host);
}
