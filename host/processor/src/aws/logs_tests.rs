use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::testing::{Answer, Server, TENANT, answer, json_error, options, with_sts};
use super::*;

const BODY: &str = r#"{"logGroupName":"/a","logStreamName":"s","logEvents":[{"timestamp":1,"message":"hello"}]}"#;

async fn put(server: &Server) -> Result<RejectedRanges, AwsError> {
    server.aws().await.logs("t", TENANT, "us-east-2").put("/a", Bytes::from_static(BODY.as_bytes())).await
}

#[tokio::test]
async fn given_bytes_arrive_signed_and_again_with_each_attempt() {
    let attempts = AtomicUsize::new(0);
    let server = Server::start(with_sts(move |_| match attempts.fetch_add(1, Ordering::SeqCst) {
        0 => json_error(400, "ThrottlingException", "Rate exceeded"),
        1 => answer(503, "<html>"),
        _ => answer(200, "{}"),
    }))
    .await;
    assert_eq!(put(&server).await.unwrap(), RejectedRanges::default());
    let puts = server.of("PutLogEvents");
    assert_eq!(puts.len(), 3);
    for put in puts {
        assert_eq!(put.text(), BODY);
        assert_eq!(put.header("content-length"), BODY.len().to_string());
        assert_eq!(put.signer(), "TENANT");
        assert_eq!(put.header("x-amz-security-token"), "token-TENANT");
        assert!(put.header("authorization").contains("/us-east-2/logs/aws4_request"));
        assert_eq!(put.header("authorization").split("Signature=").nth(1).unwrap().len(), 64);
    }
}

#[tokio::test]
async fn the_signature_is_of_the_bytes_that_are_sent() {
    let server = Server::start(with_sts(|_| answer(200, "{}"))).await;
    let logs = server.aws().await.logs("t", TENANT, "us-east-2");
    let client = logs.logs.client().await.unwrap();
    put(&server).await.unwrap();
    // The SDK's own request of the same content, to compare.
    let event = aws_sdk_cloudwatchlogs::types::InputLogEvent::builder().timestamp(1).message("hello").build().unwrap();
    let call = client.put_log_events().log_group_name("/a").log_stream_name("s").log_events(event);
    call.send().await.unwrap();
    let puts = server.of("PutLogEvents");
    let own: serde_json::Value = serde_json::from_slice(&puts[1].body).unwrap();
    assert_eq!(own, serde_json::from_slice::<serde_json::Value>(&puts[0].body).unwrap());
    for put in puts {
        assert_eq!(signed_again(&put), put.header("authorization").split("Signature=").nth(1).unwrap());
    }
}

/// SigV4 by the book, with the secret of the test's sessions.
fn signed_again(request: &super::super::testing::Request) -> String {
    use sha2::{Digest, Sha256};
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let sha = |bytes: &[u8]| Sha256::digest(bytes).to_vec();
    let hmac = |key: &[u8], text: &str| {
        let mut padded = [0u8; 64];
        padded[..key.len()].copy_from_slice(key);
        let pad = |with: u8| padded.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
        sha(&[pad(0x5c), sha(&[pad(0x36), text.as_bytes().to_vec()].concat())].concat())
    };
    let authorization = request.header("authorization");
    let part = |name: &str| authorization.split(name).nth(1).unwrap().split(',').next().unwrap().to_owned();
    let (scope, names) = (part("Credential="), part("SignedHeaders="));
    let scope = scope.split_once('/').unwrap().1;
    let headers: String = names.split(';').map(|name| format!("{name}:{}\n", request.header(name))).collect();
    let canonical = format!("POST\n/\n\n{headers}\n{names}\n{}", hex(&sha(&request.body)));
    let date = request.header("x-amz-date");
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&sha(canonical.as_bytes())));
    let key = scope.split('/').fold(b"AWS4s".to_vec(), |key, part| hmac(&key, part));
    hex(&hmac(&key, &text))
}

#[tokio::test]
async fn a_success_without_a_document_is_not_believed() {
    for body in ["", " \n", "<html>", "\"yes"] {
        let server = Server::start(with_sts(move |_| answer(200, body))).await;
        let error = put(&server).await.unwrap_err();
        assert_eq!((error.kind, error.effect_unknown), (AwsErrorKind::NoProof, true), "{body:?}: {error}");
    }
    let server = Server::start(with_sts(|_| answer(200, "{}"))).await;
    assert!(put(&server).await.is_ok(), "the token is said to be out of use");
}

#[tokio::test]
async fn rejected_ranges_and_accepted_already() {
    let info = r#"{"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":2,"expiredLogEventEndIndex":1,"tooNewLogEventStartIndex":7}}"#;
    let server = Server::start(with_sts(move |_| answer(200, info))).await;
    let ranges = RejectedRanges { too_old_before: Some(2), expired_before: Some(1), too_new_from: Some(7) };
    assert_eq!(put(&server).await.unwrap(), ranges);
    let server = Server::start(with_sts(|_| json_error(400, "DataAlreadyAcceptedException", "had it"))).await;
    assert_eq!(put(&server).await.unwrap(), RejectedRanges::default());
}

#[tokio::test]
async fn group_and_stream_that_exist_are_no_error_and_a_missing_group_is() {
    let server = Server::start(with_sts(|request| match request.operation().as_str() {
        "CreateLogGroup" => json_error(400, "ResourceAlreadyExistsException", "there"),
        "CreateLogStream" if request.text().contains("\"s\"") => {
            json_error(400, "ResourceAlreadyExistsException", "there")
        }
        _ => json_error(400, "ResourceNotFoundException", "The specified log group does not exist."),
    }))
    .await;
    let logs = server.aws().await.logs("t", TENANT, "us-east-2");
    logs.create_group("/a").await.unwrap();
    logs.create_stream("/a", "s").await.unwrap();
    let error = logs.create_stream("/a", "other").await.unwrap_err();
    assert_eq!((error.kind, error.operation), (AwsErrorKind::NotFound, Operation::CreateLogStream));
    assert_eq!(error.resource, "log group /a of account 222222222222 in us-east-2");
}

#[tokio::test]
async fn a_put_that_may_have_taken_effect_is_known_as_such() {
    for (first, unknown) in [(Answer::reset(), true), (json_error(400, "ThrottlingException", "slow"), false)] {
        let attempts = AtomicUsize::new(0);
        let server = Server::start(with_sts(move |_| match attempts.fetch_add(1, Ordering::SeqCst) {
            0 => first.clone(),
            _ => json_error(400, "ThrottlingException", "slow"),
        }))
        .await;
        let error = put(&server).await.unwrap_err();
        assert_eq!((error.kind, error.effect_unknown), (AwsErrorKind::Throttled, unknown));
    }
}

#[tokio::test]
async fn a_throttled_tenant_neither_slows_nor_fails_another() {
    let attempts = AtomicUsize::new(0);
    let server = Server::start(with_sts(move |request| {
        if request.signer() == "NOISY" {
            return json_error(400, "ThrottlingException", "slow");
        }
        match attempts.fetch_add(1, Ordering::SeqCst) % 2 {
            0 => json_error(400, "ThrottlingException", "slow"),
            _ => answer(200, "{}"),
        }
    }))
    .await;
    let aws = server.aws_with(super::super::AwsOptions { attempts: 2, ..options() }).await;
    let noisy = aws.logs("noisy", "arn:aws:iam::333333333333:role/noisy", "us-east-2");
    // The SDK's budget is 500, a retry that fails costs 5: after 100 calls none is retried.
    let calls = (0..130).map(|_| noisy.put("/a", Bytes::from_static(BODY.as_bytes())));
    let failed = futures_util::future::join_all(calls).await.into_iter().filter(Result::is_err).count();
    assert_eq!(failed, 130);
    let before = server.of("PutLogEvents").len();
    assert!(before < 260, "the budget of the noisy one is spent: {before}");
    noisy.put("/a", Bytes::from_static(BODY.as_bytes())).await.unwrap_err();
    assert_eq!(server.of("PutLogEvents").len(), before + 1);
    let quiet = aws.logs("quiet", TENANT, "us-east-2");
    // Throttled once, and retried.
    quiet.put("/a", Bytes::from_static(BODY.as_bytes())).await.unwrap();
    assert_eq!(server.of("PutLogEvents").len(), before + 3);
}
