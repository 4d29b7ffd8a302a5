//! What the modes share that run until they are told to end.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::message::Processor;
use crate::aws::MetricsClient;

/// Between metrics.
const FLUSH_EVERY: Duration = Duration::from_secs(60);

/// Sends the metrics each minute.
pub(super) async fn flush_each_minute(processor: Arc<Processor>, metrics: MetricsClient) {
    loop {
        tokio::time::sleep(FLUSH_EVERY).await;
        processor.metrics().flush(&metrics).await;
    }
}

/// Lets tasks end within `grace`: three fifths for what is at work, then `ask` for
/// the end at the next chunk, a fifth later `insist`; the last fifth is for what has
/// to be sent back. False: some did not end.
pub(super) async fn wind_down(
    mut tasks: JoinSet<()>,
    grace: Duration,
    ask: impl FnOnce(),
    insist: impl FnOnce(),
) -> bool {
    let all_done = async { while tasks.join_next().await.is_some() {} };
    tokio::pin!(all_done);
    if tokio::time::timeout(grace * 3 / 5, &mut all_done).await.is_ok() {
        return true;
    }
    ask();
    if tokio::time::timeout(grace / 5, &mut all_done).await.is_ok() {
        return true;
    }
    insist();
    tokio::time::timeout(grace / 5, &mut all_done).await.is_ok()
}
