//! Lambda mode: invocations by AWS Lambda. The only user of lambda_runtime.
//!
//! - `invocation`: the payloads of invocations.
//! - `deadlines`: runs messages until the time is up, whatever hangs.

mod deadlines;
mod invocation;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::message::{Control, Message, MessageOutcome, Processor};
use crate::aws::MetricsClient;
use deadlines::{Deadlines, run_until_deadlines};
use invocation::Invocation;

/// The longest that a flush of metrics may delay an answer; at most a third of the time that
/// is left.
const MAX_FLUSH_TIME: Duration = Duration::from_secs(1);

/// Why a message failed that wasn't done before the deadline.
const TIMED_OUT: &str = "it wasn't done before the function's deadline, and comes again; raise the function's timeout if \
                    nothing was hanging";

/// The messages that failed (ReportBatchItemFailures).
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchResponse {
    batch_item_failures: Vec<ItemFailure>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemFailure {
    item_identifier: String,
}

/// Serves invocations until Lambda ends the process.
///
/// # Errors
/// The runtime API is gone.
pub async fn run(processor: Arc<Processor>, metrics: MetricsClient) -> Result<(), String> {
    let handler = service_fn(|invocation: LambdaEvent<Value>| {
        let (processor, metrics) = (Arc::clone(&processor), metrics.clone());
        async move { invoked(&processor, &metrics, invocation).await.map_err(failure) }
    });
    lambda_runtime::run(handler).await.map_err(|error| format!("Lambda's runtime API failed: {error}"))
}

/// The error that Lambda shows of a failed invocation.
fn failure(error_message: String) -> Diagnostic {
    Diagnostic { error_type: "LogProcessor.Failed".to_owned(), error_message }
}

async fn invoked(
    processor: &Processor,
    metrics: &MetricsClient,
    invocation: LambdaEvent<Value>,
) -> Result<BatchResponse, String> {
    let left = invocation.context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
    let deadlines = Deadlines::new(Instant::now(), left);
    let payload = Invocation::read(invocation.payload, &invocation.context.request_id).map_err(|error| {
        tracing::error!(error = %error, "the invocation failed");
        error.to_string()
    })?;
    let answer = match payload {
        Invocation::Batch(messages) => Ok(batch(processor, messages, deadlines).await),
        Invocation::Direct(messages) => direct(processor, messages, deadlines).await,
    };
    // Once the process is frozen with the answer, it would send metrics late or never.
    let patience = MAX_FLUSH_TIME.min(deadlines.function_deadline.saturating_duration_since(Instant::now()) / 3);
    if timeout(patience, processor.metrics().flush(metrics)).await.is_err() {
        tracing::warn!("metrics took too long and wait for the next invocation");
    }
    answer
}

/// Processes a queue's messages; failed ones are reported by ID.
async fn batch(processor: &Processor, messages: Vec<Message>, deadlines: Deadlines) -> BatchResponse {
    let failed = processed(processor, &messages, deadlines).await;
    let failure = |message: &Message| ItemFailure { item_identifier: message.id.clone() };
    let failures = messages.iter().zip(&failed).filter(|(_, failed)| failed.is_some());
    BatchResponse { batch_item_failures: failures.map(|(message, _)| failure(message)).collect() }
}

/// Processes another caller's messages; a failure fails the invocation.
async fn direct(processor: &Processor, messages: Vec<Message>, deadlines: Deadlines) -> Result<BatchResponse, String> {
    let failed: Vec<_> = processed(processor, &messages, deadlines).await.into_iter().flatten().collect();
    if failed.is_empty() { Ok(BatchResponse::default()) } else { Err(failed.join("; ")) }
}

/// Processes messages; returns why each failed, or `None` if it is done or was sent back.
async fn processed(processor: &Processor, messages: &[Message], deadlines: Deadlines) -> Vec<Option<String>> {
    let control = Control::default();
    let works = messages.iter().map(|message| processor.process(message, &control));
    let outcomes = run_until_deadlines(works, deadlines, &control.stop).await;
    messages.iter().zip(outcomes).map(|(message, outcome)| failed(processor, message, outcome)).collect()
}

fn failed(processor: &Processor, message: &Message, outcome: Option<MessageOutcome>) -> Option<String> {
    let error = match outcome {
        Some(MessageOutcome::Done) => {
            processor.metrics().count_message("acknowledged");
            return None;
        }
        Some(MessageOutcome::Failed(error)) => error,
        Some(MessageOutcome::NotStarted | MessageOutcome::LeaseLost) => {
            "stopped before it was begun; it comes again".to_owned()
        }
        None => TIMED_OUT.to_owned(),
    };
    processor.metrics().count_message("failed");
    tracing::error!(message_id = %message.id, error, "the message failed");
    Some(error)
}
