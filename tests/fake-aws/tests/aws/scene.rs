//! The scene, and the server around it.

use std::collections::BTreeSet;
use std::time::Duration;

use fake_aws::scene::{DEAD_LETTERS, QUEUE, SOURCE, Scene, TABLE};
use fake_aws::{FakeAws, Service};
use serde_json::Value;

use crate::{code, config, s3_of};

#[tokio::test]
async fn the_scene_is_as_the_reference_deploys_it() {
    let scene = Scene::new(FakeAws::start().await);
    let tenant = scene.add_s3_tenant("acme");
    assert_eq!(scene.aws.bucket_account(&tenant.bucket), tenant.account);
    let dynamodb = aws_sdk_dynamodb::Client::new(&config(&scene.aws, scene.aws.own()));
    let value = aws_sdk_dynamodb::types::AttributeValue::S("acme".to_owned());
    let query = dynamodb.query().table_name(TABLE).key_condition_expression("tenant_id = :t");
    let items = query.expression_attribute_values(":t", value).send().await.unwrap().items.unwrap();
    assert_eq!(items[0]["bucket_name"].as_s().unwrap(), &tenant.bucket);
    // The processor itself may not write to the tenant's bucket, nor read versions.
    let s3 = s3_of(&scene.aws, scene.aws.own());
    assert_eq!(code(s3.put_object().bucket(&tenant.bucket).key("k").send().await), "AccessDenied");
    scene.put_object("k", "x");
    s3.get_object().bucket(SOURCE).key("k").send().await.unwrap();
    assert_eq!(code(s3.get_object().bucket(SOURCE).key("k").version_id("v").send().await), "AccessDenied");
    assert!(scene.aws.messages(DEAD_LETTERS).is_empty());
    let env = scene.env();
    for name in ["AWS_ENDPOINT_URL", "SQS_QUEUE_URL", "CENTRAL_LOG_DISTRIBUTION_ROLE_ARN"] {
        assert!(env.iter().any(|(known, value)| known == name && !value.is_empty()), "{name}");
    }
}

#[tokio::test]
async fn a_notification_is_s3s_event_wrapped_by_sns() {
    let scene = Scene::new(FakeAws::start().await);
    let object = scene.put_object("c/n/a b+c/p/f.json.gz", "12345");
    let body = scene.notify("c/n/a b+c/p/f.json.gz");
    scene.send(&body);
    assert_eq!(*scene.aws.messages(QUEUE)[0].body, *body);
    let outer: Value = serde_json::from_str(&body).unwrap();
    let inner: Value = serde_json::from_str(outer["Message"].as_str().unwrap()).unwrap();
    let s3 = &inner["Records"][0]["s3"];
    assert_eq!(s3["bucket"]["name"], SOURCE);
    assert_eq!(s3["object"]["key"], "c/n/a+b%2Bc/p/f.json.gz");
    assert_eq!((&s3["object"]["size"], &s3["object"]["eTag"]), (&5.into(), &object.etag.clone().into()));
    let event: Value = serde_json::from_str(&scene.lambda_event(&[("1", &body)])).unwrap();
    assert_eq!(event["Records"][0]["body"], body);
}

#[tokio::test]
async fn a_load_is_spread_over_its_tenants() {
    let scene = Scene::new(FakeAws::start().await);
    let tenants = scene.add_load(20, 400, |number| number.to_string().into());
    let accounts: BTreeSet<_> = tenants.iter().map(|tenant| &tenant.account).collect();
    let keys = scene.aws.keys(SOURCE);
    assert_eq!((accounts.len(), keys.len(), scene.aws.queue_counts(QUEUE).visible), (20, 400, 400));
    assert_eq!(keys.iter().filter(|key| key.starts_with("prod-1/tenant-7/")).count(), 20);
}

#[test]
fn it_runs_in_a_thread_of_its_own_and_ends_with_its_handle() {
    let fake = FakeAws::start_blocking();
    let authority = fake.authority();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = config(&fake, fake.own());
    let sts = aws_sdk_sts::Client::new(&config);
    runtime.block_on(sts.get_caller_identity().send()).unwrap();
    let once = fake.until_blocking(Duration::from_secs(60), |fake| {
        (fake.count(Service::Sts, "GetCallerIdentity") == 1).then_some(())
    });
    assert!(once.is_some());
    assert_eq!(fake.calls().into_iter().collect::<Vec<_>>(), [((Service::Sts, "GetCallerIdentity".to_owned()), 1)]);
    drop(fake);
    assert!(std::net::TcpStream::connect(authority).is_err());
}

#[tokio::test]
async fn calls_are_logged_until_they_are_forgotten() {
    let scene = Scene::new(FakeAws::start().await);
    let s3 = s3_of(&scene.aws, scene.aws.own());
    s3.list_objects_v2().bucket(SOURCE).send().await.unwrap();
    let logged = scene.aws.log().remove(0);
    assert_eq!(
        (logged.service, logged.operation.as_str(), logged.resource.as_str()),
        (Service::S3, "ListObjectsV2", SOURCE)
    );
    scene.aws.forget_calls();
    assert!(scene.aws.log().is_empty() && scene.aws.calls().is_empty());
    let never = scene.aws.until(Duration::from_millis(20), |fake| fake.log().pop()).await;
    assert!(never.is_none());
}
