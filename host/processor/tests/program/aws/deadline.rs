//! Lambda's deadline: what is left goes on in the next invocation.

use std::time::Duration;

use fake_aws::scene::QUEUE;
use fake_aws::{Effect, Gate, Rule};

use super::support::{announced, metadata, repeated};
use crate::common::aws::{Lab, NEVER, Process, records};

/// Until the deadline. A fifth of it is for what is sent back: enough for a few calls,
/// on however busy a machine.
const TIME: Duration = Duration::from_secs(30);

/// An invocation in which so many puts of `acme` are taken (the first time one that
/// finds no stream comes before them), and the next hangs until its end; the IDs that
/// failed.
fn invoke_and_hang(lab: &Lab, process: &Process, puts: u32, messages: &[(&str, &str)]) -> Vec<String> {
    let gate = Gate::default();
    lab.aws.fault(Rule::new(Effect::Hold(gate.clone())).operation("PutLogEvents").after(puts));
    let failed = lab.invoke(process, messages, TIME);
    lab.aws.clear_faults();
    gate.open();
    failed
}

#[test]
fn a_large_object_arrives_over_several_invocations_and_none_counts_as_a_retry() {
    let lab = Lab::new().set("MAX_BATCH_SIZE", 10).set("REQUEST_TIMEOUT", NEVER);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let mut body = lab.scene.notify(&lab.object("acme", "1", &records("acme", 600)));
    let process = lab.lambda();
    let mut offset = 0;
    for invocation in 1..3 {
        assert_eq!(invoke_and_hang(&lab, &process, 15, &[(&format!("id-{invocation}"), &body)]), [""; 0]);
        let messages = lab.aws.messages(QUEUE);
        assert_eq!(messages.len(), invocation);
        let left = messages.last().unwrap();
        let metadata = metadata(left);
        assert_eq!((&metadata["retry_count"], left.invisible_for), (&0.into(), None), "at once, and no retry");
        assert!(metadata["offset"].as_u64().unwrap() > offset, "{metadata} is no further than {offset}");
        offset = metadata["offset"].as_u64().unwrap();
        body = left.body.to_string();
    }
    assert_eq!(lab.invoke(&process, &[("id-3", &body)], Duration::from_secs(NEVER)), [""; 0]);
    let repeated = repeated(&lab, &tenant, 600);
    assert!(repeated.len() <= 20 * 2, "{repeated:?}");
    assert_eq!(lab.aws.messages(QUEUE).len(), 2);
    process.kill();
}

/// Without a queue to send it back to, the message fails; the same process goes on
/// where it was.
#[test]
fn without_a_queue_it_is_reported_failed_in_time() {
    let lab = Lab::new().set("MAX_BATCH_SIZE", 10).set("REQUEST_TIMEOUT", NEVER).unset("SQS_QUEUE_URL");
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let body = lab.scene.notify(&lab.object("acme", "1", &records("acme", 400)));
    let process = lab.lambda();
    assert_eq!(invoke_and_hang(&lab, &process, 15, &[("id", &body)]), ["id"]);
    assert_eq!(lab.invoke(&process, &[("id", &body)], Duration::from_secs(NEVER)), [""; 0]);
    let repeated = repeated(&lab, &tenant, 400);
    assert!(repeated.len() <= 20, "{repeated:?}");
    process.kill();
}

/// Messages of one tenant that wait for their turn: nothing was tried, so nothing is
/// a retry, however often the deadline passes.
#[test]
fn what_never_had_its_turn_is_no_retry() {
    let lab = Lab::new().set("MAX_CONCURRENT_PER_TENANT", 1).set("REQUEST_TIMEOUT", NEVER);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let body = |n: usize| lab.scene.notify(&lab.object("acme", &n.to_string(), &records("acme", 1)));
    let mut left: Vec<_> = (0..12).map(body).collect();
    let process = lab.lambda();
    let mut sent = 0;
    for round in 0..3 {
        let ids: Vec<_> = (0..left.len()).map(|number| format!("{round}-{number}")).collect();
        let messages: Vec<_> = ids.iter().zip(&left).map(|(id, body)| (id.as_str(), body.as_str())).collect();
        if round == 2 {
            assert_eq!(lab.invoke(&process, &messages, Duration::from_secs(NEVER)), [""; 0]);
            break;
        }
        assert_eq!(invoke_and_hang(&lab, &process, 4, &messages), [""; 0]);
        let back = lab.aws.messages(QUEUE).split_off(sent);
        sent += back.len();
        // A round adds the one whose turn it was, and may have delivered that of the last.
        let retries: u64 = back.iter().map(|message| metadata(message)["retry_count"].as_u64().unwrap()).sum();
        assert!((1..=round + 1).contains(&retries), "{retries} retries");
        left = back.into_iter().map(|message| message.body.to_string()).collect();
    }
    assert_eq!((lab.aws.messages(QUEUE).len(), lab.messages(&tenant).len()), (sent, 12));
    process.kill();
}

#[test]
fn what_hangs_is_sent_back_before_the_deadline() {
    let lab = Lab::new().set("REQUEST_TIMEOUT", NEVER);
    let tenants = ["healthy", "hung"].map(|name| lab.scene.add_cloudwatch_tenant(name));
    lab.aws.fault(Rule::new(Effect::Hang).operation("PutLogEvents").account(&tenants[1].account));
    let bodies = tenants.each_ref().map(|tenant| {
        let name = &tenant.name;
        lab.scene.notify(&lab.object(name, "1", &records(name, 2)))
    });
    let process = lab.lambda();
    let failed = lab.invoke(&process, &[("1", &bodies[0]), ("2", &bodies[1])], TIME);
    assert_eq!(failed, [""; 0]);
    assert_eq!(lab.messages(&tenants[0]).len(), 2);
    let [message] = lab.aws.messages(QUEUE).try_into().unwrap();
    assert_eq!(announced(&message)[0].split('/').nth(1), Some("hung"));
    assert_eq!(metadata(&message)["retry_count"], 1, "it was tried");
    process.kill();
}
