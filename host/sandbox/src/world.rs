//! The empty world that wasmtime-wasi shows a guest: the object's time on every clock,
//! an input that has ended, outputs that are the guest's log, and nothing else.

use std::time::Duration;

use tokio::io::{AsyncWrite, empty};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, async_trait};
use wasmtime_wasi_io::bytes::Bytes;

use crate::limits::HANDLES;
use crate::log::{SharedLog, Stream};

/// Bytes that an output says that it takes at once.
const WRITABLE: usize = 64 * 1024;

/// What wasmtime-wasi keeps of one instance.
pub(crate) struct World {
    context: WasiCtx,
    /// Streams that the guest holds.
    table: ResourceTable,
}

impl World {
    /// At this time, in milliseconds since the Unix epoch; before it there is none.
    pub(crate) fn new(now: i64, log: &SharedLog) -> Self {
        let clock = Clock(u64::try_from(now).unwrap_or(0));
        let output = |stream| Output { stream, log: log.clone() };
        let context = WasiCtx::builder()
            .wall_clock(clock)
            .monotonic_clock(clock)
            .stdout(output(Stream::Out))
            .stderr(output(Stream::Error))
            .build();
        let mut table = ResourceTable::new();
        // The guest's handles are counted by wasmtime, but only once they are in here.
        table.set_max_capacity(HANDLES + 1);
        Self { context, table }
    }

    pub(crate) fn view(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.context, table: &mut self.table }
    }
}

/// A clock that stands still, so many milliseconds after the Unix epoch.
#[derive(Clone, Copy)]
struct Clock(u64);

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl HostMonotonicClock for Clock {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    fn now(&self) -> u64 {
        self.0.saturating_mul(1_000_000)
    }
}

/// Standard output or error.
#[derive(Clone)]
struct Output {
    stream: Stream,
    log: SharedLog,
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    // Only WASI 0.3 asks for it, which no guest is given.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(empty())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log.lock().write(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITABLE)
    }
}
