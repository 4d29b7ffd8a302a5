//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

#[derive(Parser)]
#[command(about = "Measures the processor and its parts over Kubernetes logs, without AWS and with a stub of it")]
pub(crate) struct Arguments {
    /// Rounds; medians are printed
    #[arg(long, default_value_t = 7)]
    pub(crate) rounds: usize,
    /// Decompressed megabytes (1,000,000 bytes) of the corpus of eight objects
    #[arg(long, default_value_t = 200)]
    pub(crate) mb: u64,
    /// Decompressed megabytes of the one large object
    #[arg(long, default_value_t = 512)]
    pub(crate) large_mb: u64,
    /// Small objects on AWS
    #[arg(long, default_value_t = 400)]
    pub(crate) objects: u64,
    /// Decompressed megabytes of each of the eight large objects on AWS
    #[arg(long, default_value_t = 16)]
    pub(crate) object_mb: u64,
    /// Processes that are started in each round to see how long that takes
    #[arg(long, default_value_t = 25)]
    pub(crate) starts: usize,
    /// Tenants that bring a component of their own
    #[arg(long, default_value_t = 1000)]
    pub(crate) components: usize,
    /// Only this side
    #[arg(long, value_enum)]
    pub(crate) only: Option<Side>,
    /// One round over little data, to see that everything works
    #[arg(long)]
    pub(crate) quick: bool,
    /// The processor
    #[arg(long, default_value = "target/release/log-processor")]
    pub(crate) processor: PathBuf,
    /// Folder of the default guest's two forms
    #[arg(long, default_value = "target/guest")]
    pub(crate) guest: PathBuf,
    /// Where corpora and outputs go; made anew
    #[arg(long, default_value = "target/bench")]
    pub(crate) folder: PathBuf,
    /// Measure this part once, in this process, and print the raw numbers
    #[arg(long, hide = true)]
    pub(crate) part: Option<String>,
}

/// What the processor works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Side {
    Local,
    Aws,
    Plugins,
}

impl Arguments {
    /// With little of everything, where that is wanted.
    pub(crate) fn quickened(self) -> Self {
        if !self.quick {
            return self;
        }
        Self { rounds: 1, mb: 8, large_mb: 8, objects: 40, object_mb: 1, starts: 3, components: 20, ..self }
    }

    pub(crate) fn measures(&self, side: Side) -> bool {
        self.only.is_none_or(|only| only == side)
    }
}
