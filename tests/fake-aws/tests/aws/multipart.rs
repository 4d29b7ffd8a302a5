//! S3: uploads in parts.

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use fake_aws::{FakeAws, PROCESSOR_ACCOUNT, PROCESSOR_ARN};

use crate::{code, s3_of};

async fn upload() -> (FakeAws, Client, String) {
    let fake = FakeAws::start().await;
    fake.add_bucket(PROCESSOR_ACCOUNT, "b");
    let client = s3_of(&fake, fake.own());
    let created = client.create_multipart_upload().bucket("b").key("k").metadata("m", "v").send().await.unwrap();
    (fake, client, created.upload_id.unwrap())
}

async fn part(client: &Client, id: &str, number: i32, bytes: usize) -> CompletedPart {
    let call = client.upload_part().bucket("b").key("k").upload_id(id).part_number(number);
    let output = call.body(vec![b'x'; bytes].into()).send().await.unwrap();
    CompletedPart::builder().part_number(number).e_tag(output.e_tag.unwrap()).build()
}

async fn complete(client: &Client, id: &str, parts: &[&CompletedPart]) -> String {
    let parts = parts.iter().copied().cloned().collect();
    let upload = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let call = client.complete_multipart_upload().bucket("b").key("k").upload_id(id).multipart_upload(upload);
    let result = call.send().await;
    if let Ok(output) = &result { output.e_tag().unwrap().to_owned() } else { code(result) }
}

#[tokio::test]
async fn parts_become_an_object() {
    let (fake, client, id) = upload().await;
    let first = part(&client, &id, 1, 5 << 20).await;
    let second = part(&client, &id, 2, 3).await;
    assert_eq!(fake.open_uploads(), ["b/k"]);
    assert!(fake.object("b", "k").is_none());
    let etag = complete(&client, &id, &[&first, &second]).await;
    assert!(etag.ends_with("-2\""), "{etag}");
    let object = fake.object("b", "k").unwrap();
    assert_eq!((object.size, object.metadata["m"].as_str()), ((5 << 20) + 3, "v"));
    assert_eq!(object.bytes.as_ref().unwrap().len(), (5 << 20) + 3);
    assert!(fake.open_uploads().is_empty());
    assert_eq!(complete(&client, &id, &[&first]).await, "NoSuchUpload");
}

#[tokio::test]
async fn parts_are_large_in_order_and_known() {
    let (fake, client, id) = upload().await;
    let small = part(&client, &id, 1, (5 << 20) - 1).await;
    let last = part(&client, &id, 2, 1).await;
    assert_eq!(complete(&client, &id, &[&small, &last]).await, "EntityTooSmall");
    assert_eq!(complete(&client, &id, &[&last, &small]).await, "InvalidPartOrder");
    let other = CompletedPart::builder().part_number(1).e_tag("\"other\"").build();
    assert_eq!(complete(&client, &id, &[&other, &last]).await, "InvalidPart");
    assert_eq!(complete(&client, &id, &[]).await, "MalformedXML");
    let zero = client.upload_part().bucket("b").key("k").upload_id(&id).part_number(0).send().await;
    assert_eq!(code(zero), "InvalidArgument");
    fake.set_part_minimum(1);
    assert!(complete(&client, &id, &[&small, &last]).await.ends_with("-2\""));
}

#[tokio::test]
async fn an_upload_is_aborted_with_permission() {
    let (fake, client, id) = upload().await;
    fake.deny(PROCESSOR_ARN, "s3:AbortMultipartUpload");
    let abort = || client.abort_multipart_upload().bucket("b").key("k").upload_id(&id).send();
    assert_eq!(code(abort().await), "AccessDenied");
    fake.allow_again(PROCESSOR_ARN);
    abort().await.unwrap();
    assert!(fake.open_uploads().is_empty());
    assert_eq!(code(abort().await), "NoSuchUpload");
}

#[tokio::test]
async fn a_large_object_is_copied_in_parts() {
    let (fake, client, id) = upload().await;
    let size = (5_u64 << 30) + 7;
    fake.put_pretended("b", "large", size);
    let copy = |number: i32, range: String| {
        let call = client.upload_part_copy().bucket("b").key("k").upload_id(&id).part_number(number);
        call.copy_source("b/large").copy_source_range(range).send()
    };
    assert_eq!(code(copy(1, format!("bytes=0-{size}")).await), "InvalidArgument");
    assert_eq!(code(copy(1, format!("bytes=0-{}", size - 1)).await), "InvalidRequest");
    let mut parts = Vec::new();
    for (number, range) in
        [(1, format!("bytes=0-{}", (5_u64 << 30) - 1)), (2, format!("bytes={}-{}", 5_u64 << 30, size - 1))]
    {
        let result = copy(number, range).await.unwrap().copy_part_result.unwrap();
        parts.push(CompletedPart::builder().part_number(number).e_tag(result.e_tag.unwrap()).build());
    }
    complete(&client, &id, &[&parts[0], &parts[1]]).await;
    assert_eq!(fake.object("b", "k").unwrap().size, size);
}
