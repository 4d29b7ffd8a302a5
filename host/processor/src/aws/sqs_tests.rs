use super::super::testing::{Answer, Server, answer, json_error, options};
use super::super::{Aws, AwsOptions};
use super::*;

fn queue(aws: &Aws) -> Queue {
    aws.queue("https://sqs.eu-west-1.amazonaws.com/1/q")
}

fn handles(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn receive() {
    let server = Server::start(|_| {
        answer(200, r#"{"Messages":[{"MessageId":"m","ReceiptHandle":"r","Body":"b","Attributes":{"ApproximateReceiveCount":"2"}}]}"#)
    })
    .await;
    let received = queue(&server.aws().await).receive(20, 300).await.unwrap();
    let expected =
        ReceivedMessage { message_id: "m".into(), receipt_handle: "r".into(), body: "b".into(), receive_count: 2 };
    assert_eq!(received, [expected]);
    let asked: serde_json::Value = serde_json::from_slice(&server.requests()[0].body).unwrap();
    assert_eq!((&asked["MaxNumberOfMessages"], &asked["WaitTimeSeconds"]), (&10.into(), &20.into()));
    assert_eq!(asked["VisibilityTimeout"], 300);
    assert_eq!(asked["MessageSystemAttributeNames"][0], "ApproximateReceiveCount");
}

#[tokio::test]
async fn an_answer_with_nothing_in_it_is_no_empty_queue() {
    for (body, good) in [("", false), (" \n", false), ("{}", true), (r#"{"Messages":[]}"#, true), ("<html>", false)] {
        let server = Server::start(move |_| answer(200, body)).await;
        let received = queue(&server.aws().await).receive(0, 300).await;
        assert_eq!(
            received.map_err(|error| error.kind),
            if good { Ok(Vec::new()) } else { Err(AwsErrorKind::NoProof) },
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_long_poll_outlasts_the_timeout_of_a_request() {
    let server = Server::start(|request| match request.operation().as_str() {
        "ReceiveMessage" => Answer { delay: Duration::from_millis(1500), ..answer(200, "{}") },
        _ => Answer { delay: Duration::from_secs(3600), ..answer(200, "{}") },
    })
    .await;
    let short = AwsOptions { request_timeout: Duration::from_secs(1), attempts: 1, ..options() };
    let queue = queue(&server.aws_with(short).await);
    assert!(queue.receive(20, 300).await.unwrap().is_empty());
    let error = queue.delete(&handles(&["a"])).await.unwrap_err();
    assert_eq!((error.kind, error.effect_unknown), (AwsErrorKind::Unreachable, true));
}

#[tokio::test]
async fn results_come_in_the_order_of_the_input() {
    let server = Server::start(|request| match request.operation().as_str() {
        "ChangeMessageVisibilityBatch" => answer(
            200,
            r#"{"Successful":[{"Id":"4"},{"Id":"1"}],"Failed":[
                {"Id":"2","SenderFault":true,"Code":"InvalidParameterValue","Message":"Value r for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."},
                {"Id":"0","SenderFault":true,"Code":"ReceiptHandleIsInvalid"},
                {"Id":"3","SenderFault":false,"Code":"InternalError","Message":"oops"},
                {"Id":"5","SenderFault":true,"Code":"AWS.SimpleQueueService.MessageNotInflight"}]}"#,
        ),
        _ => answer(
            200,
            r#"{"Successful":[{"Id":"2","MessageId":"x","MD5OfMessageBody":"y"},{"Id":"0","MessageId":"x","MD5OfMessageBody":"y"}],
                "Failed":[{"Id":"1","SenderFault":true,"Code":"InternalError","Message":"oops"}]}"#,
        ),
    })
    .await;
    let queue = queue(&server.aws().await);
    let results = queue.set_visibility(&handles(&["a", "b", "c", "d", "e", "f", "g"]), 0).await.unwrap();
    let lost: Vec<_> = results.iter().map(|result| matches!(result, VisibilityResult::Lost(_))).collect();
    assert_eq!(lost, [true, false, true, false, false, true, false]);
    assert_eq!((&results[1], &results[4]), (&VisibilityResult::Extended, &VisibilityResult::Extended));
    assert_eq!(results[3], VisibilityResult::Failed("InternalError: oops".into()));
    assert_eq!(results[6], VisibilityResult::Failed(NOT_MENTIONED.into()));
    let asked: serde_json::Value = serde_json::from_slice(&server.requests()[0].body).unwrap();
    assert_eq!(
        (&asked["Entries"][1]["ReceiptHandle"], &asked["Entries"][1]["VisibilityTimeout"]),
        (&"b".into(), &0.into())
    );

    let expected = vec![Ok(()), Err("InternalError: oops".to_owned()), Ok(()), Err(NOT_MENTIONED.to_owned())];
    assert_eq!(queue.delete(&handles(&["a", "b", "c", "d"])).await.unwrap(), expected);
    let message = OutgoingMessage { body: "b".into(), delay_seconds: 4, numbers: vec![("RetryCount", 2)] };
    assert_eq!(queue.send(&vec![message; 4]).await.unwrap(), expected);
    let sent: serde_json::Value = serde_json::from_slice(&server.of("SendMessageBatch")[0].body).unwrap();
    let attribute = &sent["Entries"][3]["MessageAttributes"]["RetryCount"];
    assert_eq!((&attribute["DataType"], &attribute["StringValue"]), (&"Number".into(), &"2".into()));
    assert_eq!((&sent["Entries"][3]["DelaySeconds"], &sent["Entries"][3]["MessageBody"]), (&4.into(), &"b".into()));
}

#[tokio::test]
async fn max_receive_count() {
    for (attributes, expected) in [
        (r#"{"RedrivePolicy":"{\"maxReceiveCount\":3,\"deadLetterTargetArn\":\"arn\"}"}"#, Some(3)),
        (r#"{"RedrivePolicy":"{\"maxReceiveCount\":\"10\"}"}"#, Some(10)),
        (r#"{"RedrivePolicy":"odd"}"#, None),
        ("{}", None),
    ] {
        let server = Server::start(move |_| answer(200, format!(r#"{{"Attributes":{attributes}}}"#))).await;
        assert_eq!(queue(&server.aws().await).max_receive_count().await.unwrap(), expected, "{attributes}");
    }
}

#[tokio::test]
async fn nothing_is_sent_for_nothing() {
    let server = Server::start(|_| answer(200, "{}")).await;
    let queue = queue(&server.aws().await);
    assert!(queue.delete(&[]).await.unwrap().is_empty() && queue.send(&[]).await.unwrap().is_empty());
    assert!(queue.set_visibility(&[], 1).await.unwrap().is_empty());
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn errors_of_sqs() {
    for (code, header, kind) in [
        ("QueueDoesNotExist", Some("AWS.SimpleQueueService.NonExistentQueue;Sender"), AwsErrorKind::NotFound),
        ("QueueDoesNotExist", None, AwsErrorKind::NotFound),
        ("AccessDeniedException", None, AwsErrorKind::Denied),
        ("RequestThrottled", None, AwsErrorKind::Throttled),
    ] {
        let server = Server::start(move |_| {
            let answer = json_error(400, code, "words");
            header.map_or(answer.clone(), |header| answer.header("x-amzn-query-error", header))
        })
        .await;
        let queue = queue(&server.aws_with(AwsOptions { attempts: 1, ..options() }).await);
        let error = queue.receive(0, 30).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.resource.contains("amazonaws.com/1/q"));
    }
}
