//! Batches of SQS records, as AWS Lambda brings them. The only user of lambda_runtime.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};

use super::message::{Control, Message, Processor, Verdict};
use crate::aws::MetricsClient;

/// Of the time that an invocation has, what is kept for sending back what is left:
/// a fifth, within these.
const RESERVE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// The longest that metrics may hold an answer up.
const FLUSH: Duration = Duration::from_secs(1);

/// What Lambda brings from a queue. Unknown fields don't matter.
#[derive(Debug, Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    message_id: String,
    #[serde(default)]
    receipt_handle: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Attributes {
    approximate_receive_count: String,
}

/// Which messages failed (ReportBatchItemFailures).
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
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
    let handler = service_fn(|event: LambdaEvent<Batch>| {
        let (processor, metrics) = (Arc::clone(&processor), metrics.clone());
        async move { Ok::<_, Error>(batch(&processor, &metrics, event).await) }
    });
    lambda_runtime::run(handler).await.map_err(|error| format!("Lambda's runtime API failed: {error}"))
}

async fn batch(processor: &Processor, metrics: &MetricsClient, event: LambdaEvent<Batch>) -> Answer {
    let remaining = event.context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
    let control = Control::default();
    let work = records(processor, event.payload.records, &control);
    let answer = tokio::select! {
        answer = work => answer,
        // It never ends: what it asks for ends the work.
        () = before_deadline(remaining, &control) => Answer { batch_item_failures: Vec::new() },
    };
    // Frozen with the answer, the process would send them late or never.
    if tokio::time::timeout(FLUSH, processor.metrics().flush(metrics)).await.is_err() {
        tracing::warn!("metrics took too long and wait for the next batch");
    }
    answer
}

async fn records(processor: &Processor, records: Vec<Record>, control: &Control) -> Answer {
    let each = records.into_iter().map(|record| async move {
        let message = Message {
            attempt: record.attributes.approximate_receive_count.parse().unwrap_or(1),
            id: record.message_id,
            body: record.body,
            receipt_handle: record.receipt_handle,
        };
        let verdict = processor.process(&message, control).await;
        (message.id, verdict)
    });
    let mut failures = Vec::new();
    for (item_identifier, verdict) in join_all(each).await {
        match verdict {
            Verdict::Done => processor.metrics().message("acknowledged"),
            verdict => {
                processor.metrics().message("failed");
                if let Verdict::Failed(error) = verdict {
                    tracing::error!(message_id = %item_identifier, error, "the message failed");
                }
                failures.push(ItemFailure { item_identifier });
            }
        }
    }
    Answer { batch_item_failures: failures }
}

/// Asks for the end when the time is nearly up, and a little later insists.
async fn before_deadline(remaining: Duration, control: &Control) {
    let reserve = (remaining / 5).clamp(RESERVE.0, RESERVE.1);
    tokio::time::sleep(remaining.saturating_sub(reserve)).await;
    control.stop.now();
    tokio::time::sleep(reserve / 3).await;
    control.stop.abandon();
    std::future::pending().await
}
