use super::*;
use crate::aws::operation::Operation;

const COPIED: &str = "<CopyObjectResult><ETag>\"n\"</ETag></CopyObjectResult>";

#[tokio::test]
async fn copy_at_once() {
    let server = Server::start(with_sts(|_| answer(200, COPIED))).await;
    let s3 = server.aws().await.destination("t", "us-east-2", None);
    s3.copy(&a_copy(), Some(10)).await.unwrap();
    let request = &server.of("PUT")[0];
    assert_eq!(request.target.split('?').next(), Some("/dst/p/x.gz"));
    assert_eq!(request.header("x-amz-copy-source"), "src/a%20b/%C3%BC%2B%25/x.gz");
    assert_eq!(request.header("x-amz-copy-source-if-match"), "\"e1\"");
    assert_eq!(request.header("x-amz-metadata-directive"), "REPLACE");
    assert_eq!(request.header("x-amz-acl"), "bucket-owner-full-control");
    assert_eq!(request.header("x-amz-meta-tenant-id"), "t");
    keeps_headers(request);
    let version = ObjectVersion { version_id: Some("v+1".into()), etag: None };
    s3.copy(&CopyRequest { version, ..a_copy() }, None).await.unwrap();
    assert!(server.of("PUT")[1].header("x-amz-copy-source").ends_with("x.gz?versionId=v%2B1"));
}

#[tokio::test]
async fn copy_in_parts_where_the_size_or_s3_asks_for_it() {
    for size in [Some(6 << 30), None] {
        let server = Server::start(with_sts(|request| in_parts(request, None))).await;
        server.aws().await.destination("t", "us-east-2", None).copy(&a_copy(), size).await.unwrap();
        let mut parts: Vec<_> = server.of("PUT").into_iter().filter(|request| part(request).is_some()).collect();
        parts.sort_by_key(part);
        assert_eq!(parts.len(), 12);
        assert_eq!(parts[0].header("x-amz-copy-source-range"), "bytes=0-536870911");
        assert_eq!(
            parts[11].header("x-amz-copy-source-range"),
            format!("bytes={}-{}", 11_u64 << 29, (6_u64 << 30) - 1)
        );
        assert_eq!(parts[11].header("x-amz-copy-source-if-match"), "\"e1\"");
        let posts: Vec<_> = server.of("POST").into_iter().filter(|post| !post.target.contains("sts")).collect();
        let create = posts.iter().find(|post| post.target.contains("uploads")).unwrap();
        assert_eq!(create.header("x-amz-acl"), "bucket-owner-full-control");
        assert_eq!(create.header("x-amz-meta-tenant-id"), "t");
        keeps_headers(create);
        let complete = posts.iter().find(|post| post.target.contains("uploadId=U1")).unwrap().text();
        assert!(complete.find("p1").unwrap() < complete.find("p12").unwrap(), "{complete}");
        assert!(server.of("DELETE").is_empty());
        // The source is asked about in its own region.
        assert_eq!(server.of("HEAD").len(), usize::from(size.is_none()));
        assert!(server.of("HEAD").iter().all(|head| head.header("authorization").contains("/eu-west-1/s3/")));
    }
}

#[tokio::test]
async fn a_copy_in_parts_that_fails_is_aborted() {
    let server = Server::start(with_sts(|request| in_parts(request, Some(3)))).await;
    let s3 = server.aws().await.destination("t", "us-east-2", None);
    let error = s3.copy(&a_copy(), Some(6 << 30)).await.unwrap_err();
    assert_eq!((error.operation, error.kind), (Operation::UploadPartCopy, AwsErrorKind::Denied));
    let aborts = server.of("DELETE");
    assert_eq!(aborts.len(), 1);
    assert!(aborts[0].target.contains("uploadId=U1"));
}

#[tokio::test]
async fn where_aborting_is_denied_the_first_failure_is_told() {
    let server = Server::start(with_sts(|request| match request.method.as_str() {
        "DELETE" => xml_error(403, "AccessDenied", "not even that"),
        _ => in_parts(request, Some(3)),
    }))
    .await;
    let error =
        server.aws().await.destination("t", "us-east-2", None).copy(&a_copy(), Some(6 << 30)).await.unwrap_err();
    assert_eq!(error.operation, Operation::UploadPartCopy);
    assert_eq!(server.of("DELETE").len(), 1);
}

#[tokio::test]
async fn an_error_in_the_body_of_a_200_is_an_error() {
    let server = Server::start(with_sts(|_| xml_error(200, "AccessDenied", "Access Denied"))).await;
    let s3 = server.aws().await.destination("t", "us-east-2", None);
    let error = s3.copy(&a_copy(), Some(10)).await.unwrap_err();
    assert_eq!((error.operation, error.kind), (Operation::CopyObject, AwsErrorKind::Denied));

    for failing in ["PUT", "POST"] {
        let server = Server::start(with_sts(move |request| {
            if request.method == failing && request.target.contains("uploadId=") {
                return xml_error(200, "InternalError", "We encountered an internal error. Please try again.");
            }
            in_parts(request, None)
        }))
        .await;
        let s3 = server.aws_with(AwsOptions { attempts: 1, ..options() }).await.destination("t", "us-east-2", None);
        let error = s3.copy(&a_copy(), Some(6 << 30)).await.unwrap_err();
        let operation = if failing == "PUT" { "UploadPartCopy" } else { "CompleteMultipartUpload" };
        assert_eq!((error.operation.name(), error.kind), (operation, AwsErrorKind::Unavailable));
        assert_eq!(server.of("DELETE").len(), 1);
    }
}
