use super::super::testing::{Answer, Server, answer, json_error, options, query_error};
use super::super::{Aws, Options};
use super::*;

async fn one_attempt(server: &Server) -> Aws {
    server.aws_with(Options { attempts: 1, ..options() }).await
}

async fn query(server: &Server) -> AwsError {
    one_attempt(server).await.table("tenants").query("tenant_id", "t").await.unwrap_err()
}

#[tokio::test]
async fn errors_of_sts() {
    for (code, kind) in [
        ("AccessDenied", Kind::Denied),
        ("InvalidClientTokenId", Kind::Denied),
        ("SignatureDoesNotMatch", Kind::Denied),
        ("RegionDisabledException", Kind::Denied),
        ("ExpiredToken", Kind::Expired),
        ("Throttling", Kind::Throttled),
    ] {
        let server = Server::start(move |_| query_error(403, code, "words")).await;
        let bucket = one_attempt(&server).await.destination("t", "eu-west-1");
        let error = bucket.list("b", None, None).await.unwrap_err();
        assert_eq!((error.operation, error.kind), ("AssumeRole", kind), "{error}");
    }
}

#[tokio::test]
async fn whether_a_call_may_have_taken_effect() {
    for (given, kind, unknown) in [
        (answer(503, "<html>busy</html>"), Kind::Unavailable, true),
        (json_error(500, "InternalServerError", "sorry"), Kind::Unavailable, false),
        (answer(429, ""), Kind::Throttled, false),
        (Answer::reset(), Kind::Unreachable, true),
        (answer(200, "no json"), Kind::Unreachable, true),
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
    assert_eq!((error.kind, error.effect_unknown), (Kind::Unreachable, false), "{error}");
    assert!(error.message.contains(&free.to_string()) && error.message.contains("region eu-west-1"), "{error}");
}

#[tokio::test]
async fn a_region_that_does_not_exist_is_named() {
    let server = Server::start(|_| answer(200, "{}")).await;
    let mut options = Options { attempts: 1, ..options() };
    options.region = "eu-nowhere-9".into();
    let config = server.config(&options).await.into_builder().endpoint_url("http://sts.eu-nowhere-9.invalid").build();
    let error = Aws::new(options, config).table("t").query("k", "v").await.unwrap_err();
    assert_eq!((error.kind, error.effect_unknown), (Kind::Unreachable, false), "{error}");
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
    assert_eq!(bounded("a\nb".into()), "a b");
    let cut = bounded("ü".repeat(400));
    assert_eq!((cut.len(), cut.chars().count()), (512, 256));
}

#[test]
fn every_class_but_other_has_a_remedy() {
    use Kind::*;
    for kind in
        [NotFound, NoBucket, Denied, Expired, Throttled, Unavailable, Unreachable, Precondition, TooLarge, Exists]
    {
        let error = Call { operation: "GetObject", region: "r" }.error("s3://b/k", kind, None, "words", false);
        let text = error.to_string();
        assert!(text.starts_with("GetObject of s3://b/k failed: words; "), "{text}");
    }
}
