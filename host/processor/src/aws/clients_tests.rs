use super::super::testing::{Server, TENANT, answer, options, with_sts};
use super::*;
use bytes::Bytes;
use std::process::{Command, Output};

#[tokio::test]
async fn a_client_is_cached_by_all_that_it_depends_on() {
    let server = Server::start(with_sts(|_| answer(200, "{}"))).await;
    let aws = server.aws().await;
    let other = "arn:aws:iam::333333333333:role/other";
    for (tenant, role, region) in [
        ("a", TENANT, "us-east-2"),
        ("b", TENANT, "us-east-2"),
        ("a", other, "us-east-2"),
        ("a", TENANT, "eu-central-1"),
        ("a", TENANT, "us-east-2"),
    ] {
        aws.logs(tenant, role, region).put("/g", Bytes::from_static(b"{}")).await.unwrap();
    }
    let signed: Vec<_> = server
        .of("PutLogEvents")
        .iter()
        .map(|put| (put.signer(), put.header("authorization").split('/').nth(2).unwrap().to_owned()))
        .collect();
    let expected = [
        ("TENANT", "us-east-2"),
        ("TENANT", "us-east-2"),
        ("OTHER", "us-east-2"),
        ("TENANT", "eu-central-1"),
        ("TENANT", "us-east-2"),
    ];
    assert_eq!(signed, expected.map(|(signer, region)| (signer.to_owned(), region.to_owned())));
    assert_eq!(aws.0.logs.len(), 4);
}

#[tokio::test]
async fn components_are_read_with_the_central_role_or_without_one_with_own_credentials() {
    let date = "Wed, 21 Oct 2015 07:28:00 GMT";
    let server =
        Server::start(with_sts(move |_| answer(200, "wasm").header("etag", "\"e\"").header("last-modified", date)))
            .await;
    let object = model::ObjectId { bucket: "b".into(), key: "k".into() };
    for (central_role, signer) in [(options().central_role, "CENTRAL"), (None, "OWN")] {
        let aws = server.aws_with(AwsOptions { central_role, ..options() }).await;
        let whole = aws.components().get_whole(&object, 4).await.unwrap();
        assert_eq!(whole, super::super::WholeObject::Bytes(b"wasm".to_vec()));
        assert_eq!(server.of("GET").last().unwrap().signer(), signer);
        assert_eq!(aws.components().get_whole(&object, 3).await.unwrap(), super::super::WholeObject::TooLarge(4));
    }
}

#[tokio::test]
async fn without_credentials_the_remedy_is_said() {
    let config = config::loader(&options()).no_credentials().load().await;
    let aws = Aws::new(options(), config);
    let error = aws.0.sessions.own().credentials().await.unwrap_err().to_string();
    for place in ["AWS_ACCESS_KEY_ID", "pod", "Lambda", "AWS_PROFILE"] {
        assert!(error.contains(place), "{error}");
    }
}

/// Runs [`connects`] in a process of its own, since a process's environment is one.
async fn connect_with(environment: Vec<(&'static str, String)>) -> Output {
    let run = move || {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--ignored", "--exact", "--nocapture", "aws::clients::tests::connects"]).env_clear();
        child.env("AWS_EC2_METADATA_DISABLED", "true").envs(environment).output().unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test]
#[ignore = "run by others, in a process of its own"]
async fn connects() {
    let aws = Aws::connect(options()).await.unwrap_or_else(|error| panic!("exit code 4: {error}"));
    aws.table("tenants").query("tenant_id", "t").await.unwrap();
    aws.metrics().put("n", &[]).await.unwrap();
    aws.logs("t", TENANT, "us-east-2").put("/g", Bytes::from_static(b"{}")).await.unwrap();
}

#[tokio::test]
async fn endpoints_and_credentials_of_the_environment() {
    let all = Server::start(with_sts(|_| answer(200, "{}"))).await;
    let table = Server::start(|_| answer(200, r#"{"Items":[]}"#)).await;
    let output = connect_with(vec![
        ("AWS_ENDPOINT_URL", all.url.clone()),
        ("AWS_ENDPOINT_URL_DYNAMODB", table.url.clone()),
        ("AWS_ACCESS_KEY_ID", "ENV".into()),
        ("AWS_SECRET_ACCESS_KEY", "secret".into()),
        ("AWS_SESSION_TOKEN", "token".into()),
    ])
    .await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let query = &table.of("Query")[0];
    assert_eq!((query.signer().as_str(), query.header("x-amz-security-token")), ("ENV", "token"));
    assert_eq!((table.requests().len(), all.of("PutLogEvents").len()), (1, 1));
}

#[tokio::test]
async fn credentials_of_the_default_chain() {
    let pod = r#"{"AccessKeyId":"POD","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"}"#;
    let server = Server::start(with_sts(move |request| match request.target.as_str() {
        "/role" => answer(200, pod),
        _ => answer(200, r#"{"Items":[]}"#),
    }))
    .await;
    let output = connect_with(vec![
        ("AWS_ENDPOINT_URL", server.url.clone()),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/role", server.url)),
    ])
    .await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(server.of("Query")[0].signer(), "POD");
    // Asked for once, at the start.
    assert_eq!(server.of("GET").len(), 1);
}

#[tokio::test]
async fn no_credentials_anywhere() {
    let output = connect_with(Vec::new()).await;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!output.status.success());
    assert!(said.contains("exit code 4") && said.contains("set AWS_ACCESS_KEY_ID"), "{said}");
}
