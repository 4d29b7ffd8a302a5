use super::*;

#[tokio::test]
async fn put_and_upload_in_parts() {
    let server = Server::start(|request| in_parts(request, None)).await;
    let s3 = server.aws().await.source();
    let metadata = vec![("m".into(), "1".into())];
    let put = PutRequest { target: object("b", "k"), metadata, owner_full_control: false, headers: headers() };
    let mut upload = s3.begin_upload(&put).await.unwrap();
    upload.upload_part(Bytes::from_static(b"one")).await.unwrap();
    upload.upload_part(Bytes::from_static(b"two")).await.unwrap();
    upload.complete().await.unwrap();
    let parts = server.of("PUT");
    assert_eq!(
        parts.iter().map(|put| (part(put), put.text())).collect::<Vec<_>>(),
        [(Some(1), "one".into()), (Some(2), "two".into())]
    );
    assert!(server.of("DELETE").is_empty());
    assert_eq!(server.of("POST")[0].header("x-amz-acl"), "");

    let server = Server::start(|_| answer(200, "").header("etag", "\"e\"")).await;
    server.aws().await.source().put(&put, Bytes::from_static(b"all")).await.unwrap();
    let request = &server.of("PUT")[0];
    keeps_headers(request);
    assert_eq!((request.text().as_str(), request.header("x-amz-meta-m")), ("all", "1"));
}

#[tokio::test]
async fn an_upload_that_is_dropped_is_aborted() {
    let server = Server::start(|request| in_parts(request, None)).await;
    let put = PutRequest { target: object("b", "k"), owner_full_control: true, ..PutRequest::default() };
    drop(server.aws().await.source().begin_upload(&put).await.unwrap());
    for _ in 0..10_000 {
        if server.of("DELETE").len() == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not aborted");
}
