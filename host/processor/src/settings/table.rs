//! The table of all variables.

use super::plugin_table::*;
use super::variable::{DefaultValue, GIB, KIB, MIB, NONE, Unit, ValueKind, Variable};
use crate::delivery::limits::MAX_BATCH_EVENTS;
use crate::tenant::rules::{BUCKET, REGION, ROLE};
use DefaultValue::{Computed, Fixed};

/// The most concurrent objects if MAX_CONCURRENT_OBJECTS isn't set: more keep no more cores
/// busy, however much memory there is.
pub(super) const MAX_OBJECTS_BY_MEMORY: u64 = 64;

const DAY: u64 = 24 * 60 * 60;

/// The form of a variable that names a bucket's owner.
const ACCOUNT: &str = "an AWS account: twelve digits";
const OWNER: &str = "an AWS account: twelve digits; or any";
const OWN_ACCOUNT: DefaultValue<&str> = Computed("the processor's own");

pub(super) const MAX_BATCH_SIZE: Variable = Variable::number(
    "MAX_BATCH_SIZE",
    Fixed(MAX_BATCH_EVENTS as u64),
    (1, MAX_BATCH_EVENTS as u64),
    Unit::Count,
    "events per put, at most what AWS takes",
);
pub(super) const MAX_LINE_BYTES: Variable = Variable::number(
    "MAX_LINE_BYTES",
    Computed("by memory"),
    (KIB, 64 * MIB),
    Unit::Bytes,
    "a longer line is dead-lettered; by default 16 MiB, less where MEMORY_BUDGET is small",
);
pub(super) const MEMORY_BUDGET: Variable = Variable::number(
    "MEMORY_BUDGET",
    Computed("by container"),
    (32 * MIB, 1024 * GIB),
    Unit::Bytes,
    "memory of the process; by default the Lambda's, the cgroup's limit, or the machine's",
);
pub(super) const MAX_OBJECT_BYTES: Variable = Variable::number(
    "MAX_OBJECT_BYTES",
    Fixed(0),
    (0, u64::MAX),
    Unit::BytesOrNone,
    "decompressed; of a larger object the rest is dead-lettered",
);
pub(super) const TIMESTAMP_NUMBERS: Variable = Variable::text(
    "TIMESTAMP_NUMBERS",
    Fixed("magnitude"),
    "magnitude or reference",
    "numbers as timestamps: s, ms, us or ns by magnitude; or s and ms alone, as the Go processor reads them",
);
/// The variable as `local` has it, which has nothing to wait for: one object per core.
pub(super) const LOCAL_MAX_CONCURRENT_OBJECTS: Variable =
    max_concurrent_objects("cores", "objects that are worked on at once");
pub(super) const MAX_CONCURRENT_OBJECTS: Variable = max_concurrent_objects(
    "by memory",
    "objects that are worked on at once; by default as many as MEMORY_BUDGET has room for, at most 64",
);
pub(super) const LOG_LEVEL: Variable =
    Variable { name: "LOG_LEVEL", meaning: "the least level that is logged", kind: ValueKind::Level };

pub(super) const LOG_FORMAT: Variable = Variable::text(
    "LOG_FORMAT",
    Fixed("json"),
    "json, or reference",
    "reference: a log line has time and msg, as the Go processor's, for timestamp and message",
);

pub(super) const EXECUTION_MODE: Variable =
    Variable::text("EXECUTION_MODE", NONE, "lambda, sqs, manual, scan", "the mode, where --mode gives none");
pub(super) const AWS_REGION: Variable = Variable::text(
    "AWS_REGION",
    Computed("AWS_DEFAULT_REGION"),
    REGION.expected,
    "where the queue, the table and the source bucket are",
);
pub(super) const AWS_DEFAULT_REGION: Variable = Variable::text(
    "AWS_DEFAULT_REGION",
    Fixed("us-east-1"),
    REGION.expected,
    "the region, where AWS_REGION is not set",
);
pub(super) const TENANT_CONFIG_TABLE: Variable = Variable::text(
    "TENANT_CONFIG_TABLE",
    Fixed("tenant-configurations"),
    "a DynamoDB table's name (3 to 255 of the characters A-Z a-z 0-9 _ - .) or ARN",
    "the tenants' deliveries",
);
pub(super) const SQS_QUEUE_URL: Variable = Variable::text(
    "SQS_QUEUE_URL",
    NONE,
    "a queue's URL, http:// or https:// with host and path, and without user, query or fragment",
    "the queue that is read (sqs), and that failed deliveries are sent back to",
);
pub(super) const CENTRAL_ROLE: Variable = Variable::text(
    "CENTRAL_LOG_DISTRIBUTION_ROLE_ARN",
    NONE,
    ROLE.expected,
    "the role that is assumed first, on the way to each tenant's",
);
pub(super) const SOURCE_BUCKET: Variable =
    Variable::text("SOURCE_BUCKET", NONE, BUCKET.expected, "the bucket that scan mode lists");
pub(super) const SOURCE_BUCKETS: Variable = Variable::text(
    "SOURCE_BUCKETS",
    NONE,
    "buckets' names, separated by commas; * stands for any characters",
    "the buckets that messages may name; others' are dead-lettered",
);
pub(super) const SOURCE_BUCKET_OWNER: Variable =
    Variable::text("SOURCE_BUCKET_OWNER", NONE, ACCOUNT, "the account that must own the source's buckets");
pub(super) const DEAD_LETTER_OWNER: Variable =
    Variable::text("DEAD_LETTER_OWNER", OWN_ACCOUNT, OWNER, "the account that must own DEAD_LETTER's bucket");
pub(super) const PLUGIN_BUCKET_OWNER: Variable = Variable::text(
    "PLUGIN_BUCKET_OWNER",
    OWN_ACCOUNT,
    OWNER,
    "the account that must own the buckets of components, and PLUGIN_COMPILED's",
);
pub(super) const SCAN_INTERVAL: Variable =
    Variable::number("SCAN_INTERVAL", Fixed(10), (1, DAY), Unit::Seconds, "from the end of a scan to the next");
pub(super) const SCAN_SUFFIXES: Variable = Variable::text(
    "SCAN_SUFFIXES",
    Fixed(".json.gz"),
    "one or more ends of keys, separated by commas",
    "keys that scan mode takes",
);
pub(super) const PATH_STYLE: Variable = Variable {
    name: "AWS_S3_USE_PATH_STYLE",
    meaning: "the bucket in the path, for what stands in for S3",
    kind: ValueKind::Flag,
};
pub(super) const RETRY_ATTEMPTS: Variable =
    Variable::number("RETRY_ATTEMPTS", Fixed(3), (1, 10), Unit::Count, "attempts of a call to AWS, the first included");
pub(super) const RETRY_WINDOW: Variable = Variable::number(
    "RETRY_WINDOW",
    Fixed(6 * 60 * 60),
    // At most as long as SQS keeps a message.
    (60, 14 * DAY),
    Unit::Seconds,
    "from the first failure; what has failed or waited for that long fails for good",
);
pub(super) const REQUEST_TIMEOUT: Variable =
    Variable::number("REQUEST_TIMEOUT", Fixed(10), (1, 300), Unit::Seconds, "for each attempt of a call to AWS");
pub(super) const MAX_CONCURRENT_PER_TENANT: Variable = Variable::number(
    "MAX_CONCURRENT_PER_TENANT",
    Computed("a quarter"),
    (1, 1024),
    Unit::Count,
    "objects of one tenant that are worked on at once; by default a quarter of MAX_CONCURRENT_OBJECTS",
);
pub(super) const TENANT_CACHE_SECONDS: Variable = Variable::number(
    "TENANT_CACHE_SECONDS",
    Fixed(60),
    (0, DAY),
    Unit::Seconds,
    "how long a tenant's deliveries are remembered",
);
pub(super) const VISIBILITY_TIMEOUT: Variable = Variable::number(
    "VISIBILITY_TIMEOUT",
    Fixed(300),
    // AWS allows twelve hours; a lease is renewed at half of it.
    (2, DAY / 2),
    Unit::Seconds,
    "how long a message is kept from other workers; extended at half of it",
);
pub(super) const SHUTDOWN_GRACE_SECONDS: Variable = Variable::number(
    "SHUTDOWN_GRACE_SECONDS",
    Fixed(25),
    (0, 900),
    Unit::Seconds,
    "after SIGTERM, for what is at work; then it is given back",
);
pub(super) const DEAD_LETTER: Variable = Variable::text(
    "DEAD_LETTER",
    // `unset` warns, `none` doesn't.
    Computed("unset"),
    "s3://bucket/prefix, a folder, fail, or none",
    "where what can never be delivered is kept; fail: in the queue's dead-letter queue",
);
pub(super) const HTTP_ADDR: Variable = Variable::text(
    "HTTP_ADDR",
    Fixed("0.0.0.0:8080"),
    "an IP address and a port (:8080 means any address), none or off",
    "/metrics, /healthz and /readyz in sqs and scan mode",
);

const fn max_concurrent_objects(default: &'static str, meaning: &'static str) -> Variable {
    Variable::number("MAX_CONCURRENT_OBJECTS", Computed(default), (1, 1024), Unit::Count, meaning)
}

/// The variables that `local` reads, in the order of its `--help`.
pub const LOCAL_VARIABLES: [&Variable; 28] = [
    &MEMORY_BUDGET,
    &MAX_BATCH_SIZE,
    &MAX_LINE_BYTES,
    &MAX_OBJECT_BYTES,
    &TIMESTAMP_NUMBERS,
    &LOCAL_MAX_CONCURRENT_OBJECTS,
    &DEFAULT_PLUGIN,
    &KEY_PARSER,
    &LOCAL_PLUGIN_SOURCES,
    &PLUGIN_REGISTRY_AUTH,
    &PLUGIN_CACHE_DIR,
    &PLUGIN_CACHE_BYTES,
    &PLUGIN_CACHE_KEY,
    &PLUGIN_LOADED_BYTES,
    &PLUGIN_SHADOW_CONTENTS,
    &PLUGIN_MEMORY_BYTES,
    &PLUGIN_FUEL_PER_MIB,
    &PLUGIN_START_FUEL,
    &PLUGIN_MAX_OUTPUT_RATIO,
    &PLUGIN_MAX_OUTPUT_BYTES,
    &PLUGIN_MAX_OUTPUT_EVENTS,
    &PLUGIN_MAX_MESSAGE_BYTES,
    &PLUGIN_MAX_HELD_BYTES,
    &PLUGIN_LOG_LINES,
    &PLUGIN_LOG_BYTES,
    &PLUGIN_TIMEOUT,
    &PLUGIN_MAX_COMPONENT_BYTES,
    &LOG_LEVEL,
];

/// All variables that the AWS modes read, in the order of `--help`.
pub const VARIABLES: [&Variable; 53] = [
    &EXECUTION_MODE,
    &AWS_REGION,
    &AWS_DEFAULT_REGION,
    &TENANT_CONFIG_TABLE,
    &SQS_QUEUE_URL,
    &CENTRAL_ROLE,
    &DEAD_LETTER,
    &DEAD_LETTER_OWNER,
    &SOURCE_BUCKETS,
    &SOURCE_BUCKET_OWNER,
    &SOURCE_BUCKET,
    &SCAN_INTERVAL,
    &SCAN_SUFFIXES,
    &PATH_STYLE,
    &RETRY_ATTEMPTS,
    &RETRY_WINDOW,
    &REQUEST_TIMEOUT,
    &MAX_CONCURRENT_OBJECTS,
    &MAX_CONCURRENT_PER_TENANT,
    &TENANT_CACHE_SECONDS,
    &VISIBILITY_TIMEOUT,
    &SHUTDOWN_GRACE_SECONDS,
    &MEMORY_BUDGET,
    &MAX_BATCH_SIZE,
    &MAX_LINE_BYTES,
    &MAX_OBJECT_BYTES,
    &TIMESTAMP_NUMBERS,
    &DEFAULT_PLUGIN,
    &KEY_PARSER,
    &PLUGIN_SOURCES,
    &PLUGIN_REGISTRY_AUTH,
    &PLUGIN_CACHE_DIR,
    &PLUGIN_CACHE_BYTES,
    &PLUGIN_CACHE_KEY,
    &PLUGIN_COMPILED,
    &PLUGIN_BUCKET_OWNER,
    &PLUGIN_LOADED_BYTES,
    &PLUGIN_SHADOW_CONTENTS,
    &PLUGIN_MEMORY_BYTES,
    &PLUGIN_FUEL_PER_MIB,
    &PLUGIN_START_FUEL,
    &PLUGIN_MAX_OUTPUT_RATIO,
    &PLUGIN_MAX_OUTPUT_BYTES,
    &PLUGIN_MAX_OUTPUT_EVENTS,
    &PLUGIN_MAX_MESSAGE_BYTES,
    &PLUGIN_MAX_HELD_BYTES,
    &PLUGIN_LOG_LINES,
    &PLUGIN_LOG_BYTES,
    &PLUGIN_TIMEOUT,
    &PLUGIN_MAX_COMPONENT_BYTES,
    &HTTP_ADDR,
    &LOG_LEVEL,
    &LOG_FORMAT,
];

/// The environment's part of `local --help`: a line per variable, aligned, with default,
/// meaning and allowed values.
pub fn help() -> String {
    lines(&LOCAL_VARIABLES)
}

/// The environment's part of `--help`, as [`help`], for the AWS modes.
pub fn help_aws() -> String {
    lines(&VARIABLES)
}

/// Formats variables: each with its default, and below it its meaning and what is allowed, in
/// lines that fit a terminal.
fn lines(variables: &[&Variable]) -> String {
    let widest = variables.iter().map(|v| v.name.len()).max().unwrap_or_default();
    let line = |v: &&Variable| {
        let (name, default, meaning, range) = (v.name, v.default_text(), v.meaning, v.range_text());
        format!("  {name:<widest$}  [default: {default}]\n      {meaning}\n      ({range})\n")
    };
    variables.iter().map(line).collect()
}
