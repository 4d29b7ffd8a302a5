//! AWS with its latencies, a corpus' objects in it, and processors that work there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use corpus::Instant as CorpusTime;
use fake_aws::scene::{DEAD_LETTERS, Scene};
use fake_aws::{FakeAws, Service};
use log_processor::object::{Decompressor, LineReader, Piece, ReadLimits, list_objects};

use crate::arguments::Arguments;
use crate::child::Running;
use crate::reading::Reading;
use crate::spread::number;

/// The latency of a call of each service within a region.
const LATENCIES: [(Service, u64); 6] = [
    (Service::S3, 20),
    (Service::Logs, 25),
    (Service::Sts, 30),
    (Service::DynamoDb, 8),
    (Service::Sqs, 10),
    (Service::CloudWatch, 20),
];

/// Begins the name of an operation's calls, after the prefix of the run.
pub(super) const CALL: &str = "call-";

/// The day of the corpus is over then, and its logs are young.
const AGED: i64 = 86_400_000;

/// The longest that anything may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(300);

/// AWS, and what is in it.
pub(crate) struct World {
    pub(crate) scene: Scene,
    /// Keys of the objects, the tenants taking turns.
    pub(crate) keys: Vec<String>,
    /// Decompressed bytes of all objects.
    pub(crate) bytes: u64,
    /// Records of all objects: events that are to arrive.
    pub(crate) records: usize,
    processor: PathBuf,
    /// The file that processors' output is appended to.
    log: PathBuf,
}

impl World {
    /// A world with the objects and tenants of a corpus; empty with `None`.
    pub(crate) fn new(arguments: &Arguments, corpus: Option<&str>) -> Result<Self> {
        let aws = FakeAws::start_blocking();
        aws.keep_events(false);
        aws.logs_now(Some(CorpusTime::DAY.seconds() * 1000 + AGED));
        for (service, milliseconds) in LATENCIES {
            aws.latency(service, Duration::from_millis(milliseconds));
        }
        let mut world = Self {
            scene: Scene::new(aws),
            keys: Vec::new(),
            bytes: 0,
            records: 0,
            processor: arguments.processor.clone(),
            log: arguments.folder.join("aws.log"),
        };
        if let Some(corpus) = corpus {
            world.fill(&arguments.folder.join(corpus))?;
        }
        Ok(world)
    }

    fn fill(&mut self, corpus: &Path) -> Result<()> {
        let mut tenants = BTreeSet::new();
        for object in list_objects(&corpus.join("objects"))?.objects {
            let (bytes, records) = size(object.open()?)?;
            self.bytes += bytes;
            self.records += records;
            tenants.extend(object.id.key.split('/').nth(1).map(str::to_owned));
            self.scene.put_object(&object.id.key, std::fs::read(&object.path)?);
            self.keys.push(object.id.key);
        }
        for tenant in &tenants {
            self.scene.add_cloudwatch_tenant(tenant);
        }
        // Files are named by their time, in which the tenants take turns.
        self.keys.sort_by(|a, b| a.rsplit('/').next().cmp(&b.rsplit('/').next()));
        Ok(())
    }

    /// Starts a processor, with these settings besides its environment's.
    pub(crate) fn start(&self, mode: &str, settings: &[(&str, &str)], input: Stdio) -> Result<Running> {
        let log = || File::options().create(true).append(true).open(&self.log);
        let mut command = Command::new(&self.processor);
        command.args(["--mode", mode]).env_clear().envs(self.scene.env()).envs(settings.iter().copied());
        Running::start(command.stdin(input).stdout(log()?).stderr(log()?))
    }

    /// Forgets the calls and puts so far; how many events had arrived.
    pub(crate) fn begin(&self) -> usize {
        self.scene.aws.forget_calls();
        self.arrived()
    }

    fn arrived(&self) -> usize {
        self.scene.aws.puts().iter().map(|put| put.stored).sum()
    }

    /// Every record must have arrived once since [`World::begin`], and nothing in the dead-letter queue.
    pub(crate) fn check(&self, before: usize) -> Result<()> {
        let (arrived, dead) = (self.arrived() - before, self.scene.aws.messages(DEAD_LETTERS).len());
        let log = self.log.display();
        ensure!(arrived == self.records, "{arrived} events arrived of {} records; see {log}", self.records);
        ensure!(dead == 0, "{dead} messages in the dead-letter queue; see {log}");
        Ok(())
    }

    /// Waits for something.
    pub(crate) fn until<T>(&self, what: &str, probe: impl FnMut(&FakeAws) -> Option<T>) -> Result<T> {
        let found = self.scene.aws.until_blocking(LIMIT, probe);
        found.with_context(|| format!("{what}: not within {} s; see {}", LIMIT.as_secs(), self.log.display()))
    }

    /// Calls per object, in all and of each operation.
    pub(crate) fn calls(&self, prefix: &str) -> Reading {
        let objects = number(self.keys.len() as u64);
        let calls: BTreeMap<_, _> =
            self.scene.aws.calls().into_iter().filter(|((service, _), _)| *service != Service::Lambda).collect();
        let all: u64 = calls.values().sum();
        let each = calls
            .into_iter()
            .map(|((_, operation), count)| (format!("{prefix}{}{operation}", CALL), number(count) / objects));
        each.chain([(format!("{prefix}calls"), number(all) / objects)]).collect()
    }
}

/// Decompressed bytes, and lines.
fn size(object: File) -> Result<(u64, usize)> {
    let limits = ReadLimits { chunk_bytes: 256 * 1024, max_line_bytes: 1 << 20, max_object_bytes: 0 };
    let mut lines = LineReader::new(Decompressor::new(object), limits);
    let (mut bytes, mut records) = (0, 0);
    while let Some(Piece::Chunk(chunk)) = lines.next_piece()? {
        bytes += chunk.bytes.len() as u64;
        records += chunk.ends.len();
    }
    Ok((bytes, records))
}
