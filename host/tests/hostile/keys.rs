//! Key-parsers that want more than they may have.

use crate::assemble::parser;
use crate::beside::Beside;

#[test]
fn one_that_names_another_tenant() {
    let pod = crate::aws::pod("evil");
    let key = crate::aws::key("evil", "1");
    let cluster = key.split('/').next().unwrap();
    let broken = [
        ([cluster, "evil", "good", "app", &pod.name, "production"], "it changed tenant-id"),
        ([cluster, "good", "evil", "app", &pod.name, "production"], "it changed namespace"),
        (["another", "evil", "evil", "app", &pod.name, "production"], "it changed cluster-id"),
        ([cluster, "evil", "evil", "../good", &pod.name, "production"], "application"),
        ([cluster, "evil", "evil", "app", "..", "production"], "pod-name"),
        ([cluster, "evil", "evil", "app", &pod.name, ""], "environment"),
    ];
    for (fields, says) in broken {
        Beside::component(&parser("", fields)).fails("guest-contract", &["in parse-key", says]);
    }
}

#[test]
fn one_that_traps() {
    let component = parser("unreachable", ["", "", "", "", "", ""]);
    Beside::component(&component).fails("guest-trap", &["in parse-key", "unreachable"]);
}
