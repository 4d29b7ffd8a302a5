//! A component that only reads keys, from the tenant file on.

use assemble::parser;

use super::faults::TWO;
use crate::common::local::{Lab, record};

#[test]
fn a_refined_key_decides_where_the_object_goes() {
    let lab = Lab::new();
    std::fs::write(lab.path("parser.wasm"), parser("", ["c", "n", "n", "web", "web-7", "staging"])).unwrap();
    let lab = lab.argument("--plugin").argument("parser.wasm");
    // It is asked for a delivery of a tenant that is known: the key itself says whose it is.
    lab.tenants(TWO);
    lab.object("c/n/api/api-1/f.json", record("a", 0));
    lab.object("c/m/api/api-1/f.json", record("b", 0));
    let run = lab.run();
    assert_eq!(lab.messages("web-7"), ["a"]);
    assert_eq!(run.outcome("c/n/api/api-1/f.json"), "delivered");
    // The parser takes everything for tenant n's: it is not believed.
    assert_eq!(run.entry("c/m/api/api-1/f.json")["reason"], "guest-contract");
    assert_eq!(run.code, 1);
    run.says(&["it changed tenant-id"]);
}
