//! What `local` reads.

use super::*;
use model::Limits;

fn read(pairs: &[(&str, &str)], cores: usize) -> Result<(Settings, Vec<String>), SettingsError> {
    let lookup = |name: &str| {
        let found = pairs.iter().find(|(n, _)| *n == name);
        found.map(|(_, v)| (*v).to_owned())
    };
    Settings::for_local(&lookup, Machine { cores, memory_bytes: 1 << 40, memory_source: MemorySource::Machine })
}

#[test]
fn nothing_set_means_the_defaults() {
    let (settings, warnings) = read(&[], 2).unwrap();
    let expected = Settings {
        max_batch_size: 10_000,
        max_line_bytes: 16 << 20,
        max_object_bytes: None,
        timestamp_numbers: TimestampNumbers::Magnitude,
        max_concurrent_objects: 2,
        plugin: settings.plugin.clone(),
        memory: settings.memory,
        log_level: LogLevel::Info,
    };
    assert_eq!(settings, expected);
    assert_eq!((settings.memory.budget, settings.memory.source), (1 << 40, MemorySource::Machine));
    let plugin = PluginSettings {
        limits: Limits::DEFAULT,
        sources: Vec::new(),
        registry_auth: None,
        cache_dir: None,
        cache_bytes: 1 << 30,
        cache_key: None,
        compiled: None,
        loaded_bytes: 256 << 20,
        shadow_contents: false,
        default_plugin: None,
        key_parser: None,
    };
    assert_eq!(settings.plugin, plugin);
    assert!(warnings.is_empty());
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let empty: Vec<_> = LOCAL_VARIABLES.iter().map(|v| (v.name, "")).collect();
    assert_eq!(read(&empty, 3), read(&[], 3));
}

#[test]
fn sizes_take_suffixes_and_counts_do_not() {
    let set = |name, value| read(&[(name, value)], 1);
    let line = |value| set("MAX_LINE_BYTES", value).map(|(s, _)| s.max_line_bytes);
    assert_eq!(line("4096").unwrap(), 4096);
    assert_eq!(line("4KiB").unwrap(), 4096);
    assert_eq!(line(" 2 mib ").unwrap(), 2 << 20);
    let object = |value| set("MAX_OBJECT_BYTES", value).map(|(s, _)| s.max_object_bytes);
    assert_eq!(object("3GiB").unwrap(), Some(3 << 30));
    assert_eq!(object("0").unwrap(), None);
    assert!(set("MAX_BATCH_SIZE", "1KiB").is_err());
    for bad in ["16MB", "16M", "MiB", "-1", "1.5MiB", "+5000", "１６MiB", "99999999999999999999"] {
        assert!(line(bad).is_err(), "{bad}");
        assert!(object(bad).is_err(), "{bad}");
    }
    assert!(object("18014398509481984KiB").is_err(), "beyond u64");
}

#[test]
fn the_ends_of_each_range_are_allowed_and_what_lies_beyond_is_not() {
    let allowed = |name, value: &str| read(&[(name, value)], 1).is_ok();
    let ends = [
        ("MAX_BATCH_SIZE", "1", "10000", "0", "10001"),
        ("MAX_LINE_BYTES", "1024", "64MiB", "1023", "67108865"),
        ("MAX_CONCURRENT_OBJECTS", "1", "1024", "0", "1025"),
        ("PLUGIN_MEMORY_BYTES", "1MiB", "4GiB", "1048575", "5GiB"),
        ("PLUGIN_MAX_OUTPUT_RATIO", "1", "1000", "0", "1001"),
        ("PLUGIN_FUEL_PER_MIB", "1", "1000000000000000", "0", "1000000000000001"),
    ];
    for (name, least, most, below, above) in ends {
        assert!(allowed(name, least), "{name}={least}");
        assert!(allowed(name, most), "{name}={most}");
        assert!(!allowed(name, below), "{name}={below}");
        assert!(!allowed(name, above), "{name}={above}");
    }
}

#[test]
fn the_cores_given_are_kept_within_the_range() {
    assert_eq!(read(&[], 0).unwrap().0.max_concurrent_objects, 1);
    assert_eq!(read(&[], 5000).unwrap().0.max_concurrent_objects, 1024);
}

#[test]
fn levels_in_either_case_and_an_unknown_one_warns() {
    let level = |value| read(&[("LOG_LEVEL", value)], 1).unwrap();
    assert_eq!(level("debug").0.log_level, LogLevel::Debug);
    assert_eq!(level("WARNING").0.log_level, LogLevel::Warn);
    assert_eq!(level("warn").0.log_level, LogLevel::Warn);
    assert_eq!(level("ERROR").0.log_level, LogLevel::Error);
    let (settings, warnings) = level("loud");
    assert_eq!(settings.log_level, LogLevel::Info);
    assert_eq!(warnings, [r#"LOG_LEVEL is "loud": allowed is DEBUG, INFO, WARN, WARNING, ERROR; INFO is used"#]);
}

#[test]
fn numbers_as_timestamps_are_read_in_one_of_two_ways() {
    let numbers = |value| read(&[("TIMESTAMP_NUMBERS", value)], 1).map(|(settings, _)| settings.timestamp_numbers);
    assert_eq!(numbers("reference"), Ok(TimestampNumbers::Reference));
    assert_eq!(numbers(" Magnitude "), Ok(TimestampNumbers::Magnitude));
    let error = numbers("go").unwrap_err().to_string();
    assert!(error.contains("TIMESTAMP_NUMBERS is \"go\": allowed is magnitude or reference"), "{error}");
}

#[test]
fn all_problems_come_together_each_with_value_and_range() {
    let long = "9".repeat(500);
    let pairs = [
        ("MAX_BATCH_SIZE", "20000"),
        ("MAX_LINE_BYTES", "16MB"),
        ("MAX_OBJECT_BYTES", "no\u{1b}limit"),
        ("MAX_CONCURRENT_OBJECTS", "0"),
        ("PLUGIN_MAX_OUTPUT_RATIO", &long),
    ];
    let error = read(&pairs, 1).unwrap_err();
    let nines = "9".repeat(60);
    assert_eq!(
        error.to_string(),
        format!(
            r#"invalid settings in the environment:
  MAX_BATCH_SIZE is "20000": allowed is 1 to 10000; unset it for the default
  MAX_LINE_BYTES is "16MB": allowed is 1 KiB to 64 MiB, plain bytes or with KiB, MiB, GiB; unset it for the default
  PLUGIN_MAX_OUTPUT_RATIO is "{nines}"…: allowed is 1 to 1000; unset it for the default
  MAX_OBJECT_BYTES is "no\u{{1b}}limit": allowed is 0 (no limit) or more, plain or with KiB, MiB, GiB; unset it for the default
  MAX_CONCURRENT_OBJECTS is "0": allowed is 1 to 1024; unset it for the default"#
        )
    );
}

/// What `--help` calls the default is what an unset variable means.
#[test]
fn help_names_every_variable_with_a_default_that_parses_to_itself() {
    let (text, settings) = (help(), read(&[], 7).unwrap().0);
    for variable in LOCAL_VARIABLES {
        assert!(text.contains(variable.name));
        let default = match (variable.default_text().as_str(), variable.name) {
            ("cores", _) => "7".to_owned(),
            ("by memory" | "by MAX_LINE_BYTES" | "MAX_LINE_BYTES", name) => {
                super::plugin_tests::computed(&settings, name)
            }
            ("by container" | "none" | "the user's cache" | "the tenant file's folder", _) => String::new(),
            ("0 (none)", _) => "0".to_owned(),
            (other, _) => other.to_owned(),
        };
        assert_eq!(read(&[(variable.name, &default)], 7), read(&[], 7));
    }
}

#[test]
fn every_variable_that_is_read_is_in_the_table_and_the_other_way_round() {
    let asked = std::cell::RefCell::new(std::collections::BTreeSet::new());
    let lookup = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        None
    };
    let _ = Settings::for_local(&lookup, Machine { cores: 1, memory_bytes: 1, memory_source: MemorySource::Machine });
    assert_eq!(asked.into_inner(), LOCAL_VARIABLES.iter().map(|v| v.name.to_owned()).collect());
}
