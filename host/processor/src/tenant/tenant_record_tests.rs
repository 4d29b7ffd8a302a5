use super::super::plugin::FIELD as PLUGIN;
use super::*;
use model::{Destination, DestinationKind, Limits};

fn text(value: &str) -> Attribute {
    Attribute::Text(value.to_owned())
}

fn texts(values: &[&str]) -> Attribute {
    Attribute::List(values.iter().map(|value| text(value)).collect())
}

fn with(mut item: Item, fields: &[(&str, Attribute)]) -> Item {
    item.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    item
}

fn without(mut item: Item, field: &str) -> Item {
    item.remove(field);
    item
}

fn item(kind: &str) -> Item {
    with(Item::new(), &[("tenant_id", text("shop")), ("type", text(kind)), ("enabled", Attribute::Bool(true))])
}

fn s3() -> Item {
    with(item("s3"), &[("bucket_name", text("shop-logs"))])
}

fn cloudwatch() -> Item {
    let role = text("arn:aws:iam::123456789012:role/logs");
    with(item("cloudwatch"), &[("log_distribution_role_arn", role), ("log_group_name", text("/shop"))])
}

fn read(items: &[Item]) -> TenantRecord {
    TenantRecord::read("shop", items, &PluginRules { limits: Limits::DEFAULT, folder: None })
}

fn deliveries(found: &TenantRecord) -> Vec<&Delivery> {
    match &found.lookup {
        Lookup::Deliveries(deliveries) => deliveries.iter().map(|delivery| &**delivery).collect(),
        _ => Vec::new(),
    }
}

/// What is wrong with the only item, which is found invalid.
fn problem(item: Item) -> String {
    let mut found = read(&[item]);
    assert_eq!(found.lookup, Lookup::NoneEnabled);
    assert_eq!(found.invalid.len(), 1);
    found.invalid.remove(0).problem
}

#[test]
fn every_field_is_read_and_defaults_are_the_references() {
    let full = with(
        cloudwatch(),
        &[
            ("desired_logs", texts(&["kube-apiserver", "oauth-server"])),
            ("groups", texts(&["API"])),
            ("target_region", text("eu-west-1")),
            ("ttl", Attribute::Number("4102444800".to_owned())),
            ("created_at", text("2025-06-01T10:00:00Z")),
            ("updated_at", Attribute::Map(Item::from([("a".to_owned(), Attribute::List(vec![Attribute::Binary]))]))),
        ],
    );
    let found = read(&[s3(), full]);
    let expected_cloudwatch = Delivery {
        tenant_id: "shop".to_owned(),
        desired_logs: vec!["kube-apiserver".to_owned(), "oauth-server".to_owned()],
        groups: vec!["API".to_owned()],
        target_region: "eu-west-1".to_owned(),
        destination: Destination::CloudWatch {
            role_arn: "arn:aws:iam::123456789012:role/logs".to_owned(),
            account: "123456789012".to_owned(),
            log_group: "/shop".to_owned(),
        },
        plugins: model::Plugins::default(),
    };
    let expected_s3 = Delivery {
        tenant_id: "shop".to_owned(),
        desired_logs: Vec::new(),
        groups: Vec::new(),
        target_region: "us-east-1".to_owned(),
        destination: Destination::S3 {
            bucket: "shop-logs".to_owned(),
            prefix: "ROSA/cluster-logs/".to_owned(),
            account: None,
        },
        plugins: model::Plugins::default(),
    };
    assert_eq!(deliveries(&found), [&expected_cloudwatch, &expected_s3]);
    assert_eq!((found.invalid, found.warnings), (Vec::new(), Vec::new()));
}

#[test]
fn every_type_of_attribute_has_its_value() {
    let list = Attribute::List(vec![text("a"), Attribute::Number("1.50".to_owned()), Attribute::Binary]);
    let values = |attribute: &Attribute| match attribute_value(attribute) {
        Value::List(items) => items.into_iter().map(|item| (item.at, item.value)).collect(),
        other => vec![(None, other)],
    };
    let number = Value::Number("1.50".to_owned());
    let expected = vec![(None, Value::Text("a".to_owned())), (None, number), (None, Value::Binary)];
    assert_eq!(values(&list), expected);
    assert_eq!(attribute_value(&Attribute::Bool(true)), Value::Bool(true));
    assert_eq!(attribute_value(&Attribute::Null), Value::Null);
    let entry = (table_node(Value::Text("k".to_owned())), table_node(Value::Null));
    assert_eq!(
        attribute_value(&Attribute::Map(Item::from([("k".to_owned(), Attribute::Null)]))),
        Value::Map(vec![entry])
    );
}

#[test]
fn empty_lists_and_nulls_want_all_logs() {
    for all in [texts(&[]), texts(&[""]), Attribute::Null] {
        let found = read(&[with(s3(), &[("desired_logs", all)])]);
        assert!(deliveries(&found)[0].desired_logs.is_empty());
    }
}

#[test]
fn one_that_is_invalid_leaves_the_others() {
    let broken = without(cloudwatch(), "log_group_name");
    let found = read(&[broken, s3(), with(item("kafka"), &[("tenant_id", text("shop"))])]);
    assert_eq!(deliveries(&found).len(), 1);
    assert_eq!(deliveries(&found)[0].id(), DestinationKind::S3);
    let invalid = |kind: &str, problem: &str| InvalidDelivery { kind: kind.to_owned(), problem: problem.to_owned() };
    assert_eq!(
        found.invalid,
        [
            invalid(
                "cloudwatch",
                "field log_group_name: missing, expected 1 to 512 of the characters A-Z a-z 0-9 . - _ / #"
            ),
            invalid("kafka", "field type: found \"kafka\", expected cloudwatch or s3"),
        ]
    );
}

#[test]
fn all_that_is_wrong_with_an_item_is_one_text() {
    let broken = with(
        without(cloudwatch(), "log_distribution_role_arn"),
        &[
            ("desired_logs", Attribute::List(vec![text("a"), Attribute::Number("7".to_owned())])),
            ("log_group_name", Attribute::Binary),
            ("target_region", text("Europe")),
        ],
    );
    assert_eq!(
        problem(broken),
        "field desired_logs: found the number 7, expected a text; put it in quotes; \
         field log_group_name: found binary data, expected a text; \
         field target_region: found \"Europe\", expected an AWS region such as us-east-1; \
         field log_distribution_role_arn: missing, expected the ARN of a role, arn:aws:iam::<12 digits>:role/<name>"
    );
}

#[test]
fn an_enabled_of_another_type_is_a_problem() {
    assert_eq!(
        problem(with(s3(), &[("enabled", text("yes"))])),
        "field enabled: found the text \"yes\", expected true or false, without quotes"
    );
    assert!(problem(with(s3(), &[("enabled", Attribute::Number("2".to_owned()))])).contains("expected true or false"));
}

#[test]
fn what_tools_write_in_another_type_is_taken_for_what_it_can_only_mean() {
    let number = |number: &str| Attribute::Number(number.to_owned());
    for on in [text("true"), text("True"), text("1"), number("1")] {
        let found = read(&[with(s3(), &[("enabled", on)])]);
        assert_eq!((deliveries(&found).len(), found.invalid.len()), (1, 0));
        assert!(found.warnings[0].contains("taken for true; make it a boolean"), "{:?}", found.warnings);
    }
    for off in [text("false"), text("FALSE"), number("0")] {
        let found = read(&[with(s3(), &[("enabled", off)])]);
        assert_eq!((&found.lookup, found.invalid.len()), (&Lookup::NoneEnabled, 0));
        assert!(found.warnings[0].contains("taken for false; make it a boolean"), "{:?}", found.warnings);
    }
    let slips = [
        ("desired_logs", text("app, other")),
        ("groups", text("API")),
        ("bucket_name", text(" shop-logs\n")),
        ("target_region", text("eu-west-1 ")),
    ];
    let found = read(&[with(s3(), &slips)]);
    let delivery = deliveries(&found)[0];
    assert_eq!(delivery.desired_logs, ["app", "other"]);
    assert_eq!(
        (delivery.groups.as_slice(), delivery.target_region.as_str()),
        (["API".to_owned()].as_slice(), "eu-west-1")
    );
    assert!(matches!(&delivery.destination, Destination::S3 { bucket, .. } if bucket == "shop-logs"));
    assert_eq!(found.warnings.len(), 4, "{:?}", found.warnings);
    for odd in [text(""), text(","), text("[app"), number("7"), Attribute::Bool(true)] {
        let found = read(&[with(s3(), &[("desired_logs", odd)])]);
        assert!(found.invalid[0].problem.starts_with("field desired_logs: found"), "{:?}", found.invalid);
    }
    // The type is the item's key.
    assert!(problem(with(s3(), &[("type", text("s3 "))])).starts_with("field type: found \"s3 \""));
}

#[test]
fn an_item_whose_time_has_come_is_as_if_it_were_not_there() {
    const NOW: i64 = 1_760_000_000;
    let rules = PluginRules { limits: Limits::DEFAULT, folder: None };
    let ttl = |item: Item, seconds: i64| with(item, &[("ttl", Attribute::Number(seconds.to_string()))]);
    let read_at = |items: &[Item]| TenantRecord::read_at("shop", items, &rules, NOW);
    let found = read_at(&[ttl(s3(), NOW - 1)]);
    assert_eq!((&found.lookup, found.expired, found.is_unknown()), (&Lookup::Unknown, 1, true));
    assert_eq!(found.warnings, ["field ttl: its item of type \"s3\" has expired, and counts as deleted"]);
    let found = read_at(&[ttl(s3(), NOW - 1), ttl(cloudwatch(), NOW)]);
    assert_eq!((deliveries(&found)[0].id(), found.expired), (DestinationKind::CloudWatch, 1));
    // One that is invalid, or disabled, has nothing to expire.
    let disabled = with(cloudwatch(), &[("enabled", Attribute::Bool(false))]);
    let found = read_at(&[ttl(s3(), NOW - 1), ttl(disabled, NOW - 1)]);
    assert_eq!((&found.lookup, found.expired), (&Lookup::NoneEnabled, 1));
    assert!(read_at(&[ttl(without(s3(), "bucket_name"), NOW - 1)]).invalid.is_empty());
    for other in [text("1759999999"), text("soon"), Attribute::Bool(true)] {
        let found = read_at(&[with(s3(), &[("ttl", other)])]);
        assert_eq!((deliveries(&found).len(), found.expired), (1, 0));
        assert!(found.warnings[0].contains("expected a number of seconds since 1970"), "{:?}", found.warnings);
    }
}

#[test]
fn an_item_of_another_tenant_is_never_used() {
    let expected = "field tenant_id: found \"bank\", expected \"shop\", which was asked for";
    assert_eq!(problem(with(s3(), &[("tenant_id", text("bank"))])), expected);
    assert_eq!(problem(without(s3(), "tenant_id")), "field tenant_id: missing, expected a text that is not blank");
}

#[test]
fn a_type_is_shown_as_far_as_it_can_be() {
    let kind = |value: Attribute| read(&[with(s3(), &[("type", value)])]).invalid.remove(0).kind;
    assert_eq!(kind(text(&"é".repeat(500))), "é".repeat(64));
    assert_eq!(kind(Attribute::Number("5".to_owned())), "5");
    assert_eq!(kind(Attribute::Null), "");
}

/// A map of texts.
fn map_of(fields: &[(&str, &str)]) -> Attribute {
    Attribute::Map(fields.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect())
}

const DIGITS: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn a_component_of_the_tenants_own_is_its_deliverys() {
    let plugin = map_of(&[("component", "s3://abc/mask.wasm"), ("sha256", DIGITS)]);
    let found = read(&[cloudwatch(), with(s3(), &[(PLUGIN, plugin)])]);
    let named: Vec<_> = deliveries(&found).iter().map(|delivery| delivery.plugins.active.as_ref()).collect();
    assert!(named[0].is_none());
    assert_eq!(named[1].unwrap().component.to_string(), "s3://abc/mask.wasm");
    assert_eq!(deliveries(&read(&[with(s3(), &[(PLUGIN, Attribute::Null)])])).len(), 1);
}

#[test]
fn a_component_that_can_not_be_used_makes_its_records_wait() {
    let wrong = [
        (map_of(&[]), "field plugin.sha256: missing"),
        (map_of(&[("component", "s3://abc/x"), ("sha256", DIGITS), ("sha", "")]), "field plugin.sha: unknown"),
        (
            map_of(&[("component", "file:x"), ("sha256", DIGITS)]),
            "field plugin.component: found \"file:x\": a relative",
        ),
        (text(""), "field plugin: found a text"),
    ];
    for (plugin, says) in wrong {
        for item in [s3(), item("kafka")] {
            let found = read(&[cloudwatch(), with(item, &[(PLUGIN, plugin.clone())])]);
            assert_eq!(deliveries(&found).len(), 1);
            assert!(found.invalid[0].problem.contains(says), "{}", found.invalid[0].problem);
        }
    }
}

/// Whatever else is wrong: its component is not passed by when the rest is mended.
#[test]
fn an_item_that_names_a_component_waits_for_what_else_is_wrong() {
    let plugin = map_of(&[("component", "s3://abc/x"), ("sha256", DIGITS)]);
    let found = read(&[without(with(s3(), &[(PLUGIN, plugin)]), "bucket_name")]);
    assert!(found.invalid[0].problem.starts_with("field bucket_name: missing"));
}

#[test]
fn a_slip_of_plugin_makes_its_records_wait() {
    let found = read(&[with(s3(), &[("plugins", map_of(&[]))]), with(cloudwatch(), &[("plugins", Attribute::Null)])]);
    assert_eq!(found.invalid[0].problem, "field plugins: unknown; did you mean plugin? If not, take it out");
    assert_eq!(deliveries(&found).len(), 1, "null means that the field is missing");
}

#[test]
fn a_settings_value_is_never_shown() {
    let odd = |value: Attribute| {
        let settings = Attribute::Map(Item::from([("token".to_owned(), value), ("a".to_owned(), text("hunter2"))]));
        let plugin = [("component", text("s3://abc/x")), ("sha256", text(DIGITS)), ("settings", settings)];
        problem(with(s3(), &[(PLUGIN, Attribute::Map(with(Item::new(), &plugin)))]))
    };
    for value in [Attribute::Number("4242".to_owned()), texts(&["hunter2"]), text(&"hunter2".repeat(9000))] {
        let shown = odd(value);
        assert!(shown.contains("plugin.settings") && !shown.contains("hunter2") && !shown.contains("4242"), "{shown}");
    }
}

#[test]
fn a_disabled_item_is_never_a_problem() {
    let broken = with(item("kafka"), &[("bucket_name", Attribute::Binary), ("odd", text("")), (PLUGIN, text("x"))]);
    for off in [Attribute::Bool(false), Attribute::Null] {
        let found = read(&[with(broken.clone(), &[("enabled", off)])]);
        assert_eq!(found, TenantRecord { lookup: Lookup::NoneEnabled, ..TenantRecord::unknown() });
        assert!(found.is_unknown());
    }
    assert_eq!(read(&[without(s3(), "enabled")]).lookup, Lookup::NoneEnabled);
    assert_eq!(deliveries(&read(&[without(cloudwatch(), "enabled"), s3()])).len(), 1);
}

#[test]
fn what_is_nothing_is_known() {
    assert_eq!(read(&[]).lookup, Lookup::Unknown);
    assert!(read(&[]).is_unknown());
    assert!(!read(&[s3()]).is_unknown());
    assert!(!read(&[item("kafka")]).is_unknown());
}

#[test]
fn warnings_come_once_and_not_without_end() {
    let odd = [("desired_log", texts(&[])), ("note", text("x"))];
    let found = read(&[with(s3(), &odd), with(cloudwatch(), &odd)]);
    assert_eq!(deliveries(&found).len(), 2);
    assert_eq!(
        found.warnings,
        [
            r#"tenant "shop", field desired_log: unknown, ignored; did you mean desired_logs?"#,
            r#"tenant "shop", field note: unknown, ignored"#,
        ]
    );
    let many: Vec<String> = (0..100).map(|n| format!("note-{n}")).collect();
    let many: Vec<(&str, Attribute)> = many.iter().map(|name| (name.as_str(), text(""))).collect();
    assert_eq!(read(&[with(s3(), &many)]).warnings.len(), 20);
}
