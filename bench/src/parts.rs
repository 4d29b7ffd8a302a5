//! The parts by themselves, each in a process of its own: their memory must not
//! count as that of what is measured after them.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use log_processor::object::{Chunk, Decompressor, LineReader, Piece, ReadLimits, list_objects};
use model::{Delivery, Destination, Limits, ObjectId, Origin, TimestampNumbers};
use record::{Clock, Transformer};
use sandbox::{Component, Context, Engine, Instance, Precompiled, Surroundings};

use crate::arguments::Arguments;
use crate::child;
use crate::sample::Sample;

/// Bytes of a chunk, as the processor has them.
const CHUNK_BYTES: usize = 256 * 1024;
const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;
/// Decompressed bytes that the guests are given from memory, so that they are
/// measured alone.
const IN_MEMORY_BYTES: usize = 64_000_000;

/// A step of an object's processing.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    Gunzip,
    Native,
    Guest,
}

impl Part {
    const ALL: [Self; 3] = [Self::Gunzip, Self::Native, Self::Guest];

    fn name(self) -> &'static str {
        match self {
            Self::Gunzip => "gunzip",
            Self::Native => "native",
            Self::Guest => "guest",
        }
    }
}

/// Measures a part of the work on a corpus, in another process.
pub(crate) fn measure(part: Part, corpus: &Path, guest: &Path) -> Result<Sample> {
    let name = part.name();
    let output = Command::new(std::env::current_exe()?)
        .args(["--part", name, "--folder"])
        .args([corpus, Path::new("--guest"), guest])
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<u64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let &[bytes, cpu, wall] = numbers.as_slice() else { bail!("three numbers expected, got {text:?}") };
    let (cpu, wall) = (Duration::from_nanos(cpu), Duration::from_nanos(wall));
    Ok(Sample { bytes: Some(bytes), cpu, wall, peak_bytes: None })
}

/// Measures a part in this process: prints bytes, and nanoseconds of CPU and of
/// wall-clock time.
pub(crate) fn print(name: &str, arguments: &Arguments) -> Result<()> {
    let Some(part) = Part::ALL.iter().find(|part| part.name() == name) else { bail!("no part {name}") };
    let corpus = &arguments.folder;
    let (bytes, cpu, wall) = match part {
        Part::Gunzip => timed(|| gunzip(corpus))?,
        Part::Native => {
            let chunks = chunks(corpus)?;
            timed(|| native(&chunks))?
        }
        Part::Guest => {
            let (chunks, component) = (chunks(corpus)?, component(&arguments.guest)?);
            timed(|| guest(&chunks, &component))?
        }
    };
    writeln!(std::io::stdout(), "{bytes} {} {}", cpu.as_nanos(), wall.as_nanos())?;
    Ok(())
}

fn timed(work: impl FnOnce() -> Result<u64>) -> Result<(u64, Duration, Duration)> {
    let (cpu, wall) = (child::thread_cpu()?, Instant::now());
    let bytes = work()?;
    Ok((bytes, child::thread_cpu()? - cpu, wall.elapsed()))
}

fn component(folder: &Path) -> Result<Component> {
    let form = |extension: &str| {
        let path = folder.join("default").with_extension(extension);
        std::fs::read(&path).with_context(|| format!("can't read {}; `make guest` makes it", path.display()))
    };
    let (component, code) = (form("wasm")?, form("cwasm")?);
    let limits = Limits::default();
    let engine = Engine::new(4, limits.memory_bytes)?;
    // SAFETY: `make guest` compiled it, in this project's own target folder.
    #[expect(unsafe_code, reason = "machine code of the build")]
    let guest = unsafe { Precompiled::new(&component, &code) };
    let (component, compiled) = engine.load_precompiled("default", guest, limits)?;
    ensure!(!compiled, "the guest's compiled form doesn't fit this machine; `make guest` makes it anew");
    Ok(component)
}

fn native(chunks: &[Chunk]) -> Result<u64> {
    let mut transformer = Transformer::new(Clock { now: 0, last_modified: 0 }, MAX_LINE_BYTES);
    let mut events = 0;
    for chunk in chunks {
        events += transformer.chunk(chunk.first_line, &chunk.bytes).events.len();
    }
    events += transformer.end().events.len();
    all_came(chunks, events)
}

fn guest(chunks: &[Chunk], component: &Component) -> Result<u64> {
    let mut instance = Instance::start(component, &Surroundings::none())?;
    context_of(&[], |context| instance.begin_transform(context))?;
    let mut events = 0;
    for chunk in chunks {
        let lines = chunk.first_line..chunk.end_line();
        events += instance.transform(chunk.first_line, &chunk.bytes, lines)?.events.len();
    }
    all_came(chunks, events)
}

/// Gives a context, with these settings for the component.
pub(crate) fn context_of<T>(settings: &[(String, String)], with: impl FnOnce(&Context<'_>) -> T) -> T {
    let (origin, delivery, object) = (origin(), delivery(), ObjectId { bucket: "b".into(), key: "k".into() });
    with(&Context {
        origin: &origin,
        delivery: &delivery,
        object: &object,
        settings,
        now: 0,
        last_modified: 0,
        timestamp_numbers: TimestampNumbers::default(),
        max_line_bytes: MAX_LINE_BYTES,
    })
}

/// Checks that each record became an event; returns the bytes of all.
fn all_came(chunks: &[Chunk], events: usize) -> Result<u64> {
    let lines: usize = chunks.iter().map(|chunk| chunk.ends.len()).sum();
    ensure!(events == lines, "{events} events came of {lines} records");
    Ok(chunks.iter().map(|chunk| chunk.bytes.len() as u64).sum())
}

fn gunzip(corpus: &Path) -> Result<u64> {
    let (mut buffer, mut bytes) = (vec![0; CHUNK_BYTES], 0);
    for object in list_objects(&corpus.join("objects"))?.objects {
        let mut source = Decompressor::new(object.open()?);
        loop {
            match source.read(&mut buffer)? {
                0 => break,
                read => bytes += read as u64,
            }
        }
    }
    Ok(bytes)
}

/// The beginning of the corpus, as the processor's guests get it.
pub(crate) fn chunks(corpus: &Path) -> Result<Vec<Chunk>> {
    let limits = ReadLimits { chunk_bytes: CHUNK_BYTES, max_line_bytes: MAX_LINE_BYTES, max_object_bytes: 0 };
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut bytes = 0;
    for object in list_objects(&corpus.join("objects"))?.objects {
        let mut lines = LineReader::<File>::new(Decompressor::new(object.open()?), limits);
        while let Some(Piece::Chunk(mut chunk)) = lines.next_piece()? {
            // The chunks are of one object, so line numbers continue.
            chunk.first_line = chunks.last().map_or(0, Chunk::end_line);
            bytes += chunk.bytes.len();
            chunks.push(chunk);
            if bytes >= IN_MEMORY_BYTES {
                return Ok(chunks);
            }
        }
    }
    Ok(chunks)
}

fn origin() -> Origin {
    Origin {
        cluster_id: "c".into(),
        namespace: "n".into(),
        tenant_id: "n".into(),
        application: "a".into(),
        pod_name: "p".into(),
        environment: "production".into(),
    }
}

fn delivery() -> Delivery {
    Delivery {
        tenant_id: "n".into(),
        desired_logs: Vec::new(),
        groups: Vec::new(),
        target_region: "us-east-1".into(),
        destination: Destination::CloudWatch {
            role_arn: "arn:aws:iam::111122223333:role/r".into(),
            account: "111122223333".into(),
            log_group: "g".into(),
        },
        plugins: model::Plugins::default(),
    }
}
