use super::super::testing::{Server, answer, json_error, options};
use super::super::{AwsErrorKind, AwsOptions};
use super::*;

#[tokio::test]
async fn all_pages_and_all_types() {
    let first = r#"{"Items":[{"tenant_id":{"S":"t"},"enabled":{"BOOL":true},"ttl":{"N":"1.50"},"none":{"NULL":true},
        "desired_logs":{"SS":["a","b"]},"numbers":{"NS":["1"]},"list":{"L":[{"S":"x"}]},"map":{"M":{"k":{"S":"v"}}},
        "bytes":{"B":"AA=="},"sets":{"BS":["AA=="]}}],"LastEvaluatedKey":{"tenant_id":{"S":"t"}}}"#;
    let second = r#"{"Items":[{"tenant_id":{"S":"u"}}]}"#;
    let server = Server::start(move |request| {
        answer(200, if request.text().contains("ExclusiveStartKey") { second } else { first })
    })
    .await;
    let items = server.aws().await.table("tenants").query("tenant_id", "t").await.unwrap();
    assert_eq!(items.len(), 2);
    let text = |text: &str| Attribute::Text(text.into());
    let expected: Item = [
        ("tenant_id", text("t")),
        ("enabled", Attribute::Bool(true)),
        ("ttl", Attribute::Number("1.50".into())),
        ("none", Attribute::Null),
        ("desired_logs", Attribute::List(vec![text("a"), text("b")])),
        ("numbers", Attribute::List(vec![Attribute::Number("1".into())])),
        ("list", Attribute::List(vec![text("x")])),
        ("map", Attribute::Map([("k".to_owned(), text("v"))].into())),
        ("bytes", Attribute::Binary),
        ("sets", Attribute::Binary),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    assert_eq!(items[0], expected);
    let asked: serde_json::Value = serde_json::from_slice(&server.requests()[0].body).unwrap();
    assert_eq!((&asked["TableName"], &asked["KeyConditionExpression"]), (&"tenants".into(), &"#key = :value".into()));
    assert_eq!(asked["ExpressionAttributeNames"]["#key"], "tenant_id");
    assert_eq!(asked["ExpressionAttributeValues"][":value"]["S"], "t");
}

#[tokio::test]
async fn a_scan_has_all_pages_and_says_what_it_needs() {
    let server = Server::start(|request| {
        let page = request.text().contains("ExclusiveStartKey");
        answer(200, if page { r#"{"Items":[{"tenant_id":{"S":"u"}}]}"# } else { FIRST })
    })
    .await;
    const FIRST: &str = r#"{"Items":[{"tenant_id":{"S":"t"}}],"LastEvaluatedKey":{"tenant_id":{"S":"t"}}}"#;
    let items = server.aws().await.table("tenants").scan().await.unwrap();
    let tenants: Vec<_> = items.iter().map(|item| item["tenant_id"].clone()).collect();
    assert_eq!(tenants, ["t", "u"].map(|name| Attribute::Text(name.to_owned())));
    let server = Server::start(|_| json_error(400, "AccessDeniedException", "no")).await;
    let error = server.aws().await.table("tenants").scan().await.unwrap_err().to_string();
    assert!(error.contains("dynamodb:Scan") && error.contains("--tenant"), "{error}");
}

/// A tenant would be unknown, and its logs ignored.
#[tokio::test]
async fn an_answer_without_items_is_no_empty_table() {
    for body in ["", "{}", r#"{"Count":0}"#] {
        let server = Server::start(move |_| answer(200, body)).await;
        let table = server.aws().await.table("tenants");
        for error in [table.query("tenant_id", "t").await.unwrap_err(), table.scan().await.unwrap_err()] {
            assert_eq!(error.kind, AwsErrorKind::NoProof, "{body:?}: {error}");
        }
    }
}

#[tokio::test]
async fn errors_of_dynamodb() {
    for (status, code, kind) in [
        (400, "ResourceNotFoundException", AwsErrorKind::NotFound),
        (400, "ProvisionedThroughputExceededException", AwsErrorKind::Throttled),
        (400, "AccessDeniedException", AwsErrorKind::Denied),
        (400, "UnrecognizedClientException", AwsErrorKind::Denied),
        (400, "ExpiredTokenException", AwsErrorKind::Expired),
        (500, "InternalServerError", AwsErrorKind::Unavailable),
    ] {
        let server = Server::start(move |_| json_error(status, code, "words")).await;
        let aws = server.aws_with(AwsOptions { attempts: 1, ..options() }).await;
        let error = aws.table("tenants").query("tenant_id", "t").await.unwrap_err();
        assert_eq!((error.kind, error.effect_unknown), (kind, false), "{error}");
        if kind == AwsErrorKind::NotFound {
            assert_eq!(
                error.to_string(),
                "Query of table tenants failed: ResourceNotFoundException: words; check TENANT_CONFIG_TABLE and AWS_REGION"
            );
        }
    }
}
