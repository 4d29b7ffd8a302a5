//! What becomes of records when the component fails on them: quarantine, and the
//! default guest in its place.

use std::collections::BTreeMap;

use fake_aws::scene::QUEUE;
use fake_aws::{Effect, Rule};
use serde_json::{Value, json};

use super::beside::{Beside, Seen, THEIRS};
use super::guest::Guest;
use crate::common::aws::{CANARY, now, record, text, texts};

/// So many records, of which these are poison.
fn lines(tenant: &str, count: usize, poison: &[usize]) -> String {
    let begin = now() - 60_000;
    let message = |n| if poison.contains(&n) { format!("{CANARY} poison {n}") } else { text(n) };
    (0..count).map(|n| record(tenant, &message(n), begin + n as i64)).collect()
}

fn healthy(count: usize, poison: &[usize]) -> Vec<String> {
    (0..count).filter(|n| !poison.contains(n)).map(text).collect()
}

/// It traps over poison, and says `quarantine`.
fn quarantine(guest: Guest) -> Guest {
    guest.setting("poison", "poison").says("on_error", "quarantine")
}

/// The poison is dead-lettered, each record once, with all that one needs to look for it.
#[track_caller]
fn lettered(seen: &Seen, tenant: &str, lines: &str, poison: &[usize], says: &str) {
    let letters = seen.letters(tenant);
    let by_line: BTreeMap<u64, &Value> =
        letters.iter().map(|letter| (letter["lines"][0].as_u64().unwrap(), letter)).collect();
    let numbers: Vec<u64> = poison.iter().map(|&line| line as u64).collect();
    assert_eq!((letters.len(), by_line.keys().copied().collect()), (poison.len(), numbers), "{tenant}");
    for (&line, letter) in &by_line {
        let before: usize = lines.split_inclusive('\n').take(line as usize).map(str::len).sum();
        assert_eq!((&letter["reason"], &letter["offset"]), (&json!("poison"), &json!(before)), "{letter}");
        assert_eq!(letter["lines"], json!([line, line]));
        assert_eq!(letter["data"], lines.lines().nth(line as usize).unwrap());
        let (digest, detail) = (letter["component"].as_str().unwrap(), letter["detail"].as_str().unwrap());
        assert!(digest.len() == 64 && detail.contains(digest) && detail.contains(says), "{letter}");
        assert!(!detail.contains(CANARY), "{letter}");
    }
}

#[test]
fn quarantine_finds_the_poison_and_delivers_the_rest_in_order() {
    let (count, poison) = (400, [0, 17, 18, 250, 399]);
    let whole = |tenant: &str| lines(tenant, count, &poison);
    let cases = [
        ("rewriter", quarantine(Guest::rewriter("passthrough")), "guest-trap", "in rewrite"),
        ("transformer", quarantine(Guest::hostile("honest")), "guest-trap", "in transform"),
        // It holds records back, of which none may be lost with its instance.
        ("holds", quarantine(Guest::hostile("records")).setting("hold", "3"), "guest-trap", "in transform"),
        ("loops", quarantine(Guest::hostile("honest")).setting("fault", "loop"), "guest-fuel", "in transform"),
        ("memory", quarantine(Guest::hostile("honest")).setting("fault", "memory"), "guest-memory", "in transform"),
    ];
    let texts: Vec<(&str, String)> = cases.iter().map(|(tenant, ..)| (*tenant, whole(tenant))).collect();
    let beside = cases
        .iter()
        .zip(&texts)
        .fold(Beside::new(), |beside, ((tenant, guest, ..), (_, lines))| beside.with(tenant, guest.clone(), lines));
    let seen = beside.run();
    seen.process.empties_the_queue();
    for ((tenant, _, kind, says), (_, lines)) in cases.iter().zip(&texts) {
        let line = seen.came(tenant, "cloudwatch=partial(poison)");
        assert_eq!(line["dead_lettered"], poison.len(), "{line}");
        lettered(&seen, tenant, lines, &poison, says);
        assert!(seen.letters(tenant).iter().all(|letter| letter["detail"].as_str().unwrap().contains(kind)));
        // The hostile guest's messages are whole lines.
        let expected = match *tenant {
            "rewriter" => healthy(count, &poison),
            _ => lines.lines().filter(|line| !line.contains("poison")).map(str::to_owned).collect(),
        };
        assert_eq!(seen.messages(tenant), expected, "{tenant}: in order, each once");
        let failures = seen.metric("failures_total", tenant, &[&format!("kind=\"{kind}\"")]);
        // Halving: some ten calls a record.
        assert!((5.0..=60.0).contains(&failures), "{tenant}: {failures} calls failed");
        assert!((seen.metric("poison_total", tenant, &[]) - poison.len() as f64).abs() < 0.5, "{tenant}");
        assert!(seen.metric("suspended", tenant, &[]) < 0.5, "{tenant}: what is quarantined is made good");
    }
}

#[test]
fn quarantine_gives_up_where_it_is_the_component_that_is_broken() {
    let all: Vec<usize> = (0..200).collect();
    let seen = Beside::new().with("broken", quarantine(Guest::rewriter("passthrough")), &lines("broken", 200, &all));
    let seen = seen.run();
    seen.failed("broken", "guest-trap", &["quarantine gave up", "at most 256 and 64 may"]);
    assert!(seen.messages("broken").is_empty());
    assert!(seen.letters("broken").len() <= 64);
    seen.process.wait("its message", || !seen.beside.lab.aws.messages(QUEUE).is_empty());
}

#[test]
fn quarantine_goes_on_after_a_put_that_failed_in_the_middle() {
    let (count, poison) = (200, [5, 35, 36, 120, 190]);
    let whole = lines("again", count, &poison);
    let beside = Beside::new().set("MAX_BATCH_SIZE", 10);
    let beside = beside.with("again", quarantine(Guest::rewriter("passthrough")), &whole);
    let code = "AccessDeniedException".to_owned();
    let denied = Rule::new(Effect::Status { status: 400, code, message: "no".to_owned() });
    let account = beside.tenant("again").account.clone();
    // The stream is missing, then seven are taken.
    beside.lab.aws.fault(denied.operation("PutLogEvents").account(&account).after(8).times(1));
    let seen = beside.run();
    assert!(seen.line("again")["deliveries"].as_str().unwrap().starts_with("cloudwatch=failed("));
    let message = seen.process.until("the message that is sent back", || {
        let messages = seen.beside.lab.aws.messages(QUEUE).into_iter();
        let mut bodies = messages.map(|message| serde_json::from_str::<Value>(&message.body).unwrap());
        bodies.find(|body| body["processing_metadata"].is_object())
    });
    let offset = message["processing_metadata"]["offset"].as_u64().unwrap() as usize;
    assert!((50..=100).contains(&offset), "{offset} events are settled");
    seen.process.empties_the_queue();
    let (expected, mut arrived) = (healthy(count, &poison), BTreeMap::<String, usize>::new());
    seen.messages("again").into_iter().for_each(|message| *arrived.entry(message).or_default() += 1);
    assert_eq!(arrived.len(), expected.len(), "none is missing");
    for (number, message) in expected.iter().enumerate() {
        // A put that was on its way beside the one that failed is put again.
        let most = if (offset..offset + 20).contains(&number) { 2 } else { 1 };
        assert!((1..=most).contains(&arrived[message]), "{number}: {message}");
    }
    lettered(&seen, "again", &whole, &poison, "in rewrite");
}

#[test]
fn quarantine_without_a_place_for_it_waits() {
    let whole = lines("waits", 20, &[0, 7]);
    let beside = Beside::new().unset("DEAD_LETTER");
    let seen = beside.with("waits", quarantine(Guest::rewriter("passthrough")), &whole).run();
    let line = seen.came("waits", "cloudwatch=failed(dead-letter)");
    assert!(line["error"].as_str().unwrap().contains("set DEAD_LETTER to s3://bucket/prefix or a folder"), "{line}");
    seen.waits("waits");
    // As soon as there is a place, all goes on.
    let Seen { process, beside } = seen;
    process.terminate();
    let beside = beside.dead_letters();
    let seen = Seen { process: beside.lab.sqs(), beside };
    seen.process.empties_the_queue();
    assert_eq!(seen.messages("waits"), healthy(20, &[0, 7]));
    lettered(&seen, "waits", &whole, &[0, 7], "in rewrite");
}

#[test]
fn default_goes_on_alone_after_what_is_settled() {
    let default = |guest: Guest| guest.says("on_error", "default");
    let poison = [7];
    let seen = Beside::new()
        .add("wants", default(Guest::hostile("wants:loop")))
        .add("begin", default(Guest::hostile("begin:unreachable")))
        .add("transform", default(Guest::hostile("transform:memory")))
        .add("lies", default(Guest::hostile("event-ahead")))
        .with("rewriter", default(quarantine(Guest::rewriter("passthrough"))), &lines("rewriter", 20, &poison))
        .run();
    seen.process.empties_the_queue();
    let cases = [
        ("wants", "guest-fuel"),
        ("begin", "guest-trap"),
        ("transform", "guest-memory"),
        ("lies", "guest-contract"),
        ("rewriter", "guest-trap"),
    ];
    for (tenant, kind) in cases {
        let line = seen.came(tenant, "cloudwatch=delivered");
        assert_eq!(line["level"], "WARN", "{line}");
        let error = line["error"].as_str().unwrap();
        assert!(error.contains("went through the default guest alone, unfiltered (on_error: default)"), "{line}");
        assert!((seen.metric("replaced_total", tenant, &[]) - 1.0).abs() < 0.5, "{tenant}");
        assert!(seen.metric("failures_total", tenant, &[&format!("kind=\"{kind}\"")]) > 0.5, "{tenant}");
        assert!(seen.letters(tenant).is_empty());
        if tenant != "rewriter" {
            assert_eq!(seen.messages(tenant), texts(THEIRS), "{tenant}: unfiltered, in order, each once");
        }
    }
    let messages = seen.messages("rewriter");
    assert_eq!(messages.len(), 20);
    assert_eq!(messages[7], format!("{CANARY} poison 7"), "also what the component would not have let through");
}

#[test]
fn the_operators_default_that_fails_for_one_tenants_records_only() {
    let beside = Beside::new();
    let guest = || Guest::rewriter("passthrough").setting("poison", "poison");
    let plugin = guest().json(&beside.lab);
    let beside = beside.set("DEFAULT_PLUGIN", plugin);
    let beside = beside.with("poisoned", guest(), &lines("poisoned", 10, &[3])).with(
        "spared",
        guest(),
        &lines("spared", 10, &[]),
    );
    for tenant in ["poisoned", "spared"] {
        // Their items name none.
        beside.lab.scene.add_cloudwatch_tenant(tenant);
        for object in 2..6 {
            beside.lab.announced(tenant, &object.to_string(), &lines(tenant, 5, &[4]).replace("poison", tenant));
        }
    }
    let seen = beside.run();
    seen.failed("poisoned", "guest-trap", &["in rewrite"]);
    seen.process.wait("all of the other's", || seen.messages("spared").len() == 10 + 4 * 5);
    // The healthy tenant has it as well.
    assert!(seen.process.metric("log_processor_plugin_calls_total", &["tenant=\"good\""]) > 0.5);
    for tenant in ["good", "spared"] {
        let suspended = [format!("tenant=\"{tenant}\"")];
        assert!(seen.process.metric("log_processor_plugin_suspended", &[&suspended[0]]) < 0.5);
    }
}
