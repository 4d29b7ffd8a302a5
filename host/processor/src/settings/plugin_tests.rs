//! What is said about components.

use std::path::PathBuf;

use super::*;
use crate::tenant::plugin::LIMITS;
use model::{AllowedSource, Digest, Limits};

/// Room for the end of every range.
const MACHINE: Machine = Machine { cores: 2, memory_bytes: 1 << 40, memory_source: MemorySource::Machine };
const DIGITS: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const KEY: &str = "0123456789abcdef";

/// The default of a variable that is computed, as it was read.
pub(super) fn computed(settings: &Settings, name: &str) -> String {
    let Settings { max_line_bytes, plugin, .. } = settings;
    let limits = &plugin.limits;
    match name {
        "MAX_LINE_BYTES" => max_line_bytes.to_string(),
        "PLUGIN_LOADED_BYTES" => plugin.loaded_bytes.to_string(),
        "PLUGIN_MEMORY_BYTES" => limits.memory_bytes.to_string(),
        "PLUGIN_MAX_OUTPUT_BYTES" => limits.output_bytes.to_string(),
        "PLUGIN_MAX_OUTPUT_EVENTS" => limits.output_events.to_string(),
        "PLUGIN_MAX_MESSAGE_BYTES" => limits.message_bytes.to_string(),
        "PLUGIN_MAX_HELD_BYTES" => limits.held_back_bytes.to_string(),
        _ => panic!("{name}"),
    }
}

fn read(pairs: &[(&str, &str)]) -> Result<PluginSettings, SettingsError> {
    let lookup = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
    Settings::for_aws(&lookup, MACHINE, Purpose::AnyMode).map(|(settings, ..)| settings.plugin)
}

/// All that is wrong, a line a problem.
fn wrong(pairs: &[(&str, &str)]) -> Vec<String> {
    let error = read(pairs).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    error.to_string().lines().skip(1).map(|line| line.trim_start().to_owned()).collect()
}

#[test]
fn the_ends_of_each_range_are_allowed_and_what_lies_beyond_is_not() {
    let ends = [
        ("PLUGIN_MEMORY_BYTES", "1MiB", "4GiB", "1048575", "4294967297"),
        ("PLUGIN_FUEL_PER_MIB", "1", "1000000000000000", "0", "1000000000000001"),
        ("PLUGIN_START_FUEL", "1", "1000000000000", "0", "1000000000001"),
        ("PLUGIN_MAX_OUTPUT_RATIO", "1", "1000", "0", "1001"),
        ("PLUGIN_MAX_OUTPUT_BYTES", "1KiB", "1GiB", "1023", "1073741825"),
        ("PLUGIN_MAX_OUTPUT_EVENTS", "1", "10000000", "0", "10000001"),
        ("PLUGIN_MAX_MESSAGE_BYTES", "1KiB", "256MiB", "1023", "268435457"),
        ("PLUGIN_MAX_HELD_BYTES", "1KiB", "1GiB", "1023", "1073741825"),
        ("PLUGIN_LOG_LINES", "0", "10000", "-1", "10001"),
        ("PLUGIN_LOG_BYTES", "0", "1MiB", "-1", "1048577"),
        ("PLUGIN_TIMEOUT", "1", "15m", "0", "901"),
        ("PLUGIN_MAX_COMPONENT_BYTES", "1KiB", "256MiB", "1023", "268435457"),
        ("PLUGIN_CACHE_BYTES", "1MiB", "1024GiB", "1048575", "1025GiB"),
        ("PLUGIN_LOADED_BYTES", "1MiB", "64GiB", "1048575", "65GiB"),
    ];
    for (name, least, most, below, above) in ends {
        assert!(read(&[(name, least)]).is_ok(), "{name}={least}");
        assert!(read(&[(name, most)]).is_ok(), "{name}={most}");
        for value in [below, above] {
            let [problem] = wrong(&[(name, value)]).try_into().unwrap();
            assert!(problem.starts_with(&format!("{name} is {value:?}: allowed is ")), "{problem}");
        }
    }
}

/// Each variable that items' limits name is one, and sets that limit.
#[test]
fn each_limit_is_set_by_its_variable() {
    for limit in &LIMITS {
        for variables in [&VARIABLES[..], &LOCAL_VARIABLES[..]] {
            assert!(variables.iter().any(|variable| variable.name == limit.variable), "{}", limit.variable);
        }
        let n = match limit.variable {
            "PLUGIN_MEMORY_BYTES" => 1 << 20,
            "PLUGIN_TIMEOUT" => 17,
            "PLUGIN_MAX_OUTPUT_RATIO" => 17,
            _ => 4321,
        };
        let limits = read(&[(limit.variable, &n.to_string())]).unwrap().limits;
        assert_eq!((limit.get)(&limits), n, "{}", limit.variable);
        let others = LIMITS.iter().filter(|other| other.name != limit.name);
        assert!(others.into_iter().all(|other| (other.get)(&limits) == (other.get)(&Limits::DEFAULT)));
    }
}

#[test]
fn messages_and_lines_held_back_follow_the_longest_line() {
    let limits = |line: &str| read(&[("MAX_LINE_BYTES", line)]).unwrap().limits;
    assert_eq!((limits("1MiB").message_bytes, limits("1MiB").held_back_bytes), (1 << 20, 3 << 20));
    assert_eq!((limits("64MiB").message_bytes, limits("64MiB").held_back_bytes), (64 << 20, 129 << 20));
}

#[test]
fn places_are_read() {
    let settings = read(&[
        ("PLUGIN_SOURCES", " s3://components/masks, oci://ghcr.io/acme ,file:/components/, "),
        ("PLUGIN_REGISTRY_AUTH", "/etc/auth.json"),
        ("PLUGIN_CACHE_DIR", "/var/cache"),
        ("PLUGIN_CACHE_KEY", KEY),
        ("PLUGIN_COMPILED", "s3://compiled/x"),
        ("PLUGIN_SHADOW_CONTENTS", "true"),
    ]);
    let settings = settings.unwrap();
    let sources = [
        AllowedSource::S3 { bucket: "components".to_owned(), prefix: "masks/".to_owned() },
        AllowedSource::Oci { registry: "ghcr.io".to_owned(), name: "acme".to_owned() },
        AllowedSource::Folder("/components".into()),
    ];
    assert_eq!(settings.sources, sources);
    assert_eq!(settings.registry_auth, Some(PathBuf::from("/etc/auth.json")));
    assert_eq!(settings.cache_dir, Some(PathBuf::from("/var/cache")));
    assert_eq!(settings.cache_key, Some(CacheKey(KEY.as_bytes().to_vec())));
    assert_eq!(settings.compiled, Some(("compiled".to_owned(), "x/".to_owned())));
    assert!(settings.shadow_contents);
    assert!(!format!("{settings:?}").contains(KEY));
}

#[test]
fn each_source_that_is_wrong_is_named() {
    assert_eq!(
        wrong(&[("PLUGIN_SOURCES", "s3://good/x, file:relative, ghcr.io/acme, oci://me:hunter2@ghcr.io")]),
        [
            "PLUGIN_SOURCES holds \"file:relative\": a relative path, expected an absolute one, such as file:/components",
            "PLUGIN_SOURCES holds \"ghcr.io/acme\": no place, expected s3://bucket/prefix/, oci://registry/name or \
             file:/folder",
            "PLUGIN_SOURCES holds a value with an @ (not shown: it may hold a password): a registry that is no host's \
             name in lower case, with its port where it has one",
        ]
    );
}

#[test]
fn a_key_has_16_bytes_and_is_never_shown() {
    let why = "PLUGIN_CACHE_KEY: shorter than 16 bytes; `openssl rand -hex 32` makes a good one";
    assert_eq!(wrong(&[("PLUGIN_CACHE_KEY", "hunter2hunter2x")]), [why]);
    // A bad key is one problem, not two.
    assert_eq!(wrong(&[("PLUGIN_CACHE_KEY", "hunter2"), ("PLUGIN_COMPILED", "s3://compiled/x")]), [why]);
}

#[test]
fn compiled_components_need_a_key() {
    assert_eq!(
        wrong(&[("PLUGIN_COMPILED", "s3://compiled/x")]),
        [
            "PLUGIN_COMPILED needs PLUGIN_CACHE_KEY: what is compiled there is believed for its signature only; set it, to \
          the same value wherever this bucket is used, or unset PLUGIN_COMPILED"
        ]
    );
    let [problem] = wrong(&[("PLUGIN_CACHE_KEY", KEY), ("PLUGIN_COMPILED", "/compiled")]).try_into().unwrap();
    assert!(problem.starts_with("PLUGIN_COMPILED is \"/compiled\": allowed is s3://bucket/prefix"), "{problem}");
}

#[test]
fn components_for_everybody_are_within_the_operators_own_limits() {
    let map = format!(r#"{{"component":"s3://abc/x","sha256":"{DIGITS}","limits":{{"memory_bytes":2000000}}}}"#);
    let short = format!("oci://ghcr.io/keys@sha256:{DIGITS}@sha256:{DIGITS}");
    let settings = read(&[("DEFAULT_PLUGIN", &map), ("KEY_PARSER", &short)]).unwrap();
    assert_eq!(settings.default_plugin.unwrap().limits.memory_bytes, 2_000_000);
    let parser = settings.key_parser.unwrap();
    assert_eq!(parser.component.to_string(), format!("oci://ghcr.io/keys@sha256:{DIGITS}"));
    assert_eq!((parser.sha256, &parser.limits), (Some(Digest::of(b"")), &settings.limits));
    assert_eq!(
        wrong(&[("DEFAULT_PLUGIN", &map), ("PLUGIN_MEMORY_BYTES", "1MiB")]),
        [
            "DEFAULT_PLUGIN, field limits.memory_bytes: found 2000000, the host's limit is 1048576 (PLUGIN_MEMORY_BYTES); \
          lower it, or ask the operator to raise that"
        ]
    );
}

#[test]
fn what_is_wrong_with_them_is_told_by_field_and_never_shown() {
    let map = r#"{"component":"hunter2","settings":{"token":["hunter2"]},"mode":"active","hunter":2}"#;
    let variables: [_; 2] = [("DEFAULT_PLUGIN", map), ("KEY_PARSER", "hunter2@sha256:hunter2")];
    let wrong = wrong(&variables);
    let expected = [
        "DEFAULT_PLUGIN, field hunter: unknown",
        "DEFAULT_PLUGIN, field mode: not allowed here",
        "DEFAULT_PLUGIN, field component: found no place of a component",
        "DEFAULT_PLUGIN, field sha256: missing",
        "DEFAULT_PLUGIN, field settings.token: found a list of 1",
        "KEY_PARSER, field component: found no place of a component",
        "KEY_PARSER, field sha256: found no SHA-256",
    ];
    assert_eq!(wrong.len(), expected.len(), "{wrong:?}");
    for (line, part) in wrong.iter().zip(expected) {
        assert!(line.starts_with(part), "{line}");
    }
}

/// The longest line that there was before there were components.
#[test]
fn help_fits_a_terminal() {
    for line in help().lines().chain(help_aws().lines()) {
        assert!(line.chars().count() <= 124, "{line}");
    }
}
