use super::super::tree::{self, Position};
use super::*;
use model::{ComponentRef, Digest, OnError};

pub(super) const DIGITS: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// No test's problem may show it.
const SECRET: &str = "hunter2";

pub(super) fn rules() -> PluginRules {
    PluginRules { limits: Limits::DEFAULT, folder: Some("/tenants".into()) }
}

fn parsed(yaml: &str) -> Node {
    tree::parse(yaml).unwrap().unwrap()
}

fn good(yaml: &str) -> Plugins {
    read(&parsed(yaml), &rules()).unwrap()
}

fn lines(problems: &[FieldProblem]) -> Vec<String> {
    problems.iter().map(|problem| format!("{}: {}", problem.field, problem.message)).collect()
}

/// What is wrong, a line a problem.
fn bad(yaml: &str) -> Vec<String> {
    let lines = lines(&read(&parsed(yaml), &rules()).unwrap_err());
    assert!(!lines.concat().contains(SECRET), "{lines:?}");
    lines
}

/// What is wrong with a component that has these fields beside good ones.
fn bad_with(fields: &str) -> Vec<String> {
    bad(&format!("component: s3://abc/mask.wasm\nsha256: {DIGITS}\n{fields}\n"))
}

#[test]
fn every_field_is_read() {
    let yaml = format!(
        "component: file:mask.wasm
sha256: {DIGITS}
settings: {{zone: '12', fields: 'a,b'}}
on_error: quarantine
mode: active
limits:
  memory_bytes: 65536
  fuel_per_mib: 1000000
  start_fuel: 10000
  max_output_ratio: 1
  max_output_bytes: 1024
  max_output_events: 1
  max_message_bytes: 1024
  held_back_bytes: 1024
  log_lines: 1
  log_bytes: 1
  timeout_seconds: 1
  component_bytes: 1024
log: operator
"
    );
    let plugin = Plugin {
        component: ComponentRef::File("/tenants/mask.wasm".into()),
        sha256: Some(Digest::of(b"")),
        settings: Arc::new(vec![("fields".to_owned(), "a,b".to_owned()), ("zone".to_owned(), "12".to_owned())]),
        on_error: OnError::Quarantine,
        limits: Limits {
            memory_bytes: 65_536,
            fuel_per_mib: 1_000_000,
            start_fuel: 10_000,
            output_ratio: 1,
            output_bytes: 1024,
            output_events: 1,
            message_bytes: 1024,
            held_back_bytes: 1024,
            log_lines: 1,
            log_bytes: 1,
            call_time: std::time::Duration::from_secs(1),
            component_bytes: 1024,
        },
        logs_to_operator: true,
    };
    assert_eq!(good(&yaml), Plugins { active: Some(Arc::new(plugin)), shadow: None });
}

#[test]
fn only_component_and_digest_are_needed_and_null_is_missing() {
    for rest in ["", "settings:\non_error: ~\nmode: null\nlimits:\nlog:\n", "settings: {}\nlimits: {memory_bytes: }\n"]
    {
        let plugins = good(&format!("component: s3://abc/mask.wasm\nsha256: {DIGITS}\n{rest}"));
        let plugin = plugins.active.unwrap();
        assert_eq!(
            (&plugin.limits, plugin.on_error, plugin.logs_to_operator),
            (&Limits::DEFAULT, OnError::Retry, false)
        );
        assert!(plugin.settings.is_empty() && plugins.shadow.is_none());
    }
    for (word, on_error) in [("retry", OnError::Retry), ("default", OnError::Default)] {
        let plugins = good(&format!("{{component: s3://abc/x, sha256: {DIGITS}, on_error: {word}}}"));
        assert_eq!(plugins.active.unwrap().on_error, on_error);
    }
}

#[test]
fn one_is_active_and_one_a_shadow() {
    let one = |name: &str, rest: &str| format!("{{component: s3://abc/{name}, sha256: {DIGITS}{rest}}}");
    let shadow = |name: &str| one(name, ", mode: shadow, log: operator");
    let name = |plugin: Option<Arc<Plugin>>| plugin.map(|plugin| plugin.component.to_string());
    for (yaml, active, shadowed) in [
        (one("a", ""), Some("s3://abc/a"), None),
        (format!("[{}]", one("a", "")), Some("s3://abc/a"), None),
        (shadow("b"), None, Some("s3://abc/b")),
        (format!("[{}, {}]", one("a", ""), shadow("b")), Some("s3://abc/a"), Some("s3://abc/b")),
        (format!("[{}, {}]", shadow("b"), one("a", ", mode: active")), Some("s3://abc/a"), Some("s3://abc/b")),
    ] {
        let found = good(&yaml);
        let found = (name(found.active), name(found.shadow));
        assert_eq!((found.0.as_deref(), found.1.as_deref()), (active, shadowed), "{yaml}");
    }
    assert_eq!(
        bad(&format!("[{}, {}]", one("a", ""), one("b", ""))),
        ["plugin[1].mode: active again, as plugin[0] is; of two, one is active and one a shadow"]
    );
    assert_eq!(
        bad(&format!("[{}, {}]", shadow("a"), shadow("b"))),
        ["plugin[1].mode: shadow again, as plugin[0] is; of two, one is active and one a shadow"]
    );
    assert_eq!(
        bad(&one("a", ", mode: shadow, on_error: retry")),
        ["plugin.on_error: not allowed for a shadow, whose failures never harm the delivery; take it out"]
    );
}

#[test]
fn anything_but_a_map_or_a_list_of_two_is_refused() {
    let expected = "expected a map, or a list of one or two: an active component and a shadow";
    for (yaml, found) in
        [("hunter2", "a text"), ("12", "a number"), ("[]", "a list of 0"), ("[{}, {}, {}]", "a list of 3")]
    {
        assert_eq!(bad(yaml), [format!("plugin: found {found}, {expected}")]);
    }
    assert_eq!(bad("[hunter2]"), ["plugin[0]: found a text, expected a map"]);
    let binary = Node { at: None, value: Value::Binary };
    assert_eq!(lines(&read(&binary, &rules()).unwrap_err()), [format!("plugin: found binary data, {expected}")]);
}

#[test]
fn all_that_is_wrong_comes_at_once() {
    let yaml = "
- component: oci://ghcr.io/acme/mask:1.0
  sha256: 12
  settings: {level: 3, strict: true, token: hunter2, none: ~, list: [hunter2]}
  on_error: ignore
  mode: both
  limits: {memory_bytes: 134217728, memory: 1, fuel_per_mib: 0, timeout_seconds: -1, start_fuel: '5', log_lines: 1.5}
  log: tenant
  setting: {token: hunter2}
- component: s3://Ab/x
  sha256: e3b0
  7: 8
  log: operator
  log: operator
";
    let known = "component, sha256, settings, on_error, mode, limits, log";
    let limits = "memory_bytes, fuel_per_mib, start_fuel, max_output_ratio, max_output_bytes, max_output_events, \
                  max_message_bytes, held_back_bytes, log_lines, log_bytes, timeout_seconds, component_bytes";
    assert_eq!(
        bad(yaml),
        [
            format!("plugin[0].setting: unknown, expected only {known}; did you mean settings?"),
            "plugin[0].mode: found the text \"both\", expected one of active, shadow".to_owned(),
            "plugin[0].component: found \"oci://ghcr.io/acme/mask:1.0\": a reference with a tag, which may be moved to \
             another component at any time; name the manifest by its digest, oci://registry/name@sha256:<64 \
             hexadecimal digits>, which `oras resolve registry/name:tag` prints"
                .to_owned(),
            "plugin[0].sha256: found the number 12, expected a text; put it in quotes".to_owned(),
            "plugin[0].settings.level: found a number, expected a text; put it in quotes".to_owned(),
            "plugin[0].settings.strict: found a boolean, expected a text; put it in quotes".to_owned(),
            "plugin[0].settings.none: found nothing, expected a text; put it in quotes".to_owned(),
            "plugin[0].settings.list: found a list of 1, expected a text; put it in quotes".to_owned(),
            "plugin[0].on_error: found the text \"ignore\", expected one of retry, quarantine, default".to_owned(),
            format!("plugin[0].limits.memory: unknown, expected only {limits}"),
            "plugin[0].limits.memory_bytes: found 134217728, the host's limit is 67108864 (PLUGIN_MEMORY_BYTES); lower \
             it, or ask the operator to raise that"
                .to_owned(),
            "plugin[0].limits.fuel_per_mib: found 0, expected 1000000 to 8000000000".to_owned(),
            "plugin[0].limits.start_fuel: found the text \"5\", expected a whole number, 10000 to 1000000000, without \
             quotes or unit"
                .to_owned(),
            "plugin[0].limits.log_lines: found the number 1.5, expected a whole number, 1 to 100, without quotes or unit"
                .to_owned(),
            "plugin[0].limits.timeout_seconds: found the number -1, expected a whole number, 1 to 60, without quotes or \
             unit"
                .to_owned(),
            "plugin[0].log: found the text \"tenant\", expected only operator".to_owned(),
            "plugin[1]: found a number as a name, expected a text; put it in quotes".to_owned(),
            "plugin[1].log: found twice; keep one".to_owned(),
        ]
        .into_iter()
        .chain([
            "plugin[1].component: found \"s3://Ab/x\": no bucket's name after s3://, expected a bucket's name: 3 to \
             255 of the characters A-Z a-z 0-9 . - _"
                .to_owned(),
            "plugin[1].sha256: found \"e3b0\": no SHA-256, expected 64 hexadecimal digits, as `sha256sum` prints them"
                .to_owned(),
        ])
        .collect::<Vec<_>>()
    );
}

#[test]
fn what_is_missing_is_named() {
    assert_eq!(
        bad("{}"),
        [
            "plugin.component: missing, expected s3://bucket/key, oci://registry/name@sha256:<digest of the manifest> or \
             file:path",
            "plugin.sha256: missing, expected the SHA-256 of the component: 64 hexadecimal digits",
        ]
    );
}

#[test]
fn problems_say_where() {
    let node = parsed("component: s3://abc/x\nlimits:\n  memory_bytes: 1\n");
    let at = |field: &str| {
        let problems = read(&node, &rules()).unwrap_err();
        problems.iter().find(|problem| problem.field == field).and_then(|problem| problem.at)
    };
    assert_eq!(at("plugin.sha256"), Some(Position { line: 1, column: 1 }));
    assert_eq!(at("plugin.limits.memory_bytes"), Some(Position { line: 3, column: 17 }));
}

/// Each limit: the host's own and the least are allowed, beyond them nothing.
#[test]
fn limits_only_lower_the_hosts() {
    for limit in &LIMITS {
        let most = (limit.get)(&Limits::DEFAULT);
        let with = |n: u64| format!("{{component: s3://abc/x, sha256: {DIGITS}, limits: {{{}: {n}}}}}", limit.name);
        for n in [limit.least, most] {
            assert_eq!((limit.get)(&good(&with(n)).active.unwrap().limits), n, "{}", limit.name);
        }
        let path = format!("plugin.limits.{}", limit.name);
        assert_eq!(
            bad(&with(most + 1)),
            [format!(
                "{path}: found {}, the host's limit is {most} ({}); lower it, or ask the operator to raise that",
                most + 1,
                limit.variable
            )]
        );
        for n in [0, limit.least - 1] {
            assert_eq!(bad(&with(n)), [format!("{path}: found {n}, expected {} to {most}", limit.least)]);
        }
    }
}

#[test]
fn a_host_below_the_usual_minimum_leaves_only_its_own() {
    let rules = PluginRules { limits: Limits { fuel_per_mib: 7, ..Limits::DEFAULT }, folder: None };
    let with = |n: u64| parsed(&format!("{{component: s3://abc/x, sha256: {DIGITS}, limits: {{fuel_per_mib: {n}}}}}"));
    assert_eq!(read(&with(7), &rules).unwrap().active.unwrap().limits.fuel_per_mib, 7);
    assert_eq!(lines(&read(&with(6), &rules).unwrap_err()), ["plugin.limits.fuel_per_mib: found 6, expected 7 to 7"]);
}

#[test]
fn settings_are_bounded() {
    let many = |n: usize| (0..n).map(|i| format!("  n{i}: hunter2\n")).collect::<String>();
    let with = |settings: &str| format!("component: s3://abc/x\nsha256: {DIGITS}\nsettings:\n{settings}");
    assert_eq!(good(&with(&many(100))).active.unwrap().settings.len(), 100);
    assert_eq!(bad(&with(&many(101))), ["plugin.settings: 101 settings, at most 100 are allowed"]);
    let value = |n: usize| format!("  a: hunter2{}\n  b: x\n", "x".repeat(n - 8));
    good(&with(&value(32 * 1024)));
    assert_eq!(
        bad(&with(&value(32 * 1024 + 1))),
        ["plugin.settings: values of 32769 bytes together, at most 32768 are allowed"]
    );
    let name = |n: usize| format!("  {}: hunter2\n", "n".repeat(n));
    good(&with(&name(128)));
    let [long] = bad(&with(&name(129))).try_into().unwrap();
    assert!(long.ends_with("…: a name of 129 bytes, expected 1 to 128"), "{long}");
    assert_eq!(bad(&with("  '': hunter2\n")), ["plugin.settings.\"\": a name of 0 bytes, expected 1 to 128"]);
    assert_eq!(bad_with("settings: {a: hunter2, a: hunter2}"), ["plugin.settings.a: found twice; keep one"]);
    assert_eq!(bad_with("settings: token=hunter2"), ["plugin.settings: found a text, expected a map"]);
    assert_eq!(bad_with("limits: hunter2"), ["plugin.limits: found a text, expected a map"]);
}

#[test]
fn a_password_in_a_reference_is_never_shown() {
    let digest = format!("@sha256:{DIGITS}");
    for component in ["oci://me:hunter2@ghcr.io/mask", "s3://me:hunter2@bucket/x", "https://hunter2@host/x"] {
        for end in ["", &digest] {
            let yaml = format!("{{component: '{component}{end}', sha256: {DIGITS}}}");
            assert_eq!(bad(&yaml).len(), 1, "{component}");
        }
    }
}

fn operators(text: &str) -> Result<Plugin, Vec<String>> {
    of_operator(text, &Limits::DEFAULT).map_err(|problems| {
        let lines = lines(&problems);
        assert!(!lines.concat().contains(SECRET), "{lines:?}");
        lines
    })
}

#[test]
fn the_operator_names_a_component_as_an_item_does_or_in_short() {
    let json = format!(
        r#"{{"component": "s3://abc/x", "sha256": "{DIGITS}", "settings": {{"token": "\ud83d\ude00"}}, "on_error": "default",
            "limits": {{"memory_bytes": 1000000}}, "log": "operator"}}"#
    );
    let plugin = operators(&json).unwrap();
    assert_eq!(plugin.component, ComponentRef::S3 { bucket: "abc".to_owned(), key: "x".to_owned() });
    assert_eq!(*plugin.settings, [("token".to_owned(), "😀".to_owned())]);
    assert_eq!(
        (plugin.on_error, plugin.limits.memory_bytes, plugin.logs_to_operator),
        (OnError::Default, 1_000_000, true)
    );
    let manifest = Digest::of(b"x");
    for component in ["s3://abc/a@b".to_owned(), "file:/a.wasm".to_owned(), format!("oci://host/a@sha256:{manifest}")] {
        let plugin = operators(&format!("{component}@sha256:{DIGITS}")).unwrap();
        assert_eq!((plugin.component.to_string(), plugin.sha256), (component, Some(Digest::of(b""))));
        assert_eq!((&plugin.limits, plugin.on_error), (&Limits::DEFAULT, OnError::Retry));
    }
}

#[test]
fn what_is_wrong_with_the_operators_is_told_without_showing_it() {
    let neither = ": neither a JSON map nor REFERENCE@sha256:<digest of the component>";
    assert_eq!(operators("hunter2"), Err(vec![neither.to_owned()]));
    assert_eq!(operators("s3://hunter2/x"), Err(vec![neither.to_owned()]));
    let [json] = operators("{\"settings\": hunter2}").unwrap_err().try_into().unwrap();
    assert_eq!(json, ": no valid JSON: expected value at line 1 column 14");
    assert_eq!(
        operators(
            r#"{"component": "hunter2", "sha256": "hunter2", "mode": "hunter2", "limits": {"log_bytes": "hunter2"}}"#
        ),
        Err(vec![
            "mode: not allowed here: what runs for everybody is active; take it out".to_owned(),
            "component: found no place of a component, expected s3://bucket/key, oci://registry/name@sha256:<digest of \
             the manifest> or file:path"
                .to_owned(),
            "sha256: found no SHA-256, expected 64 hexadecimal digits, as `sha256sum` prints them".to_owned(),
            "limits.log_bytes: found a text, expected a whole number, 1 to 65536, without quotes or unit".to_owned(),
        ])
    );
    let one = operators(&format!("oci://host/hunter2@sha256:{DIGITS}")).unwrap_err();
    assert!(one.len() == 1 && one[0].contains("without the digest of the artifact's manifest"), "{one:?}");
    let relative = operators(&format!("file:hunter2@sha256:{DIGITS}")).unwrap_err();
    assert!(relative.len() == 1 && relative[0].contains("a relative path"), "{relative:?}");
}
