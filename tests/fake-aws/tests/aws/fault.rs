//! What goes wrong on purpose.

use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use fake_aws::scene::{CENTRAL_ROLE, Scene};
use fake_aws::{Effect, FakeAws, Gate, PROCESSOR_ACCOUNT, Rule, Service};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{code, config, s3_of, status};

async fn bucket() -> (FakeAws, Client) {
    let fake = FakeAws::start().await;
    fake.add_bucket(PROCESSOR_ACCOUNT, "b");
    fake.put_object("b", "k", "0123456789");
    let client = s3_of(&fake, fake.own());
    (fake, client)
}

async fn put(client: &Client, key: &str) -> Result<(), String> {
    let result = client.put_object().bucket("b").key(key).body("x".repeat(100).into_bytes().into()).send().await;
    result.map(|_| ()).map_err(|error| format!("{error:?}"))
}

async fn get(client: &Client) -> Result<Vec<u8>, String> {
    let output = client.get_object().bucket("b").key("k").send().await.map_err(|error| format!("{error:?}"))?;
    Ok(output.body.collect().await.map_err(|error| format!("{error:?}"))?.to_vec())
}

#[tokio::test]
async fn a_rule_fits_service_operation_resource_and_times() {
    let (fake, client) = bucket().await;
    let broken = || Effect::Status { status: 500, code: "InternalError".to_owned(), message: "m".to_owned() };
    fake.fault(Rule::new(broken()).service(Service::Sqs));
    fake.fault(Rule::new(broken()).operation("HeadObject"));
    fake.fault(Rule::new(broken()).resource("b/other"));
    get(&client).await.unwrap();
    fake.fault(Rule::new(broken()).service(Service::S3).operation("GetObject").resource("b/k").after(1).times(2));
    get(&client).await.unwrap();
    let answer = client.get_object().bucket("b").key("k").send().await;
    assert_eq!(code(answer), "InternalError");
    assert_eq!(status(client.get_object().bucket("b").key("k").send().await), 500);
    get(&client).await.unwrap();
    assert!(put(&client, "other").await.is_err());
    fake.clear_faults();
    put(&client, "other").await.unwrap();
}

#[tokio::test]
async fn a_rule_fits_one_tenants_account() {
    let scene = Scene::new(FakeAws::start().await);
    let (acme, other) = (scene.add_cloudwatch_tenant("acme"), scene.add_cloudwatch_tenant("other"));
    scene.aws.fault(Rule::new(Effect::Throttle).account(&acme.account));
    let sts = aws_sdk_sts::Client::new(&config(&scene.aws, scene.aws.own()));
    let session = |output: aws_sdk_sts::operation::assume_role::AssumeRoleOutput| {
        let given = output.credentials.unwrap();
        let session_token = Some(given.session_token);
        fake_aws::Credentials {
            access_key_id: given.access_key_id,
            secret_access_key: given.secret_access_key,
            session_token,
        }
    };
    let central = sts.assume_role().role_arn(CENTRAL_ROLE).role_session_name("ab").send().await.unwrap();
    let sts = aws_sdk_sts::Client::new(&config(&scene.aws, &session(central)));
    for (tenant, expected) in [(&acme, Err("Throttling")), (&other, Ok(()))] {
        let assume = sts.assume_role().role_arn(&tenant.role).role_session_name("ab").external_id(PROCESSOR_ACCOUNT);
        let tenants = aws_sdk_sts::Client::new(&config(&scene.aws, &session(assume.send().await.unwrap())));
        let result = tenants.get_caller_identity().send().await;
        let result = if result.is_ok() { Ok(()) } else { Err(code(result)) };
        assert_eq!(result, expected.map_err(str::to_owned));
    }
}

#[tokio::test]
async fn each_service_throttles_in_its_own_words() {
    let (fake, client) = bucket().await;
    fake.fault(Rule::new(Effect::Throttle));
    let answer = client.list_objects_v2().bucket("b").send().await;
    assert_eq!(code(answer), "SlowDown");
    assert_eq!(status(client.list_objects_v2().bucket("b").send().await), 503);
    let logs = aws_sdk_cloudwatchlogs::Client::new(&config(&fake, fake.own()));
    assert_eq!(code(logs.create_log_group().log_group_name("g").send().await), "ThrottlingException");
    assert!(!fake.has_log_group(PROCESSOR_ACCOUNT, fake_aws::REGION, "g"));
}

#[tokio::test]
async fn a_hang_is_no_answer() {
    let (fake, client) = bucket().await;
    fake.fault(Rule::new(Effect::Hang));
    let answer = tokio::time::timeout(Duration::from_millis(200), put(&client, "new")).await;
    assert!(answer.is_err() && fake.object("b", "new").is_none());
}

#[tokio::test]
async fn a_gate_holds_calls_until_it_is_open() {
    let (fake, client) = bucket().await;
    let gate = Gate::default();
    fake.fault(Rule::new(Effect::Hold(gate.clone())).operation("PutObject"));
    let puts: Vec<_> = ["one", "two"]
        .map(|key| {
            tokio::spawn({
                let client = client.clone();
                async move { put(&client, key).await }
            })
        })
        .into();
    let held = fake.until(Duration::from_secs(60), |_| (gate.held() == 2).then_some(())).await;
    assert!(held.is_some() && fake.object("b", "one").is_none());
    gate.open();
    for put in puts {
        put.await.unwrap().unwrap();
    }
    assert!(fake.object("b", "one").is_some() && gate.held() == 0);
    put(&client, "three").await.unwrap();
}

#[tokio::test]
async fn a_delay_and_a_latency_are_waited_for() {
    let (fake, client) = bucket().await;
    fake.latency(Service::S3, Duration::from_millis(60));
    let start = Instant::now();
    get(&client).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(60), "{:?}", start.elapsed());
    fake.fault(Rule::new(Effect::Delay(Duration::from_millis(200))));
    let start = Instant::now();
    get(&client).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(260));
}

#[tokio::test]
async fn a_reset_before_does_nothing_and_a_reset_after_does_it() {
    let (fake, client) = bucket().await;
    fake.fault(Rule::new(Effect::ResetBefore).times(1));
    let error = put(&client, "before").await.unwrap_err();
    assert!(error.contains("DispatchFailure"), "{error}");
    assert!(fake.object("b", "before").is_none());
    fake.fault(Rule::new(Effect::ResetAfter).times(1));
    let error = put(&client, "after").await.unwrap_err();
    assert!(error.contains("DispatchFailure"), "{error}");
    assert!(fake.object("b", "after").is_some());
    put(&client, "before").await.unwrap();
}

/// What reading gives after a request of the runtime API, which nobody signs.
async fn raw(fake: &FakeAws) -> std::io::Result<usize> {
    let mut stream = TcpStream::connect(fake.authority()).await.unwrap();
    let request = "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx";
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.read(&mut [0; 1000]).await
}

#[tokio::test]
async fn a_reset_is_one_on_the_wire() {
    let fake = FakeAws::start().await;
    for what in [Effect::ResetBefore, Effect::ResetAfter] {
        assert_eq!(fake.init_error(), None);
        fake.fault(Rule::new(what).times(1));
        assert_eq!(raw(&fake).await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    }
    assert!(fake.init_error().is_some());
    assert!(raw(&fake).await.unwrap() > 0);
}

#[tokio::test]
async fn a_body_is_cut_after_so_many_bytes() {
    let (fake, client) = bucket().await;
    fake.fault(Rule::new(Effect::TruncateBody(4)).operation("GetObject"));
    let mut output = client.get_object().bucket("b").key("k").send().await.unwrap();
    assert_eq!(output.content_length(), Some(10));
    let mut bytes = Vec::new();
    let error = loop {
        match output.body.next().await {
            Some(Ok(chunk)) => bytes.extend_from_slice(&chunk),
            end => break end,
        }
    };
    assert_eq!(bytes, b"0123");
    assert!(matches!(error, Some(Err(_))), "{error:?}");
}

#[tokio::test]
async fn a_body_comes_slowly() {
    let (fake, client) = bucket().await;
    fake.fault(Rule::new(Effect::SlowBody { bytes: 3, every: Duration::from_millis(50) }));
    let start = Instant::now();
    assert_eq!(get(&client).await.unwrap(), b"0123456789");
    assert!(start.elapsed() >= Duration::from_millis(150), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_200_may_hold_an_error() {
    let (fake, client) = bucket().await;
    fake.fault(Rule::new(Effect::ErrorIn200("InternalError".to_owned())).operation("CopyObject"));
    let copy = client.copy_object().bucket("b").key("copy").copy_source("b/k").send().await;
    assert_eq!(code(copy), "InternalError");
    assert_eq!(fake.log().pop().unwrap().operation, "CopyObject");
    assert!(fake.object("b", "copy").is_none());
}
