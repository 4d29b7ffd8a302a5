//! Items and operators' texts at random: nothing panics the reader, and what it takes is
//! within the host's limits.

use proptest::prelude::*;

use super::tests::{DIGITS, rules};
use super::*;

fn leaf() -> impl Strategy<Value = Value> {
    let words = prop_oneof![
        Just("operator"),
        Just("shadow"),
        Just("active"),
        Just("quarantine"),
        Just("s3://abc/x"),
        Just("file:x"),
        Just(DIGITS)
    ];
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Binary),
        any::<String>().prop_map(Value::Text),
        words.prop_map(|word| Value::Text(word.to_owned())),
        (0u64..100_000_000).prop_map(|n| Value::Number(n.to_string())),
        "[-+0-9.eE]{0,20}".prop_map(Value::Number),
    ]
}

fn node(value: Value) -> Node {
    Node { at: None, value }
}

fn name() -> impl Strategy<Value = String> {
    let fields = ["component", "sha256", "settings", "on_error", "mode", "limits", "log"];
    let names = fields.into_iter().chain(LIMITS.iter().map(|limit| limit.name)).collect::<Vec<_>>();
    prop_oneof![8 => prop::sample::select(names).prop_map(str::to_owned), 1 => any::<String>()]
}

/// Any tree, of words that mean something here.
fn any_node() -> impl Strategy<Value = Node> {
    leaf().prop_map(node).prop_recursive(3, 30, 6, |inner| {
        let entry = (name().prop_map(|name| node(Value::Text(name))), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|items| node(Value::List(items))),
            prop::collection::vec(entry, 0..6).prop_map(|entries| node(Value::Map(entries))),
        ]
    })
}

/// A component that is good but for its limits, which may be.
fn limited() -> impl Strategy<Value = Node> {
    let limit = (prop::sample::select(LIMITS.iter().map(|limit| limit.name).collect::<Vec<_>>()), leaf());
    prop::collection::btree_map(limit.0, limit.1, 0..4).prop_map(|limits| {
        let mut plugin = pair("s3://abc/x", DIGITS);
        let limits = limits.into_iter().map(|(name, value)| (node(Value::Text(name.to_owned())), node(value)));
        let limits = (node(Value::Text("limits".to_owned())), node(Value::Map(limits.collect())));
        if let Value::Map(fields) = &mut plugin.value {
            fields.push(limits);
        }
        plugin
    })
}

proptest! {
    #[test]
    fn nothing_panics_it_and_what_is_accepted_is_within_the_hosts_limits(
        tree in prop_oneof![any_node(), limited()],
        divisor in 1u64..1000,
    ) {
        let mut rules = rules();
        for limit in &LIMITS {
            (limit.set)(&mut rules.limits, (limit.get)(&Limits::DEFAULT) / divisor);
        }
        match read(&tree, &rules) {
            Err(problems) => prop_assert!(!problems.is_empty()),
            Ok(plugins) => for plugin in plugins.active.iter().chain(&plugins.shadow) {
                for limit in &LIMITS {
                    let (n, most) = ((limit.get)(&plugin.limits), (limit.get)(&rules.limits));
                    prop_assert!(n <= most && (n > 0 || most == 0), "{}: {n} of {most}", limit.name);
                }
                prop_assert!(plugin.sha256.is_some());
            },
        }
    }

    #[test]
    fn no_text_of_the_operators_panics_it_or_is_shown(
        text in "(\\{|oci://|s3://)?(zq[a-z0-9:/@.{}\", ]{0,30})(@sha256:)?[0-9a-f]{0,64}",
    ) {
        if let Err(problems) = of_operator(&text, &Limits::DEFAULT) {
            prop_assert!(problems.iter().all(|problem| !problem.message.contains("zq")), "{problems:?}");
        }
    }
}
