//! `corpus`: writes folders of logs for the demo, the tests and the benchmark.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use corpus::record::{Options, Shape};
use corpus::{BulkOptions, Manifest};

/// Writes folders of cluster logs; the same arguments give the same bytes.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A small realistic corpus of three tenants, with one of each oddity.
    Demo {
        /// Gets `objects/` and `tenants.yaml`.
        dir: PathBuf,
        /// Print what was written as JSON.
        #[arg(long)]
        manifest: bool,
    },
    /// Much of the same, for measuring.
    Bulk {
        /// Gets `objects/` and `tenants.yaml`.
        dir: PathBuf,
        /// Size of all objects together, decompressed, in 1,000,000 bytes.
        #[arg(long, default_value_t = 200)]
        mb: u64,
        /// How many objects.
        #[arg(long, default_value_t = 8)]
        objects: u64,
        /// How many tenants they belong to.
        #[arg(long, default_value_t = 4)]
        tenants: u64,
        /// Print what was written as JSON.
        #[arg(long)]
        manifest: bool,
        #[command(flatten)]
        records: Records,
    },
    /// One object.
    Object {
        /// The file to write.
        file: PathBuf,
        /// Its size, decompressed, in 1,000,000 bytes.
        #[arg(long, default_value_t = 512)]
        mb: u64,
        #[command(flatten)]
        records: Records,
    },
    /// Zeros that decompress to a thousand times the file's size.
    Bomb {
        /// The file to write.
        file: PathBuf,
        /// Its size, decompressed, in GiB.
        #[arg(long, default_value_t = 10)]
        gib: u64,
    },
}

#[derive(clap::Args)]
struct Records {
    /// Mean size of a message in bytes.
    #[arg(long, default_value_t = 200)]
    message_bytes: usize,
    /// Structured records: no message, but fields beside the metadata.
    #[arg(long)]
    structured: bool,
    /// Another seed gives other logs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Records {
    fn options(&self) -> Options {
        let shape = if self.structured { Shape::Fields } else { Shape::Text };
        Options { shape, message_bytes: self.message_bytes }
    }
}

fn main() -> ExitCode {
    let outcome = run(Cli::parse().command).and_then(|said| Ok(writeln!(std::io::stdout().lock(), "{said}")?));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr().lock(), "corpus: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<String> {
    Ok(match command {
        Command::Demo { dir, manifest } => {
            let written = corpus::demo(&dir)?;
            report(&written, manifest, &dir)
        }
        Command::Bulk { dir, mb, objects, tenants, manifest, records } => {
            let options = BulkOptions {
                bytes: mb.saturating_mul(1_000_000),
                objects,
                tenants,
                seed: records.seed,
                record: records.options(),
            };
            let written = corpus::bulk(&dir, &options)?;
            report(&written, manifest, &dir)
        }
        Command::Object { file, mb, records } => {
            let bytes = mb.saturating_mul(1_000_000);
            let counts = corpus::one_object(&file, bytes, records.seed, &records.options())?;
            format!("{}: {} lines, {} bytes", file.display(), counts.lines, counts.bytes)
        }
        Command::Bomb { file, gib } => {
            let size = corpus::bomb(&file, gib)?;
            format!("{}: {size} bytes that decompress to {gib} GiB", file.display())
        }
    })
}

fn report(written: &Manifest, json: bool, dir: &std::path::Path) -> String {
    if json {
        return format!("{:#}", written.to_json());
    }
    let totals = written.totals(None);
    format!(
        "{}: {} objects, {} lines, {} bytes decompressed",
        dir.display(),
        written.objects.len(),
        totals.lines,
        totals.bytes
    )
}
