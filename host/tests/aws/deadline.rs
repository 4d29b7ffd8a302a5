//! Lambda's deadline: what is left goes on in the next invocation.

use std::time::{Duration, Instant};

use fake_aws::scene::QUEUE;
use fake_aws::{Rule, Service, What};

use crate::aws::{Lab, records};
use crate::support::{announced, metadata, repeated};

#[test]
fn a_large_object_arrives_over_several_invocations_and_none_counts_as_a_retry() {
    let lab = Lab::new().set("MAX_BATCH_SIZE", 10);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.latency(Service::Logs, Duration::from_millis(60));
    let mut body = lab.scene.notify(&lab.object("acme", "1", &records("acme", 600)));
    let process = lab.lambda();
    let mut offset = 0;
    let mut invocations = 1;
    while lab.invoke(&process, &[(&format!("id-{invocations}"), &body)], Duration::from_millis(1300)).is_empty() {
        let messages = lab.aws.messages(QUEUE);
        if messages.len() < invocations {
            break;
        }
        let left = messages.last().unwrap();
        let metadata = metadata(left);
        assert_eq!((&metadata["retry_count"], left.invisible_for), (&0.into(), None), "at once, and no retry");
        assert!(metadata["offset"].as_u64().unwrap() > offset, "{metadata} is no further than {offset}");
        offset = metadata["offset"].as_u64().unwrap();
        body = left.body.to_string();
        invocations += 1;
    }
    assert!((3..20).contains(&invocations), "{invocations} invocations");
    let repeated = repeated(&lab, &tenant, 600);
    assert!(repeated.len() <= 20 * (invocations - 1), "{repeated:?}");
    assert_eq!(lab.aws.messages(QUEUE).len(), invocations - 1);
    process.kill();
}

/// Without a queue to send it back to, the message fails; the same process goes on
/// where it was.
#[test]
fn without_a_queue_it_is_reported_failed_in_time() {
    let lab = Lab::new().set("MAX_BATCH_SIZE", 10).unset("SQS_QUEUE_URL");
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.latency(Service::Logs, Duration::from_millis(60));
    let body = lab.scene.notify(&lab.object("acme", "1", &records("acme", 400)));
    let process = lab.lambda();
    let mut invocations = 1;
    while lab.invoke(&process, &[("id", &body)], Duration::from_millis(1300)) == ["id"] {
        invocations += 1;
        assert!(invocations < 20);
    }
    assert!(invocations > 1);
    repeated(&lab, &tenant, 400);
    process.kill();
}

/// Messages of one tenant that wait for their turn: nothing was tried, so nothing is
/// a retry, however often the deadline passes.
#[test]
fn what_never_had_its_turn_is_no_retry() {
    let lab = Lab::new().set("MAX_CONCURRENT_PER_TENANT", 1).set("REQUEST_TIMEOUT", 10);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let body = |n: usize| lab.scene.notify(&lab.object("acme", &n.to_string(), &records("acme", 1)));
    let mut left: Vec<_> = (0..24).map(body).collect();
    lab.aws.fault(Rule::new(What::Delay(Duration::from_millis(150))).operation("PutLogEvents"));
    let process = lab.lambda();
    let mut sent = 0;
    for round in 0..20 {
        let ids: Vec<_> = (0..left.len()).map(|number| format!("{round}-{number}")).collect();
        let messages: Vec<_> = ids.iter().zip(&left).map(|(id, body)| (id.as_str(), body.as_str())).collect();
        assert_eq!(lab.invoke(&process, &messages, Duration::from_millis(1100)), [""; 0]);
        let back = lab.aws.messages(QUEUE).split_off(sent);
        sent += back.len();
        // The one that had its turn may have been cut short.
        assert!(back.iter().all(|message| metadata(message)["retry_count"].as_u64() <= Some(1)), "{back:?}");
        left = back.into_iter().map(|message| message.body.to_string()).collect();
        if left.is_empty() {
            break;
        }
    }
    assert_eq!((left.len(), lab.messages(&tenant).len()), (0, 24));
    process.kill();
}

#[test]
fn what_hangs_is_sent_back_before_the_deadline() {
    let lab = Lab::new().set("REQUEST_TIMEOUT", 30);
    let tenants = ["healthy", "hung"].map(|name| lab.scene.add_cloudwatch_tenant(name));
    lab.aws.fault(Rule::new(What::Hang).operation("PutLogEvents").account(&tenants[1].account));
    let bodies = tenants.each_ref().map(|tenant| {
        let name = &tenant.name;
        lab.scene.notify(&lab.object(name, "1", &records(name, 2)))
    });
    let process = lab.lambda();
    let begun = Instant::now();
    let failed = lab.invoke(&process, &[("1", &bodies[0]), ("2", &bodies[1])], Duration::from_secs(2));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(failed, [""; 0]);
    assert_eq!(lab.messages(&tenants[0]).len(), 2);
    let [message] = lab.aws.messages(QUEUE).try_into().unwrap();
    assert_eq!(announced(&message)[0].split('/').nth(1), Some("hung"));
    assert_eq!(metadata(&message)["retry_count"], 1, "it was tried");
    process.kill();
}
