use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;

use crate::aws::testing::{Answer, Request, Server, answer, options, with_sts, xml_error};
use crate::aws::{
    AwsError, AwsErrorKind, AwsOptions, BucketOwnerSetting, BucketOwners, CopyRequest, Headers, ObjectVersion,
    PutRequest, S3,
};
use model::{Fault, ObjectId};

#[path = "copy_tests.rs"]
mod copies;
#[path = "proof_tests.rs"]
mod proof;
#[path = "upload_tests.rs"]
mod uploads;

const DATE: &str = "Wed, 21 Oct 2015 07:28:00 GMT";

pub(super) fn object(bucket: &str, key: &str) -> ObjectId {
    ObjectId { bucket: bucket.into(), key: key.into() }
}

fn found(body: &str) -> Answer {
    answer(200, body).header("etag", "\"e1\"").header("last-modified", DATE).header("x-amz-version-id", "v1")
}

pub(super) async fn read(
    s3: &S3,
    version: &ObjectVersion,
    from: u64,
) -> Result<(super::StoredObject, Vec<u8>), AwsError> {
    let mut download = s3.get(&object("b", "k"), version, from).await?;
    let mut bytes = Vec::new();
    while let Some(more) = download.body.next().await? {
        bytes.extend(more);
    }
    Ok((download.stored, bytes))
}

#[tokio::test]
async fn get_from_the_start_and_from_the_middle() {
    let server = Server::start(|request| match request.header("range") {
        "" => found("hello"),
        "bytes=3-" => Answer { status: 206, ..found("lo").header("content-range", "bytes 3-4/5") },
        other => panic!("{other}"),
    })
    .await;
    let s3 = server.aws().await.source();
    let version = ObjectVersion { version_id: Some("v1".into()), etag: Some("e1".into()) };
    let (stored, bytes) = read(&s3, &version, 0).await.unwrap();
    assert_eq!((stored.size, stored.last_modified, bytes.as_slice()), (5, 1_445_412_480_000, b"hello".as_slice()));
    assert_eq!((stored.etag.as_str(), stored.version_id.as_deref()), ("e1", Some("v1")));
    let (again, bytes) = read(&s3, &version, 3).await.unwrap();
    assert_eq!((again, bytes.as_slice()), (stored, b"lo".as_slice()));
    let request = &server.requests()[0];
    assert_eq!(request.header("if-match"), "\"e1\"");
    assert!(request.target.starts_with("/b/k?") && request.target.contains("versionId=v1"), "{}", request.target);
    assert_eq!(request.signer(), "OWN");
}

#[tokio::test]
async fn a_range_that_is_ignored_is_an_error() {
    let server = Server::start(|_| found("hello")).await;
    let error = read(&server.aws().await.source(), &ObjectVersion::default(), 3).await.unwrap_err();
    assert!(error.message.contains("from byte 3"), "{error}");
}

#[tokio::test]
async fn a_body_that_is_cut_or_stalls_is_unreachable() {
    let (long, short) = (Duration::from_secs(240), Duration::from_secs(10));
    for (hang, request_timeout, words) in
        [(false, long, "broke off after 2 of 5 bytes"), (true, short, "nothing came for 10s")]
    {
        let server = Server::start(move |_| Answer { cut: Some(2), hang, ..found("hello") }).await;
        let s3 = server.aws_with(AwsOptions { request_timeout, ..options() }).await.source();
        let error = read(&s3, &ObjectVersion::default(), 0).await.unwrap_err();
        assert_eq!(error.kind, AwsErrorKind::Unreachable);
        assert!(error.message.contains(words), "{error}");
    }
}

/// What HeadObject answers, without size and ETag.
fn headed() -> Answer {
    let more = [
        ("last-modified", DATE),
        ("content-type", "application/x-ndjson"),
        ("content-encoding", "gzip"),
        ("content-language", "de"),
        ("content-disposition", "inline"),
        ("cache-control", "no-cache"),
        ("expires", DATE),
        ("x-amz-server-side-encryption-aws-kms-key-id", "arn:aws:kms:eu-west-1:1:key/k"),
    ];
    more.into_iter().fold(answer(200, ""), |answer, (name, value)| answer.header(name, value))
}

#[tokio::test]
async fn head_and_its_errors_which_have_no_body() {
    let server = Server::start(|request| match request.target.as_str() {
        "/b/k" => headed().header("content-length", "7").header("etag", "\"e\""),
        "/b/gone" => answer(404, ""),
        "/b/changed" => answer(412, ""),
        _ => answer(403, ""),
    })
    .await;
    let s3 = server.aws().await.source();
    let stored = s3.head(&object("b", "k"), &ObjectVersion::default()).await.unwrap();
    assert_eq!((stored.size, stored.etag.as_str(), stored.headers), (7, "e", headers()));
    assert_eq!(stored.kms_key.as_deref(), Some("arn:aws:kms:eu-west-1:1:key/k"));
    for (key, kind) in
        [("gone", AwsErrorKind::NotFound), ("changed", AwsErrorKind::Precondition), ("secret", AwsErrorKind::Denied)]
    {
        let error = s3.head(&object("b", key), &ObjectVersion::default()).await.unwrap_err();
        assert_eq!((error.kind, error.resource), (kind, format!("s3://b/{key}")));
    }
}

fn headers() -> Headers {
    let text = |text: &str| Some(text.to_owned());
    Headers {
        content_type: text("application/x-ndjson"),
        content_encoding: text("gzip"),
        content_language: text("de"),
        content_disposition: text("inline"),
        cache_control: text("no-cache"),
        expires: Some(1_445_412_480),
    }
}

/// What a request says about the content, as [`headers`] has it.
fn keeps_headers(request: &Request) {
    for (name, value) in [
        ("content-type", "application/x-ndjson"),
        ("content-encoding", "gzip"),
        ("content-language", "de"),
        ("content-disposition", "inline"),
        ("cache-control", "no-cache"),
        ("expires", DATE),
    ] {
        assert_eq!(request.header(name), value, "{name}");
    }
}

fn a_copy() -> CopyRequest {
    CopyRequest {
        source: object("src", "a b/ü+%/x.gz"),
        version: ObjectVersion { version_id: None, etag: Some("e1".into()) },
        target: object("dst", "p/x.gz"),
        metadata: vec![("tenant-id".into(), "t".into())],
        headers: headers(),
    }
}

/// A part's number in a request's query.
fn part(request: &Request) -> Option<u32> {
    request.target.split(['?', '&']).find_map(|field| field.strip_prefix("partNumber="))?.parse().ok()
}

fn in_parts(request: &Request, failing: Option<u32>) -> Answer {
    match (request.method.as_str(), part(request)) {
        ("POST", _) if request.target.contains("uploads") => {
            answer(200, "<InitiateMultipartUploadResult><UploadId>U1</UploadId></InitiateMultipartUploadResult>")
        }
        ("PUT", Some(number)) if Some(number) == failing => xml_error(403, "AccessDenied", "Access Denied"),
        ("PUT", Some(number)) => answer(200, format!("<CopyPartResult><ETag>\"p{number}\"</ETag></CopyPartResult>"))
            .header("etag", format!("\"p{number}\"")),
        ("PUT", None) => xml_error(
            400,
            "InvalidRequest",
            "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
        ),
        ("HEAD", _) => headed().header("content-length", (6_u64 << 30).to_string()).header("etag", "\"e1\""),
        ("DELETE", _) => answer(204, ""),
        _ => answer(200, "<CompleteMultipartUploadResult><ETag>\"all\"</ETag></CompleteMultipartUploadResult>"),
    }
}

#[tokio::test]
async fn pages_of_a_listing_with_encoded_keys() {
    let page = |key: &str, more: &str| {
        format!(
            "<ListBucketResult><EncodingType>url</EncodingType>{more}<Contents><Key>{key}</Key><Size>3</Size>\
             <LastModified>2015-10-21T07:28:00.000Z</LastModified><ETag>&quot;e&quot;</ETag></Contents></ListBucketResult>"
        )
    };
    let first =
        page("a+b%2B%C3%BC", "<IsTruncated>true</IsTruncated><NextContinuationToken>T1</NextContinuationToken>");
    let second = page("z", "<IsTruncated>false</IsTruncated>");
    let server = Server::start(move |request| {
        assert!(request.target.contains("encoding-type=url"));
        answer(200, if request.target.contains("continuation-token=T1") { second.clone() } else { first.clone() })
    })
    .await;
    let s3 = server.aws().await.source();
    let page = s3.list("b", None, None).await.unwrap();
    assert_eq!((page.objects[0].key.as_str(), page.objects[0].stored.etag.as_str()), ("a b+ü", "e"));
    assert_eq!((page.objects[0].stored.size, page.objects[0].stored.last_modified), (3, 1_445_412_480_000));
    let page = s3.list("b", Some("unused"), page.next).await.unwrap();
    assert_eq!((page.objects[0].key.as_str(), page.next), ("z", None));
    assert!(server.requests().iter().all(|request| !request.target.contains("start-after")));
    s3.list("b", Some("a b+"), None).await.unwrap();
    assert!(server.requests().last().unwrap().target.contains("start-after=a%20b%2B"));
}

#[tokio::test]
async fn errors_of_s3() {
    for (status, code, kind) in [
        (404, "NoSuchKey", AwsErrorKind::NotFound),
        (404, "NoSuchBucket", AwsErrorKind::NoBucket),
        (403, "AccessDenied", AwsErrorKind::Denied),
        (400, "KMS.DisabledException", AwsErrorKind::Denied),
        (400, "ExpiredToken", AwsErrorKind::Expired),
        (412, "PreconditionFailed", AwsErrorKind::Precondition),
        (503, "SlowDown", AwsErrorKind::Throttled),
        (500, "InternalError", AwsErrorKind::Unavailable),
        (400, "EntityTooLarge", AwsErrorKind::TooLarge),
        (301, "PermanentRedirect", AwsErrorKind::OtherRegion),
        (403, "InvalidObjectState", AwsErrorKind::Archived),
        (409, "OperationAborted", AwsErrorKind::Conflict),
    ] {
        let server = Server::start(move |_| xml_error(status, code, "words")).await;
        let s3 = server.aws_with(AwsOptions { attempts: 1, ..options() }).await.source();
        let error = s3.get(&object("b", "k"), &ObjectVersion::default(), 0).await.err().unwrap();
        assert_eq!((error.kind, error.code.as_deref()), (kind, Some(code)));
        assert!(error.to_string().starts_with(&format!("GetObject of s3://b/k failed: {code}: words")), "{error}");
        assert_eq!(error.message.contains("eu-west-1"), status == 301, "{error}");
    }
}

#[tokio::test]
async fn owners_that_are_known_are_asked_for_and_named_where_access_is_denied() {
    let server = Server::start(with_sts(|request| match request.method.as_str() {
        "GET" | "HEAD" => xml_error(403, "AccessDenied", "Access Denied"),
        _ => in_parts(request, None),
    }))
    .await;
    let owner = |digit: char| Some(digit.to_string().repeat(12));
    let account = |digit| BucketOwnerSetting::Account(owner(digit).unwrap());
    let owners = BucketOwners { source: owner('1'), dead_letters: account('2'), components: account('3') };
    let aws = server.aws_with(AwsOptions { owners, attempts: 1, ..options() }).await;
    let expected = |request: &Request| request.header("x-amz-expected-bucket-owner").to_owned();
    let source = |request: &Request| request.header("x-amz-source-expected-bucket-owner").to_owned();
    for (s3, digit) in [(aws.source(), '1'), (aws.components(), '3')] {
        let error = read(&s3, &ObjectVersion::default(), 0).await.unwrap_err();
        assert!(error.to_string().contains(&format!("must be of account {}", owner(digit).unwrap())), "{error}");
        s3.list("b", None, None).await.unwrap_err();
        s3.head(&object("b", "k"), &ObjectVersion::default()).await.unwrap_err();
        let asked: Vec<_> = server.requests().iter().rev().take(3).map(expected).collect();
        assert_eq!(asked, vec![owner(digit).unwrap(); 3]);
    }
    let put = PutRequest { target: object("b", "k"), ..PutRequest::default() };
    aws.dead_letters().put(&put, Bytes::from_static(b"x")).await.unwrap_err();
    assert_eq!(expected(server.requests().last().unwrap()), owner('2').unwrap());
    // A tenant's: all calls of a copy in parts.
    let s3 = aws.destination("t", "us-east-2", Some("444444444444"));
    let before = server.requests().len();
    s3.copy(&a_copy(), Some(6 << 30)).await.unwrap();
    let calls: Vec<_> =
        server.requests().split_off(before).into_iter().filter(|r| r.target.starts_with("/dst")).collect();
    assert_eq!(calls.len(), 14);
    assert!(calls.iter().all(|call| expected(call) == "444444444444"));
    assert!(calls.iter().filter(|call| part(call).is_some()).all(|call| source(call) == owner('1').unwrap()));
    let error = s3.head_source(&object("src", "k"), &ObjectVersion::default()).await.unwrap_err();
    assert!(error.to_string().contains("must be of account 111111111111"), "{error}");
    // Nothing is asked of who says nothing.
    let aws = server.aws().await;
    read(&aws.source(), &ObjectVersion::default(), 0).await.unwrap_err();
    aws.destination("t", "us-east-2", None).copy(&a_copy(), Some(1)).await.unwrap_err();
    for request in server.requests().iter().rev().take(2) {
        assert_eq!((expected(request), source(request)), (String::new(), String::new()));
    }
}

#[tokio::test]
async fn a_source_in_another_region_is_asked_about_there() {
    for status in [301, 400] {
        asked_about_there(status).await;
    }
}

async fn asked_about_there(status: u16) {
    let server = Server::start(with_sts(move |request| {
        if request.header("authorization").contains("/ap-south-1/s3/") {
            return headed().header("content-length", "7").header("etag", "\"e1\"");
        }
        answer(status, "").header("x-amz-bucket-region", "ap-south-1")
    }))
    .await;
    let s3 = server.aws().await.destination("t", "us-east-2", None);
    assert_eq!(s3.head_source(&object("b", "k"), &ObjectVersion::default()).await.unwrap().size, Some(7));
    let error = server.aws().await.source().head(&object("b", "k"), &ObjectVersion::default()).await.unwrap_err();
    assert_eq!(error.kind, AwsErrorKind::OtherRegion);
    assert_eq!(error.region.as_ref().map(|region| &***region), Some("ap-south-1"));
    let text = error.to_string();
    assert!(text.contains("region eu-west-1 was asked, the bucket is in ap-south-1"), "{text}");
}

#[tokio::test]
async fn a_region_that_cant_be_reached_is_told_as_another_one() {
    let server = Server::start(with_sts(|request| {
        if request.header("authorization").contains("/ap-south-1/s3/") {
            return Answer::reset();
        }
        answer(301, "").header("x-amz-bucket-region", "ap-south-1")
    }))
    .await;
    let s3 = server.aws_with(AwsOptions { attempts: 1, ..options() }).await.destination("t", "us-east-2", None);
    let error = s3.head_source(&object("b", "k"), &ObjectVersion::default()).await.unwrap_err();
    assert_eq!((error.kind, error.fault), (AwsErrorKind::OtherRegion, Fault::Source), "{error}");
}

#[tokio::test]
async fn a_body_in_answer_to_head_spoils_no_later_call() {
    let calls = AtomicUsize::new(0);
    let server = Server::start(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        // It goes out, and the connection is used for the next call.
        0 => Answer { cut: Some(8), hang: true, ..answer(403, "<Error/>") },
        _ => headed().header("content-length", "7").header("etag", "\"e1\""),
    })
    .await;
    let s3 = server.aws().await.source();
    assert_eq!(s3.head(&object("b", "k"), &ObjectVersion::default()).await.unwrap_err().kind, AwsErrorKind::Denied);
    assert_eq!(s3.head(&object("b", "k"), &ObjectVersion::default()).await.unwrap().size, 7);
}
