//! One JSON line an event on standard output.

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

use crate::settings::LogLevel;

/// Where this program's own events come from: each of its modules begins with it.
const OWN: &str = "log_processor";

/// Sets the process's logger: JSON lines on standard output, this program's own
/// events from `level` on, its libraries' errors (below that, theirs may show requests).
/// A second call changes nothing.
pub fn init(level: LogLevel) {
    // The only error is that there is a logger already.
    let _ = tracing::subscriber::set_global_default(subscriber(level, std::io::stdout));
}

/// A line is `timestamp` (RFC 3339, UTC), `level`, `target` (the module), `message`,
/// and the event's other fields beside them. It is written at once, as a whole.
fn subscriber<W>(level: LogLevel, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let own = filter(level);
    let libraries = own.min(LevelFilter::ERROR);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        // A broken pipe must not end in a panic on standard error.
        .log_internal_errors(false)
        .with_writer(writer);
    tracing_subscriber::registry().with(Targets::new().with_default(libraries).with_target(OWN, own)).with(lines)
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The lines that `events` leads to.
    fn logged(level: LogLevel, events: impl FnOnce()) -> Vec<Value> {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        tracing::subscriber::with_default(subscriber(level, move || writer.clone()), events);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn messages(lines: &[Value]) -> Vec<&str> {
        lines.iter().map(|line| line["message"].as_str().unwrap()).collect()
    }

    fn one_of_each() {
        tracing::debug!("own debug");
        tracing::info!("own info");
        tracing::warn!("own warning");
        tracing::error!("own error");
        tracing::debug!(target: "aws_smithy_runtime::client", "library debug");
        tracing::info!(target: "hyper", "library info");
        tracing::warn!(target: "aws_config", "library warning");
        tracing::error!(target: "aws_config", "library error");
    }

    #[test]
    fn a_line_is_json_with_flat_fields() {
        let lines = logged(LogLevel::Info, || {
            let span = tracing::error_span!("a span", secret = "hidden");
            let _inside = span.enter();
            tracing::info!(tenant = "acme", lines = 3_u64, "delivered \"it\"\n");
        });
        assert_eq!(lines.len(), 1);
        let line = &lines[0];
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["message"], "delivered \"it\"\n");
        assert_eq!((&line["tenant"], &line["lines"]), (&"acme".into(), &3.into()));
        let timestamp = line["timestamp"].as_str().unwrap();
        assert!(timestamp.starts_with("20") && timestamp.contains('T') && timestamp.ends_with('Z'), "{timestamp}");
        let mut names: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["level", "lines", "message", "target", "tenant", "timestamp"]);
    }

    #[test]
    fn own_events_follow_the_level_and_of_libraries_only_errors_are_shown() {
        let debug = logged(LogLevel::Debug, one_of_each);
        let own = ["own debug", "own info", "own warning", "own error", "library error"];
        assert_eq!(messages(&debug), own);
        assert_eq!(messages(&logged(LogLevel::Info, one_of_each)), own[1..]);
        assert_eq!(messages(&logged(LogLevel::Warn, one_of_each)), own[2..]);
        assert_eq!(messages(&logged(LogLevel::Error, one_of_each)), ["own error", "library error"]);
    }

    #[test]
    fn a_second_call_changes_nothing() {
        init(LogLevel::Error);
        init(LogLevel::Debug);
        assert!(tracing::enabled!(tracing::Level::ERROR) && !tracing::enabled!(tracing::Level::WARN));
    }
}
