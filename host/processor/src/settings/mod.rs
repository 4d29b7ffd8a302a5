//! Everything that is read from environment variables, in one place: a variable is
//! described once, in the table, and the parser, `--help` and the documents use that.
//!
//! - `table`: all variables; `plugin_table`: those that concern components.
//! - `plugin`: what is said about components.
//! - `variable`: what one is, and its default and range in words.
//! - `reader`: reads them, and gathers all problems.
//! - `value`: values that are more than a number.
//! - `mode`: the modes, and which variables each leaves unused.
//! - `environment`: what AWS's SDK reads by itself.
//! - `machine`: cores and memory, for the defaults that depend on them.
//! - `memory`: MEMORY_BUDGET, and what follows from it.
//! - `lambda`: whether this is a Lambda.

mod environment;
mod lambda;
mod machine;
mod memory;
mod mode;
mod plugin;
mod plugin_table;
mod reader;
mod table;
mod value;
mod variable;

use std::net::SocketAddr;
use std::time::Duration;

use crate::aws::BucketOwners;
use crate::telemetry::{LogFormat, LogLevel};
use model::{BucketPatterns, StaticCredentials, TimestampNumbers};
use reader::SettingsReader;

pub use lambda::lambda_environment;
pub use machine::{Machine, MemorySource};
pub use memory::MemorySettings;
pub use mode::{Mode, Purpose};
pub use plugin::{CacheKey, PluginSettings};
pub use reader::{SettingProblem, SettingsError};
pub use table::{LOCAL_VARIABLES, VARIABLES, help, help_aws};
pub use value::DeadLetterSetting;
pub use variable::Variable;

/// The settings of every mode. Every value lies within the range that the table gives for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// MAX_BATCH_SIZE: events per put.
    pub max_batch_size: usize,
    /// MAX_LINE_BYTES: bytes of a line of the decompressed object, without its newline.
    pub max_line_bytes: usize,
    /// MAX_OBJECT_BYTES: bytes of the decompressed object; `None` for no limit.
    pub max_object_bytes: Option<u64>,
    /// TIMESTAMP_NUMBERS: how the default guest reads numbers as times.
    pub timestamp_numbers: TimestampNumbers,
    /// MAX_CONCURRENT_OBJECTS: objects that are worked on at once.
    pub max_concurrent_objects: usize,
    /// The settings about components.
    pub plugin: PluginSettings,
    /// What deliveries may claim of the memory.
    pub memory: MemorySettings,
    /// LOG_LEVEL: the least level that is logged.
    pub log_level: LogLevel,
}

/// The settings of the modes that work with AWS, in addition to [`Settings`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsSettings {
    /// AWS_REGION, else AWS_DEFAULT_REGION: where the processor's own resources are.
    pub region: String,
    /// TENANT_CONFIG_TABLE: name or ARN.
    pub tenant_table: String,
    /// SQS_QUEUE_URL: http or https, without user info.
    pub queue_url: Option<String>,
    /// CENTRAL_LOG_DISTRIBUTION_ROLE_ARN: the first hop.
    pub central_role: Option<String>,
    /// RETRY_ATTEMPTS: attempts per call, the first included.
    pub attempts: u32,
    /// RETRY_WINDOW: from a delivery's first failure to its last.
    pub retry_window: Duration,
    /// REQUEST_TIMEOUT: the timeout of each attempt of a call.
    pub request_timeout: Duration,
    /// SOURCE_BUCKET: what scan mode lists.
    pub source_bucket: Option<String>,
    /// SOURCE_BUCKETS: the buckets that messages may name; `None` for any bucket.
    pub source_buckets: Option<BucketPatterns>,
    /// SOURCE_BUCKET_OWNER, DEAD_LETTER_OWNER, PLUGIN_BUCKET_OWNER.
    pub owners: BucketOwners,
    /// SCAN_INTERVAL: from the end of a scan to the next.
    pub scan_interval: Duration,
    /// SCAN_SUFFIXES: the suffixes of the keys that scan mode takes; at least one, and no
    /// empty one.
    pub scan_suffixes: Vec<String>,
    /// AWS_S3_USE_PATH_STYLE.
    pub path_style: bool,
    /// MAX_CONCURRENT_PER_TENANT: objects of one tenant that are worked on at once.
    pub max_concurrent_per_tenant: usize,
    /// TENANT_CACHE_SECONDS: how long a tenant's deliveries are remembered; zero: not at all.
    pub tenant_cache: Duration,
    /// VISIBILITY_TIMEOUT: of a message that was received; whole seconds.
    pub visibility_timeout: Duration,
    /// SHUTDOWN_GRACE_SECONDS: after SIGTERM, for what is at work.
    pub shutdown_grace: Duration,
    /// DEAD_LETTER.
    pub dead_letter: DeadLetterSetting,
    /// HTTP_ADDR; `None` for no server.
    pub http_addr: Option<SocketAddr>,
    /// EXECUTION_MODE, as it is.
    pub execution_mode: Option<String>,
    /// LOG_FORMAT: what the fields of a log line are called.
    pub log_format: LogFormat,
    /// AWS_ACCESS_KEY_ID and the variables that belong to it, if they are set; otherwise the
    /// SDK looks elsewhere.
    pub keys: Option<StaticCredentials>,
}

/// An environment, as `std::env::var` would read it.
type VariableLookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Settings {
    /// Reads what `local` needs through `lookup` (an empty value counts as unset).
    ///
    /// Warnings, a sentence each, are about values that were replaced by a default.
    ///
    /// # Errors
    /// One that lists every variable whose value can't be used.
    pub fn for_local(lookup: VariableLookup<'_>, machine: Machine) -> Result<(Self, Vec<String>), SettingsError> {
        let mut reader = SettingsReader::new(lookup);
        let cores = u64::try_from(machine.cores).unwrap_or(u64::MAX);
        let settings = Self::read(&mut reader, machine, &table::LOCAL_MAX_CONCURRENT_OBJECTS, |_| cores);
        reader.finish(Purpose::AnyMode).map(|warnings| (settings, warnings))
    }

    /// Reads what the modes that work with AWS need, as [`Settings::for_local`]. What is
    /// wrong with a variable that `purpose` doesn't use is a warning.
    ///
    /// # Errors
    /// One that lists every variable whose value can't be used.
    pub fn for_aws(
        lookup: VariableLookup<'_>,
        machine: Machine,
        purpose: Purpose,
    ) -> Result<(Self, AwsSettings, Vec<String>), SettingsError> {
        let mut reader = SettingsReader::new(lookup);
        let by_memory = |memory: &MemorySettings| memory.deliveries().min(table::MAX_OBJECTS_BY_MEMORY);
        let mut settings = Self::read(&mut reader, machine, &table::MAX_CONCURRENT_OBJECTS, by_memory);
        settings.plugin.compiled = plugin::compiled(&mut reader);
        let aws = AwsSettings::read(&mut reader, settings.max_concurrent_objects);
        reader.finish(purpose).map(|warnings| (settings, aws, warnings))
    }

    /// The log's level and format, even if other settings are invalid: their problems are
    /// logged in that format too.
    pub fn logging(lookup: VariableLookup<'_>) -> (LogLevel, LogFormat) {
        let mut reader = SettingsReader::new(lookup);
        (reader.level(), reader.text(&table::LOG_FORMAT, LogFormat::parse).unwrap_or_default())
    }

    /// `objects` is MAX_CONCURRENT_OBJECTS with the default `found`.
    fn read(
        reader: &mut SettingsReader<'_>,
        machine: Machine,
        objects: &Variable,
        found: impl Fn(&MemorySettings) -> u64,
    ) -> Self {
        let max_batch_size = value::to_usize(reader.number(&table::MAX_BATCH_SIZE));
        let budget = memory::Budget::read(reader, machine);
        let max_line = reader.number_or(&table::MAX_LINE_BYTES, budget.default_line());
        let max_line_bytes = value::to_usize(max_line);
        let plugin = PluginSettings::read(reader, max_line_bytes, &budget);
        let memory = budget.finish(reader, max_line, &plugin.limits);
        Self {
            max_batch_size,
            max_line_bytes,
            max_object_bytes: Some(reader.number(&table::MAX_OBJECT_BYTES)).filter(|n| *n > 0),
            timestamp_numbers: reader.text(&table::TIMESTAMP_NUMBERS, TimestampNumbers::parse).unwrap_or_default(),
            max_concurrent_objects: value::to_usize(reader.number_or(objects, found(&memory))),
            memory,
            plugin,
            log_level: reader.level(),
        }
    }
}

impl AwsSettings {
    fn read(reader: &mut SettingsReader<'_>, max_concurrent_objects: usize) -> Self {
        let region = match reader.value(&table::AWS_REGION) {
            Some(_) => reader.text(&table::AWS_REGION, value::region),
            None => reader.text(&table::AWS_DEFAULT_REGION, value::region),
        };
        let quarter = u64::try_from(max_concurrent_objects / 4).unwrap_or(u64::MAX);
        Self {
            // An empty value is a problem, so the settings aren't returned.
            region: region.unwrap_or_default(),
            tenant_table: reader.text(&table::TENANT_CONFIG_TABLE, value::table).unwrap_or_default(),
            queue_url: reader.text(&table::SQS_QUEUE_URL, value::queue_url),
            central_role: reader.text(&table::CENTRAL_ROLE, value::role),
            attempts: u32::try_from(reader.number(&table::RETRY_ATTEMPTS)).unwrap_or(u32::MAX),
            retry_window: reader.seconds(&table::RETRY_WINDOW),
            request_timeout: reader.seconds(&table::REQUEST_TIMEOUT),
            source_bucket: reader.text(&table::SOURCE_BUCKET, value::bucket),
            source_buckets: reader.text(&table::SOURCE_BUCKETS, value::bucket_patterns),
            owners: BucketOwners {
                source: reader.text(&table::SOURCE_BUCKET_OWNER, value::account),
                dead_letters: reader.text(&table::DEAD_LETTER_OWNER, value::owner).unwrap_or_default(),
                components: reader.text(&table::PLUGIN_BUCKET_OWNER, value::owner).unwrap_or_default(),
            },
            scan_interval: reader.seconds(&table::SCAN_INTERVAL),
            scan_suffixes: reader.text(&table::SCAN_SUFFIXES, value::suffixes).unwrap_or_default(),
            path_style: reader.flag(&table::PATH_STYLE),
            max_concurrent_per_tenant: value::to_usize(reader.number_or(&table::MAX_CONCURRENT_PER_TENANT, quarter)),
            tenant_cache: reader.seconds(&table::TENANT_CACHE_SECONDS),
            visibility_timeout: reader.seconds(&table::VISIBILITY_TIMEOUT),
            shutdown_grace: reader.seconds(&table::SHUTDOWN_GRACE_SECONDS),
            dead_letter: reader.text(&table::DEAD_LETTER, value::dead_letter).unwrap_or(DeadLetterSetting::Unset),
            http_addr: reader.text(&table::HTTP_ADDR, value::http_addr).flatten(),
            execution_mode: reader.value(&table::EXECUTION_MODE),
            log_format: reader.text(&table::LOG_FORMAT, LogFormat::parse).unwrap_or_default(),
            keys: environment::read(reader),
        }
    }
}

#[cfg(test)]
mod local_tests;

#[cfg(test)]
mod aws_tests;

#[cfg(test)]
mod plugin_tests;
