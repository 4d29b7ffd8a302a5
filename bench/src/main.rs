//! The benchmark behind docs/PERFORMANCE.md: one command, several rounds of every
//! figure in turn, so that a machine whose speed drifts bends all of them alike.

mod arguments;
mod aws;
mod child;
mod figures;
mod parts;
mod plugins;
mod reading;
mod sample;
mod spread;

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use comfy_table::{CellAlignment, Table, presets};

use arguments::{Arguments, Side};
use figures::{Bench, Figure};
use reading::Reading;
use sample::Sample;
use spread::Spread;

fn main() -> Result<()> {
    let arguments = Arguments::parse().quickened();
    if let Some(name) = &arguments.part {
        if let Some(part) = aws::Part::called(name) {
            return aws::print(part, &arguments);
        }
        return match plugins::Part::called(name) {
            Some(part) => reading::print(part.measure(&arguments)?),
            None => parts::print(name, &arguments),
        };
    }
    ensure!(arguments.rounds > 0, "--rounds must be at least 1");
    let bench = prepare(&arguments)?;
    let measured = measure(&arguments, &bench)?;
    report(&arguments, &bench, &measured)
}

/// All samples: of each figure, and of each part on AWS.
struct Measured {
    local: Vec<Vec<Sample>>,
    aws: Vec<(aws::Part, Vec<Reading>)>,
    plugins: Vec<(plugins::Part, Vec<Reading>)>,
}

fn measure(arguments: &Arguments, bench: &Bench) -> Result<Measured> {
    let local = vec![Vec::new(); Figure::ALL.len()];
    let mut measured = Measured {
        local,
        aws: aws::Part::ALL.map(|part| (part, Vec::new())).into(),
        plugins: plugins::Part::ALL.map(|part| (part, Vec::new())).into(),
    };
    for round in 0..=arguments.rounds {
        // The first round warms caches up.
        if round == 0 && arguments.quick {
            continue;
        }
        for (figure, samples) in Figure::ALL.iter().zip(&mut measured.local).filter(|_| arguments.measures(Side::Local))
        {
            let sample = bench.measure(*figure).with_context(|| format!("measuring {}", figure.name()))?;
            samples.extend((round > 0).then_some(sample));
        }
        for (part, readings) in measured.aws.iter_mut().filter(|_| arguments.measures(Side::Aws)) {
            let name = part.name();
            let reading = reading::measure(name, arguments).with_context(|| format!("measuring {name}"))?;
            readings.extend((round > 0).then_some(reading));
        }
        for (part, readings) in measured.plugins.iter_mut().filter(|_| arguments.measures(Side::Plugins)) {
            let name = part.name();
            // Parts that take minutes give the same figure each time.
            if round > 1 && part.is_long() {
                continue;
            }
            let reading = reading::measure(name, arguments).with_context(|| format!("measuring {name}"))?;
            readings.extend((round > 0).then_some(reading));
        }
    }
    Ok(measured)
}

fn report(arguments: &Arguments, bench: &Bench, measured: &Measured) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if arguments.quick {
        writeln!(out, "A quick run: it shows that everything works; its figures mean nothing.\n")?;
    }
    let rounds = format!("medians of {} rounds (fastest to slowest)", arguments.rounds);
    if arguments.measures(Side::Local) {
        let Bench { bytes, records, .. } = bench;
        writeln!(out, "{bytes} decompressed bytes in {records} records; {rounds}\n{}", table(&measured.local))?;
    }
    if arguments.measures(Side::Aws) {
        writeln!(
            out,
            "\nOn a stub of AWS with its latencies, which shares the cores: {} objects of 0.2 MB from {} tenants, {} of \
             {} MB; medians of {} rounds (least to most)\n{}",
            arguments.objects,
            aws::TENANTS,
            aws::LARGE_OBJECTS,
            arguments.object_mb,
            arguments.rounds,
            aws::tables(&measured.aws)
        )?;
    }
    if arguments.measures(Side::Plugins) {
        let rounds = format!("medians of {} rounds (least to most)", arguments.rounds);
        writeln!(out, "\nTenants' components; {rounds}\n{}", plugins::table(&measured.plugins))?;
    }
    Ok(())
}

/// Writes the corpora.
fn prepare(arguments: &Arguments) -> Result<Bench> {
    let folder = &arguments.folder;
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("can't empty {}", folder.display()))?;
    }
    let corpus = |name: &str, bytes: u64, objects: u64, tenants: u64| {
        let options = corpus::BulkOptions { bytes, objects, tenants, ..Default::default() };
        let path = folder.join(name);
        corpus::bulk(&path, &options).map(|manifest| (path, manifest.totals(None)))
    };
    let (many, counts) = corpus("many", arguments.mb * 1_000_000, 8, 4)?;
    let (large, large_counts) = corpus("large", arguments.large_mb * 1_000_000, 1, 1)?;
    corpus(aws::SMALL, arguments.objects * aws::SMALL_BYTES, arguments.objects, aws::TENANTS)?;
    let large_bytes = arguments.object_mb * 1_000_000 * aws::LARGE_OBJECTS;
    corpus(aws::LARGE, large_bytes, aws::LARGE_OBJECTS, aws::LARGE_TENANTS)?;
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
        "CPU s per GB",
        "MB/CPU s",
        "MB/s",
        "x gunzip's CPU",
        "peak MiB",
        "ms",
    ]);
    let per_gb = |samples: &Vec<Sample>| Spread::of(samples.iter().filter_map(Sample::cpu_per_gb));
    let gunzip = samples.first().and_then(&per_gb).map(|spread| spread.median);
    for (figure, samples) in Figure::ALL.iter().zip(samples) {
        let cpu = per_gb(samples);
        let ratio = cpu.zip(gunzip).map(|(cpu, gunzip)| cpu.median / gunzip);
        table.add_row([
            figure.name().to_owned(),
            cpu.map_or_else(String::new, |cpu| cpu.text(2)),
            cpu.map_or_else(String::new, |cpu| format!("{:.0}", 1000.0 / cpu.median)),
            Spread::of(samples.iter().filter_map(Sample::mb_per_s)).map_or_else(String::new, |speed| speed.text(0)),
            ratio.map_or_else(String::new, |ratio| format!("{ratio:.1}")),
            Spread::of(samples.iter().filter_map(Sample::peak_mib)).map_or_else(String::new, |peak| peak.text(1)),
            Spread::of(samples.iter().map(Sample::milliseconds)).map_or_else(String::new, |wall| wall.text(1)),
        ]);
    }
    for index in 1..7 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
