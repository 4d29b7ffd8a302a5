use super::*;
use model::{DestinationKind, Limits};

fn load(text: impl AsRef<[u8]>) -> Result<FileDirectory, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tenants.yaml");
    std::fs::write(&path, text).unwrap();
    let shorten = |text: String| text.replace(&format!("{}/", dir.path().display()), "");
    let rules = PluginRules::of_file(&path, Limits::DEFAULT);
    let mut directory = FileDirectory::load(&path, &rules).map_err(|e| shorten(e.to_string()))?;
    for warning in &mut directory.warnings {
        *warning = shorten(std::mem::take(warning));
    }
    Ok(directory)
}

fn error(text: impl AsRef<[u8]>) -> String {
    load(text).unwrap_err()
}

fn deliveries(directory: &FileDirectory, tenant: &str) -> Vec<Delivery> {
    match &directory.lookup(tenant).lookup {
        Lookup::Deliveries(found) => found.iter().map(|d| (**d).clone()).collect(),
        other => panic!("{other:?}"),
    }
}

const FULL: &str = r#"
- tenant_id: payment
  type: s3
  enabled: true
  desired_logs: [""]
  bucket_name: payment-logs
- tenant_id: payment
  type: cloudwatch
  enabled: true
  desired_logs: [kube-apiserver, "12"]
  groups: [api, Controller Manager]
  target_region: eu-west-1
  log_distribution_role_arn: arn:aws:iam::123456789012:role/logs
  log_group_name: /payment/logs
  ttl: 1760000000
  created_at: 2025-01-01T00:00:00Z
  updated_at: {any: thing}
- tenant_id: idle
  type: s3
"#;

#[test]
fn every_field_is_read_and_defaults_are_the_references() {
    let directory = load(FULL).unwrap();
    assert_eq!(directory.tenants().collect::<Vec<_>>(), ["idle", "payment"]);
    assert!(directory.warnings().is_empty());
    assert_eq!(directory.lookup("idle").lookup, Lookup::NoneEnabled);
    assert_eq!(directory.lookup("Payment").lookup, Lookup::Unknown);
    let cloudwatch = Delivery {
        tenant_id: "payment".to_owned(),
        desired_logs: vec!["kube-apiserver".to_owned(), "12".to_owned()],
        groups: vec!["api".to_owned(), "Controller Manager".to_owned()],
        target_region: "eu-west-1".to_owned(),
        destination: Destination::CloudWatch {
            role_arn: "arn:aws:iam::123456789012:role/logs".to_owned(),
            account: "123456789012".to_owned(),
            log_group: "/payment/logs".to_owned(),
        },
        plugins: model::Plugins::default(),
    };
    let s3 = Delivery {
        tenant_id: "payment".to_owned(),
        desired_logs: Vec::new(),
        groups: Vec::new(),
        target_region: "us-east-1".to_owned(),
        destination: Destination::S3 {
            bucket: "payment-logs".to_owned(),
            prefix: "ROSA/cluster-logs/".to_owned(),
            account: None,
        },
        plugins: model::Plugins::default(),
    };
    assert_eq!(deliveries(&directory, "payment"), [cloudwatch, s3]);
}

#[test]
fn json_with_tenants_and_a_byte_order_mark() {
    let json = "\u{feff}{\n\t\"tenants\": [{\"tenant_id\": \"a\", \"type\": \"s3\", \"enabled\": true,\n\t\t\"bucket_name\": \"abc\", \"bucket_prefix\": \"x/y//\", \"groups\": null}]}";
    let found = deliveries(&load(json).unwrap(), "a");
    let prefix = "x/y/".to_owned();
    let bucket = "abc".to_owned();
    assert_eq!(found[0].destination, Destination::S3 { bucket, prefix, account: None });
}

#[test]
fn whose_a_bucket_is_its_item_says() {
    let account = |fields: &str| {
        let text = format!("- {{tenant_id: a, type: s3, enabled: true, bucket_name: abc{fields}}}");
        match &deliveries(&load(&text).unwrap(), "a")[0].destination {
            Destination::S3 { account, .. } => account.clone(),
            Destination::CloudWatch { .. } => panic!("it is S3's"),
        }
    };
    let role = ", log_distribution_role_arn: 'arn:aws:iam::111111111111:role/logs'";
    assert_eq!(account(""), None);
    assert_eq!(account(role).as_deref(), Some("111111111111"));
    assert_eq!(account(", account_id: '222222222222'").as_deref(), Some("222222222222"));
    assert_eq!(account(&format!("{role}, account_id: '222222222222'")).as_deref(), Some("222222222222"));
    assert_eq!(account(", log_distribution_role_arn: 'no role'"), None);
}

#[test]
fn prefixes_end_in_one_slash() {
    for (given, expected) in [("a", "a/"), ("a/", "a/"), ("a/b//", "a/b/"), ("", "ROSA/cluster-logs/"), ("/", "/")] {
        let text = format!("- {{tenant_id: a, type: s3, enabled: true, bucket_name: abc, bucket_prefix: '{given}'}}");
        match &deliveries(&load(text).unwrap(), "a")[0].destination {
            Destination::S3 { prefix, .. } => assert_eq!(prefix, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let text = r#"
- tenant_id: 123
  type: cloudwatch
  enabled: "yes"
  desired_logs: true
  log_distribution_role_arn: arn:aws:iam::12:role/logs
- tenant_id: shop
  type: kinesis
  enabled: true
- tenant_id: shop
  type: cloudwatch
  enabled: true
  target_region: Europe
  log_group_name: "no spaces: allowed"
  desired_logs: [a, 7]
- just a text
- tenant_id: shop
  type: s3
  enabled: true
  bucket_name: Up/er_Case
  type: s3
- tenant_id: "  "
  type: s3
- type: s3
- tenant_id: shop
  type: cloudwatch
  1: one
"#;
    assert_eq!(
        error(text),
        r#"the tenant file tenants.yaml has 17 problems:
  tenants.yaml:2:3: item 1, field log_group_name: missing, expected 1 to 512 of the characters A-Z a-z 0-9 . - _ / #
  tenants.yaml:2:14: item 1, field tenant_id: found the number 123, expected a text; put it in quotes
  tenants.yaml:4:12: item 1, field enabled: found the text "yes", expected true or false, without quotes
  tenants.yaml:5:17: item 1, field desired_logs: found the boolean true, expected a list of texts
  tenants.yaml:6:30: item 1, field log_distribution_role_arn: found "arn:aws:iam::12:role/logs", expected the ARN of a role, arn:aws:iam::<12 digits>:role/<name>
  tenants.yaml:8:9: item 2, tenant "shop", field type: found "kinesis", expected cloudwatch or s3
  tenants.yaml:10:3: item 3, tenant "shop", field log_distribution_role_arn: missing, expected the ARN of a role, arn:aws:iam::<12 digits>:role/<name>
  tenants.yaml:13:18: item 3, tenant "shop", field target_region: found "Europe", expected an AWS region such as us-east-1
  tenants.yaml:14:19: item 3, tenant "shop", field log_group_name: found "no spaces: allowed", expected 1 to 512 of the characters A-Z a-z 0-9 . - _ / #
  tenants.yaml:15:21: item 3, tenant "shop", field desired_logs: found the number 7, expected a text; put it in quotes
  tenants.yaml:16:3: item 4: found the text "just a text", expected a map of fields
  tenants.yaml:20:16: item 5, tenant "shop", field bucket_name: found "Up/er_Case", expected a bucket's name: 3 to 255 of the characters A-Z a-z 0-9 . - _
  tenants.yaml:21:3: item 5, tenant "shop", field type: found twice, first in line 18; keep one
  tenants.yaml:22:14: item 6, tenant "  ", field tenant_id: found "  ", expected a text that is not blank
  tenants.yaml:24:3: item 7, field tenant_id: missing, expected a text that is not blank
  tenants.yaml:25:3: item 8, tenant "shop", field type: "cloudwatch" again, as in item 3; a tenant has at most one item a type
  tenants.yaml:27:3: item 8, tenant "shop": found the number 1 as a field's name, expected a text"#
    );
}

#[test]
fn disabled_items_need_only_be_well_typed() {
    let text = "- {tenant_id: a, type: cloudwatch, enabled: false, log_group_name: 'not: valid', target_region: nowhere}\n- {tenant_id: a, type: kafka}\n";
    assert_eq!(load(text).unwrap().lookup("a").lookup, Lookup::NoneEnabled);
    assert_eq!(
        error("- {tenant_id: a, type: s3, bucket_name: [x]}"),
        "the tenant file tenants.yaml has a problem:
  tenants.yaml:1:41: item 1, tenant \"a\", field bucket_name: found a list of 1, expected a text"
    );
}

#[test]
fn a_tenant_has_one_item_a_type() {
    let text = "- {tenant_id: a, type: s3}\n- {tenant_id: b, type: s3}\n- {tenant_id: a, type: s3}\n";
    assert_eq!(
        error(text),
        "the tenant file tenants.yaml has a problem:
  tenants.yaml:3:3: item 3, tenant \"a\", field type: \"s3\" again, as in item 1; a tenant has at most one item a type"
    );
}

fn group(tenant: &str, region: &str, account: &str, name: &str) -> String {
    format!(
        "- tenant_id: {tenant}\n  type: cloudwatch\n  enabled: true\n  target_region: {region}\n  log_distribution_role_arn: arn:aws:iam::{account}:role/r\n  log_group_name: {name}\n"
    )
}

#[test]
fn groups_that_would_share_a_folder_are_refused() {
    let first = group("a", "us-east-1", "123456789012", "/logs/x");
    let load_both = |second: String| load(format!("{first}{second}"));
    let same = group("b", "us-east-1", "123456789012", "logs/x");
    assert_eq!(
        load_both(same).unwrap_err(),
        "the tenant file tenants.yaml has a problem:
  tenants.yaml:7:3: item 2, tenant \"b\", field log_group_name: found \"logs/x\", which differs from \"/logs/x\" of item 1 only by the leading slash; both would be written to one folder, so rename one"
    );
    for other in [
        group("b", "us-east-1", "123456789012", "/logs/x"),
        group("b", "us-west-2", "123456789012", "logs/x"),
        group("b", "us-east-1", "123456789013", "logs/x"),
        group("b", "us-east-1", "123456789012", "//logs/x"),
        group("b", "us-east-1", "123456789012", "logs/x").replace("true", "false"),
    ] {
        assert!(load_both(other).is_ok());
    }
}

#[test]
fn what_is_unknown_warns() {
    let text = r#"
version: 1
tenants:
- tenant_id: a
  type: s3
  enabled: true
  bucket_name: abc
  desired_log: [x]
  "odd\nname": 1
  groups: [API, Nonsense]
  log_group_name: left-over
"#;
    let directory = load(text).unwrap();
    assert_eq!(
        directory.warnings(),
        [
            r#"tenants.yaml:2:1: the text "version" beside `tenants`: unknown, ignored"#,
            r#"tenants.yaml:8:3: item 1, tenant "a", field desired_log: unknown, ignored; did you mean desired_logs?"#,
            r#"tenants.yaml:9:3: item 1, tenant "a", field "odd\nname": unknown, ignored"#,
            r#"tenants.yaml:10:11: item 1, tenant "a", field groups: found the unknown group "Nonsense", which names no application; known are API, Authentication, Controller Manager, Scheduler"#,
            r#"tenants.yaml:11:19: item 1, tenant "a", field log_group_name: has no effect in an item of type s3"#,
        ]
    );
}

const DIGITS: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Two deliveries of a tenant and one of another; the first names what is given.
fn naming(plugin: &str) -> String {
    format!(
        "- {{tenant_id: a, type: s3, enabled: true, bucket_name: abc,\n   {plugin}}}\n{}{}",
        group("a", "us-east-1", "123456789012", "/a"),
        group("b", "us-east-1", "123456789012", "/b"),
    )
}

#[test]
fn a_component_lies_beside_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tenants.yaml");
    std::fs::write(&path, naming(&format!("plugin: {{component: 'file:mask.wasm', sha256: {DIGITS}}}"))).unwrap();
    let directory = FileDirectory::load(&path, &PluginRules::of_file(&path, Limits::DEFAULT)).unwrap();
    let named: Vec<_> = deliveries(&directory, "a").into_iter().map(|delivery| delivery.plugins.active).collect();
    let plugin = named[1].as_ref().unwrap();
    assert_eq!(plugin.component, model::ComponentRef::File(dir.path().join("mask.wasm")));
    assert!(named[0].is_none(), "the tenant's other delivery names none");
}

#[test]
fn a_file_that_is_named_without_a_folder_has_one() {
    let rules = PluginRules::of_file(Path::new("tenants.yaml"), Limits::DEFAULT);
    assert_eq!(rules.folder, Some(std::env::current_dir().unwrap()));
}

/// What is wrong with a component stops its delivery, and no other.
#[test]
fn a_component_that_can_not_be_used_makes_its_delivery_wait() {
    let directory = load(naming("plugin: {component: x, sha: y, limits: {log_lines: 101}}")).unwrap();
    let found = directory.lookup("a");
    let [invalid] = found.invalid.as_slice() else { panic!("{found:?}") };
    assert_eq!((invalid.kind.as_str(), invalid.delivery()), ("s3", Some(DestinationKind::S3)));
    for part in [
        "tenants.yaml:2:32: item 1, tenant \"a\", field plugin.sha: unknown",
        "; ",
        "tenants.yaml:2:24: item 1, tenant \"a\", field plugin.component: found \"x\": no place of a component",
        "item 1, tenant \"a\", field plugin.sha256: missing, expected the SHA-256",
        "field plugin.limits.log_lines: found 101, the host's limit is 100 (PLUGIN_LOG_LINES)",
    ] {
        assert!(invalid.problem.contains(part), "{part}: {}", invalid.problem);
    }
    assert_eq!(deliveries(&directory, "a").iter().map(Delivery::id).collect::<Vec<_>>(), [DestinationKind::CloudWatch]);
    assert_eq!(deliveries(&directory, "b").len(), 1);
    assert!(directory.lookup("b").invalid.is_empty());

    let alone = load("- {tenant_id: a, type: s3, enabled: true, bucket_name: abc, plugin: x}").unwrap().lookup("a");
    assert_eq!((&alone.lookup, alone.invalid.len()), (&Lookup::NoneEnabled, 1));
}

/// Ignored, it would let records out that a component was to filter.
#[test]
fn a_slip_of_plugin_makes_its_delivery_wait() {
    for slip in ["plugins", "Plugin", "plugn"] {
        let directory = load(naming(&format!("{slip}: {{component: x}}"))).unwrap();
        let problem = &directory.lookup("a").invalid[0].problem;
        let expected = format!("item 1, tenant \"a\", field {slip}: unknown; did you mean plugin? If not, take it out");
        assert!(problem.ends_with(&expected), "{problem}");
        assert_eq!(deliveries(&directory, "a").len(), 1);
    }
}

#[test]
fn where_the_file_is_refused_components_are_told_with_the_rest() {
    let text = error("- {tenant_id: a, type: s3, enabled: true, bucket_name: A, plugin: {sha256: 1}}");
    for part in ["has 3 problems", "field bucket_name", "field plugin.component", "field plugin.sha256"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_component_of_a_disabled_item_only_warns() {
    let directory = load("- {tenant_id: a, type: s3, enabled: false, plugin: {component: s3://abc/x}}").unwrap();
    let found = directory.lookup("a");
    assert_eq!((&found.lookup, found.invalid.len()), (&Lookup::NoneEnabled, 0));
    let [warning] = directory.warnings() else { panic!("{:?}", directory.warnings()) };
    assert!(warning.contains("field plugin.sha256: missing"), "{warning}");
}

#[test]
fn another_shape_than_a_list_of_items_is_refused() {
    let expected = "expected a list of items, or a map whose `tenants` is that list";
    for (text, found) in [
        ("tenant_id: a\ntype: s3\n", "1:1: found a map without `tenants`"),
        ("tenants: {a: b}\n", "1:10: found a map of 1"),
        ("tenants:\n", "1:8: found nothing"),
        ("hello\n", "1:1: found the text \"hello\""),
    ] {
        let one = "the tenant file tenants.yaml has a problem:\n  tenants.yaml:";
        assert_eq!(error(text), format!("{one}{found}, {expected}"));
    }
    assert!(error("tenants: []\ntenants: []\n").contains("2:1: `tenants` found twice; keep one"));
    let empty = load("[]").unwrap();
    assert_eq!(empty.warnings(), ["tenants.yaml:1:1: no tenant is listed; nothing will be delivered"]);
}

#[test]
fn syntax_errors_say_where() {
    assert_eq!(
        error("- tenant_id: a\n  type: [s3\n- x: 1\n"),
        "tenants.yaml:3:4: not valid YAML or JSON: illegal placement of ':' indicator"
    );
    let json = error("[{\"tenant_id\": \"a\",, }]");
    assert!(json.starts_with("tenants.yaml:1:20: not valid YAML or JSON: "), "{json}");
}

#[test]
fn files_that_hold_no_text() {
    for empty in ["", "\n# only a comment\n", "---\n", "\u{feff}"] {
        assert_eq!(
            error(empty),
            "the tenant file tenants.yaml is empty; expected a list of items, or a map whose `tenants` is that list"
        );
    }
    assert_eq!(
        error(b"- tenant_id: a\n  type: \xff\n"),
        "tenants.yaml:2: the tenant file is not UTF-8; save it as UTF-8"
    );
}

#[test]
fn files_that_can_not_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let rules = PluginRules { limits: Limits::DEFAULT, folder: None };
    let at = |name: &str| FileDirectory::load(&dir.path().join(name), &rules).unwrap_err().to_string();
    let folder = dir.path().display();
    assert_eq!(
        at("missing.yaml"),
        format!(
            "can't read the tenant file {folder}/missing.yaml: No such file or directory (os error 2); name an existing file with --tenants"
        )
    );
    assert_eq!(at("."), format!("the tenant file {folder}/. is a folder; give a YAML or JSON file"));
    let large = std::fs::File::create(dir.path().join("large.yaml")).unwrap();
    large.set_len((MAX_MIB << 20) + 1).unwrap();
    assert_eq!(
        at("large.yaml"),
        format!("the tenant file {folder}/large.yaml is larger than 64 MiB; is it the right file?")
    );
}
