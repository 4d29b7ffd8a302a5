//! What the modes that work with AWS read.

use std::path::PathBuf;

use super::*;
use crate::aws::BucketOwnerSetting;

const MACHINE: Machine = Machine { cores: 2, memory_bytes: 512 << 20, memory_source: MemorySource::Machine };

fn read_on(pairs: &[(&str, &str)], machine: Machine) -> Result<(Settings, AwsSettings, Vec<String>), SettingsError> {
    let lookup = |name: &str| {
        let found = pairs.iter().find(|(n, _)| *n == name);
        found.map(|(_, v)| (*v).to_owned())
    };
    Settings::for_aws(&lookup, machine, Purpose::AnyMode)
}

fn read(pairs: &[(&str, &str)]) -> Result<(Settings, AwsSettings, Vec<String>), SettingsError> {
    read_on(pairs, MACHINE)
}

/// The AWS settings with one variable set.
fn with(name: &str, value: &str) -> Result<AwsSettings, SettingsError> {
    read(&[(name, value)]).map(|(_, aws, _)| aws)
}

fn refused(name: &str, values: &[&str]) {
    for value in values {
        let error = with(name, value).expect_err(value);
        assert_eq!(error.problems.len(), 1, "{value}");
        assert_eq!(error.problems[0].variable, name);
    }
}

#[test]
fn nothing_set_means_the_defaults() {
    let (settings, aws, warnings) = read(&[]).unwrap();
    let expected = AwsSettings {
        region: "us-east-1".to_owned(),
        tenant_table: "tenant-configurations".to_owned(),
        queue_url: None,
        central_role: None,
        attempts: 3,
        retry_window: Duration::from_secs(21_600),
        request_timeout: Duration::from_secs(10),
        source_bucket: None,
        source_buckets: None,
        owners: BucketOwners::default(),
        scan_interval: Duration::from_secs(10),
        scan_suffixes: vec![".json.gz".to_owned()],
        path_style: false,
        max_concurrent_per_tenant: 3,
        tenant_cache: Duration::from_secs(60),
        visibility_timeout: Duration::from_secs(300),
        shutdown_grace: Duration::from_secs(25),
        dead_letter: DeadLetterSetting::Unset,
        http_addr: Some(([0, 0, 0, 0], 8080).into()),
        execution_mode: None,
        log_format: LogFormat::Json,
        keys: None,
    };
    assert_eq!(aws, expected);
    assert_eq!(settings.max_concurrent_objects, 15);
    assert!(warnings.is_empty());
}

#[test]
fn objects_at_once_follow_the_memory_and_a_tenants_the_objects() {
    let objects = |mib: u64, pairs: &[_]| {
        let (settings, aws, _) =
            read_on(pairs, Machine { cores: 2, memory_bytes: mib << 20, memory_source: MemorySource::Machine })
                .unwrap();
        (settings.max_concurrent_objects, aws.max_concurrent_per_tenant)
    };
    assert_eq!(objects(128, &[]), (2, 1));
    assert_eq!(objects(512, &[]), (15, 3));
    assert_eq!(objects(1024, &[]), (36, 9));
    assert_eq!(objects(65_536, &[]), (64, 16));
    assert_eq!(objects(512, &[("MAX_CONCURRENT_OBJECTS", "3")]), (3, 1));
    assert_eq!(objects(512, &[("MAX_CONCURRENT_OBJECTS", "1000")]), (1000, 250));
    assert_eq!(objects(512, &[("MAX_CONCURRENT_PER_TENANT", "5")]), (15, 5));
}

#[test]
fn the_budget_is_the_containers_or_as_it_is_set() {
    let memory = |pairs: &[_]| read(pairs).map(|(settings, ..)| (settings.memory, settings.max_line_bytes));
    let (container, line) = memory(&[]).unwrap();
    assert_eq!((container.budget, container.source), (512 << 20, MemorySource::Machine));
    assert!(line < 16 << 20, "less than where there is room");
    let (set, line) = memory(&[("MEMORY_BUDGET", "8 GiB")]).unwrap();
    assert_eq!((set.budget, set.source), (8 << 30, MemorySource::Setting));
    assert_eq!(line, 16 << 20);
    // What is fixed is not there to be claimed.
    let (loaded, _) = memory(&[("MEMORY_BUDGET", "8 GiB"), ("PLUGIN_LOADED_BYTES", "1 GiB")]).unwrap();
    assert_eq!(set.claimable - loaded.claimable, (1 << 30) - (256 << 20));
    refused("MEMORY_BUDGET", &["0", "lots", "31 MiB"]);
}

#[test]
fn what_leaves_no_room_for_one_delivery_is_refused_with_what_takes_it() {
    for (name, value) in [
        ("MAX_LINE_BYTES", "16 MiB"),
        ("PLUGIN_MEMORY_BYTES", "512 MiB"),
        ("PLUGIN_MAX_OUTPUT_BYTES", "256 MiB"),
        ("PLUGIN_MAX_OUTPUT_EVENTS", "10000000"),
        ("PLUGIN_MAX_HELD_BYTES", "1 GiB"),
        ("PLUGIN_LOADED_BYTES", "400 MiB"),
        ("MEMORY_BUDGET", "64 MiB"),
    ] {
        let error = read(&[(name, value)]).expect_err(name);
        let [problem] = error.problems.as_slice() else { panic!("{error}") };
        assert_eq!(problem.variable, "MEMORY_BUDGET", "{name}");
        assert!(problem.text.contains(name) || name == "MEMORY_BUDGET", "{name}: {error}");
        assert!(read(&[(name, value), ("MEMORY_BUDGET", "16 GiB")]).is_ok() || name == "MEMORY_BUDGET", "{name}");
    }
}

#[test]
fn an_empty_variable_counts_as_unset() {
    for empty in ["", "  "] {
        let empty: Vec<_> = VARIABLES.iter().map(|v| (v.name, empty)).collect();
        assert_eq!(read(&empty), read(&[]));
    }
}

#[test]
fn the_ends_of_each_range_are_allowed_and_what_lies_beyond_is_not() {
    let ends = [
        ("RETRY_ATTEMPTS", "1", "10", "0", "11"),
        ("RETRY_WINDOW", "1m", "336h", "59", "1209601"),
        ("REQUEST_TIMEOUT", "1", "300", "0", "301"),
        ("SCAN_INTERVAL", "1", "24h", "0", "86401"),
        ("MAX_CONCURRENT_PER_TENANT", "1", "1024", "0", "1025"),
        ("TENANT_CACHE_SECONDS", "0", "86400", "-1", "25h"),
        ("VISIBILITY_TIMEOUT", "2", "43200", "1", "43201"),
        ("SHUTDOWN_GRACE_SECONDS", "0", "15m", "-1", "901"),
    ];
    for (name, least, most, below, above) in ends {
        assert!(with(name, least).is_ok(), "{name}={least}");
        assert!(with(name, most).is_ok(), "{name}={most}");
        refused(name, &[below, above]);
    }
}

#[test]
fn seconds_may_have_a_unit() {
    let interval = |value| with("SCAN_INTERVAL", value).unwrap().scan_interval.as_secs();
    assert_eq!([interval("30"), interval("30s"), interval("2 M"), interval("1h")], [30, 30, 120, 3600]);
    refused("SCAN_INTERVAL", &["1d", "1.5s", "s", "10ms", "1 MiB"]);
    refused("RETRY_ATTEMPTS", &["3s"]);
}

#[test]
fn the_region_is_the_first_that_is_set() {
    let region = |pairs: &[_]| read(pairs).map(|(_, aws, _)| aws.region);
    assert_eq!(region(&[("AWS_DEFAULT_REGION", "eu-west-1")]).unwrap(), "eu-west-1");
    assert_eq!(region(&[("AWS_DEFAULT_REGION", "not used"), ("AWS_REGION", "ap-south-2")]).unwrap(), "ap-south-2");
    refused("AWS_REGION", &["Ohio", "us-east-1a"]);
    refused("AWS_DEFAULT_REGION", &["evil.example.com/"]);
}

#[test]
fn names_are_what_aws_allows() {
    for table in ["tenants", "a.b-c_D", "arn:aws:dynamodb:us-east-1:123456789012:table/tenants"] {
        assert_eq!(with("TENANT_CONFIG_TABLE", table).unwrap().tenant_table, table);
    }
    refused("TENANT_CONFIG_TABLE", &["ab", "my table", "a/b", "arn:aws:s3:::bucket"]);
    assert_eq!(with("SOURCE_BUCKET", "logs.in").unwrap().source_bucket.as_deref(), Some("logs.in"));
    assert_eq!(with("SOURCE_BUCKET", "Old_Logs").unwrap().source_bucket.as_deref(), Some("Old_Logs"));
    refused("SOURCE_BUCKET", &["s3://logs", "lo gs", "x"]);
    let role = "arn:aws:iam::123456789012:role/Central";
    assert_eq!(with("CENTRAL_LOG_DISTRIBUTION_ROLE_ARN", role).unwrap().central_role.as_deref(), Some(role));
    refused("CENTRAL_LOG_DISTRIBUTION_ROLE_ARN", &["Central", "arn:aws:iam::123456789012:user/x"]);
    assert_eq!(with("EXECUTION_MODE", "Whatever").unwrap().execution_mode.as_deref(), Some("Whatever"));
}

#[test]
fn the_queue_is_named_by_a_url() {
    for url in ["https://sqs.us-east-1.amazonaws.com/123456789012/logs", "http://localhost:9324/queue/logs"] {
        assert_eq!(with("SQS_QUEUE_URL", url).unwrap().queue_url.as_deref(), Some(url));
    }
    let bad =
        ["logs", "sqs.us-east-1.amazonaws.com/1/logs", "ftp://host/q", "https://host", "https://host/", "https:///q"];
    refused("SQS_QUEUE_URL", &bad);
    refused("SQS_QUEUE_URL", &["https://host/q?Action=x", "https://host/q#x", "https://host/a b"]);
}

#[test]
fn a_password_is_never_shown() {
    for value in ["https://me:hunter2@host/queue", "me:hunter2@host/queue"] {
        let error = with("SQS_QUEUE_URL", value).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("SQS_QUEUE_URL") && !text.contains("hunter2"), "{text}");
    }
    let text = with("DEAD_LETTER", "s3://me:hunter2@bucket/x").unwrap_err().to_string();
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn path_style_is_true_or_1() {
    let style = |value| {
        let (_, aws, warnings) = read(&[("AWS_S3_USE_PATH_STYLE", value)]).unwrap();
        (aws.path_style, warnings.len())
    };
    assert_eq!([style("true"), style("1")], [(true, 0), (true, 0)]);
    assert_eq!([style("false"), style("0"), style("")], [(false, 0), (false, 0), (false, 0)]);
    // As the reference, but not silently.
    assert_eq!([style("TRUE"), style("yes"), style("2")], [(false, 1), (false, 1), (false, 1)]);
}

#[test]
fn suffixes_are_separated_by_commas() {
    let suffixes = |value| with("SCAN_SUFFIXES", value).unwrap().scan_suffixes;
    assert_eq!(suffixes(".json.gz, .ndjson ,"), [".json.gz", ".ndjson"]);
    refused("SCAN_SUFFIXES", &[",", " , "]);
}

#[test]
fn dead_letters_go_to_a_bucket_or_a_folder() {
    let place = |value| with("DEAD_LETTER", value).unwrap().dead_letter;
    let s3 =
        |bucket: &str, prefix: &str| DeadLetterSetting::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() };
    assert_eq!(place("s3://dead"), s3("dead", ""));
    assert_eq!(place("s3://dead/"), s3("dead", ""));
    assert_eq!(place("s3://dead/a/b"), s3("dead", "a/b/"));
    assert_eq!(place("s3://dead/a/b/"), s3("dead", "a/b/"));
    assert_eq!(place("/var/dead"), DeadLetterSetting::Folder(PathBuf::from("/var/dead")));
    assert_eq!(place("dead"), DeadLetterSetting::Folder(PathBuf::from("dead")));
    assert_eq!(place("./fail"), DeadLetterSetting::Folder(PathBuf::from("./fail")));
    assert_eq!([place("none"), place("OFF")], [DeadLetterSetting::None, DeadLetterSetting::None]);
    assert_eq!([place("fail"), place("FAIL")], [DeadLetterSetting::Fail, DeadLetterSetting::Fail]);
    assert_eq!(place(""), DeadLetterSetting::Unset);
    for (value, warned) in [("", true), ("none", false), ("fail", false), ("dead", false), ("s3://dead", false)] {
        assert_eq!(place(value).warning().is_some(), warned, "{value}");
    }
    assert_eq!(place("s3://Old_Dead/x"), s3("Old_Dead", "x/"));
    refused("DEAD_LETTER", &["s3://", "s3:///x", "s3://a:b/x", "S3://bucket", "file:///x", "s3://dead/a\u{7}b"]);
}

#[test]
fn what_messages_may_name_and_whose_buckets_they_are() {
    let patterns = with("SOURCE_BUCKETS", " logs-*, old ,").unwrap().source_buckets.unwrap();
    assert!(patterns.matches("logs-eu") && patterns.matches("old") && !patterns.matches("older"));
    refused("SOURCE_BUCKETS", &[",", "s3://logs", "logs, a b"]);
    let account = "000000000012";
    assert_eq!(with("SOURCE_BUCKET_OWNER", account).unwrap().owners.source.as_deref(), Some(account));
    for (value, owner) in [
        ("", BucketOwnerSetting::Own),
        (account, BucketOwnerSetting::Account(account.to_owned())),
        ("any", BucketOwnerSetting::Anybody),
    ] {
        assert_eq!(with("DEAD_LETTER_OWNER", value).unwrap().owners.dead_letters, owner);
        assert_eq!(with("PLUGIN_BUCKET_OWNER", value).unwrap().owners.components, owner);
    }
    refused("SOURCE_BUCKET_OWNER", &["any"]);
    for name in ["SOURCE_BUCKET_OWNER", "DEAD_LETTER_OWNER", "PLUGIN_BUCKET_OWNER"] {
        refused(name, &["12", "self", "0000000000123"]);
    }
}

#[test]
fn the_server_has_an_address_or_is_none() {
    let address = |value| with("HTTP_ADDR", value).unwrap().http_addr;
    assert_eq!(address("127.0.0.1:0"), Some(([127, 0, 0, 1], 0).into()));
    assert_eq!(address(":9090"), Some(([0, 0, 0, 0], 9090).into()));
    assert_eq!(address("[::1]:80"), Some("[::1]:80".parse().unwrap()));
    assert_eq!([address("none"), address("off")], [None, None]);
    refused("HTTP_ADDR", &["8080", "localhost:8080", "0.0.0.0", "0.0.0.0:70000", "http://0.0.0.0:80"]);
}

#[test]
fn all_problems_come_together() {
    // What can't be wrong, or only warns, and what isn't read where AWS_REGION is set.
    let never =
        ["EXECUTION_MODE", "AWS_S3_USE_PATH_STYLE", "PLUGIN_SHADOW_CONTENTS", "LOG_LEVEL", "AWS_DEFAULT_REGION"];
    let wrong: Vec<_> = VARIABLES.iter().filter(|v| !never.contains(&v.name)).map(|v| (v.name, "://")).collect();
    let wrong: Vec<_> =
        wrong.into_iter().filter(|(name, _)| *name != "SCAN_SUFFIXES").chain([("SCAN_SUFFIXES", ",")]).collect();
    let error = read(&wrong).unwrap_err();
    let mut named: Vec<_> = error.problems.iter().map(|problem| problem.variable).collect();
    let mut expected: Vec<_> = wrong.iter().map(|(name, _)| *name).collect();
    named.sort_unstable();
    expected.sort_unstable();
    assert_eq!(named, expected);
    let text = error.to_string();
    let line = "\n  REQUEST_TIMEOUT is \"://\": allowed is 1 s to 300 s, plain seconds or with s, m, h; unset it for the default";
    assert!(text.contains(line), "{text}");
}

/// Each variable, wrong, in each mode: refused where the mode uses it; else warned about
/// in one line, and what it should have said is left aside.
#[test]
fn what_a_mode_does_not_use_is_a_warning() {
    let never = ["EXECUTION_MODE", "AWS_S3_USE_PATH_STYLE", "PLUGIN_SHADOW_CONTENTS", "LOG_LEVEL"];
    let wrong = |name: &str| if name == "SCAN_SUFFIXES" { "," } else { "://" };
    let read = |pairs: &[(&str, &str)], purpose| {
        let lookup = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Settings::for_aws(&lookup, MACHINE, purpose)
    };
    let purposes = Mode::ALL.map(Purpose::Mode).into_iter().chain([Purpose::AnyMode, Purpose::NoMode]);
    for purpose in purposes {
        let (usual, usual_aws, _) = read(&[], purpose).unwrap();
        for variable in VARIABLES.iter().filter(|variable| !never.contains(&variable.name)) {
            let name = variable.name;
            let only = mode::MODE_VARIABLES.iter().find(|(only, _)| only.name == name).map(|(_, modes)| *modes);
            let used = match (only, purpose) {
                (None, _) | (_, Purpose::AnyMode) => true,
                (Some(only), Purpose::Mode(mode)) => only.contains(&mode),
                (Some(_), Purpose::NoMode) => false,
            };
            match read(&[(name, wrong(name))], purpose) {
                Err(error) => assert!(used && error.problems[0].variable == name, "{name} {purpose:?}: {error}"),
                Ok((settings, aws, warnings)) => {
                    assert!(!used, "{name} {purpose:?}");
                    let [warning] = warnings.try_into().unwrap();
                    let word = match purpose {
                        Purpose::Mode(mode) => format!("; {} mode doesn't use it", mode.name()),
                        _ => "; this command doesn't use it".to_owned(),
                    };
                    assert!(warning.starts_with(name) && warning.ends_with(&word), "{warning}");
                    assert!(!warning.contains('\n'), "{warning}");
                    let suffixes = aws.scan_suffixes.clone();
                    let http_addr = if name == "HTTP_ADDR" { usual_aws.http_addr } else { aws.http_addr };
                    assert!(!suffixes.is_empty() || name == "SCAN_SUFFIXES");
                    let aws = AwsSettings { scan_suffixes: usual_aws.scan_suffixes.clone(), http_addr, ..aws };
                    assert_eq!((&settings, &aws), (&usual, &usual_aws), "{name}");
                }
            }
        }
    }
}

/// The manifests of the reference for scan mode.
#[test]
fn a_dummy_of_a_queue_does_not_keep_scan_mode_from_its_bucket() {
    let pairs = [("SQS_QUEUE_URL", "dummy-sqs-url"), ("SOURCE_BUCKET", "logs-in"), ("MAX_BATCH_SIZE", "1000")];
    let lookup = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
    let read = |mode| Settings::for_aws(&lookup, MACHINE, Purpose::Mode(mode));
    let (_, aws, warnings) = read(Mode::Scan).unwrap();
    assert_eq!((aws.queue_url, aws.source_bucket.as_deref()), (None, Some("logs-in")));
    assert!(warnings[0].starts_with("SQS_QUEUE_URL is \"dummy-sqs-url\""), "{warnings:?}");
    assert!(read(Mode::Manual).is_ok());
    for mode in [Mode::Sqs, Mode::Lambda] {
        assert_eq!(read(mode).unwrap_err().problems[0].variable, "SQS_QUEUE_URL");
    }
}

/// A file or a secret often ends in a newline; and an environment may hold any bytes.
#[test]
fn white_space_at_the_ends_never_matters_and_what_is_no_utf_8_is_refused() {
    for variable in VARIABLES {
        let value = match variable.name {
            "AWS_REGION" | "AWS_DEFAULT_REGION" => "eu-west-1",
            "TENANT_CONFIG_TABLE" => "tenants",
            "SQS_QUEUE_URL" => "https://sqs.eu-west-1.amazonaws.com/123456789012/logs",
            "CENTRAL_LOG_DISTRIBUTION_ROLE_ARN" => "arn:aws:iam::123456789012:role/Central",
            "DEAD_LETTER" | "PLUGIN_COMPILED" => "s3://dead/x",
            "SOURCE_BUCKET" => "logs-in",
            "HTTP_ADDR" => ":1",
            "PLUGIN_SOURCES" => "file:/components",
            "PLUGIN_REGISTRY_AUTH" | "PLUGIN_CACHE_DIR" => "/a path",
            "PLUGIN_CACHE_KEY" => "0123456789abcdef",
            "LOG_FORMAT" => "reference",
            "AWS_S3_USE_PATH_STYLE" | "PLUGIN_SHADOW_CONTENTS" => "true",
            "DEFAULT_PLUGIN" | "KEY_PARSER" => continue,
            _ => &variable.default_text(),
        };
        let name = variable.name;
        assert_eq!(read(&[(name, &format!(" {value}\n"))]), read(&[(name, value)]), "{name}");
    }
    let lossy = ["LOG_LEVEL", "AWS_S3_USE_PATH_STYLE", "PLUGIN_SHADOW_CONTENTS"];
    for variable in VARIABLES.iter().filter(|variable| !lossy.contains(&variable.name)) {
        let error = read(&[(variable.name, "0123456789abcdef\u{fffd}")]).expect_err(variable.name);
        assert_eq!(error.problems.len(), 1, "{error}");
        assert_eq!((error.problems[0].variable, error.to_string().contains("not UTF-8")), (variable.name, true));
    }
}

#[test]
fn the_log_s_format_is_one_of_two_and_found_whatever_else_is_wrong() {
    assert_eq!(with("LOG_FORMAT", "Reference").unwrap().log_format, LogFormat::Reference);
    assert_eq!(with("LOG_FORMAT", "json").unwrap().log_format, LogFormat::Json);
    refused("LOG_FORMAT", &["text", "logfmt", "reference, json"]);
    let lookup = |pairs: &'static [(&str, &str)]| {
        move |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
    };
    let logging = |pairs| Settings::logging(&lookup(pairs));
    assert_eq!(
        logging(&[("LOG_FORMAT", "reference"), ("MAX_BATCH_SIZE", "x")]),
        (LogLevel::Info, LogFormat::Reference)
    );
    assert_eq!(logging(&[("LOG_FORMAT", "x"), ("LOG_LEVEL", "error")]), (LogLevel::Error, LogFormat::Json));
}

/// What `--help` calls the default is what an unset variable means.
#[test]
fn help_names_every_variable_with_a_default_that_parses_to_itself() {
    let (text, settings) = (help_aws(), read(&[]).unwrap().0);
    for variable in VARIABLES {
        assert!(text.contains(variable.name));
        let default = match (variable.default_text().as_str(), variable.name) {
            ("by memory", "MAX_CONCURRENT_OBJECTS") => "15".to_owned(),
            ("by memory" | "by MAX_LINE_BYTES" | "MAX_LINE_BYTES", name) => {
                super::plugin_tests::computed(&settings, name)
            }
            ("a quarter", _) => "3".to_owned(),
            ("0 (none)", _) => "0".to_owned(),
            ("AWS_DEFAULT_REGION", _)
            | ("by container", _)
            | ("none" | "unset" | "the user's cache" | "the processor's own", _) => String::new(),
            (other, _) => other.to_owned(),
        };
        assert_eq!(read(&[(variable.name, &default)]), read(&[]), "{}", variable.name);
    }
}

#[test]
fn every_variable_that_is_read_is_in_the_table_and_the_other_way_round() {
    let asked = std::cell::RefCell::new(std::collections::BTreeSet::new());
    let lookup = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        None
    };
    let _ = Settings::for_aws(&lookup, MACHINE, Purpose::AnyMode);
    let known = VARIABLES.iter().map(|v| v.name).chain(environment::names());
    assert_eq!(asked.into_inner(), known.map(str::to_owned).collect());
}
