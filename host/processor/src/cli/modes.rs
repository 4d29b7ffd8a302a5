//! `log-processor [--mode …]`: the modes that work on AWS.

use std::future::Future;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use super::arenas;
use super::arguments::ModeArguments;
use super::aws_options::aws_options;
use super::environment::variable;
use super::exit::{Exit, Fatal, fatal};
use super::job_settings::job_settings;
use super::plan::{self, ComponentSources, GuestText, StartupComponents};
use crate::aws::Aws;
use crate::delivery::dead_letter::DeadLetterStore;
use crate::intake::message::{Control, ProcessingLimits, Processor, ProcessorParts, WINDOW_BYTES};
use crate::intake::{lambda, manual, scan, sqs};
use crate::settings::{
    AwsSettings, DeadLetterSetting, Machine, MemorySettings, Mode, Purpose, Settings, lambda_environment,
};
use crate::telemetry::{self, Health, Metrics};
use crate::tenant::{PluginRules, TableDirectory};
use sandbox::Precompiled;

/// The longest last flush of metrics in manual mode: its work is done, and CloudWatch may
/// hang.
const LAST_FLUSH: Duration = Duration::from_secs(5);

pub(super) fn run(arguments: &ModeArguments, default_guest: Precompiled<'_>) -> Exit {
    match prepare(arguments, default_guest) {
        Ok(()) => Exit::Done,
        Err(Fatal { exit, problem }) => {
            // For the person at the terminal, and for readers of the log.
            tracing::error!(exit_code = exit as u8, error = problem, "the processor can't go on");
            let _ = writeln!(std::io::stderr(), "error: {problem}");
            exit
        }
    }
}

fn prepare(arguments: &ModeArguments, default_guest: Precompiled<'_>) -> Result<(), Fatal> {
    let machine = Machine::detect(variable);
    arenas::limit(machine.cores);
    let (level, format) = Settings::logging(&variable);
    telemetry::init(level, format);
    // The mode comes first, since it decides which settings matter.
    let mode = mode(arguments.mode.as_deref())?.unwrap_or(Mode::Lambda);
    let (settings, aws, warnings) = Settings::for_aws(&variable, machine, Purpose::Mode(mode))
        .map_err(|error| fatal(Exit::Configuration, error.to_string()))?;
    for warning in warnings.into_iter().chain(lost(mode, &aws).map(str::to_owned)) {
        tracing::warn!("{warning}");
    }
    // As many again may hold overflow permits.
    let at_once = settings.max_concurrent_objects.saturating_mul(2);
    let guests = plan::load(&arguments.plugin, default_guest, &settings, at_once, GuestText::Hidden)
        .map_err(|problem| fatal(Exit::Configuration, problem))?;
    if let Some(odd) = &guests.warning {
        tracing::warn!("{odd}");
    }
    can_work(mode, &aws)?;
    if mode == Mode::Lambda {
        lambda_environment(&variable).map_err(|problem| fatal(Exit::Failed, problem))?;
    }
    let body = match mode {
        Mode::Manual => Some(manual::read(std::io::stdin().lock()).map_err(|problem| fatal(Exit::Failed, problem))?),
        _ => None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(machine.cores.min(4)).enable_all().build();
    let runtime = runtime.map_err(|error| fatal(Exit::Failed, format!("no threads can be started: {error}")))?;
    let done = runtime.block_on(work(mode, settings, aws, guests, machine, body));
    // A destination that hangs must not keep the process alive.
    runtime.shutdown_background();
    done
}

/// The mode that was requested: by the command line, else by EXECUTION_MODE.
pub(super) fn mode(asked: Option<&str>) -> Result<Option<Mode>, Fatal> {
    let from_environment = || variable("EXECUTION_MODE").map(|mode| mode.trim().to_owned());
    let asked = asked.map(str::to_owned).or_else(from_environment).filter(|mode| !mode.is_empty());
    let Some(name) = asked else { return Ok(None) };
    let unknown = || {
        let problem = format!("unknown mode {name:?}: --mode (or EXECUTION_MODE) is lambda, sqs, manual or scan");
        fatal(Exit::Usage, problem)
    };
    Mode::parse(&name).map(Some).ok_or_else(unknown)
}

/// Warnings of what these settings lose or do again, a sentence each.
fn lost(mode: Mode, aws: &AwsSettings) -> impl Iterator<Item = &'static str> {
    let alone = (mode == Mode::Lambda && aws.queue_url.is_none()).then_some(NO_QUEUE);
    aws.dead_letter.warning().into_iter().chain(alone)
}

/// The warning for a Lambda that can't send anything back.
pub(super) const NO_QUEUE: &str = "SQS_QUEUE_URL is not set: what fails is retried by Lambda alone, as a whole message \
                                   and after the queue's visibility timeout; set it, so that only what is left is sent \
                                   back, with how far it came";

/// Checks that the settings have everything that a mode requires.
pub(super) fn can_work(mode: Mode, aws: &AwsSettings) -> Result<(), Fatal> {
    match mode {
        Mode::Sqs if aws.queue_url.is_none() => {
            Err(fatal(Exit::Failed, "sqs mode needs SQS_QUEUE_URL: set it to the URL of the queue"))
        }
        Mode::Scan if aws.source_bucket.is_none() => {
            Err(fatal(Exit::Failed, "scan mode needs SOURCE_BUCKET: set it to the name of the bucket"))
        }
        Mode::Scan if aws.dead_letter == DeadLetterSetting::Fail => Err(fatal(
            Exit::Configuration,
            "DEAD_LETTER=fail leaves to the queue's dead-letter queue what can never be delivered, and scan mode has no \
             queue: set DEAD_LETTER to s3://bucket/prefix, a folder, or none",
        )),
        _ => Ok(()),
    }
}

async fn work(
    mode: Mode,
    settings: Settings,
    aws_settings: AwsSettings,
    guests: StartupComponents,
    machine: Machine,
    body: Option<String>,
) -> Result<(), Fatal> {
    let aws = Aws::connect(aws_options(&aws_settings)).await.map_err(|error| fatal(Exit::Aws, error.to_string()))?;
    let (metrics, health) = (Metrics::new(), Health::default());
    let memory = settings.memory.budget();
    metrics.watch_memory(memory.clone());
    log_memory(&settings);
    let rules = PluginRules { limits: settings.plugin.limits.clone(), folder: None };
    let table = aws.table(&aws_settings.tenant_table);
    let directory = TableDirectory::new(table, aws_settings.tenant_cache, rules, metrics.clone(), health.clone());
    let reach = ComponentSources::Aws { s3: aws.components(), lambda: mode == Mode::Lambda };
    let plans = plan::plans(guests, &settings.plugin, reach, machine, metrics.clone());
    if matches!(mode, Mode::Sqs | Mode::Scan) {
        tokio::spawn(plans.clone().warm());
        tokio::spawn(directory.clone().keep_retrying());
    }
    let queue = aws_settings.queue_url.as_deref().map(|url| aws.queue(url));
    let processor = Arc::new(Processor::new(ProcessorParts {
        // Only messages from the queue go back to it.
        requeue_to: queue.clone().filter(|_| matches!(mode, Mode::Lambda | Mode::Sqs)),
        dead_letters: dead_letters(&aws, &aws_settings),
        limits: limits(mode, &settings, &aws_settings),
        memory,
        aws: aws.clone(),
        directory,
        plans,
        metrics: metrics.clone(),
        health: health.clone(),
    }));
    if let (Mode::Sqs | Mode::Scan, Some(address)) = (mode, aws_settings.http_addr) {
        match telemetry::serve(address, metrics, health).await {
            Ok(bound) => tracing::info!(address = %bound, "serving /metrics, /healthz, /readyz"),
            Err(problem) if variable("HTTP_ADDR").is_some_and(|address| !address.trim().is_empty()) => {
                return Err(fatal(Exit::Configuration, problem));
            }
            // The default's port may be taken where the reference, which has none, works well.
            Err(problem) => tracing::warn!(error = problem, "no /metrics, /healthz, /readyz"),
        }
    }
    match mode {
        Mode::Lambda => lambda::run(processor, aws.metrics()).await.map_err(|problem| fatal(Exit::Failed, problem)),
        Mode::Manual => {
            let done = manual::run(&processor, body.unwrap_or_default(), &control_until_signal()).await;
            processor.metrics().flush_within(&aws.metrics(), LAST_FLUSH).await;
            done.map_err(|problem| fatal(Exit::Failed, problem))
        }
        Mode::Sqs => {
            let Some(queue) = queue else { return Ok(()) };
            let options = sqs::SqsOptions {
                visibility_timeout: aws_settings.visibility_timeout,
                grace: aws_settings.shutdown_grace,
                places: settings.max_concurrent_objects,
                per_tenant: aws_settings.max_concurrent_per_tenant,
            };
            sqs::run(processor, queue, aws.metrics(), options, wait_for_signal()).await;
            Ok(())
        }
        Mode::Scan => {
            let options = scan::ScanOptions {
                bucket: aws_settings.source_bucket.unwrap_or_default(),
                interval: aws_settings.scan_interval,
                suffixes: aws_settings.scan_suffixes,
                grace: aws_settings.shutdown_grace,
                per_tenant: aws_settings.max_concurrent_per_tenant,
            };
            scan::run(processor, aws.source(), aws.metrics(), options, wait_for_signal()).await;
            Ok(())
        }
    }
}

/// Says once how much memory there is, and what becomes of it.
fn log_memory(settings: &Settings) {
    let MemorySettings { budget, source, claimable, needs } = settings.memory;
    tracing::info!(
        budget_bytes = budget,
        source = source.name(),
        claimable_bytes = claimable,
        delivery_bytes = needs.delivery,
        component_bytes = needs.component,
        line_bytes = needs.largest_line(),
        max_line_bytes = settings.max_line_bytes,
        "the memory budget"
    );
}

fn limits(mode: Mode, settings: &Settings, aws: &AwsSettings) -> ProcessingLimits {
    ProcessingLimits {
        needs: settings.memory.needs,
        job_settings: job_settings(settings, WINDOW_BYTES),
        attempts: aws.attempts,
        retry_window: aws.retry_window,
        max_concurrent_objects: settings.max_concurrent_objects,
        max_concurrent_per_tenant: aws.max_concurrent_per_tenant,
        // In scan mode no message names a bucket.
        source_buckets: aws.source_buckets.clone().filter(|_| mode != Mode::Scan),
    }
}

fn dead_letters(aws: &Aws, settings: &AwsSettings) -> DeadLetterStore {
    match &settings.dead_letter {
        DeadLetterSetting::Unset | DeadLetterSetting::None => DeadLetterStore::None,
        DeadLetterSetting::Fail => DeadLetterStore::Fail,
        DeadLetterSetting::Folder(folder) => DeadLetterStore::Folder(Arc::new(folder.clone())),
        DeadLetterSetting::S3 { bucket, prefix } => DeadLetterStore::S3 {
            s3: aws.dead_letters(),
            bucket: bucket.as_str().into(),
            prefix: prefix.as_str().into(),
        },
    }
}

/// Waits for SIGTERM or Ctrl-C.
fn wait_for_signal() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = signal(SignalKind::terminate()).and_then(|term| Ok((term, signal(SignalKind::interrupt())?)));
    async move {
        let Ok((mut terminate, mut interrupt)) = signals else { return std::future::pending().await };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

/// A control that stops its message's work at SIGTERM or Ctrl-C.
fn control_until_signal() -> Control {
    let control = Control::default();
    let stop = control.stop.clone();
    let ended = wait_for_signal();
    tokio::spawn(async move {
        ended.await;
        stop.abandon();
    });
    control
}
