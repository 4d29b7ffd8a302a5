//! Messages and progress on standard error. Standard output is left to results.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::intake::local::ProgressListener;
use crate::object::LocalObject;
use crate::report::{Entry, Outcome};
use crate::telemetry::LogLevel;
use model::ObjectId;
use sandbox::LogLine;

/// The most messages of one kind that are shown; more are only counted, in the report.
const MAX_MESSAGES: u64 = 50;

/// Shows messages above a progress bar, which is there on terminals only.
pub(super) struct Console {
    level: LogLevel,
    guest_log: bool,
    bar: ProgressBar,
    /// Errors about objects so far. They are counted apart from warnings, so that many of one
    /// kind don't hide the other.
    errors: AtomicU64,
    warnings: AtomicU64,
}

impl Console {
    pub(super) fn new(level: LogLevel, guest_log: bool, bytes: u64) -> Self {
        let bar = ProgressBar::new(bytes);
        let style = ProgressStyle::with_template(
            "{spinner} [{elapsed_precise}] {bar:40} {bytes}/{total_bytes} ({bytes_per_sec}, {eta} left) {msg}",
        );
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        // The bar appears late, so that short runs stay quiet.
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { level, guest_log, bar, errors: AtomicU64::default(), warnings: AtomicU64::default() }
    }

    pub(super) fn warn(&self, text: &str) {
        if matches!(self.level, LogLevel::Debug | LogLevel::Info | LogLevel::Warn) {
            self.line(&format!("warning: {text}"));
        }
    }

    pub(super) fn error(&self, text: &str) {
        self.line(&format!("error: {text}"));
    }

    /// Ends the progress bar.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Shows warnings of which there may be many.
    pub(super) fn warn_some(&self, texts: &[String]) {
        let most = usize::try_from(MAX_MESSAGES).unwrap_or(usize::MAX);
        texts.iter().take(most).for_each(|text| self.warn(text));
        if texts.len() > most {
            self.warn(&format!("{} more such; see the report (--report FILE)", texts.len() - most));
        }
    }

    fn line(&self, text: &str) {
        self.bar.suspend(|| {
            let _ = writeln!(std::io::stderr(), "{text}");
        });
    }

    /// Shows a message about an object, unless there were too many.
    fn entry_message(&self, object: &ObjectId, entry: &Entry) {
        let open = entry.outcome.is_open();
        let odd = matches!(entry.outcome, Outcome::Rejected | Outcome::Partial) || !entry.warnings.is_empty();
        if !(open || odd) || entry.outcome == Outcome::Interrupted {
            return;
        }
        let shown = if open { &self.errors } else { &self.warnings };
        match shown.fetch_add(1, Ordering::Relaxed) {
            MAX_MESSAGES => return self.warn("more messages about objects follow; see the report (--report FILE)"),
            shown if shown > MAX_MESSAGES => return,
            _ => {}
        }
        let delivery = entry.delivery.map(|delivery| format!(" ({delivery})")).unwrap_or_default();
        let why = entry.error.iter().chain(&entry.warnings).map(String::as_str).collect::<Vec<_>>().join("; ");
        let text = format!("{object}{delivery}: {why}");
        if open { self.error(&text) } else { self.warn(&text) }
    }
}

impl ProgressListener for Console {
    fn object_done(&self, object: &LocalObject, entries: &[Entry]) {
        entries.iter().for_each(|entry| self.entry_message(&object.id, entry));
    }

    fn bytes_read(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn guest_log(&self, object: &ObjectId, lines: &[LogLine]) {
        if !self.guest_log {
            return;
        }
        for line in lines {
            self.line(&format!("guest {:?} {object}: {}", line.level, line.text));
        }
    }
}
