//! Buckets that must be of the processor's own account.

use bytes::Bytes;

use super::tests::{object, read};
use crate::aws::operation::Operation;
use crate::aws::testing::{Request, Server, answer, options, query_error, with_sts, xml_error};
use crate::aws::{AwsOptions, BucketOwners, ObjectVersion, PutRequest};

/// The account that `testing`'s STS names, asked for once, and not before it is needed.
#[tokio::test]
async fn the_operators_buckets_must_be_of_the_processors_own_account() {
    let server = Server::start(with_sts(|request| match request.method.as_str() {
        "PUT" => answer(200, "").header("etag", "\"e1\""),
        _ => xml_error(403, "AccessDenied", "Access Denied"),
    }))
    .await;
    let aws = server.aws_with(AwsOptions { owners: BucketOwners::default(), attempts: 1, ..options() }).await;
    assert!(server.of("GetCallerIdentity").is_empty());
    let put = PutRequest { target: object("b", "k"), ..PutRequest::default() };
    aws.dead_letters().put(&put, Bytes::from_static(b"x")).await.unwrap();
    let error = read(&aws.components(), &ObjectVersion::default(), 0).await.unwrap_err();
    assert!(error.to_string().contains("must be of account 999999999999"), "{error}");
    aws.components().head(&object("b", "k"), &ObjectVersion::default()).await.unwrap_err();
    aws.components().list("b", None, None).await.unwrap_err();
    let expected = |request: &Request| request.header("x-amz-expected-bucket-owner").to_owned();
    let requests = server.requests();
    let asked: Vec<_> = requests.iter().filter(|request| request.target.starts_with("/b")).map(expected).collect();
    assert_eq!(asked, ["999999999999"; 4]);
    assert_eq!(server.of("GetCallerIdentity").len(), 1);
}

/// Where STS is down nothing is given to whoever it may be; later it goes on.
#[tokio::test]
async fn an_account_that_is_not_known_yet_is_asked_for_again() {
    let server = Server::start(|request| match request.operation().as_str() {
        "GetCallerIdentity" => query_error(403, "AccessDenied", "no"),
        _ => answer(200, "").header("etag", "\"e1\""),
    })
    .await;
    let aws = server
        .aws_with(AwsOptions { owners: BucketOwners::default(), attempts: 1, central_role: None, ..options() })
        .await;
    let put = PutRequest { target: object("b", "k"), ..PutRequest::default() };
    for asked in 1..=2 {
        let error = aws.dead_letters().put(&put, Bytes::from_static(b"x")).await.unwrap_err();
        assert_eq!(error.operation, Operation::GetCallerIdentity);
        assert_eq!((server.of("GetCallerIdentity").len(), server.requests().len()), (asked, asked));
    }
}
