//! Names of log streams that AWS would refuse.

use std::collections::BTreeSet;

use fake_aws::REGION;

use super::support::stream;
use crate::common::aws::{Lab, gzip, records, texts};

#[test]
fn pods_whose_names_aws_refuses_have_streams_that_it_takes() {
    let lab = Lab::new();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let long = "p".repeat(600);
    let pods = ["plain", "a:b*c", "100%", "%-x", "é:é", &long];
    for pod in pods {
        let key = format!("prod-1/acme/app/{pod}/1.json.gz");
        lab.scene.put_object(&key, gzip(records("acme", 2).as_bytes()));
        lab.scene.send(&lab.scene.notify(&key));
    }
    let process = lab.sqs();
    process.empties_the_queue();
    let streams: BTreeSet<_> = lab.aws.log_streams(&tenant.account, REGION, &tenant.group).into_keys().collect();
    assert_eq!(streams.len(), pods.len(), "each has its own: {streams:?}");
    for name in ["plain", "%-a%3Ab%2Ac", "100%", "%-%25-x", "%-é%3Aé"] {
        assert_eq!(stream(&lab.aws, &tenant, name), texts(2), "{name}");
    }
    let cut = streams.iter().find(|name| name.starts_with("%~pppp")).unwrap();
    assert_eq!((cut.chars().count(), stream(&lab.aws, &tenant, cut)), (512, texts(2)));
    process.terminate();
}
