//! A small corpus with one of each thing that happens in a real one.

use std::path::Path;

use anyhow::Result;

use crate::manifest::{Counts, Manifest, Object};
use crate::object;
use crate::random::Random;
use crate::record::{Options, Pod, Shape};
use crate::time::Instant;

const BUCKET: &str = "hcp-logs";
const TENANTS: &str = include_str!("demo.yaml");

/// What is special about the first object of a source.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Odd {
    MalformedLine,
    ArrayLine,
    Truncated,
    TooOldAndEmpty,
    Members,
    BlankLines,
    UnknownTenant,
}

impl Odd {
    fn name(self) -> &'static str {
        match self {
            Self::MalformedLine => "a malformed line",
            Self::ArrayLine => "a line with several records",
            Self::Truncated => "truncated gzip",
            Self::TooOldAndEmpty => "a record that is too old and an empty message",
            Self::Members => "gzip of several members",
            Self::BlankLines => "blank lines",
            Self::UnknownTenant => "a tenant that nobody knows",
        }
    }
}

/// The objects of one application of one tenant. `wanted_by` is written down
/// here rather than computed: tests compare the filter with it.
struct Source {
    cluster: &'static str,
    tenant: &'static str,
    application: &'static str,
    pods: u64,
    objects: u64,
    shape: Shape,
    odd: Option<Odd>,
    wanted_by: &'static [&'static str],
}

const CW: &[&str] = &["cloudwatch"];
const S3: &[&str] = &["s3"];
const BOTH: &[&str] = &["cloudwatch", "s3"];
const NONE: &[&str] = &[];

const fn source(
    tenant: (&'static str, &'static str),
    application: &'static str,
    pods_objects: (u64, u64),
    wanted_by: &'static [&'static str],
) -> Source {
    let (cluster, tenant) = tenant;
    let (pods, objects) = pods_objects;
    Source { cluster, tenant, application, pods, objects, shape: Shape::Text, odd: None, wanted_by }
}

impl Source {
    const fn odd(mut self, odd: Odd) -> Self {
        self.odd = Some(odd);
        self
    }

    const fn shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }
}

const ACME: (&str, &str) = ("prod-use1-mc01", "acme-payments");
const GLOBEX: (&str, &str) = ("stg-euw1-mc07", "globex-retail");
const INITECH: (&str, &str) = ("dev-usw2-mc02", "initech-lab");
const HOOLI: (&str, &str) = ("prod-use1-mc01", "hooli-search");

const SOURCES: [Source; 24] = [
    source(ACME, "kube-apiserver", (2, 3), CW).odd(Odd::MalformedLine),
    source(ACME, "openshift-apiserver", (2, 1), CW).odd(Odd::ArrayLine),
    source(ACME, "oauth-server", (1, 1), NONE),
    source(ACME, "kube-scheduler", (1, 1), NONE),
    source(ACME, "etcd", (3, 1), NONE),
    source(GLOBEX, "kube-apiserver", (2, 2), CW).odd(Odd::Truncated),
    source(GLOBEX, "openshift-apiserver", (1, 1), CW),
    source(GLOBEX, "oauth-server", (2, 1), BOTH),
    source(GLOBEX, "oauth-apiserver", (1, 1), BOTH),
    source(GLOBEX, "kube-scheduler", (1, 2), S3),
    source(GLOBEX, "etcd", (3, 1), S3),
    source(GLOBEX, "kube-controller-manager", (1, 1), NONE),
    source(INITECH, "kube-apiserver", (2, 1), BOTH).odd(Odd::Members),
    source(INITECH, "openshift-apiserver", (1, 1), BOTH),
    source(INITECH, "oauth-server", (1, 1), BOTH),
    source(INITECH, "kube-scheduler", (1, 1), BOTH).odd(Odd::BlankLines),
    source(INITECH, "kube-controller-manager", (2, 1), BOTH),
    source(INITECH, "openshift-controller-manager", (1, 1), BOTH),
    source(INITECH, "openshift-route-controller-manager", (1, 1), BOTH),
    source(INITECH, "etcd", (2, 1), BOTH).odd(Odd::TooOldAndEmpty),
    source(INITECH, "cluster-version-operator", (1, 2), BOTH).shape(Shape::Object),
    source(INITECH, "ingress-operator", (1, 2), BOTH).shape(Shape::Fields),
    source(INITECH, "control-plane-operator", (1, 1), BOTH).shape(Shape::Fields),
    source(HOOLI, "kube-apiserver", (1, 1), NONE).odd(Odd::UnknownTenant),
];

/// Writes some fifty objects of three tenants, and `tenants.yaml`.
///
/// # Errors
/// `dir` holds objects already, or a file can't be written.
pub fn demo(dir: &Path) -> Result<Manifest> {
    let objects = object::fresh(dir)?;
    let mut random = Random::new(20_261_120);
    let mut manifest = Manifest::default();
    for source in &SOURCES {
        let mut odd = source.odd;
        for _ in 0..source.pods {
            let pod = Pod::new(source.cluster, source.tenant, source.application, &mut random);
            let mut modified = Instant::DAY.plus_millis(34_200_000 + seconds(&mut random, 0, 60));
            for _ in 0..source.objects {
                manifest.objects.push(one(&objects, source, &pod, odd.take(), modified, &mut random)?);
                modified = modified.plus_millis(seconds(&mut random, 28, 45));
            }
        }
    }
    manifest.objects.sort_by(|a, b| a.key.cmp(&b.key));
    object::write(&dir.join("tenants.yaml"), TENANTS.as_bytes(), Instant::DAY)?;
    Ok(manifest)
}

/// A random number of whole seconds, in milliseconds.
fn seconds(random: &mut Random, low: u64, high: u64) -> i64 {
    i64::try_from(random.between(low, high)).unwrap_or(0) * 1000
}

fn one(
    objects: &Path,
    source: &Source,
    pod: &Pod,
    odd: Option<Odd>,
    modified: Instant,
    random: &mut Random,
) -> Result<Object> {
    let key = format!("{}{}-{}.json.gz", pod.prefix(), modified.compact(), random.uuid());
    let lines = lines(source, pod, odd, modified, random);
    let mut counts = Counts::default();
    let mut damaged_at = None;
    let gzip = match odd {
        Some(Odd::Truncated) => {
            // Two thirds of the lines, and half of the next.
            let (whole, lost) = lines.split_at(lines.len() * 2 / 3);
            let mut readable = join(whole, &mut counts);
            let lost = join(lost, &mut Counts::default());
            let (half, lost) = lost.split_at(500.min(lost.len()));
            readable.extend_from_slice(half);
            counts.bytes += length(half);
            damaged_at = Some(counts.bytes);
            object::truncated_gzip(&readable, lost)?
        }
        Some(Odd::Members) => {
            // Members end anywhere, also within a line.
            let bytes = join(&lines, &mut counts);
            let (one, two) = bytes.split_at(bytes.len() / 3);
            let (two, three) = two.split_at(two.len() / 2);
            object::gzip(&[one, two, three])?
        }
        _ => object::gzip(&[&join(&lines, &mut counts)])?,
    };
    let compressed = object::write(&objects.join(BUCKET).join(&key), &gzip, modified)?;
    Ok(Object {
        bucket: BUCKET.into(),
        key,
        tenant: source.tenant.into(),
        application: source.application.into(),
        pod: pod.name.clone(),
        modified: modified.seconds(),
        compressed,
        counts,
        damaged_at,
        odd: odd.map(Odd::name),
        wanted_by: source.wanted_by.to_vec(),
    })
}

/// One line, without its newline, and what it counts for.
struct Line {
    text: String,
    counts: Counts,
}

impl Line {
    fn new(text: String, records: u64) -> Self {
        Self { text, counts: Counts { lines: 1, records, ..Counts::default() } }
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// The bytes of the lines; their counts are added.
fn join(lines: &[Line], counts: &mut Counts) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        bytes.extend_from_slice(line.text.as_bytes());
        bytes.push(b'\n');
        counts.add(&line.counts);
    }
    counts.bytes += length(&bytes);
    bytes
}

/// The lines of an object: some seconds of a pod, up to just before the object was written.
fn lines(source: &Source, pod: &Pod, odd: Option<Odd>, modified: Instant, random: &mut Random) -> Vec<Line> {
    let options = Options { shape: source.shape, ..Options::default() };
    let count = random.between(55, 95);
    let step = 24_000_000_000 / count;
    let mut at = modified.plus_millis(-26_000);
    let mut lines = Vec::new();
    for index in 0..count {
        let pause = random.between(step / 2, step + step / 2 - 1);
        at = at.plus_nanos(i64::try_from(pause).unwrap_or(0));
        let mut line = Line::new(pod.record(random, at, &options), 1);
        line.counts.structured = u64::from(source.shape != Shape::Text);
        lines.push(line);
        if index == count / 2
            && let Some(odd) = odd
        {
            lines.extend(special(odd, pod, at, random));
        }
    }
    lines
}

/// The lines that an object has in its middle for being odd.
fn special(odd: Odd, pod: &Pod, at: Instant, random: &mut Random) -> Vec<Line> {
    match odd {
        Odd::MalformedLine => {
            // A write that was torn.
            let text = pod.record(random, at, &Options::default());
            let mut line = Line::new(text.chars().take(600).collect(), 0);
            line.counts.malformed = 1;
            vec![line]
        }
        Odd::ArrayLine => {
            let records: Vec<String> = (0..3).map(|_| pod.record(random, at, &Options::default())).collect();
            vec![Line::new(format!("[{}]", records.join(",")), 3)]
        }
        Odd::TooOldAndEmpty => {
            let fifteen_days = 15 * 86_400_000;
            let then = at.plus_millis(-fifteen_days);
            let mut old = Line::new(pod.record(random, then, &Options::default()), 1);
            old.counts.too_old = 1;
            let mut empty = Line::new(pod.saying(random, at, ""), 1);
            empty.counts.empty = 1;
            vec![old, empty]
        }
        Odd::BlankLines => {
            let mut line = Line::new(String::new(), 0);
            line.counts.blank = 1;
            let again = Line { text: String::new(), counts: line.counts };
            vec![line, again]
        }
        Odd::Truncated | Odd::Members | Odd::UnknownTenant => Vec::new(),
    }
}
