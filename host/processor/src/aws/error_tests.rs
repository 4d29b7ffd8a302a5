use std::time::Duration;

use super::super::testing::{
    Answer, Server, TENANT, answer, json_error, options, query_error, sts, with_sts, xml_error,
};
use super::super::{Aws, AwsOptions};
use super::*;

async fn one_attempt(server: &Server) -> Aws {
    server.aws_with(AwsOptions { attempts: 1, ..options() }).await
}

async fn query(server: &Server) -> AwsError {
    one_attempt(server).await.table("tenants").query("tenant_id", "t").await.unwrap_err()
}

#[tokio::test]
async fn errors_of_sts() {
    for (code, kind) in [
        ("AccessDenied", AwsErrorKind::Denied),
        ("InvalidClientTokenId", AwsErrorKind::Denied),
        ("SignatureDoesNotMatch", AwsErrorKind::Denied),
        ("RegionDisabledException", AwsErrorKind::Denied),
        ("ExpiredToken", AwsErrorKind::Expired),
        ("Throttling", AwsErrorKind::Throttled),
    ] {
        let server = Server::start(move |_| query_error(403, code, "words")).await;
        let bucket = one_attempt(&server).await.destination("t", "eu-west-1", None);
        let error = bucket.list("b", None, None).await.unwrap_err();
        assert_eq!((error.operation, error.kind), (Operation::AssumeRole, kind), "{error}");
    }
}

#[tokio::test]
async fn whether_a_call_may_have_taken_effect() {
    for (given, kind, unknown) in [
        (answer(503, "<html>busy</html>"), AwsErrorKind::Unavailable, true),
        (answer(501, ""), AwsErrorKind::Other, true),
        (json_error(500, "InternalServerError", "sorry"), AwsErrorKind::Unavailable, false),
        (answer(429, ""), AwsErrorKind::Throttled, false),
        (Answer::reset(), AwsErrorKind::Unreachable, true),
        (answer(200, "no json"), AwsErrorKind::NoProof, true),
    ] {
        let server = Server::start(move |_| given.clone()).await;
        let error = query(&server).await;
        assert_eq!((error.kind, error.effect_unknown), (kind, unknown), "{error}");
    }
}

#[tokio::test]
async fn who_does_not_answer_is_named() {
    let server = Server::start(|_| Answer::reset()).await;
    let error = query(&server).await;
    let host = server.url.trim_start_matches("http://");
    assert!(error.message.starts_with(&format!("no answer from {host}")), "{error}");
    assert!(error.to_string().contains("AWS_ENDPOINT_URL"), "{error}");

    // Nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut nowhere = server;
    nowhere.url = format!("http://{free}");
    let error = query(&nowhere).await;
    assert_eq!((error.kind, error.effect_unknown), (AwsErrorKind::Unreachable, false), "{error}");
    assert!(error.message.contains(&free.to_string()) && error.message.contains("region eu-west-1"), "{error}");
}

#[tokio::test]
async fn a_region_that_does_not_exist_is_named() {
    let server = Server::start(|_| answer(200, "{}")).await;
    let mut options = AwsOptions { attempts: 1, ..options() };
    options.region = "eu-nowhere-9".into();
    let config = server.config(&options).await.into_builder().endpoint_url("http://sts.eu-nowhere-9.invalid").build();
    let error = Aws::new(options, config).table("t").query("k", "v").await.unwrap_err();
    assert_eq!((error.kind, error.effect_unknown), (AwsErrorKind::Unreachable, false), "{error}");
    assert!(
        error.message.contains("sts.eu-nowhere-9.invalid") && error.message.contains("region eu-nowhere-9"),
        "{error}"
    );
}

#[test]
fn neither_secrets_nor_contents_are_repeated() {
    let canonical =
        "The request signature we calculated does not match. The Canonical String was 'x-amz-security-token:TOKEN'";
    assert_eq!(
        without_secrets("SignatureDoesNotMatch", canonical),
        "The request signature we calculated does not match"
    );
    let value = "1 validation error detected: Value 'SECRET 'quoted' at 'noon' at 'logEvents.1.member.message' failed";
    let told = without_secrets("InvalidParameterException", value);
    assert_eq!(told, "1 validation error detected: Value '…' at 'logEvents.1.member.message' failed");
    assert_eq!(without_secrets("X", "Value 'SECRET"), "Value '…'");
}

#[test]
fn messages_are_bounded_and_one_line() {
    assert_eq!(bounded_line("a\nb".into()), "a b");
    let cut = bounded_line("ü".repeat(400));
    assert_eq!((cut.len(), cut.chars().count()), (512, 256));
}

#[test]
fn every_class_but_other_has_a_remedy() {
    use AwsErrorKind::*;
    for kind in [
        NotFound,
        NoBucket,
        Denied,
        Expired,
        Throttled,
        Unavailable,
        Unreachable,
        Precondition,
        TooLarge,
        Exists,
        Conflict,
        Archived,
        OtherRegion,
        ClockSkew,
        NoProof,
    ] {
        let error = CallInfo::own(Operation::GetObject, "r").error("s3://b/k", kind, None, "words", false);
        let text = error.to_string();
        assert!(text.starts_with("GetObject of s3://b/k failed: words; "), "{text}");
    }
}

#[tokio::test]
async fn whose_fault_it_is() {
    use model::Fault::{Component, Destination, Host, Source};
    let denied = || Server::start(with_sts(|_| xml_error(403, "AccessDenied", "Access Denied")));
    let object = model::ObjectId { bucket: "b".into(), key: "k".into() };
    let version = crate::aws::ObjectVersion::default();
    let aws = one_attempt(&denied().await).await;
    let head = async |s3: crate::aws::S3| s3.head(&object, &version).await.unwrap_err().fault;
    assert_eq!(head(aws.source()).await, Source);
    assert_eq!(head(aws.destination("t", "us-east-2", None)).await, Destination);
    assert_eq!(head(aws.components()).await, Component);
    assert_eq!(head(aws.dead_letters()).await, Host);
    let destination = aws.destination("t", "us-east-2", None);
    assert_eq!(destination.head_source(&object, &version).await.unwrap_err().fault, Source);
    assert_eq!(aws.table("t").query("k", "v").await.unwrap_err().fault, Host);
    // A role on the way: the central one is nobody's, a tenant's its own.
    for (refused, logs, bucket) in [("role%2Fcentral", Host, Host), ("role%2Ftenant", Destination, Destination)] {
        let server = Server::start(move |request| {
            if request.text().contains(refused) {
                return query_error(403, "AccessDenied", "no");
            }
            sts(request, Duration::from_secs(3600)).unwrap_or_else(|| xml_error(403, "AccessDenied", "no"))
        })
        .await;
        let aws = one_attempt(&server).await;
        let put = aws.logs("t", TENANT, "us-east-2").put("/g", bytes::Bytes::from_static(b"{}")).await;
        assert_eq!(put.unwrap_err().fault, logs, "{refused}");
        assert_eq!(head(aws.destination("t", "us-east-2", None)).await, bucket, "{refused}");
    }
    let none = AwsOptions { central_role: None, ..options() };
    let aws = denied().await.aws_with(none).await;
    let put = aws.logs("t", TENANT, "us-east-2").put("/g", bytes::Bytes::from_static(b"{}")).await;
    assert_eq!(put.unwrap_err().fault, Host, "no central role");
}

#[test]
fn what_the_class_says_about_who_is_charged() {
    use model::Fault::{Destination, Host, Source};
    let call =
        |in_own_region| CallInfo { operation: Operation::PutLogEvents, region: "r", fault: Destination, in_own_region };
    let fault = |in_own_region, kind, unknown| call(in_own_region).error("x", kind, None, "words", unknown).fault;
    // Without a connection nobody was asked; in a region that only a tenant names, it may be its slip.
    assert_eq!(fault(true, AwsErrorKind::Unreachable, false), Host);
    assert_eq!(fault(false, AwsErrorKind::Unreachable, false), Destination);
    assert_eq!(fault(true, AwsErrorKind::Unreachable, true), Destination, "a destination that hangs");
    assert_eq!(fault(false, AwsErrorKind::Conflict, false), Host);
    assert_eq!(fault(false, AwsErrorKind::ClockSkew, false), Host);
    assert_eq!(fault(false, AwsErrorKind::Archived, false), Source);
    for kind in [
        AwsErrorKind::NoBucket,
        AwsErrorKind::Denied,
        AwsErrorKind::NotFound,
        AwsErrorKind::Throttled,
        AwsErrorKind::NoProof,
        AwsErrorKind::OtherRegion,
    ] {
        assert_eq!(fault(true, kind, false), Destination, "{kind:?}");
    }
}

/// An answer of AWS's whose clock is an hour ahead.
fn an_hour_ahead(given: Answer) -> Answer {
    let ahead = std::time::SystemTime::now() + Duration::from_secs(3600);
    let date = aws_sdk_sts::primitives::DateTime::from(ahead);
    given.header("date", date.fmt(aws_sdk_sts::primitives::DateTimeFormat::HttpDate).unwrap())
}

#[tokio::test]
async fn a_clock_that_is_off_is_told_as_such_and_no_policy_is_blamed() {
    for code in ["InvalidSignatureException", "SignatureDoesNotMatch"] {
        let server = Server::start(move |_| an_hour_ahead(json_error(400, code, "Signature expired: x"))).await;
        let error = query(&server).await;
        assert_eq!((error.kind, error.fault), (AwsErrorKind::ClockSkew, model::Fault::Host), "{error}");
        let text = error.to_string();
        assert!(text.contains("s behind AWS's") && text.contains("set this machine's clock"), "{text}");
        // By a clock that is right, it is the key that is wrong.
        let server = Server::start(move |_| json_error(400, code, "no")).await;
        assert_eq!(query(&server).await.kind, AwsErrorKind::Denied);
    }
    // A policy denies whatever the clock says.
    let server = Server::start(|_| an_hour_ahead(json_error(400, "AccessDeniedException", "no"))).await;
    assert_eq!(query(&server).await.kind, AwsErrorKind::Denied);
}

#[tokio::test]
async fn a_head_that_is_refused_for_its_time_is_asked_again() {
    // It has no body, and so no code that the SDK would know.
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::start(move |_| {
        let refused = calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        let found =
            || answer(200, "").header("content-length", "7").header("etag", "\"e\"").header("last-modified", date);
        an_hour_ahead(if refused { answer(403, "") } else { found() })
    })
    .await;
    let object = model::ObjectId { bucket: "b".into(), key: "k".into() };
    let source = one_attempt(&server).await.source();
    assert_eq!(source.head(&object, &crate::aws::ObjectVersion::default()).await.unwrap().size, 7);
    let signed: Vec<_> = server.requests().iter().map(|head| head.header("x-amz-date").to_owned()).collect();
    assert!(signed.len() == 2 && signed[0] < signed[1], "by AWS's clock: {signed:?}");
}
