//! Lambda's deadline: what is left goes on in the next invocation.

use std::time::Duration;

use fake_aws::Service;
use fake_aws::scene::QUEUE;

use crate::aws::{Lab, records};
use crate::support::{metadata, repeated};

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
