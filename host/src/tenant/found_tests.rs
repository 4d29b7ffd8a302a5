use super::super::item::PLUGIN;
use super::*;
use crate::model::{Destination, Limits};

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

fn read(items: &[Item]) -> Found {
    Found::read("shop", items, &PluginRules { limits: Limits::DEFAULT, folder: None })
}

fn deliveries(found: &Found) -> Vec<&Delivery> {
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
            ("ttl", Attribute::Number("1760000000".to_owned())),
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
        plugins: crate::model::Plugins::default(),
    };
    let expected_s3 = Delivery {
        tenant_id: "shop".to_owned(),
        desired_logs: Vec::new(),
        groups: Vec::new(),
        target_region: "us-east-1".to_owned(),
        destination: Destination::S3 { bucket: "shop-logs".to_owned(), prefix: "ROSA/cluster-logs/".to_owned() },
        plugins: crate::model::Plugins::default(),
    };
    assert_eq!(deliveries(&found), [&expected_cloudwatch, &expected_s3]);
    assert_eq!((found.invalid, found.warnings), (Vec::new(), Vec::new()));
}

#[test]
fn every_type_of_attribute_has_its_value() {
    let list = Attribute::List(vec![text("a"), Attribute::Number("1.50".to_owned()), Attribute::Binary]);
    let values = |attribute: &Attribute| match value(attribute) {
        Value::List(items) => items.into_iter().map(|item| (item.at, item.value)).collect(),
        other => vec![(None, other)],
    };
    let number = Value::Number("1.50".to_owned());
    let expected = vec![(None, Value::Text("a".to_owned())), (None, number), (None, Value::Binary)];
    assert_eq!(values(&list), expected);
    assert_eq!(value(&Attribute::Bool(true)), Value::Bool(true));
    assert_eq!(value(&Attribute::Null), Value::Null);
    let entry = (node(Value::Text("k".to_owned())), node(Value::Null));
    assert_eq!(value(&Attribute::Map(Item::from([("k".to_owned(), Attribute::Null)]))), Value::Map(vec![entry]));
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
    assert_eq!(deliveries(&found)[0].id(), "s3");
    let invalid = |kind: &str, problem: &str| InvalidDelivery {
        kind: kind.to_owned(),
        problem: problem.to_owned(),
        must_wait: false,
    };
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
        problem(with(s3(), &[("enabled", text("false"))])),
        "field enabled: found the text \"false\", expected true or false, without quotes"
    );
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
            assert!(found.invalid[0].must_wait);
            assert!(found.invalid[0].problem.contains(says), "{}", found.invalid[0].problem);
        }
    }
}

/// Whatever else is wrong: its component is not passed by when the rest is mended.
#[test]
fn an_item_that_names_a_component_waits_for_what_else_is_wrong() {
    let plugin = map_of(&[("component", "s3://abc/x"), ("sha256", DIGITS)]);
    let found = read(&[without(with(s3(), &[(PLUGIN, plugin)]), "bucket_name")]);
    assert!(found.invalid[0].must_wait && found.invalid[0].problem.starts_with("field bucket_name: missing"));
}

#[test]
fn a_slip_of_plugin_makes_its_records_wait() {
    let found = read(&[with(s3(), &[("plugins", map_of(&[]))]), with(cloudwatch(), &[("plugins", Attribute::Null)])]);
    assert!(found.invalid[0].must_wait);
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
        assert_eq!(found, Found { lookup: Lookup::NoneEnabled, invalid: Vec::new(), warnings: Vec::new() });
        assert!(found.is_nothing());
    }
    assert_eq!(read(&[without(s3(), "enabled")]).lookup, Lookup::NoneEnabled);
    assert_eq!(deliveries(&read(&[without(cloudwatch(), "enabled"), s3()])).len(), 1);
}

#[test]
fn what_is_nothing_is_known() {
    assert_eq!(read(&[]).lookup, Lookup::Unknown);
    assert!(read(&[]).is_nothing());
    assert!(!read(&[s3()]).is_nothing());
    assert!(!read(&[item("kafka")]).is_nothing());
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
