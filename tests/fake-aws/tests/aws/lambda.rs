//! The runtime API.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fake_aws::{FakeAws, Outcome};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Status line, headers and body of an answer, as text.
async fn call(authority: String, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(&authority).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    let line = answer.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}: "))).unwrap();
    line.split_once(": ").unwrap().1
}

#[tokio::test]
async fn a_function_is_given_events_and_answers_them() {
    let fake = FakeAws::start().await;
    // Asked for before it is there: a long poll.
    let poll = tokio::spawn(call(fake.authority(), "GET", "invocation/next", ""));
    let asked = fake.until(Duration::from_secs(60), |fake| fake.log().pop()).await;
    assert!(asked.is_some() && !poll.is_finished());
    let id = fake.invoke(r#"{"Records":[]}"#, Duration::from_secs(300));
    assert_eq!(fake.outcome(&id), Outcome::Waiting);
    let answer = poll.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(r#"{"Records":[]}"#), "{answer}");
    assert_eq!(header(&answer, "lambda-runtime-aws-request-id"), id);
    assert!(header(&answer, "lambda-runtime-invoked-function-arn").starts_with("arn:aws:lambda:"));
    let deadline: u128 = header(&answer, "lambda-runtime-deadline-ms").parse().unwrap();
    let left = deadline - SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    assert!((60_000..=300_000).contains(&left), "{left} ms are left");
    assert_eq!(fake.outcome(&id), Outcome::Running);

    let answer = call(fake.authority(), "POST", &format!("invocation/{id}/response"), "{}").await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    assert_eq!(fake.outcome(&id), Outcome::Response("{}".into()));
    let again = call(fake.authority(), "POST", &format!("invocation/{id}/response"), "{}").await;
    assert!(again.starts_with("HTTP/1.1 400"), "{again}");
}

#[tokio::test]
async fn an_answer_after_the_deadline_is_none() {
    let fake = FakeAws::start().await;
    let id = fake.invoke("1", Duration::ZERO);
    call(fake.authority(), "GET", "invocation/next", "").await;
    call(fake.authority(), "POST", &format!("invocation/{id}/response"), "{}").await;
    assert_eq!(fake.outcome(&id), Outcome::TimedOut);
}

#[tokio::test]
async fn a_function_reports_errors() {
    let fake = FakeAws::start().await;
    let id = fake.invoke("1", Duration::from_secs(30));
    call(fake.authority(), "GET", "invocation/next", "").await;
    call(fake.authority(), "POST", &format!("invocation/{id}/error"), "bad").await;
    assert_eq!(fake.outcome(&id), Outcome::Error("bad".into()));
    assert_eq!(fake.init_error(), None);
    call(fake.authority(), "POST", "init/error", "worse").await;
    assert_eq!(fake.init_error(), Some("worse".into()));
}
