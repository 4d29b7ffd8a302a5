//! SQS.

use std::time::{Duration, Instant};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message, MessageAttributeValue,
    MessageSystemAttributeName, SendMessageBatchRequestEntry,
};
use fake_aws::{FakeAws, PROCESSOR_ACCOUNT, QueueCounts, Service};

use crate::{code, config};

/// A queue with a dead-letter queue, whose messages are invisible for `visibility`.
async fn queue(visibility: Duration) -> (FakeAws, Client, String) {
    let fake = FakeAws::start().await;
    fake.add_queue(PROCESSOR_ACCOUNT, "dlq", visibility, None);
    let url = fake.add_queue(PROCESSOR_ACCOUNT, "q", visibility, Some((2, "dlq")));
    let client = Client::new(&config(&fake, fake.own()));
    (fake, client, url)
}

const MINUTE: Duration = Duration::from_secs(60);

async fn receive(client: &Client, url: &str) -> Vec<Message> {
    let call = client.receive_message().queue_url(url).max_number_of_messages(10);
    let call = call.message_system_attribute_names(MessageSystemAttributeName::All).message_attribute_names("All");
    call.send().await.unwrap().messages.unwrap_or_default()
}

fn count(message: &Message) -> &str {
    &message.attributes().unwrap()[&MessageSystemAttributeName::ApproximateReceiveCount]
}

#[tokio::test]
async fn a_message_is_sent_received_and_deleted() {
    let (fake, client, url) = queue(MINUTE).await;
    let number = MessageAttributeValue::builder().data_type("Number").string_value("12").build().unwrap();
    let sent = client.send_message().queue_url(&url).message_body("This is a test message");
    let sent = sent.message_attributes("ProcessingOffset", number).send().await.unwrap();
    assert_eq!(sent.md5_of_message_body(), Some("fafb00f5732ab283681e124bf8747ed1"));
    let message = receive(&client, &url).await.remove(0);
    assert_eq!((message.message_id(), message.body()), (sent.message_id(), Some("This is a test message")));
    assert_eq!(message.md5_of_body(), sent.md5_of_message_body());
    assert_eq!(message.md5_of_message_attributes(), sent.md5_of_message_attributes());
    assert_eq!(message.message_attributes().unwrap()["ProcessingOffset"].string_value(), Some("12"));
    assert_eq!(count(&message), "1");
    assert_eq!(fake.queue_counts("q"), QueueCounts { visible: 0, in_flight: 1, delayed: 0 });
    let handle = message.receipt_handle().unwrap();
    client.delete_message().queue_url(&url).receipt_handle(handle).send().await.unwrap();
    assert!(fake.messages("q").is_empty());
    assert_eq!(fake.deleted("q"), [sent.message_id().unwrap()]);
    // Attributes come only where they were asked for.
    fake.send_message("q", "plain");
    let plain = client.receive_message().queue_url(&url).send().await.unwrap().messages.unwrap().remove(0);
    assert_eq!(plain.attributes(), None);
}

#[tokio::test]
async fn a_message_comes_back_with_a_new_handle_and_then_goes_to_the_dead_letters() {
    let (fake, client, url) = queue(MINUTE).await;
    let id = fake.send_message("q", "m");
    let again = client.receive_message().queue_url(&url).visibility_timeout(0).send().await.unwrap();
    let old = again.messages()[0].receipt_handle().unwrap().to_owned();
    let second = receive(&client, &url).await.remove(0);
    assert_eq!(count(&second), "2");
    assert_ne!(second.receipt_handle(), Some(old.as_str()));
    // An older handle deletes nothing, and extends nothing.
    client.delete_message().queue_url(&url).receipt_handle(&old).send().await.unwrap();
    assert_eq!(fake.messages("q").len(), 1);
    let change = |handle: &str, seconds| {
        client.change_message_visibility().queue_url(&url).receipt_handle(handle).visibility_timeout(seconds).send()
    };
    assert_eq!(code(change(&old, 5).await), "InvalidParameterValue");
    change(second.receipt_handle().unwrap(), 0).await.unwrap();
    // It was received twice: the third time it goes.
    assert!(receive(&client, &url).await.is_empty());
    assert!(fake.messages("q").is_empty());
    assert_eq!((fake.messages("dlq")[0].id.as_str(), fake.receives("q")[&id]), (id.as_str(), 2));
}

#[tokio::test]
async fn visibility_is_changed_while_a_message_is_in_flight() {
    let (fake, client, url) = queue(MINUTE).await;
    fake.send_message("q", "m");
    let message = receive(&client, &url).await.remove(0);
    let change = |handle: &str, seconds| {
        client.change_message_visibility().queue_url(&url).receipt_handle(handle).visibility_timeout(seconds).send()
    };
    let handle = message.receipt_handle().unwrap();
    change(handle, 3600).await.unwrap();
    assert!(fake.messages("q")[0].invisible_for.unwrap() > MINUTE);
    assert_eq!(code(change(handle, 43_201).await), "InvalidParameterValue");
    assert_eq!(code(change("nonsense", 5).await), "ReceiptHandleIsInvalid");
    change(handle, 0).await.unwrap();
    assert_eq!(code(change(handle, 5).await), "AWS.SimpleQueueService.MessageNotInflight");
    client.delete_message().queue_url(&url).receipt_handle(handle).send().await.unwrap();
    assert_eq!(code(change(handle, 5).await), "InvalidParameterValue");
    let none = client.receive_message().queue_url(format!("{url}x")).send().await;
    assert!(none.unwrap_err().into_service_error().is_queue_does_not_exist());
}

#[tokio::test]
async fn a_long_poll_ends_with_a_message_or_with_its_time() {
    let (fake, client, url) = queue(Duration::from_millis(400)).await;
    let (second, minute) = (Duration::from_secs(1), MINUTE);
    let poll = |seconds: i32| client.receive_message().queue_url(&url).wait_time_seconds(seconds).send();
    let start = Instant::now();
    assert!(poll(1).await.unwrap().messages().is_empty());
    assert!(start.elapsed() >= second, "{:?}", start.elapsed());
    // One that is sent meanwhile ends it: it brings none where it waits for its time.
    let polling = tokio::spawn(poll(20));
    let polls = fake.until(minute, |fake| (fake.count(Service::Sqs, "ReceiveMessage") == 2).then_some(())).await;
    assert!(polls.is_some());
    fake.send_message("q", "m");
    assert_eq!(polling.await.unwrap().unwrap().messages().len(), 1);
    // It becomes visible again while the next waits.
    assert_eq!(poll(20).await.unwrap().messages().len(), 1);
    assert!(fake.messages("q")[0].receives == 2);
}

#[tokio::test]
async fn a_delayed_message_waits() {
    let (fake, client, url) = queue(MINUTE).await;
    let send = |seconds| client.send_message().queue_url(&url).message_body("m").delay_seconds(seconds).send();
    assert_eq!(code(send(901).await), "InvalidParameterValue");
    send(900).await.unwrap();
    assert_eq!(fake.queue_counts("q"), QueueCounts { visible: 0, in_flight: 0, delayed: 1 });
    assert!(receive(&client, &url).await.is_empty());
    let sent = Instant::now();
    send(1).await.unwrap();
    let poll = client.receive_message().queue_url(&url).wait_time_seconds(20).send().await.unwrap();
    assert_eq!(poll.messages().len(), 1);
    assert!(sent.elapsed() >= Duration::from_secs(1), "{:?}", sent.elapsed());
    assert_eq!(fake.messages("q")[0].delay, Duration::from_secs(900));
}

#[tokio::test]
async fn for_some_messages_a_test_lets_the_time_pass() {
    let (fake, client, url) = queue(MINUTE).await;
    let ids = fake.send_messages("q", &["one", "two"]);
    // One receive brings both.
    assert_eq!(receive(&client, &url).await.len(), 2);
    client.send_message().queue_url(&url).message_body("three").delay_seconds(900).send().await.unwrap();
    let polling = tokio::spawn(client.receive_message().queue_url(&url).wait_time_seconds(20).send());
    let polls = fake.until(MINUTE, |fake| (fake.count(Service::Sqs, "ReceiveMessage") == 2).then_some(())).await;
    assert!(polls.is_some());
    // Who waits has it at once.
    fake.make_visible("q", |message| message.id == ids[1]);
    let received = polling.await.unwrap().unwrap();
    assert_eq!(received.messages()[0].message_id(), Some(ids[1].as_str()));
    fake.make_visible("q", |message| message.receives == 0);
    assert_eq!(receive(&client, &url).await[0].body(), Some("three"));
    assert_eq!(fake.queue_counts("q"), QueueCounts { visible: 0, in_flight: 3, delayed: 0 });
}

#[tokio::test]
async fn a_message_has_1_mib_with_its_attributes() {
    let (_fake, client, url) = queue(MINUTE).await;
    let attribute = || MessageAttributeValue::builder().data_type("Number").string_value("1").build().unwrap();
    let send = |bytes: usize| {
        let call = client.send_message().queue_url(&url).message_body("x".repeat(bytes));
        call.message_attributes("n", attribute()).send()
    };
    send(1_048_576 - 8).await.unwrap();
    assert_eq!(code(send(1_048_576 - 7).await), "InvalidParameterValue");
    assert_eq!(
        code(client.send_message().queue_url(&url).message_body("\u{1}").send().await),
        "InvalidMessageContents"
    );
    let most = client.receive_message().queue_url(&url).max_number_of_messages(11).send().await;
    assert_eq!(code(most), "InvalidParameterValue");
}

#[tokio::test]
async fn each_entry_of_a_batch_is_judged_by_itself() {
    let (fake, client, url) = queue(MINUTE).await;
    let entry = |id: &str, delay| {
        SendMessageBatchRequestEntry::builder().id(id).message_body("m").delay_seconds(delay).build().unwrap()
    };
    let sent = client.send_message_batch().queue_url(&url).entries(entry("a", 0)).entries(entry("b", 901));
    let sent = sent.send().await.unwrap();
    assert_eq!((sent.successful().len(), sent.failed()[0].id()), (1, "b"));
    let twice = client.send_message_batch().queue_url(&url).entries(entry("a", 0)).entries(entry("a", 0));
    assert_eq!(code(twice.send().await), "AWS.SimpleQueueService.BatchEntryIdsNotDistinct");
    let eleven = (0..11).map(|number| entry(&number.to_string(), 0)).collect();
    let eleven = client.send_message_batch().queue_url(&url).set_entries(Some(eleven)).send().await;
    assert_eq!(code(eleven), "AWS.SimpleQueueService.TooManyEntriesInBatchRequest");

    let handle = receive(&client, &url).await[0].receipt_handle().unwrap().to_owned();
    let change = |id: &str, handle: &str| {
        let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(id).receipt_handle(handle);
        entry.visibility_timeout(100).build().unwrap()
    };
    let changed = client.change_message_visibility_batch().queue_url(&url);
    let changed = changed.entries(change("a", &handle)).entries(change("b", "nonsense")).send().await.unwrap();
    assert_eq!((changed.successful()[0].id(), changed.failed()[0].code()), ("a", "ReceiptHandleIsInvalid"));
    let delete = DeleteMessageBatchRequestEntry::builder().id("a").receipt_handle(&handle).build().unwrap();
    let deleted = client.delete_message_batch().queue_url(&url).entries(delete).send().await.unwrap();
    assert_eq!((deleted.successful().len(), fake.messages("q").len()), (1, 0));
}

#[tokio::test]
async fn a_poller_that_is_gone_receives_nothing() {
    let (fake, client, url) = queue(MINUTE).await;
    let polling = tokio::spawn(client.receive_message().queue_url(&url).wait_time_seconds(20).send());
    let called = fake.until(MINUTE, |fake| (fake.count(Service::Sqs, "ReceiveMessage") == 1).then_some(())).await;
    assert!(called.is_some());
    polling.abort();
    assert!(fake.until(MINUTE, |fake| (fake.open_polls() == 0).then_some(())).await.is_some());
    fake.send_message("q", "m");
    assert_eq!(fake.queue_counts("q"), QueueCounts { visible: 1, in_flight: 0, delayed: 0 });
}

/// As aws-sdk-js#2350 has it: only where it is asked for.
#[tokio::test]
async fn a_long_poll_may_outlive_its_client() {
    for outlives in [false, true] {
        let (fake, client, url) = queue(MINUTE).await;
        if outlives {
            fake.polls_outlive_clients();
        }
        let poll = client.receive_message().queue_url(&url).wait_time_seconds(20).send();
        let poll = tokio::spawn(poll);
        let asked = fake.until(MINUTE, |fake| (fake.count(Service::Sqs, "ReceiveMessage") > 0).then_some(()));
        asked.await.unwrap();
        poll.abort();
        let _ = poll.await;
        assert!(fake.until(MINUTE, |fake| (fake.connections() == 0).then_some(())).await.is_some());
        assert_eq!(fake.open_polls(), usize::from(outlives));
        fake.send_message("q", "late");
        assert!(fake.until(MINUTE, |fake| (fake.open_polls() == 0).then_some(())).await.is_some());
        assert_eq!(fake.queue_counts("q").in_flight, usize::from(outlives));
    }
}

#[tokio::test]
async fn the_redrive_policy_is_told_to_who_asks() {
    let (_fake, client, url) = queue(MINUTE).await;
    let name = aws_sdk_sqs::types::QueueAttributeName::RedrivePolicy;
    let answer = client.get_queue_attributes().queue_url(&url).attribute_names(name.clone()).send().await.unwrap();
    assert!(answer.attributes().unwrap()[&name].contains("\"maxReceiveCount\":2"));
}
