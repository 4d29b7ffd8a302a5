//! Much of the same: what the benchmark and the tests of load read.

use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::manifest::{Counts, Manifest, Object};
use crate::object;
use crate::random::Random;
use crate::record::{Options, Pod};
use crate::time::Instant;

const BUCKET: &str = "hcp-logs";
const APPLICATIONS: [&str; 6] =
    ["kube-apiserver", "openshift-apiserver", "oauth-server", "kube-scheduler", "kube-controller-manager", "etcd"];

/// The options of [`bulk`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkOptions {
    /// The least decompressed bytes over all objects.
    pub bytes: u64,
    /// The number of objects, all of the same size within a record.
    pub objects: u64,
    /// The objects go round so many tenants, `tenant-000` and on.
    pub tenants: u64,
    /// The seed: another one gives another corpus.
    pub seed: u64,
    /// The look of the records.
    pub record: Options,
}

impl Default for BulkOptions {
    fn default() -> Self {
        Self { bytes: 200_000_000, objects: 8, tenants: 4, seed: 1, record: Options::default() }
    }
}

/// Writes objects and `tenants.yaml`; each tenant wants everything in CloudWatch.
///
/// # Errors
/// `dir` holds objects already, a number is 0, or a file can't be written.
pub fn bulk(dir: &Path, options: &BulkOptions) -> Result<Manifest> {
    ensure!(options.objects > 0 && options.tenants > 0, "objects and tenants must be at least 1");
    let objects = object::fresh(dir)?;
    let mut random = Random::new(options.seed);
    let each = options.bytes.div_ceil(options.objects);
    let mut manifest = Manifest::default();
    for index in 0..options.objects {
        let tenant = format!("tenant-{:03}", index % options.tenants);
        let pod = Pod::new("prod-use1-mc01", &tenant, random.pick(&APPLICATIONS), &mut random);
        let modified = Instant::DAY.plus_millis(i64::try_from(index % 80_000).unwrap_or(0) * 1000 + 3_600_000);
        let key = format!("{}{}-{}.json.gz", pod.prefix(), modified.compact(), random.uuid());
        let path = objects.join(BUCKET).join(&key);
        let (counts, compressed) = fill(&path, &pod, &mut random, modified, each, &options.record)?;
        manifest.objects.push(Object {
            bucket: BUCKET.into(),
            key,
            tenant,
            application: pod.application,
            pod: pod.name,
            modified: modified.seconds(),
            compressed,
            counts,
            damaged_at: None,
            odd: None,
            wanted_by: vec!["cloudwatch"],
        });
    }
    manifest.objects.sort_by(|a, b| a.key.cmp(&b.key));
    object::write(&dir.join("tenants.yaml"), tenants(options.tenants).as_bytes(), Instant::DAY)?;
    Ok(manifest)
}

/// Writes one object of at least `bytes` bytes, decompressed, at `path`.
///
/// # Errors
/// The file can't be written.
pub fn one_object(path: &Path, bytes: u64, seed: u64, options: &Options) -> Result<Counts> {
    let mut random = Random::new(seed);
    let pod = Pod::new("prod-use1-mc01", "tenant-000", "kube-apiserver", &mut random);
    let modified = Instant::DAY.plus_millis(3_600_000);
    Ok(fill(path, &pod, &mut random, modified, bytes, options)?.0)
}

fn fill(
    path: &Path,
    pod: &Pod,
    random: &mut Random,
    modified: Instant,
    bytes: u64,
    options: &Options,
) -> Result<(Counts, u64)> {
    let file = object::create(path)?;
    let failed = || format!("cannot write {}", path.display());
    let mut encoder = GzEncoder::new(BufWriter::new(&file), Compression::default());
    let mut counts = Counts::default();
    // A few seconds of one pod, however many records that takes.
    let mut at = modified.plus_millis(-20_000);
    let end = modified.plus_millis(-1_000);
    let span = i64::try_from(bytes / 1000).unwrap_or(i64::MAX).saturating_add(1);
    let step = 38_000_000_000_i64.checked_div(span).unwrap_or(0).max(2);
    while counts.bytes < bytes {
        let mut line = pod.record(random, at, options);
        line.push('\n');
        encoder.write_all(line.as_bytes()).with_context(failed)?;
        counts.bytes += u64::try_from(line.len()).unwrap_or(0);
        counts.lines += 1;
        counts.records += 1;
        counts.structured += u64::from(options.shape != crate::record::Shape::Text);
        let pause = random.below(u64::try_from(step).unwrap_or(1));
        at = at.plus_nanos(i64::try_from(pause).unwrap_or(0)).min(end);
    }
    encoder.finish().and_then(|mut out| out.flush()).with_context(failed)?;
    Ok((counts, object::close(&file, path, modified)?))
}

fn tenants(count: u64) -> String {
    let mut yaml = String::from("tenants:\n");
    for index in 0..count {
        yaml.push_str(&format!(
            "  - tenant_id: tenant-{index:03}\n    type: cloudwatch\n    enabled: true\n    \
             target_region: us-east-1\n    \
             log_distribution_role_arn: arn:aws:iam::{:012}:role/LogDistribution\n    \
             log_group_name: /hcp/tenant-{index:03}\n",
            111_122_220_000 + index,
        ));
    }
    yaml
}
