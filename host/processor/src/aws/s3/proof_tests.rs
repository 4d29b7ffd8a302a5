use super::*;

/// A success without what proves it, of each operation whose success is worth something.
#[tokio::test]
async fn a_success_without_its_proof_is_none() {
    let empty = ["", " \n ", "<?xml version=\"1.0\"?>\n<CopyObjectRes", "<CopyObjectResult/>"];
    for body in empty {
        let server = Server::start(with_sts(move |_| answer(200, body))).await;
        let s3 = server.aws_with(AwsOptions { attempts: 1, ..options() }).await.destination("t", "us-east-2", None);
        let put = PutRequest { target: object("b", "k"), ..PutRequest::default() };
        for (operation, error) in [
            ("CopyObject", s3.copy(&a_copy(), Some(1)).await.unwrap_err()),
            ("PutObject", s3.put(&put, Bytes::from_static(b"x")).await.unwrap_err()),
            ("CreateMultipartUpload", s3.begin_upload(&put).await.map(drop).unwrap_err()),
        ] {
            assert_eq!(
                (error.operation.name(), error.kind, error.effect_unknown),
                (operation, AwsErrorKind::NoProof, true),
                "{error}"
            );
            assert_eq!(error.fault, Fault::Destination);
        }
    }
    // In the middle of an upload, which is aborted then.
    for failing in ["UploadPart", "UploadPartCopy", "CompleteMultipartUpload"] {
        let server = Server::start(with_sts(move |request| {
            let operation = match (request.method.as_str(), part(request)) {
                ("PUT", Some(_)) if request.header("x-amz-copy-source").is_empty() => "UploadPart",
                ("PUT", Some(_)) => "UploadPartCopy",
                ("POST", _) if request.target.contains("uploadId=") => "CompleteMultipartUpload",
                _ => "",
            };
            if operation == failing { answer(200, "") } else { in_parts(request, None) }
        }))
        .await;
        let s3 = server.aws_with(AwsOptions { attempts: 1, ..options() }).await.destination("t", "us-east-2", None);
        let error = if failing == "UploadPart" {
            let mut upload =
                s3.begin_upload(&PutRequest { target: object("b", "k"), ..PutRequest::default() }).await.unwrap();
            let error = upload.upload_part(Bytes::from_static(b"one")).await.unwrap_err();
            upload.abort().await;
            error
        } else {
            s3.copy(&a_copy(), Some(6 << 30)).await.unwrap_err()
        };
        assert_eq!(
            (error.operation.name(), error.kind, error.effect_unknown),
            (failing, AwsErrorKind::NoProof, true),
            "{error}"
        );
        assert_eq!(server.of("DELETE").len(), 1);
    }
}

#[tokio::test]
async fn what_is_read_must_be_what_was_asked_for() {
    let lacking = |header: &'static str| {
        let (body, all) = ("hello", [("etag", "\"e1\""), ("last-modified", DATE)]);
        let there = all.into_iter().filter(|(name, _)| *name != header);
        there.fold(answer(200, body), |answer, (name, value)| answer.header(name, value))
    };
    for header in ["etag", "last-modified"] {
        let server = Server::start(move |_| lacking(header)).await;
        let s3 = server.aws().await.source();
        let got = read(&s3, &ObjectVersion::default(), 0).await.unwrap_err();
        let head = s3.head(&object("b", "k"), &ObjectVersion::default()).await.unwrap_err();
        assert_eq!(
            (got.kind, head.kind, got.fault),
            (AwsErrorKind::NoProof, AwsErrorKind::NoProof, Fault::Source),
            "{got} {head}"
        );
    }
    // Another state, though a condition was set.
    let server = Server::start(|_| found("hello")).await;
    let version = ObjectVersion { version_id: None, etag: Some("other".into()) };
    let s3 = server.aws().await.source();
    assert_eq!(read(&s3, &version, 0).await.unwrap_err().kind, AwsErrorKind::Precondition);
    assert_eq!(s3.head(&object("b", "k"), &version).await.unwrap_err().kind, AwsErrorKind::Precondition);
    // Another range.
    let server = Server::start(|_| Answer { status: 206, ..found("lo").header("content-range", "bytes 2-3/5") }).await;
    let error = read(&server.aws().await.source(), &ObjectVersion::default(), 3).await.unwrap_err();
    assert!(error.kind == AwsErrorKind::NoProof && error.message.contains("from byte 3"), "{error}");
}

#[tokio::test]
async fn an_empty_answer_is_no_empty_bucket() {
    for body in ["", "<ListBucketResult/>", "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"] {
        let server = Server::start(move |_| answer(200, body)).await;
        let error = server.aws().await.source().list("b", None, None).await.unwrap_err();
        assert_eq!(error.kind, AwsErrorKind::NoProof, "{body} {error}");
    }
}

/// The source of a copy needs less proof than one that is read: S3 copies what it names.
#[tokio::test]
async fn the_source_of_a_copy_may_say_less() {
    for (length, etag, date, known) in [
        ("7", "\"e1\"", DATE, Some((Some(7), Some("e1")))),
        ("", "\"e1\"", "", Some((None, Some("e1")))),
        ("7", "", DATE, Some((Some(7), None))),
        ("", "", "", None),
    ] {
        let server = Server::start(with_sts(move |_| {
            let all =
                [("content-length", length), ("etag", etag), ("last-modified", date), ("content-encoding", "gzip")];
            let there = all.into_iter().filter(|(_, value)| !value.is_empty());
            there.fold(answer(200, ""), |answer, (name, value)| answer.header(name, value))
        }))
        .await;
        let s3 = server.aws().await.destination("t", "us-east-2", None);
        match (s3.head_source(&object("b", "k"), &ObjectVersion::default()).await, known) {
            (Ok(source), Some((size, etag))) => {
                assert_eq!(source.etag.as_deref(), etag);
                assert_eq!(source.headers.content_encoding.as_deref(), Some("gzip"));
                // What answers here sends a length in any case.
                assert!(source.size == size || length.is_empty(), "{source:?}");
            }
            (Err(error), None) => assert_eq!((error.kind, error.fault), (AwsErrorKind::NoProof, Fault::Source)),
            (answer, _) => panic!("{length} {etag} {date}: {answer:?}"),
        }
    }
}

#[tokio::test]
async fn a_part_that_nobody_asked_for_is_not_the_whole() {
    for (from, range, good) in [
        (0, "bytes 0-4/5", true),
        (0, "bytes 0-4/*", true),
        (0, "bytes 0-4/9", false),
        (0, "bytes 4-8/9", false),
        (3, "bytes 3-7/8", true),
        (3, "bytes 3-7/9", false),
        (3, "bytes */9", false),
        (3, "5", false),
    ] {
        let server =
            Server::start(move |_| Answer { status: 206, ..found("hello").header("content-range", range) }).await;
        let got = read(&server.aws().await.source(), &ObjectVersion::default(), from).await;
        assert_eq!(
            got.map(|(stored, _)| stored.size).map_err(|error| error.kind),
            if good { Ok(from + 5) } else { Err(AwsErrorKind::NoProof) },
            "{from} {range}"
        );
    }
}

#[tokio::test]
async fn a_role_that_is_not_proven_to_be_assumed_did_nothing() {
    for body in ["", "<AssumeRoleResponse><AssumeRoleResult/></AssumeRoleResponse>"] {
        let server = Server::start(move |_| answer(200, body)).await;
        let s3 = server.aws_with(AwsOptions { attempts: 1, ..options() }).await.destination("t", "us-east-2", None);
        let put = PutRequest { target: object("b", "k"), ..PutRequest::default() };
        let error = s3.put(&put, Bytes::from_static(b"x")).await.unwrap_err();
        let told = (error.operation.name(), error.kind, error.effect_unknown);
        assert_eq!(told, ("AssumeRole", AwsErrorKind::NoProof, false), "{error}");
    }
}
