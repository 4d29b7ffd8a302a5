//! One measurement.

use std::time::Duration;

use crate::spread::{mib, number};

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Decompressed bytes; `None` if they don't matter.
    pub(crate) bytes: Option<u64>,
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
    pub(crate) peak_bytes: Option<u64>,
}

impl Sample {
    pub(crate) fn cpu_per_gb(&self) -> Option<f64> {
        self.bytes.map(|bytes| self.cpu.as_secs_f64() / (number(bytes) / 1e9))
    }

    pub(crate) fn mb_per_s(&self) -> Option<f64> {
        self.bytes.map(|bytes| number(bytes) / 1e6 / self.wall.as_secs_f64())
    }

    pub(crate) fn peak_mib(&self) -> Option<f64> {
        self.peak_bytes.map(mib)
    }

    pub(crate) fn milliseconds(&self) -> f64 {
        self.wall.as_secs_f64() * 1000.0
    }
}
