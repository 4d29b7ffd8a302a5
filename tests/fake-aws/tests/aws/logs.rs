//! CloudWatch Logs: each limit of PutLogEvents, at it and just over it.

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::operation::put_log_events::PutLogEventsOutput;
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use fake_aws::{FakeAws, PROCESSOR_ACCOUNT, REGION};

use crate::{code, config};

const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;
/// What ages are judged against.
const NOW: i64 = 1_800_000_000_000;
const GROUP: &str = "/logs/g";

fn event(timestamp: i64, message: &str) -> InputLogEvent {
    InputLogEvent::builder().timestamp(timestamp).message(message).build().unwrap()
}

async fn group(retention: Option<i64>) -> (FakeAws, Client) {
    let fake = FakeAws::start().await;
    fake.logs_now(Some(NOW));
    fake.add_log_group(PROCESSOR_ACCOUNT, REGION, GROUP, retention);
    let client = Client::new(&config(&fake, fake.own()));
    client.create_log_stream().log_group_name(GROUP).log_stream_name("s").send().await.unwrap();
    (fake, client)
}

async fn put(client: &Client, events: Vec<InputLogEvent>) -> Result<PutLogEventsOutput, String> {
    let call = client.put_log_events().log_group_name(GROUP).log_stream_name("s").set_log_events(Some(events));
    match call.send().await {
        Ok(output) => Ok(output),
        refused => Err(code(refused)),
    }
}

fn stored(fake: &FakeAws) -> Vec<i64> {
    fake.log_events(PROCESSOR_ACCOUNT, REGION, GROUP, "s").iter().map(|event| event.timestamp).collect()
}

const INVALID: &str = "InvalidParameterException";

#[tokio::test]
async fn events_are_stored_in_order_of_arrival_with_who_put_them() {
    let (fake, client) = group(None).await;
    put(&client, vec![event(NOW, "second \"one\""), event(NOW + 1, "ü")]).await.unwrap();
    put(&client, vec![event(NOW - 5, "late")]).await.unwrap();
    let events = fake.log_events(PROCESSOR_ACCOUNT, REGION, GROUP, "s");
    let messages: Vec<_> = events.iter().map(|event| event.message.as_str()).collect();
    assert_eq!(messages, ["second \"one\"", "ü", "late"]);
    assert_eq!(&*events[0].who.arn, fake_aws::PROCESSOR_ARN);
    let puts = fake.puts();
    assert_eq!((puts[0].events, puts[0].stored, puts[0].bytes), (2, 2, 12 + 26 + 2 + 26));
}

#[tokio::test]
async fn events_may_be_counted_only() {
    let (fake, client) = group(None).await;
    fake.keep_events(false);
    put(&client, vec![event(NOW, "a \"b\"")]).await.unwrap();
    assert!(stored(&fake).is_empty());
    assert_eq!((fake.puts()[0].stored, fake.puts()[0].bytes), (1, 5 + 26));
    assert_eq!(put(&client, vec![event(NOW, "")]).await.unwrap_err(), INVALID);
}

#[tokio::test]
async fn groups_and_streams_must_be_there_and_are_made_once() {
    let (fake, client) = group(None).await;
    let put_to = |group: &str, stream: &str| {
        client.put_log_events().log_group_name(group).log_stream_name(stream).log_events(event(NOW, "m")).send()
    };
    assert_eq!(code(put_to("none", "s").await), "ResourceNotFoundException");
    assert_eq!(code(put_to(GROUP, "none").await), "ResourceNotFoundException");
    let stream =
        |group: &str, stream: &str| client.create_log_stream().log_group_name(group).log_stream_name(stream).send();
    assert_eq!(code(stream("none", "s").await), "ResourceNotFoundException");
    assert_eq!(code(stream(GROUP, "s").await), "ResourceAlreadyExistsException");
    let group = |group: &str| client.create_log_group().log_group_name(group).send();
    assert_eq!(code(group(GROUP).await), "ResourceAlreadyExistsException");
    group("new").await.unwrap();
    stream("new", "s").await.unwrap();
    put_to("new", "s").await.unwrap();
    assert_eq!(fake.log_streams(PROCESSOR_ACCOUNT, REGION, "new")["s"], 1);
    assert_eq!(code(group("a b").await), INVALID);
}

#[tokio::test]
async fn stream_names_have_1_to_512_characters_without_colon_and_asterisk() {
    let (_fake, client) = group(None).await;
    let create = |name: String| client.create_log_stream().log_group_name(GROUP).log_stream_name(name).send();
    create("ü".repeat(512)).await.unwrap();
    for name in ["ü".repeat(513), "a:b".to_owned(), "a*".to_owned()] {
        assert_eq!(code(create(name).await), INVALID);
    }
}

#[tokio::test]
async fn a_put_has_1_to_10_000_events() {
    let (fake, client) = group(None).await;
    assert_eq!(put(&client, Vec::new()).await.unwrap_err(), INVALID);
    put(&client, vec![event(NOW, "m"); 10_000]).await.unwrap();
    assert_eq!(put(&client, vec![event(NOW, "m"); 10_001]).await.unwrap_err(), INVALID);
    assert_eq!(stored(&fake).len(), 10_000);
}

#[tokio::test]
async fn a_put_has_1_048_576_bytes_with_26_an_event() {
    let (fake, client) = group(None).await;
    let most = 1_048_576 - 2 * 26;
    let (half, rest) = ("ü".repeat(most / 4), "x".repeat(most - most / 4 * 2));
    put(&client, vec![event(NOW, &half), event(NOW, &rest)]).await.unwrap();
    assert_eq!(put(&client, vec![event(NOW, &half), event(NOW, &format!("{rest}x"))]).await.unwrap_err(), INVALID);
    assert_eq!(stored(&fake).len(), 2);
}

#[tokio::test]
async fn one_bad_event_refuses_the_whole_put() {
    let (fake, client) = group(None).await;
    assert_eq!(put(&client, vec![event(NOW, "m"), event(NOW, "")]).await.unwrap_err(), INVALID);
    assert_eq!(put(&client, vec![event(-1, "m"), event(0, "m")]).await.unwrap_err(), INVALID);
    assert_eq!(put(&client, vec![event(NOW + 1, "m"), event(NOW, "m")]).await.unwrap_err(), INVALID);
    assert!(stored(&fake).is_empty());
}

#[tokio::test]
async fn a_put_spans_24_hours() {
    let (fake, client) = group(None).await;
    assert_eq!(put(&client, vec![event(NOW - DAY - 1, "m"), event(NOW, "m")]).await.unwrap_err(), INVALID);
    put(&client, vec![event(NOW - DAY, "m"), event(NOW, "m")]).await.unwrap();
    assert_eq!(stored(&fake).len(), 2);
}

#[tokio::test]
async fn events_that_are_too_old_are_reported_and_the_rest_is_stored() {
    let (fake, client) = group(None).await;
    let limit = NOW - 14 * DAY;
    let output = put(&client, vec![event(limit - 2, "m"), event(limit - 1, "m"), event(limit, "m")]).await.unwrap();
    let info = output.rejected_log_events_info().unwrap();
    assert_eq!(info.too_old_log_event_end_index(), Some(2));
    assert_eq!((info.expired_log_event_end_index(), info.too_new_log_event_start_index()), (None, None));
    assert_eq!(stored(&fake), [limit]);
}

#[tokio::test]
async fn events_that_are_too_new_are_reported_and_the_rest_is_stored() {
    let (fake, client) = group(None).await;
    let limit = NOW + 2 * HOUR;
    let output = put(&client, vec![event(limit, "m"), event(limit + 1, "m")]).await.unwrap();
    let info = output.rejected_log_events_info().unwrap();
    assert_eq!(info.too_new_log_event_start_index(), Some(1));
    assert_eq!((info.expired_log_event_end_index(), info.too_old_log_event_end_index()), (None, None));
    assert_eq!(stored(&fake), [limit]);
}

#[tokio::test]
async fn events_past_the_groups_retention_are_reported_and_the_rest_is_stored() {
    let (fake, client) = group(Some(3)).await;
    let limit = NOW - 3 * DAY;
    let output = put(&client, vec![event(limit - 1, "m"), event(limit, "m")]).await.unwrap();
    let info = output.rejected_log_events_info().unwrap();
    assert_eq!((info.expired_log_event_end_index(), info.too_old_log_event_end_index()), (Some(1), None));
    // Both reasons at once, their ranges overlapping.
    let old = NOW - 14 * DAY;
    let output = put(&client, vec![event(old - 1, "m"), event(old, "m")]).await.unwrap();
    let info = output.rejected_log_events_info().unwrap();
    assert_eq!((info.expired_log_event_end_index(), info.too_old_log_event_end_index()), (Some(2), Some(1)));
    assert_eq!(stored(&fake), [limit]);
    // Nothing is said where nothing was refused.
    assert!(put(&client, vec![event(limit, "m")]).await.unwrap().rejected_log_events_info().is_none());
}
