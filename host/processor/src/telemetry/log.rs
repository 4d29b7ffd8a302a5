//! Logging: one JSON line per event on standard output.

use std::fmt;

use serde::ser::{SerializeMap, Serializer as _};
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Compound};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

use super::log_options::{LogFormat, LogLevel};

/// The prefix of the targets of this program's own events: its modules' paths begin with it.
const OWN: &str = "log_processor";

/// The name that `tracing` gives an event's text.
const MESSAGE: &str = "message";

/// Sets the process's logger: JSON lines on standard output, this program's own events from
/// `level` on, and only errors of its libraries (below that, theirs may show requests). A
/// second call changes nothing.
pub fn init(level: LogLevel, format: LogFormat) {
    // The only possible error is that a logger is set already.
    let _ = tracing::subscriber::set_global_default(subscriber(level, format, std::io::stdout));
}

/// A subscriber that writes each line with one call.
fn subscriber<W>(level: LogLevel, format: LogFormat, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let own = filter(level);
    let libraries = own.min(LevelFilter::ERROR);
    let lines = tracing_subscriber::fmt::layer()
        .event_format(JsonLines(format))
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

/// The format of a line: the time (RFC 3339, UTC), `level`, the event's own fields with its
/// text among them, and `target` (the module). Spans are not shown.
struct JsonLines(LogFormat);

impl JsonLines {
    /// The names of the fields for time and text.
    fn names(&self) -> (&'static str, &'static str) {
        match self.0 {
            LogFormat::Json => ("timestamp", MESSAGE),
            LogFormat::Reference => ("time", "msg"),
        }
    }

    fn line(&self, event: &Event<'_>) -> Result<Vec<u8>, serde_json::Error> {
        let (time_name, text_name) = self.names();
        let mut time = String::new();
        // A clock that can't be read leaves the time empty; the line is still worth having.
        let _ = SystemTime.format_time(&mut Writer::new(&mut time));
        let meta = event.metadata();
        let mut line = Vec::new();
        let mut serializer = Serializer::new(&mut line);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(time_name, &time)?;
        map.serialize_entry("level", meta.level().as_str())?;
        let mut fields = FieldVisitor { map, text_name, failed: None };
        event.record(&mut fields);
        let FieldVisitor { mut map, failed, .. } = fields;
        failed.map_or(Ok(()), Err)?;
        map.serialize_entry("target", meta.target())?;
        map.end()?;
        Ok(line)
    }
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let line = self.line(event).map_err(|_| fmt::Error)?;
        writeln!(writer, "{}", std::str::from_utf8(&line).map_err(|_| fmt::Error)?)
    }
}

/// Writes an event's fields into a line.
struct FieldVisitor<'a> {
    map: Compound<'a, &'a mut Vec<u8>, CompactFormatter>,
    text_name: &'static str,
    failed: Option<serde_json::Error>,
}

impl FieldVisitor<'_> {
    fn entry<T: serde::Serialize + ?Sized>(&mut self, field: &Field, value: &T) {
        let name = if field.name() == MESSAGE { self.text_name } else { field.name() };
        if self.failed.is_none() {
            self.failed = self.map.serialize_entry(name, value).err();
        }
    }
}

impl Visit for FieldVisitor<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.entry(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.entry(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.entry(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.entry(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.entry(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.entry(field, &format_args!("{value:?}"));
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
        let lines = written(level, LogFormat::Json, events);
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn written(level: LogLevel, format: LogFormat, events: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        tracing::subscriber::with_default(subscriber(level, format, move || writer.clone()), events);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
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
    fn the_reference_calls_time_and_text_otherwise() {
        let event = || tracing::warn!(tenant = "acme", error = %"why", ratio = 0.5, ok = true, left = -1, "text");
        let line = |format| {
            let line = written(LogLevel::Info, format, event);
            let (first, rest) = line.split_once(',').unwrap();
            (first.split(':').next().unwrap().to_owned(), rest.to_owned())
        };
        let rest = |text: &str| {
            let fields = r#""tenant":"acme","error":"why","ratio":0.5,"ok":true,"left":-1"#;
            let target = module_path!();
            format!("\"level\":\"WARN\",\"{text}\":\"text\",{fields},\"target\":\"{target}\"}}\n")
        };
        assert_eq!(line(LogFormat::Json), ("{\"timestamp\"".to_owned(), rest("message")));
        assert_eq!(line(LogFormat::Reference), ("{\"time\"".to_owned(), rest("msg")));
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
        init(LogLevel::Error, LogFormat::Json);
        init(LogLevel::Debug, LogFormat::Reference);
        assert!(tracing::enabled!(tracing::Level::ERROR) && !tracing::enabled!(tracing::Level::WARN));
    }
}
