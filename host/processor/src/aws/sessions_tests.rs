use std::sync::atomic::{AtomicBool, AtomicUsize};

use bytes::Bytes;

use super::super::testing::{Answer, CENTRAL, Server, TENANT, answer, options, query_error, sts, with_sts};
use super::super::{Aws, AwsOptions};
use super::*;
use model::{Delivery, Destination};

async fn put(aws: &Aws, tenant: &str, region: &str) -> Result<(), AwsError> {
    aws.logs(tenant, TENANT, region).put("/a", Bytes::from_static(b"{}")).await.map(drop)
}

#[tokio::test]
async fn two_hops_with_names_external_id_and_regions() {
    let server = Server::start(with_sts(|_| answer(200, "{}"))).await;
    put(&server.aws().await, "t", "us-east-2").await.unwrap();
    let roles = server.of("AssumeRole");
    let [first, second] = roles.as_slice() else { panic!("{roles:?}") };
    assert_eq!((first.signer().as_str(), first.field("RoleArn").as_deref()), ("OWN", Some(CENTRAL)));
    assert_eq!(first.field("ExternalId"), None);
    assert!(first.header("authorization").contains("/eu-west-1/sts/"));
    assert_eq!((second.signer().as_str(), second.field("RoleArn").as_deref()), ("CENTRAL", Some(TENANT)));
    assert_eq!(second.field("ExternalId").as_deref(), Some("999999999999"));
    assert!(second.header("authorization").contains("/us-east-2/sts/"));
    for (request, prefix) in [(first, "CentralLogDistribution-"), (second, "CloudWatchLogDelivery-")] {
        let name = request.field("RoleSessionName").unwrap();
        let id = name.strip_prefix(prefix).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(uuid::Uuid::parse_str(id).unwrap().get_version_num(), 4);
        assert_eq!(request.field("DurationSeconds").as_deref(), Some("3600"));
    }
    assert_eq!(server.of("GetCallerIdentity")[0].signer(), "OWN");
}

#[tokio::test]
async fn the_hop_to_s3_is_the_central_role_alone() {
    let server = Server::start(with_sts(|_| answer(200, "").header("etag", "\"e\""))).await;
    let target = model::ObjectId { bucket: "b".into(), key: "k".into() };
    let put = super::super::PutRequest { target, owner_full_control: true, ..super::super::PutRequest::default() };
    server.aws().await.destination("t", "us-east-2", None).put(&put, Bytes::from_static(b"x")).await.unwrap();
    let roles = server.of("AssumeRole");
    assert_eq!(roles.len(), 1);
    assert!(roles[0].field("RoleSessionName").unwrap().starts_with("S3LogDelivery-"));
    let put = &server.of("PUT")[0];
    assert_eq!(put.signer(), "CENTRAL");
    assert!(put.header("authorization").contains("/us-east-2/s3/"));
}

#[tokio::test]
async fn sessions_are_found_once_however_many_ask_at_once() {
    let server = Server::start(with_sts(|_| Answer { delay: Duration::from_millis(20), ..answer(200, "{}") })).await;
    let aws = server.aws().await;
    let calls = (0..20).map(|index| {
        let (aws, region) = (aws.clone(), if index % 2 == 0 { "us-east-2" } else { "eu-central-1" });
        async move { put(&aws, &format!("t{index}"), region).await }
    });
    for result in futures_util::future::join_all(calls).await {
        result.unwrap();
    }
    assert_eq!(server.of("PutLogEvents").len(), 20);
    // Central, and the tenant's in two regions.
    assert_eq!(server.of("AssumeRole").len(), 3);
    assert_eq!(server.of("GetCallerIdentity").len(), 1);
}

/// STS whose sessions last so long, and which can be made to deny.
async fn sts_server(lasts: Duration) -> (Server, Arc<AtomicBool>) {
    let denies = Arc::new(AtomicBool::new(false));
    let deny = Arc::clone(&denies);
    let server = Server::start(move |request| match sts(request, lasts) {
        Some(_) if deny.load(Ordering::SeqCst) => query_error(403, "AccessDenied", "not authorized"),
        Some(answer) => answer,
        None => answer(200, "{}"),
    })
    .await;
    (server, denies)
}

#[tokio::test]
async fn renewed_before_they_expire_and_kept_while_renewal_fails() {
    let (server, denies) = sts_server(Duration::from_secs(200)).await;
    let aws = server.aws().await;
    put(&aws, "t", "us-east-2").await.unwrap();
    let before = server.of("AssumeRole").len();
    denies.store(true, Ordering::SeqCst);
    put(&aws, "t", "us-east-2").await.unwrap();
    let tried = server.of("AssumeRole").len();
    assert!(tried > before, "200 s is within five minutes of the end");
    // No call to STS for each put while the old ones are good.
    put(&aws, "t", "us-east-2").await.unwrap();
    assert_eq!(server.of("AssumeRole").len(), tried);
}

#[tokio::test]
async fn not_renewed_while_there_is_time() {
    let (server, _) = sts_server(Duration::from_secs(900)).await;
    let aws = server.aws().await;
    put(&aws, "t", "us-east-2").await.unwrap();
    put(&aws, "t", "us-east-2").await.unwrap();
    assert_eq!(server.of("AssumeRole").len(), 2);
}

/// When they are renewed, by clocks that a test sets.
#[test]
fn credentials_are_fresh_old_and_expired_in_their_time() {
    let second = Duration::from_secs(1);
    let (now, moment) = (SystemTime::UNIX_EPOCH + second * 1_000_000, Instant::now());
    let session = Session::new(CredentialSource::NoCentralRole);
    let hold = |expiry: Option<SystemTime>, failed: Option<Instant>| {
        let credentials = Credentials::new("id", "secret", None, expiry, "test");
        let cached = Some((credentials, session.epoch.load(Ordering::Acquire), moment));
        *session.state() = SessionState { cached, failure: failed.map(|when| (when, no_central_role())) };
    };
    let cached = |after: Duration| match session.cached_at(now + after, moment + after) {
        CachedCredentials::Fresh(_) => "fresh",
        CachedCredentials::Stale(_) => "old",
        CachedCredentials::Missing => "nothing",
    };
    assert_eq!(cached(Duration::ZERO), "nothing");
    hold(None, None);
    assert_eq!(cached(second * 86_400 * 365), "fresh", "without an end");
    let lives = RENEW_BEFORE + second * 10;
    hold(Some(now + lives), None);
    assert_eq!([cached(Duration::ZERO), cached(second * 9)], ["fresh"; 2]);
    assert_eq!([cached(second * 10), cached(lives - second)], ["old"; 2], "from five minutes before their end");
    assert_eq!([cached(lives), cached(lives * 2)], ["nothing"; 2]);
    // A renewal failed: the old ones are let alone for a while, and then tried again.
    hold(Some(now + RENEW_BEFORE), Some(moment));
    assert_eq!([cached(Duration::ZERO), cached(RENEWAL_RETRY - second)], ["fresh"; 2]);
    assert_eq!([cached(RENEWAL_RETRY), cached(RENEW_BEFORE - second)], ["old"; 2]);
    hold(Some(now + second), Some(moment));
    assert_eq!(cached(second), "nothing", "expired ones are not, whatever failed");
    // A failure of before they were renewed is nothing any more.
    hold(Some(now + lives), None);
    assert_eq!(cached(second * 10), "old");
    // All are forgotten, and new ones are kept.
    hold(Some(now + lives), None);
    session.forget();
    assert_eq!(cached(Duration::ZERO), "nothing");
    hold(Some(now + lives), None);
    assert_eq!(cached(Duration::ZERO), "fresh");
    // What all share is kept for a while.
    session.forget_shared(moment + MIN_SHARED_AGE - second);
    assert_eq!(cached(Duration::ZERO), "fresh");
    session.forget_shared(moment + MIN_SHARED_AGE);
    assert_eq!(cached(Duration::ZERO), "nothing");
    // What another one held is not meant.
    hold(Some(now + lives), None);
    session.forget_if_cached(&Credentials::new("other", "secret", None, None, "test"));
    assert_eq!(cached(Duration::ZERO), "fresh");
    session.forget_if_cached(&Credentials::new("id", "secret", None, None, "test"));
    assert_eq!(cached(Duration::ZERO), "nothing");
}

/// A role that can't be assumed is asked for at each use, and works at the next after
/// it can: a failure is told to those who waited, and is not remembered.
#[tokio::test]
async fn a_role_that_was_denied_works_as_soon_as_it_is_allowed() {
    let (server, denies) = sts_server(Duration::from_secs(3600)).await;
    let aws = server.aws().await;
    denies.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(put(&aws, "t", "us-east-2").await.unwrap_err().kind, AwsErrorKind::Denied);
    }
    denies.store(false, Ordering::SeqCst);
    put(&aws, "t", "us-east-2").await.unwrap();
    assert_eq!(server.of("PutLogEvents").len(), 1);
}

#[tokio::test]
async fn expired_ones_are_never_used() {
    let (server, denies) = sts_server(Duration::from_millis(1500)).await;
    let aws = server.aws().await;
    // Until one is used in its time.
    while put(&aws, "t", "us-east-2").await.is_err() {}
    denies.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(put(&aws, "t", "us-east-2").await.unwrap_err().kind, AwsErrorKind::Denied);
}

#[tokio::test]
async fn a_denied_role_is_named_and_all_who_wait_share_the_answer() {
    let server = Server::start(move |request| match request.field("RoleArn").as_deref() {
        Some(TENANT) => Answer {
            delay: Duration::from_millis(100),
            ..query_error(403, "AccessDenied", "User is not authorized to perform: sts:AssumeRole")
        },
        _ => sts(request, Duration::from_secs(3600)).unwrap_or_else(|| answer(200, "{}")),
    })
    .await;
    let aws = server.aws().await;
    let calls = (0..10).map(|index| put(&aws, if index % 2 == 0 { "a" } else { "b" }, "us-east-2"));
    for result in futures_util::future::join_all(calls).await {
        let error = result.unwrap_err();
        assert_eq!((error.operation, error.kind), (Operation::AssumeRole, AwsErrorKind::Denied));
        let text = error.to_string();
        assert!(text.contains(TENANT) && text.contains("trust policy"), "{text}");
    }
    let asked = server.of("AssumeRole").iter().filter(|role| role.field("RoleArn").as_deref() == Some(TENANT)).count();
    assert_eq!(asked, 1);
    assert!(server.of("PutLogEvents").is_empty());
}

#[tokio::test]
async fn a_provider_that_fails_within_a_call_surfaces_as_itself() {
    let server = Server::start(|request| match request.operation().as_str() {
        "AssumeRole" => query_error(403, "AccessDenied", "no"),
        _ => answer(200, "{}"),
    })
    .await;
    let sessions = Sessions::new(&server.config(&options()).await, Some(CENTRAL));
    let config = with_session(&server.config(&options()).await, sessions.destination(), "eu-west-1");
    let sdk = aws_sdk_dynamodb::Client::new(&config).list_tables().send().await.unwrap_err();
    let error = CallInfo::own(Operation::Scan, "").classify("x", sdk);
    assert_eq!((error.operation, error.resource), (Operation::AssumeRole, format!("role {CENTRAL}")));
}

#[tokio::test]
async fn the_external_id_is_asked_again_after_a_failure_only() {
    let failures = AtomicUsize::new(1);
    let server = Server::start(with_sts_failing(failures)).await;
    let aws = server.aws().await;
    let error = put(&aws, "t", "us-east-2").await.unwrap_err();
    assert_eq!(error.operation, Operation::GetCallerIdentity);
    put(&aws, "t", "us-east-2").await.unwrap();
    put(&aws, "t", "eu-central-1").await.unwrap();
    assert_eq!(server.of("GetCallerIdentity").len(), 2);
}

fn with_sts_failing(failures: AtomicUsize) -> impl Fn(&super::super::testing::Request) -> Answer + Send + Sync {
    move |request| {
        let asked = request.operation() == "GetCallerIdentity";
        if asked && failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return query_error(403, "AccessDenied", "no");
        }
        sts(request, Duration::from_secs(3600)).unwrap_or_else(|| answer(200, "{}"))
    }
}

/// A delivery with the tenant's role.
fn delivery() -> Delivery {
    let (role_arn, log_group) = (TENANT.to_owned(), "group".to_owned());
    Delivery {
        tenant_id: "t".to_owned(),
        desired_logs: Vec::new(),
        groups: Vec::new(),
        target_region: "us-east-2".to_owned(),
        destination: Destination::CloudWatch { role_arn, account: "123456789012".to_owned(), log_group },
        plugins: model::Plugins::default(),
    }
}

/// And nobody else's are: who is asked for again is a tenant's own affair.
#[tokio::test]
async fn a_session_that_aws_calls_expired_is_forgotten() {
    let expired = Arc::new(AtomicBool::new(true));
    let once = Arc::clone(&expired);
    let server = Server::start(with_sts(move |request| {
        if request.header("authorization").contains("/us-east-2/") && once.swap(false, Ordering::SeqCst) {
            return super::super::testing::json_error(400, "ExpiredTokenException", "The security token is expired");
        }
        answer(200, "{}")
    }))
    .await;
    let aws = server.aws().await;
    put(&aws, "other", "eu-central-1").await.unwrap();
    let error = put(&aws, "t", "us-east-2").await.unwrap_err();
    assert_eq!(error.kind, AwsErrorKind::Expired);
    // The central one, and two tenants'.
    assert_eq!(server.of("AssumeRole").len(), 3);
    aws.forget_session(&delivery());
    put(&aws, "t", "us-east-2").await.unwrap();
    assert_eq!(server.of("AssumeRole").len(), 4);
    // The new one is kept, and the others are as they were.
    put(&aws, "t", "us-east-2").await.unwrap();
    put(&aws, "other", "eu-central-1").await.unwrap();
    assert_eq!(server.of("AssumeRole").len(), 4);
}

/// Nobody but STS can tell that it is the central role's session that has expired.
#[tokio::test]
async fn the_central_session_is_forgotten_where_sts_calls_it_expired() {
    let expired = AtomicBool::new(true);
    let server = Server::start(move |request| {
        let of_central = request.operation() == "AssumeRole" && request.signer() == "CENTRAL";
        if of_central && expired.swap(false, Ordering::SeqCst) {
            return query_error(403, "ExpiredToken", "The security token is expired");
        }
        sts(request, Duration::from_secs(3600)).unwrap_or_else(|| answer(200, "{}"))
    })
    .await;
    let aws = server.aws().await;
    put(&aws, "t", "us-east-2").await.unwrap();
    let signers: Vec<_> = server.of("AssumeRole").iter().map(|request| request.signer()).collect();
    assert_eq!(signers, ["OWN", "CENTRAL", "OWN", "CENTRAL"]);
}

#[tokio::test]
async fn without_a_central_role_the_setting_is_named() {
    let server = Server::start(with_sts(|_| answer(200, "{}"))).await;
    let aws = server.aws_with(AwsOptions { central_role: None, ..options() }).await;
    let error = put(&aws, "t", "us-east-2").await.unwrap_err();
    assert_eq!(error.kind, AwsErrorKind::Denied);
    assert!(error.to_string().contains("CENTRAL_LOG_DISTRIBUTION_ROLE_ARN is not set; set it to"), "{error}");
    assert!(server.of("AssumeRole").is_empty());
}

/// Keys of a profile, a container or a token's exchange, as a hand-made file has them.
#[test]
fn credentials_lose_white_space_at_their_ends_and_others_are_refused() {
    let given = |id: &str, secret: &str, token: Option<&str>| {
        let found = trim_credentials(Credentials::new(id, secret, token.map(str::to_owned), None, "test"))?;
        let token = found.session_token().map(str::to_owned);
        Some((found.access_key_id().to_owned(), found.secret_access_key().to_owned(), token))
    };
    let good = |token: Option<&str>| Some(("id".to_owned(), "secret".to_owned(), token.map(str::to_owned)));
    assert_eq!(given("id", "secret", Some("token")), good(Some("token")));
    assert_eq!(given("id\n", " secret\r\n", Some("token\n")), good(Some("token")));
    assert_eq!(given("id", "secret", Some("\n")), good(None));
    for (id, secret, token) in [("i d", "s", None), ("", "s", None), ("id", "\n", None), ("id", "s", Some("t\nt"))] {
        assert_eq!(given(id, secret, token), None);
    }
    assert_eq!(given("id", "s\u{fc}", None), None);
}
