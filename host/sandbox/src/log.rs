//! What a guest logs: by `host-log`, and by its standard output and error.

use std::sync::{Arc, Mutex, MutexGuard};

use model::Limits;
use wasmtime::component::{ComponentType, Lift, Lower};

use crate::text::{MAX_TEXT, cut};

/// How urgent a guest's log line is. All versions have it as it is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
pub enum Level {
    /// For the guest's author.
    #[component(name = "debug")]
    Debug,
    /// Worth a line.
    #[component(name = "info")]
    Info,
    /// Something is odd.
    #[component(name = "warn")]
    Warn,
    /// Something is wrong.
    #[component(name = "error")]
    Error,
}

/// A line that a guest logged. Its text may hold log contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How urgent.
    pub level: Level,
    /// Text, bounded.
    pub text: String,
}

/// What a guest logged while it worked on one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuestLog {
    /// Lines logged, kept or not.
    pub lines: u64,
    /// The first of them, at most `Limits::log_lines` of `Limits::log_bytes` together.
    pub kept: Vec<LogLine>,
}

/// Where a guest's standard output or error goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Out,
    Error,
}

/// An instance's log.
pub(super) struct Log {
    log: GuestLog,
    /// How many more lines and bytes are kept, over the instance's whole life.
    lines_left: u64,
    bytes_left: usize,
    /// The beginnings of lines that have no end yet.
    out: Vec<u8>,
    error: Vec<u8>,
}

/// An instance's log, which its standard output and error hold on to as well.
#[derive(Clone)]
pub(crate) struct SharedLog(Arc<Mutex<Log>>);

impl SharedLog {
    pub(crate) fn new(log: Log) -> Self {
        Self(Arc::new(Mutex::new(log)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Log> {
        model::lock(&self.0)
    }
}

impl Log {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            log: GuestLog::default(),
            lines_left: limits.log_lines,
            bytes_left: limits.log_bytes,
            out: Vec::new(),
            error: Vec::new(),
        }
    }

    pub(super) fn line(&mut self, level: Level, text: String) {
        self.log.lines = self.log.lines.saturating_add(1);
        if self.lines_left == 0 {
            return;
        }
        let text = cut(text);
        match self.bytes_left.checked_sub(text.len()) {
            Some(left) => {
                self.bytes_left = left;
                self.lines_left -= 1;
                self.log.kept.push(LogLine { level, text });
            }
            // The first lines are kept, not the shortest.
            None => self.lines_left = 0,
        }
    }

    /// Takes what was written to a stream; its lines are lines of the log.
    pub(super) fn write(&mut self, stream: Stream, bytes: &[u8]) {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            let begun = self.begun(stream);
            // Enough for a line to be cut, whatever its end may be.
            let room = (MAX_TEXT + 1).saturating_sub(begun.len()).min(text.len());
            begun.extend(text.iter().take(room));
            if text.len() < part.len() {
                self.end_line(stream);
            }
        }
    }

    fn begun(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Out => &mut self.out,
            Stream::Error => &mut self.error,
        }
    }

    fn end_line(&mut self, stream: Stream) {
        let line = std::mem::take(self.begun(stream));
        let level = if stream == Stream::Out { Level::Info } else { Level::Warn };
        self.line(level, String::from_utf8_lossy(&line).into_owned());
    }

    /// What was logged since this was asked last.
    pub(super) fn take(&mut self) -> GuestLog {
        for stream in [Stream::Out, Stream::Error] {
            if !self.begun(stream).is_empty() {
                self.end_line(stream);
            }
        }
        std::mem::take(&mut self.log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(log_lines: u64, log_bytes: usize) -> Log {
        Log::new(&Limits { log_lines, log_bytes, ..Limits::default() })
    }

    fn texts(log: &GuestLog) -> Vec<&str> {
        log.kept.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn the_first_lines_are_kept_and_all_are_counted() {
        let mut log = log(3, 8);
        for text in ["one", "two", "three", "4"] {
            log.line(Level::Info, text.to_owned());
        }
        let taken = log.take();
        // "three" has more bytes than are left.
        assert_eq!((taken.lines, texts(&taken)), (4, vec!["one", "two"]));
        // What was taken still counts.
        log.line(Level::Info, "5".to_owned());
        assert_eq!(log.take(), GuestLog { lines: 1, kept: vec![] });
    }

    #[test]
    fn lines_are_bounded_by_their_number() {
        let mut log = log(2, 1 << 20);
        (0..5).for_each(|number| log.line(Level::Debug, number.to_string()));
        let taken = log.take();
        assert_eq!((taken.lines, texts(&taken)), (5, vec!["0", "1"]));
    }

    #[test]
    fn what_is_written_in_parts_becomes_lines() {
        let mut log = log(100, 1 << 20);
        log.write(Stream::Out, b"a");
        log.write(Stream::Error, b"e\xff\n");
        log.write(Stream::Out, b"bc\n\nd");
        let taken = log.take();
        assert_eq!(texts(&taken), ["e\u{fffd}", "abc", "", "d"]);
        let levels: Vec<_> = taken.kept.iter().map(|line| line.level).collect();
        assert_eq!(levels, [Level::Warn, Level::Info, Level::Info, Level::Info]);
        assert_eq!(log.take(), GuestLog::default());
    }

    #[test]
    fn a_line_without_end_takes_little_memory() {
        let mut log = log(100, 1 << 20);
        for _ in 0..1_000 {
            log.write(Stream::Out, &[b'x'; 1_000]);
        }
        assert!(log.out.capacity() < 4_096);
        let taken = log.take();
        assert!(taken.kept[0].text.len() < 600 && taken.kept[0].text.ends_with("x…"));
    }
}
