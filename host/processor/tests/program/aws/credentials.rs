//! Sessions: the reference's names, few of them, renewed in time, and never a
//! tenant's for another.

use std::collections::BTreeSet;
use std::time::Duration;

use fake_aws::scene::{CENTRAL_ROLE, CloudWatchTenant, QUEUE};
use fake_aws::{PROCESSOR_ACCOUNT, Permissions, REGION, Service, Trust};
use serde_json::json;

use crate::common::aws::{Lab, key, record, records};

/// The role of a session, and its name without the UUID.
fn named(lab: &Lab) -> BTreeSet<(String, String)> {
    let names = lab.aws.sessions().into_iter().map(|session| {
        let name = session.name.clone().unwrap();
        let (prefix, uuid) = name.split_once('-').unwrap();
        let groups: Vec<_> = uuid.split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12], "{name}");
        (session.principal.to_string(), prefix.to_owned())
    });
    names.collect()
}

#[test]
fn sessions_are_named_as_the_references_and_shared_by_many_objects() {
    let lab = Lab::new();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let s3 = lab.scene.add_s3_tenant("acme");
    let keys: Vec<_> = (0..50).map(|n| lab.object("acme", &n.to_string(), &records("acme", 1))).collect();
    for keys in keys.chunks(5) {
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        lab.scene.send(&lab.scene.announce(&keys));
    }
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!((lab.messages(&tenant).len(), lab.aws.keys(&s3.bucket).len()), (50, 50));
    let name = |role: &str, name: &str| (role.to_owned(), name.to_owned());
    let expected = [
        name(CENTRAL_ROLE, "CentralLogDistribution"),
        name(CENTRAL_ROLE, "S3LogDelivery"),
        name(&tenant.role, "CloudWatchLogDelivery"),
    ];
    assert_eq!(named(&lab), expected.into());
    assert_eq!(lab.count(Service::Sts, "AssumeRole"), 3);
    assert_eq!(lab.count(Service::Sts, "GetCallerIdentity"), 1, "the external ID is found once");
    process.terminate();
}

/// A session is renewed five minutes before it expires (`aws::sessions` tests the
/// moment): some are not so near to it, some always.
#[test]
fn sessions_are_renewed_before_they_expire() {
    for (lifetime, renewed) in [(3600, false), (299, true)] {
        let lab = Lab::new();
        let tenant = lab.scene.add_cloudwatch_tenant("acme");
        lab.aws.session_lifetime(Some(Duration::from_secs(lifetime)));
        let process = lab.sqs();
        let mut assumed = Vec::new();
        for number in 1..5 {
            lab.announced("acme", &number.to_string(), &records("acme", 1));
            process.done(number);
            assumed.push(lab.count(Service::Sts, "AssumeRole"));
        }
        assert!(assumed.is_sorted() && assumed[0] >= 2, "{assumed:?}");
        assert_eq!(assumed[3] > assumed[0], renewed, "{lifetime} s: {assumed:?}");
        process.empties_the_queue();
        assert!(process.outcomes().iter().all(|outcome| outcome == "cloudwatch=delivered"), "{:?}", process.outcomes());
        assert_eq!(lab.messages(&tenant).len(), 4);
        process.terminate();
    }
}

/// What a tenant's account holds, by whom.
fn check_puts(lab: &Lab, tenants: &[CloudWatchTenant]) {
    for put in lab.aws.puts() {
        let tenant = tenants.iter().find(|tenant| tenant.group == put.group).unwrap();
        assert_eq!(*put.who.principal, *tenant.role, "{put:?}");
        assert_eq!((&put.account, &*put.who.account), (&tenant.account, &*tenant.account), "{put:?}");
    }
}

#[test]
fn each_tenants_events_are_put_by_its_own_session_and_into_its_own_account() {
    let lab = Lab::new();
    let names: Vec<_> = (0..8).map(|n| format!("tenant-{n}")).collect();
    let tenants: Vec<_> = names.iter().map(|name| lab.scene.add_cloudwatch_tenant(name)).collect();
    lab.aws.latency(Service::Logs, Duration::from_millis(5));
    for round in 0..10 {
        for name in &names {
            let message = |n: usize| record(name, &format!("of {name}: {n}"), crate::common::aws::now() - 1000);
            let lines: String = (0..20).map(message).collect();
            lab.announced(name, &round.to_string(), &lines);
        }
    }
    let process = lab.sqs();
    process.empties_the_queue();
    check_puts(&lab, &tenants);
    for tenant in &tenants {
        let streams = lab.aws.log_streams(&tenant.account, REGION, &tenant.group);
        assert_eq!(streams.values().sum::<usize>(), 200);
        let prefix = format!("of {}: ", tenant.name);
        assert!(lab.messages(tenant).iter().all(|message| message.starts_with(&prefix)));
        let others = tenants.iter().filter(|other| other.name != tenant.name);
        for other in others {
            assert!(!lab.aws.has_log_group(&tenant.account, REGION, &other.group));
        }
    }
    process.terminate();
}

/// One that names another's log group has only its own role; one that names
/// another's role, a role that doesn't know the processor's account.
#[test]
fn a_tenant_does_not_reach_another_account() {
    let lab = Lab::new();
    let acme = lab.scene.add_cloudwatch_tenant("acme");
    let mallory = lab.scene.add_cloudwatch_tenant("mallory");
    let fields = |role: &str| json!({"log_distribution_role_arn": {"S": role}, "log_group_name": {"S": acme.group}});
    lab.scene.add_delivery("mallory", "cloudwatch", fields(&mallory.role));
    let stranger = "arn:aws:iam::999999999999:role/Stranger";
    lab.aws.add_role(stranger, Trust::of(CENTRAL_ROLE).external_id("999999999999"), Permissions::all());
    lab.scene.add_delivery("eve", "cloudwatch", fields(stranger));
    for name in ["acme", "mallory", "eve"] {
        lab.announced(name, "1", &records(name, 2));
    }
    let process = lab.sqs();
    process.done(3);
    process.wait("one to be delivered", || lab.messages(&acme).len() == 2);
    for (name, outcome) in [
        ("acme", "cloudwatch=delivered"),
        ("mallory", "cloudwatch=failed(denied)"),
        ("eve", "cloudwatch=failed(denied)"),
    ] {
        let line = process.line("its line", |line| line["message"] == "object" && line["tenant"] == name);
        assert_eq!(line["deliveries"], outcome, "{line}");
    }
    check_puts(&lab, std::slice::from_ref(&acme));
    assert!(lab.aws.sessions().iter().all(|session| *session.principal != *stranger));
    let streams = lab.aws.log_streams(&acme.account, REGION, &acme.group);
    assert_eq!(streams.into_keys().collect::<Vec<_>>(), [key("acme", "1").split('/').nth(3).unwrap()]);
    assert_ne!(acme.account, PROCESSOR_ACCOUNT);
    assert_eq!(lab.aws.receives(QUEUE).values().max(), Some(&1));
    process.kill();
}
