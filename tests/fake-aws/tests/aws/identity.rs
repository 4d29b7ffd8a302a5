//! Roles, external IDs, sessions, permissions.

use std::time::Duration;

use aws_sdk_sts::operation::assume_role::AssumeRoleOutput;
use fake_aws::scene::{CENTRAL_ROLE, Scene};
use fake_aws::{Credentials, FakeAws, PROCESSOR_ACCOUNT, PROCESSOR_ARN, Permissions, Trust};

use crate::{code, config, config_in, s3_of};

fn sts(fake: &FakeAws, credentials: &Credentials) -> aws_sdk_sts::Client {
    aws_sdk_sts::Client::new(&config(fake, credentials))
}

fn given(output: &AssumeRoleOutput) -> Credentials {
    let credentials = output.credentials().unwrap();
    Credentials {
        access_key_id: credentials.access_key_id().to_owned(),
        secret_access_key: credentials.secret_access_key().to_owned(),
        session_token: Some(credentials.session_token().to_owned()),
    }
}

async fn central(scene: &Scene) -> Credentials {
    let sts = sts(&scene.aws, scene.aws.own());
    given(&sts.assume_role().role_arn(CENTRAL_ROLE).role_session_name("Central-1").send().await.unwrap())
}

async fn tenant(scene: &Scene, role: &str) -> Credentials {
    second_hop(scene, &central(scene).await, role).await
}

async fn second_hop(scene: &Scene, central: &Credentials, role: &str) -> Credentials {
    let sts = sts(&scene.aws, central);
    let call = sts.assume_role().role_arn(role).role_session_name("Tenant-1").external_id(PROCESSOR_ACCOUNT);
    given(&call.send().await.unwrap())
}

#[tokio::test]
async fn the_double_hop_ends_in_the_tenants_account() {
    let scene = Scene::new(FakeAws::start().await);
    let acme = scene.add_cloudwatch_tenant("acme");
    let who = sts(&scene.aws, scene.aws.own()).get_caller_identity().send().await.unwrap();
    assert_eq!((who.account(), who.arn()), (Some(PROCESSOR_ACCOUNT), Some(PROCESSOR_ARN)));

    let session = tenant(&scene, &acme.role).await;
    let who = sts(&scene.aws, &session).get_caller_identity().send().await.unwrap();
    assert_eq!(who.account(), Some(acme.account.as_str()));
    let arn = format!("arn:aws:sts::{}:assumed-role/LogDistribution/Tenant-1", acme.account);
    assert_eq!(who.arn(), Some(arn.as_str()));
    let names: Vec<_> = scene.aws.sessions().iter().map(|session| session.name.clone().unwrap()).collect();
    assert!(names.contains(&"Tenant-1".into()) && names.contains(&"Central-1".into()));
}

#[tokio::test]
async fn a_role_is_assumed_only_as_its_trust_says() {
    let scene = Scene::new(FakeAws::start().await);
    let acme = scene.add_cloudwatch_tenant("acme");
    let central = sts(&scene.aws, &central(&scene).await);
    let assume = |sts: &aws_sdk_sts::Client| sts.assume_role().role_arn(&acme.role).role_session_name("Tenant-1");
    assert_eq!(code(assume(&central).send().await), "AccessDenied");
    assert_eq!(code(assume(&central).external_id("999999999999").send().await), "AccessDenied");
    assume(&central).external_id(PROCESSOR_ACCOUNT).send().await.unwrap();
    // Not by the processor itself, even where it may ask.
    scene.aws.set_permissions(PROCESSOR_ARN, Permissions::all());
    let own = sts(&scene.aws, scene.aws.own());
    assert_eq!(code(assume(&own).external_id(PROCESSOR_ACCOUNT).send().await), "AccessDenied");
    let nobody = own.assume_role().role_arn("arn:aws:iam::1:role/none").role_session_name("ab");
    assert_eq!(code(nobody.send().await), "AccessDenied");
}

#[tokio::test]
async fn an_account_can_be_trusted_as_a_whole() {
    let fake = FakeAws::start().await;
    fake.add_role("arn:aws:iam::2:role/r", Trust::of("arn:aws:iam::000000000001:root"), Permissions::none());
    let sts = sts(&fake, fake.own());
    sts.assume_role().role_arn("arn:aws:iam::2:role/r").role_session_name("ab").send().await.unwrap();
}

#[tokio::test]
async fn sts_checks_names_and_durations() {
    let scene = Scene::new(FakeAws::start().await);
    let acme = scene.add_cloudwatch_tenant("acme");
    let own = sts(&scene.aws, scene.aws.own());
    let assume = || own.assume_role().role_arn(CENTRAL_ROLE);
    assert_eq!(code(assume().role_session_name("a b").send().await), "ValidationError");
    assert_eq!(code(assume().role_session_name("ab").duration_seconds(899).send().await), "ValidationError");
    assume().role_session_name("ab").duration_seconds(43_200).send().await.unwrap();
    // A chained session lasts an hour at most.
    let chained = sts(&scene.aws, &central(&scene).await);
    let assume = || chained.assume_role().role_arn(&acme.role).role_session_name("ab").external_id(PROCESSOR_ACCOUNT);
    assert_eq!(code(assume().duration_seconds(3601).send().await), "ValidationError");
    assume().duration_seconds(3600).send().await.unwrap();
}

#[tokio::test]
async fn credentials_that_nobody_gave_are_refused() {
    let fake = FakeAws::start().await;
    fake.add_bucket(PROCESSOR_ACCOUNT, "b");
    let mut forged = fake.own().clone();
    forged.session_token = Some("of another".to_owned());
    assert_eq!(code(sts(&fake, &forged).get_caller_identity().send().await), "InvalidClientTokenId");
    forged.access_key_id = "AKIAUNKNOWN".to_owned();
    assert_eq!(code(s3_of(&fake, &forged).list_objects_v2().bucket("b").send().await), "InvalidAccessKeyId");
    let logs = aws_sdk_cloudwatchlogs::Client::new(&config(&fake, &forged));
    assert_eq!(code(logs.create_log_group().log_group_name("g").send().await), "UnrecognizedClientException");
}

#[tokio::test]
async fn sessions_expire() {
    let scene = Scene::new(FakeAws::start().await);
    let acme = scene.add_cloudwatch_tenant("acme");
    let group = |session| {
        let logs = aws_sdk_cloudwatchlogs::Client::new(&config(&scene.aws, session));
        logs.create_log_group().log_group_name(&acme.group).send()
    };
    group(&tenant(&scene, &acme.role).await).await.unwrap();
    let central = central(&scene).await;
    scene.aws.session_lifetime(Some(Duration::from_secs(1)));
    let session = second_hop(&scene, &central, &acme.role).await;
    let logs = aws_sdk_cloudwatchlogs::Client::new(&config(&scene.aws, &session));
    tokio::time::sleep(Duration::from_millis(1010)).await;
    let stream = logs.create_log_stream().log_group_name(&acme.group).log_stream_name("s");
    assert_eq!(code(stream.send().await), "ExpiredTokenException");
    assert_eq!(code(sts(&scene.aws, &session).get_caller_identity().send().await), "ExpiredToken");
    let list = s3_of(&scene.aws, &session).list_objects_v2().bucket("any").send().await;
    assert_eq!(code(list), "ExpiredToken");

    scene.aws.session_lifetime(None);
    let session = tenant(&scene, &acme.role).await;
    sts(&scene.aws, &session).get_caller_identity().send().await.unwrap();
    scene.aws.expire_sessions();
    assert_eq!(code(sts(&scene.aws, &session).get_caller_identity().send().await), "ExpiredToken");
    sts(&scene.aws, scene.aws.own()).get_caller_identity().send().await.unwrap();
}

#[tokio::test]
async fn a_tenants_session_reaches_only_its_own_account_and_region() {
    let scene = Scene::new(FakeAws::start().await);
    let (acme, other) = (scene.add_cloudwatch_tenant("acme"), scene.add_cloudwatch_tenant("other"));
    assert_ne!(acme.account, other.account);
    let session = tenant(&scene, &acme.role).await;
    let logs = aws_sdk_cloudwatchlogs::Client::new(&config_in(&scene.aws, &session, "eu-west-1"));
    logs.create_log_group().log_group_name(&acme.group).send().await.unwrap();
    assert!(scene.aws.has_log_group(&acme.account, "eu-west-1", &acme.group));
    assert!(!scene.aws.has_log_group(&acme.account, "us-east-1", &acme.group));
    assert!(!scene.aws.has_log_group(&other.account, "eu-west-1", &acme.group));
    assert_eq!(code(logs.create_log_group().log_group_name(&other.group).send().await), "AccessDeniedException");
    let last = scene.aws.log().pop().unwrap();
    assert_eq!((&*last.who.unwrap().principal, last.region.as_str()), (acme.role.as_str(), "eu-west-1"));
}

#[tokio::test]
async fn what_is_denied_is_denied_until_it_is_allowed_again() {
    let fake = FakeAws::start().await;
    fake.add_bucket(PROCESSOR_ACCOUNT, "b");
    fake.put_object("b", "k", "x");
    let get = || s3_of(&fake, fake.own()).get_object().bucket("b").key("k").send();
    get().await.unwrap();
    fake.deny(PROCESSOR_ARN, "s3:Get*");
    assert_eq!(code(get().await), "AccessDenied");
    fake.allow_again(PROCESSOR_ARN);
    get().await.unwrap();
}
