//! Shared by the modes that run until they are told to end.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};

use super::message::Processor;
use crate::aws::MetricsClient;

/// The interval between flushes of metrics.
const FLUSH_EVERY: Duration = Duration::from_secs(60);

/// The longest last flush: the process has little time left, and CloudWatch may hang.
const LAST_FLUSH: Duration = Duration::from_secs(2);

/// Flushes the metrics each minute, and once more at the end.
pub(super) struct MetricsFlusher {
    processor: Arc<Processor>,
    client: MetricsClient,
    ticker: JoinHandle<()>,
}

impl MetricsFlusher {
    pub(super) fn start(processor: &Arc<Processor>, client: MetricsClient) -> Self {
        let (each, to) = (Arc::clone(processor), client.clone());
        let ticker = tokio::spawn(async move {
            loop {
                tokio::time::sleep(FLUSH_EVERY).await;
                each.metrics().flush(&to).await;
            }
        });
        Self { processor: Arc::clone(processor), client, ticker }
    }

    /// Flushes the last minute's metrics, within the time that there is.
    pub(super) async fn end(self) {
        self.ticker.abort();
        // Metrics that it was about to send go back first.
        let _ = self.ticker.await;
        self.processor.metrics().flush_within(&self.client, LAST_FLUSH).await;
    }
}

/// Lets tasks end within `grace`: three fifths for running ones, then `stop` asks for the end
/// at the next chunk, and a fifth later `abandon` for the end at once; the last fifth is for
/// sending back what is left. Returns whether all ended.
pub(super) async fn wind_down(
    mut tasks: JoinSet<()>,
    grace: Duration,
    stop: impl FnOnce(),
    abandon: impl FnOnce(),
) -> bool {
    let all_done = async { while tasks.join_next().await.is_some() {} };
    tokio::pin!(all_done);
    if tokio::time::timeout(grace * 3 / 5, &mut all_done).await.is_ok() {
        return true;
    }
    stop();
    if tokio::time::timeout(grace / 5, &mut all_done).await.is_ok() {
        return true;
    }
    abandon();
    tokio::time::timeout(grace / 5, &mut all_done).await.is_ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::Notify;

    use super::*;

    /// A task that ends when it is asked, or insisted on, or never; what was done, and
    /// whether it ended.
    async fn ends(grace: Duration, at: &'static str) -> (Vec<&'static str>, bool) {
        let (done, notify) = (Mutex::new(Vec::new()), Arc::new(Notify::new()));
        let mut tasks = JoinSet::new();
        let waits = Arc::clone(&notify);
        tasks.spawn(async move {
            if at != "once" {
                waits.notified().await;
            }
        });
        let tell = |what| {
            done.lock().unwrap().push(what);
            if what == at {
                notify.notify_one();
            }
        };
        let ended = wind_down(tasks, grace, || tell("ask"), || tell("insist")).await;
        (done.into_inner().unwrap(), ended)
    }

    #[tokio::test]
    async fn it_waits_then_asks_then_insists_then_gives_up() {
        assert_eq!(ends(Duration::from_secs(600), "once").await, (vec![], true));
        // A fifth of this is enough for a task that only has to wake up.
        let (grace, none) = (Duration::from_secs(10), Duration::ZERO);
        let (asked, insisted) = tokio::join!(ends(grace, "ask"), ends(grace, "insist"));
        assert_eq!(asked, (vec!["ask"], true));
        assert_eq!(insisted, (vec!["ask", "insist"], true));
        assert_eq!(ends(none, "never").await, (vec!["ask", "insist"], false));
    }
}
