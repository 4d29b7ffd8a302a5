//! Everything at once: calls that fail in all ways, and processes that end in the
//! middle. What must hold then: nothing is lost.

use std::time::Duration;

use fake_aws::scene::{DEAD_LETTERS, QUEUE};
use fake_aws::{Effect, Rule, Service};

use super::support::arrivals;
use crate::common::aws::{Lab, records};

const OBJECTS: usize = 12;
const EVENTS: usize = 40;

fn bad_weather(lab: &Lab) {
    let unavailable = || Effect::Status { status: 500, code: "InternalError".to_owned(), message: "no".to_owned() };
    let faults = [
        Rule::new(Effect::ResetBefore).operation("PutLogEvents").after(5).times(3),
        Rule::new(Effect::ResetAfter).operation("PutLogEvents").after(20).times(3),
        Rule::new(Effect::Throttle).operation("PutLogEvents").after(40).times(8),
        Rule::new(Effect::Hang).operation("PutLogEvents").after(60).times(2),
        Rule::new(Effect::TruncateBody(100)).operation("GetObject").after(3).times(3),
        Rule::new(unavailable()).operation("GetObject").after(10).times(4),
        Rule::new(Effect::ResetAfter).operation("CopyObject").after(2).times(2),
        Rule::new(Effect::ErrorIn200("SlowDown".to_owned())).operation("CopyObject").after(5).times(3),
        Rule::new(Effect::Throttle).service(Service::DynamoDb).after(1).times(3),
        Rule::new(unavailable()).operation("AssumeRole").after(2).times(3),
        Rule::new(Effect::ResetAfter).operation("SendMessageBatch").after(1).times(1),
        Rule::new(Effect::ResetAfter).operation("DeleteMessageBatch").after(2).times(3),
        Rule::new(Effect::ResetAfter).operation("ReceiveMessage").after(3).times(1),
        Rule::new(Effect::Throttle).service(Service::CloudWatch),
    ];
    faults.into_iter().for_each(|fault| lab.aws.fault(fault));
}

#[test]
fn nothing_is_lost_in_any_weather() {
    let lab = Lab::new().may_extend().redrive_after(10).set("VISIBILITY_TIMEOUT", 10).impatient();
    let lab = lab.set("MAX_BATCH_SIZE", 10).set("SHUTDOWN_GRACE_SECONDS", 5);
    let tenants: Vec<_> = (0..4).map(|n| lab.scene.add_cloudwatch_tenant(&format!("tenant-{n}"))).collect();
    let s3 = lab.scene.add_s3_tenant("tenant-0");
    lab.aws.latency(Service::Logs, Duration::from_millis(10));
    bad_weather(&lab);
    for number in 0..OBJECTS {
        for tenant in &tenants {
            lab.announced(&tenant.name, &number.to_string(), &records(&tenant.name, EVENTS));
        }
    }
    let first = lab.sqs();
    first.wait("some of the work", || lab.aws.deleted(QUEUE).len() > 8);
    first.terminate();
    let second = lab.sqs();
    second.wait("some more", || lab.aws.deleted(QUEUE).len() > 20);
    second.kill();
    // What was begun of these begins anew.
    let left = lab.aws.messages(QUEUE);
    let third = lab.sqs();
    third.empties_the_queue();
    assert!(lab.aws.messages(DEAD_LETTERS).is_empty());
    for tenant in &tenants {
        let arrived = arrivals(&lab, tenant);
        assert_eq!(arrived.len(), EVENTS, "{}", tenant.name);
        let least = arrived.values().min().unwrap();
        assert!(*least >= OBJECTS, "{}: {arrived:?}", tenant.name);
        let repeated = arrived.values().sum::<usize>() - OBJECTS * EVENTS;
        let folder = format!("/{}/", tenant.name);
        let killed = left.iter().filter(|message| message.body.contains(&folder)).count();
        // And of each put that was on its way when it was reset, or given up at the end
        // of the grace.
        let most = (killed + 6) * EVENTS;
        assert!(repeated <= most, "{}: {repeated} more than once, not {most}", tenant.name);
    }
    assert_eq!(lab.aws.keys(&s3.bucket).len(), OBJECTS);
    third.wait("nothing to be held", || third.metric("log_processor_messages_in_flight", &[]) < 0.5);
    third.terminate();
}
