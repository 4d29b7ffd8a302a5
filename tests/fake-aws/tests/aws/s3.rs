//! S3: objects, copies, listings.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{EncodingType, MetadataDirective, ObjectCannedAcl};
use fake_aws::{FakeAws, PROCESSOR_ACCOUNT, PROCESSOR_ARN, Permissions};

use crate::{code, config_in, s3_of, status};

async fn bucket() -> (FakeAws, Client) {
    let fake = FakeAws::start().await;
    fake.add_bucket(PROCESSOR_ACCOUNT, "b");
    let client = s3_of(&fake, fake.own());
    (fake, client)
}

#[tokio::test]
async fn an_object_comes_back_as_it_was_put() {
    let (fake, client) = bucket().await;
    let key = "a b/ü+&%/x.json.gz";
    let put = client.put_object().bucket("b").key(key).metadata("source-key", "a%20b");
    let put = put.acl(ObjectCannedAcl::BucketOwnerFullControl).content_encoding("gzip");
    let put = put.body(ByteStream::from_static(b"hello")).send().await.unwrap();
    assert_eq!(put.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    let object = fake.object("b", key).unwrap();
    assert_eq!((object.bytes.as_deref(), object.size), (Some(&b"hello"[..]), 5));
    assert_eq!(object.acl.as_deref(), Some("bucket-owner-full-control"));
    assert_eq!(object.content_encoding.as_deref(), Some("gzip"));
    assert_eq!(&*object.who.as_ref().unwrap().arn, PROCESSOR_ARN);

    fake.set_last_modified("b", key, 1_700_000_000_999);
    let got = client.get_object().bucket("b").key(key).send().await.unwrap();
    assert_eq!((got.e_tag(), got.content_length()), (put.e_tag(), Some(5)));
    assert_eq!(got.last_modified().unwrap().to_millis().unwrap(), 1_700_000_000_000);
    assert_eq!(got.metadata().unwrap()["source-key"], "a%20b");
    assert_eq!(&got.body.collect().await.unwrap().to_vec(), b"hello");
    let head = client.head_object().bucket("b").key(key).send().await.unwrap();
    assert_eq!((head.e_tag(), head.content_length()), (put.e_tag(), Some(5)));
    client.head_bucket().bucket("b").send().await.unwrap();
}

#[tokio::test]
async fn a_range_is_a_part_or_refused() {
    let (fake, client) = bucket().await;
    fake.put_object("b", "k", "0123456789");
    let get = |range: &str| client.get_object().bucket("b").key("k").range(range).send();
    let part = get("bytes=4-").await.unwrap();
    assert_eq!((part.content_range(), part.content_length()), (Some("bytes 4-9/10"), Some(6)));
    assert_eq!(&part.body.collect().await.unwrap().to_vec(), b"456789");
    assert_eq!(&get("bytes=2-3").await.unwrap().body.collect().await.unwrap().to_vec(), b"23");
    assert_eq!(&get("bytes=-1").await.unwrap().body.collect().await.unwrap().to_vec(), b"9");
    assert_eq!(code(get("bytes=10-").await), "InvalidRange");
}

#[tokio::test]
async fn a_condition_that_does_not_hold_is_refused() {
    let (fake, client) = bucket().await;
    let etag = fake.put_object("b", "k", "old").etag.clone();
    let get = |etag: &str| client.get_object().bucket("b").key("k").if_match(format!("\"{etag}\"")).send();
    get(&etag).await.unwrap();
    fake.put_object("b", "k", "new");
    let changed = get(&etag).await;
    assert_eq!(code(changed), "PreconditionFailed");
    assert_eq!(status(get(&etag).await), 412);
    assert_eq!(status(client.head_object().bucket("b").key("k").if_match("x").send().await), 412);
    let other = client.get_object().bucket("b").key("k").if_none_match("x").send().await;
    assert_eq!(code(other), "NotImplemented");
}

#[tokio::test]
async fn what_is_missing_is_named_only_to_who_may_list() {
    let (fake, client) = bucket().await;
    let get = |bucket: &str| client.get_object().bucket(bucket).key("none").send();
    assert_eq!(code(get("none").await), "NoSuchBucket");
    assert_eq!(code(get("b").await), "NoSuchKey");
    assert_eq!(status(client.head_object().bucket("b").key("none").send().await), 404);
    fake.set_permissions(PROCESSOR_ARN, Permissions::none().allow("s3:GetObject", "b/*"));
    assert_eq!(code(get("b").await), "AccessDenied");
    assert_eq!(status(client.head_object().bucket("b").key("none").send().await), 403);
}

#[tokio::test]
async fn a_version_needs_a_permission_of_its_own() {
    let (fake, client) = bucket().await;
    fake.set_versioned("b");
    let old = fake.put_object("b", "k", "old").version_id.clone().unwrap();
    fake.put_object("b", "k", "new");
    let get = || client.get_object().bucket("b").key("k").version_id(&old).send();
    let got = get().await.unwrap();
    assert_eq!(got.version_id(), Some(old.as_str()));
    assert_eq!(&got.body.collect().await.unwrap().to_vec(), b"old");
    assert_eq!(code(client.get_object().bucket("b").key("k").version_id("x").send().await), "NoSuchVersion");
    let get_only = Permissions::none().allow("s3:GetObject", "b/*").allow("s3:ListBucket", "b");
    fake.set_permissions(PROCESSOR_ARN, get_only);
    assert_eq!(code(get().await), "AccessDenied");
    client.get_object().bucket("b").key("k").send().await.unwrap();
}

#[tokio::test]
async fn a_bucket_answers_in_its_region_only() {
    let (fake, client) = bucket().await;
    fake.set_bucket_region("b", "eu-west-1");
    assert_eq!(code(client.list_objects_v2().bucket("b").send().await), "AuthorizationHeaderMalformed");
    let there = aws_sdk_s3::config::Builder::from(&config_in(&fake, fake.own(), "eu-west-1")).force_path_style(true);
    Client::from_conf(there.build()).list_objects_v2().bucket("b").send().await.unwrap();
}

#[tokio::test]
async fn metadata_has_2_kb() {
    let (fake, client) = bucket().await;
    let put = |bytes: usize| client.put_object().bucket("b").key("k").metadata("ab", "x".repeat(bytes)).send();
    put(2046).await.unwrap();
    assert_eq!(code(put(2047).await), "MetadataTooLarge");
    let umlaut = client.put_object().bucket("b").key("u").metadata("ab", "ü").send().await;
    assert!(umlaut.is_err() && fake.object("b", "u").is_none());
}

#[tokio::test]
async fn a_copy_is_made_of_the_decoded_source() {
    let (fake, client) = bucket().await;
    let etag = fake.put_object("b", "a b+ü", "copied").etag.clone();
    fake.add_bucket("222222222222", "tenant");
    let copy = |source: &str| {
        let call = client.copy_object().bucket("tenant").key("k").copy_source(source).metadata("tenant-id", "acme");
        call.metadata_directive(MetadataDirective::Replace).acl(ObjectCannedAcl::BucketOwnerFullControl)
    };
    let source = "b/a%20b%2B%C3%BC";
    let copied = copy(source).copy_source_if_match(&etag).send().await.unwrap();
    assert_eq!(copied.copy_object_result().unwrap().e_tag(), Some(format!("\"{etag}\"").as_str()));
    let object = fake.object("tenant", "k").unwrap();
    assert_eq!((object.bytes.as_deref(), object.metadata["tenant-id"].as_str()), (Some(&b"copied"[..]), "acme"));
    assert_eq!(object.acl.as_deref(), Some("bucket-owner-full-control"));
    // A plus that isn't encoded is a space.
    assert_eq!(code(copy("b/a%20b+%C3%BC").send().await), "NoSuchKey");
    assert_eq!(code(copy(source).copy_source_if_match("other").send().await), "PreconditionFailed");
    assert_eq!(code(copy("none/k").send().await), "NoSuchBucket");
    let itself = client.copy_object().bucket("b").key("a b+ü").copy_source(source);
    assert_eq!(code(itself.send().await), "InvalidRequest");
    let public = copy(source).acl(ObjectCannedAcl::PublicRead);
    assert_eq!(code(public.send().await), "AccessControlListNotSupported");
    fake.deny(PROCESSOR_ARN, "s3:PutObject");
    assert_eq!(code(copy(source).send().await), "AccessDenied");
}

#[tokio::test]
async fn a_bucket_that_is_not_the_expected_accounts_is_denied() {
    let (fake, client) = bucket().await;
    fake.put_object("b", "k", "copied");
    fake.add_bucket("222222222222", "tenant");
    let get = |owner: &str| client.get_object().bucket("b").key("k").expected_bucket_owner(owner).send();
    get(PROCESSOR_ACCOUNT).await.unwrap();
    assert_eq!(code(get("222222222222").await), "AccessDenied");
    assert_eq!(code(get("2").await), "InvalidBucketOwnerAWSAccountID");
    let copy = |from: &str, to: &str| {
        let call = client.copy_object().bucket("tenant").key("k").copy_source("b/k");
        call.expected_source_bucket_owner(from).expected_bucket_owner(to).send()
    };
    copy(PROCESSOR_ACCOUNT, "222222222222").await.unwrap();
    assert_eq!(code(copy("222222222222", "222222222222").await), "AccessDenied");
    assert_eq!(code(copy(PROCESSOR_ACCOUNT, PROCESSOR_ACCOUNT).await), "AccessDenied");
}

#[tokio::test]
async fn what_is_archived_or_encrypted_is_found_and_not_read() {
    let (fake, client) = bucket().await;
    fake.put_object("b", "cold", "x");
    fake.change("b", "cold", |object| object.archived = true);
    client.head_object().bucket("b").key("cold").send().await.unwrap();
    assert_eq!(code(client.get_object().bucket("b").key("cold").send().await), "InvalidObjectState");
    let copy = |from: &str| client.copy_object().bucket("b").key("copy").copy_source(from).send();
    assert_eq!(code(copy("b/cold").await), "ObjectNotInActiveTierError");
    let key = "arn:aws:kms:us-east-1:000000000001:key/k";
    fake.put_object("b", "secret", "x");
    fake.change("b", "secret", |object| object.kms_key = Some(key.to_owned()));
    let head = client.head_object().bucket("b").key("secret").send().await.unwrap();
    assert_eq!(head.ssekms_key_id(), Some(key));
    copy("b/secret").await.unwrap();
    fake.deny(PROCESSOR_ARN, "kms:Decrypt");
    assert_eq!(code(copy("b/secret").await), "AccessDenied");
    fake.set_bucket_key("b", key);
    fake.deny(PROCESSOR_ARN, "kms:GenerateDataKey");
    assert_eq!(code(client.put_object().bucket("b").key("new").send().await), "AccessDenied");
}

#[tokio::test]
async fn what_an_object_says_of_its_content_goes_when_its_metadata_is_replaced() {
    let (fake, client) = bucket().await;
    let put = client.put_object().bucket("b").key("k").content_encoding("gzip").cache_control("no-cache");
    put.expires(aws_sdk_s3::primitives::DateTime::from_secs(0)).content_type("text/plain").send().await.unwrap();
    let head = client.head_object().bucket("b").key("k").send().await.unwrap();
    assert_eq!((head.content_encoding(), head.cache_control()), (Some("gzip"), Some("no-cache")));
    assert_eq!(head.expires_string(), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
    for (directive, encoding) in [(MetadataDirective::Replace, None), (MetadataDirective::Copy, Some("gzip"))] {
        let copy = client.copy_object().bucket("b").key("copy").copy_source("b/k").metadata_directive(directive);
        copy.send().await.unwrap();
        let copy = fake.object("b", "copy").unwrap();
        assert_eq!(copy.content_encoding.as_deref(), encoding);
        assert_eq!(copy.more_headers.is_empty(), encoding.is_none());
    }
}

#[tokio::test]
async fn a_clock_that_is_off_is_refused_and_told_the_right_time() {
    let (fake, client) = bucket().await;
    fake.put_object("b", "k", "x");
    let get = || client.get_object().bucket("b").key("k").send();
    for (ahead, refused) in [(14 * 60, false), (60 * 60, true), (-60 * 60, true)] {
        fake.set_ahead(ahead);
        if refused {
            assert_eq!(code(get().await), "RequestTimeTooSkewed");
        }
        // The SDK has learned it from the answer's Date.
        get().await.unwrap();
    }
}

#[tokio::test]
async fn a_copy_has_a_largest_source() {
    let (fake, client) = bucket().await;
    fake.put_pretended("b", "large", (5 << 30) + 1);
    fake.put_pretended("b", "just", 5 << 30);
    let copy = |key: &str| client.copy_object().bucket("b").key("copy").copy_source(format!("b/{key}")).send();
    copy("just").await.unwrap();
    assert_eq!(fake.object("b", "copy").unwrap().size, 5 << 30);
    assert_eq!(code(copy("large").await), "InvalidRequest");
    fake.set_copy_limit(3);
    assert_eq!(code(copy("just").await), "InvalidRequest");
}

#[tokio::test]
async fn a_listing_comes_in_pages() {
    let (fake, client) = bucket().await;
    let keys = ["a b+c/ü", "b/1", "b/2", "b/3&", "c"];
    for key in keys {
        fake.put_object("b", key, key);
    }
    fake.set_list_page(2);
    let mut listed = Vec::new();
    let mut token = None;
    let mut pages = 0;
    loop {
        let page = client.list_objects_v2().bucket("b").set_continuation_token(token).send().await.unwrap();
        listed.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
        pages += 1;
        token = page.next_continuation_token().map(str::to_owned);
        assert_eq!(page.is_truncated(), Some(token.is_some()));
        if token.is_none() {
            break;
        }
    }
    assert_eq!((listed.as_slice(), pages), (&keys.map(str::to_owned)[..], 3));

    let url = client.list_objects_v2().bucket("b").encoding_type(EncodingType::Url).max_keys(1).send().await.unwrap();
    assert_eq!(url.contents()[0].key(), Some("a+b%2Bc/%C3%BC"));
    let some = client.list_objects_v2().bucket("b").prefix("b/").start_after("b/1").send().await.unwrap();
    let object = &some.contents()[0];
    assert_eq!((object.key(), object.size(), some.key_count()), (Some("b/2"), Some(3), Some(2)));
    let wrong = client.list_objects_v2().bucket("b").continuation_token("b/1").send().await;
    assert_eq!(code(wrong), "InvalidArgument");
    assert_eq!(code(client.list_objects_v2().bucket("none").send().await), "NoSuchBucket");
}
