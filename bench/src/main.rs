//! What the README's numbers come from: one command, several rounds of every
//! figure in turn, so that a machine whose speed drifts bends all of them alike.

mod child;
mod figures;
mod parts;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use comfy_table::{CellAlignment, Table, presets};

use figures::{Bench, Figure, Sample};

#[derive(Parser)]
#[command(about = "Measures the processor and its parts over a corpus of Kubernetes logs")]
struct Arguments {
    /// Rounds; medians are printed
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Decompressed megabytes (1,000,000 bytes) of the corpus of eight objects
    #[arg(long, default_value_t = 200)]
    mb: u64,
    /// Decompressed megabytes of the one large object
    #[arg(long, default_value_t = 512)]
    large_mb: u64,
    /// The processor
    #[arg(long, default_value = "target/release/log-processor")]
    processor: PathBuf,
    /// Folder of the default guest's two forms
    #[arg(long, default_value = "target/guest")]
    guest: PathBuf,
    /// Where corpora and outputs go; made anew
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
    /// Measure this part once, in this process, and print the raw numbers
    #[arg(long, hide = true)]
    part: Option<String>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(part) = &arguments.part {
        return parts::print(part, &arguments);
    }
    ensure!(arguments.rounds > 0, "--rounds must be at least 1");
    let bench = prepare(&arguments)?;
    let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); Figure::ALL.len()];
    for round in 0..=arguments.rounds {
        for (figure, samples) in Figure::ALL.iter().zip(&mut samples) {
            let sample = bench.measure(*figure).with_context(|| format!("measuring {}", figure.name()))?;
            // The first round warms caches up.
            if round > 0 {
                samples.push(sample);
            }
        }
    }
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{} decompressed bytes in {} records; medians of {} rounds (fastest to slowest)\n{}",
        bench.bytes,
        bench.records,
        arguments.rounds,
        table(&samples)
    )?;
    Ok(())
}

/// Writes the corpora.
fn prepare(arguments: &Arguments) -> Result<Bench> {
    let folder = &arguments.folder;
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("can't empty {}", folder.display()))?;
    }
    let corpus = |name: &str, mb: u64, objects: u64| {
        let options = corpus::BulkOptions { bytes: mb * 1_000_000, objects, ..Default::default() };
        let path = folder.join(name);
        corpus::bulk(&path, &options).map(|manifest| (path, manifest.totals(None)))
    };
    let (many, counts) = corpus("many", arguments.mb, 8)?;
    let (large, large_counts) = corpus("large", arguments.large_mb, 1)?;
    let tiny = folder.join("tiny");
    write_tiny(&tiny)?;
    Ok(Bench::new(arguments, [many, large, tiny], &counts, &large_counts))
}

/// One object of one record: what is left is the start.
fn write_tiny(folder: &Path) -> Result<()> {
    let object = folder.join("objects/bucket/cluster/tenant-000/app/pod/object.json");
    std::fs::create_dir_all(object.parent().unwrap_or(folder))?;
    std::fs::write(&object, "{\"message\":\"hello\"}\n")?;
    let tenants = "tenants:\n  - {tenant_id: tenant-000, type: cloudwatch, enabled: true, \
        log_distribution_role_arn: 'arn:aws:iam::111122220000:role/LogDistribution', log_group_name: /hcp/tenant-000}\n";
    std::fs::write(folder.join("tenants.yaml"), tenants)?;
    Ok(())
}

fn table(samples: &[Vec<Sample>]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header([
        "what",
        "CPU s a GB",
        "MB a CPU s",
        "MB/s",
        "x gunzip's CPU",
        "peak MiB",
        "ms",
    ]);
    let per_gb = |samples: &Vec<Sample>| median(samples.iter().filter_map(Sample::cpu_per_gb));
    let gunzip = samples.first().and_then(&per_gb).map(|spread| spread.median);
    for (figure, samples) in Figure::ALL.iter().zip(samples) {
        let cpu = per_gb(samples);
        let ratio = cpu.zip(gunzip).map(|(cpu, gunzip)| cpu.median / gunzip);
        table.add_row([
            figure.name().to_owned(),
            cpu.map_or_else(String::new, |cpu| cpu.text(2)),
            cpu.map_or_else(String::new, |cpu| format!("{:.0}", 1000.0 / cpu.median)),
            median(samples.iter().filter_map(Sample::mb_per_s)).map_or_else(String::new, |speed| speed.text(0)),
            ratio.map_or_else(String::new, |ratio| format!("{ratio:.1}")),
            median(samples.iter().filter_map(Sample::peak_mib)).map_or_else(String::new, |peak| peak.text(1)),
            median(samples.iter().map(Sample::milliseconds)).map_or_else(String::new, |wall| wall.text(1)),
        ]);
    }
    for index in 1..7 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// The middle of several measurements, and how far they went.
#[derive(Clone, Copy)]
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn text(self, digits: usize) -> String {
        format!("{:.digits$} ({:.digits$} to {:.digits$})", self.median, self.least, self.most)
    }
}

fn median(values: impl Iterator<Item = f64>) -> Option<Spread> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let median = *values.get(values.len() / 2)?;
    Some(Spread { least: *values.first()?, median, most: *values.last()? })
}
