//! Query.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use fake_aws::{FakeAws, PROCESSOR_ARN};
use serde_json::json;

use crate::{code, config};

fn query(client: &Client, table: &str, tenant: &str) -> QueryFluentBuilder {
    let value = AttributeValue::S(tenant.to_owned());
    client.query().table_name(table).key_condition_expression("tenant_id = :t").expression_attribute_values(":t", value)
}

async fn table() -> (FakeAws, Client) {
    let fake = FakeAws::start().await;
    fake.add_table("t", "tenant_id", Some("type"));
    for kind in ["s3", "cloudwatch", "other"] {
        let item = json!({"tenant_id": {"S": "acme"}, "type": {"S": kind}, "enabled": {"BOOL": true},
            "desired_logs": {"L": [{"S": "a"}]}, "ttl": {"N": "12"}});
        fake.put_item("t", item);
    }
    fake.put_item("t", json!({"tenant_id": {"S": "else"}, "type": {"S": "s3"}}));
    let client = Client::new(&config(&fake, fake.own()));
    (fake, client)
}

#[tokio::test]
async fn a_partition_comes_in_pages_in_the_order_of_the_sort_key() {
    let (fake, client) = table().await;
    fake.page_size("t", 2);
    let first = query(&client, "t", "acme").send().await.unwrap();
    let kinds: Vec<_> = first.items().iter().map(|item| item["type"].as_s().unwrap().as_str()).collect();
    assert_eq!(kinds, ["cloudwatch", "other"]);
    assert_eq!(first.items()[0]["enabled"], AttributeValue::Bool(true));
    let start = first.last_evaluated_key().cloned();
    let second = query(&client, "t", "acme").set_exclusive_start_key(start).send().await.unwrap();
    assert_eq!((second.count(), second.last_evaluated_key()), (1, None));
    // A page that is full says there may be more, even at the end.
    fake.page_size("t", 3);
    let all = query(&client, "t", "acme").send().await.unwrap();
    let start = all.last_evaluated_key().cloned();
    assert!(start.is_some());
    let after = query(&client, "t", "acme").set_exclusive_start_key(start).send().await.unwrap();
    assert_eq!((after.count(), after.last_evaluated_key()), (0, None));
}

#[tokio::test]
async fn an_item_with_the_same_key_is_replaced() {
    let (fake, client) = table().await;
    fake.put_item("t", json!({"tenant_id": {"S": "else"}, "type": {"S": "s3"}, "n": {"N": "2"}}));
    let items = query(&client, "t", "else").send().await.unwrap().items.unwrap();
    assert_eq!((items.len(), items[0]["n"].as_n().unwrap().as_str()), (1, "2"));
}

#[tokio::test]
async fn a_scan_has_all_partitions_in_pages() {
    let (fake, client) = table().await;
    fake.page_size("t", 3);
    let first = client.scan().table_name("t").send().await.unwrap();
    let start = first.last_evaluated_key().cloned();
    let second = client.scan().table_name("t").set_exclusive_start_key(start).send().await.unwrap();
    assert_eq!((first.count(), second.count(), second.last_evaluated_key()), (3, 1, None));
    fake.deny(PROCESSOR_ARN, "dynamodb:Scan");
    assert_eq!(code(client.scan().table_name("t").send().await), "AccessDeniedException");
}

#[tokio::test]
async fn what_is_wrong_with_a_query_is_refused() {
    let (fake, client) = table().await;
    assert_eq!(code(query(&client, "none", "acme").send().await), "ResourceNotFoundException");
    let wrong_key = query(&client, "t", "acme").key_condition_expression("tenant = :t");
    assert_eq!(code(wrong_key.send().await), "ValidationException");
    let unused = query(&client, "t", "acme").expression_attribute_names("#x", "tenant_id");
    assert_eq!(code(unused.send().await), "ValidationException");
    assert_eq!(code(query(&client, "t", "").send().await), "ValidationException");
    let named = query(&client, "t", "acme").key_condition_expression("#t = :t");
    assert_eq!(named.expression_attribute_names("#t", "tenant_id").send().await.unwrap().count(), 3);
    fake.deny(PROCESSOR_ARN, "dynamodb:*");
    assert_eq!(code(query(&client, "t", "acme").send().await), "AccessDeniedException");
}
