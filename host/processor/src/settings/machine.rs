//! The cores and memory that the machine, the container or the Lambda gives this process.

use std::path::{Component, Path, PathBuf};

/// The memory that is assumed if it can't be found out.
const UNKNOWN_MEMORY_BYTES: u64 = 512 << 20;

/// Set by Lambda, in MiB.
const LAMBDA_MEMORY: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";

/// The resources of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// The number of cores, at least 1; a cgroup's quota counts.
    pub cores: usize,
    /// The bytes of memory: Lambda's, else the least of the cgroup's limits and the machine's.
    pub memory_bytes: u64,
    /// What says so.
    pub memory_source: MemorySource,
}

/// Where the bytes of memory are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemorySource {
    /// MEMORY_BUDGET.
    Setting,
    /// Lambda's environment.
    Lambda,
    /// The limit of a cgroup.
    Cgroup,
    /// The machine's memory.
    Machine,
    /// Nothing says it.
    Unknown,
}

impl MemorySource {
    /// The name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Setting => "MEMORY_BUDGET",
            Self::Lambda => "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            Self::Cgroup => "the cgroup's limit",
            Self::Machine => "the machine's memory",
            Self::Unknown => "nothing says it, so it is assumed",
        }
    }
}

impl Machine {
    /// Finds out this process's resources. `lookup` reads the environment.
    pub fn detect(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let (memory_bytes, memory_source) = memory_limit(lookup, |path| std::fs::read_to_string(path).ok());
        Self { cores: std::thread::available_parallelism().map_or(1, usize::from), memory_bytes, memory_source }
    }
}

fn memory_limit(
    lookup: impl Fn(&str) -> Option<String>,
    read: impl Fn(&Path) -> Option<String>,
) -> (u64, MemorySource) {
    let lambda = lookup(LAMBDA_MEMORY).and_then(|mib| mib.trim().parse::<u64>().ok());
    if let Some(bytes) = lambda.filter(|mib| *mib > 0).and_then(|mib| mib.checked_mul(1 << 20)) {
        return (bytes, MemorySource::Lambda);
    }
    let machine = read(Path::new("/proc/meminfo")).and_then(|text| parse_total(&text));
    let cgroups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    // "No limit" is a word in v2 and a number near 2^63 in v1: the machine's is less.
    let limits = cgroups.lines().flat_map(limit_files).filter_map(|file| read(&file)?.trim().parse::<u64>().ok());
    let limits = limits.map(|bytes| (bytes, MemorySource::Cgroup));
    let all = limits.chain(machine.map(|bytes| (bytes, MemorySource::Machine))).filter(|(bytes, _)| *bytes > 0);
    all.min_by_key(|(bytes, _)| *bytes).unwrap_or((UNKNOWN_MEMORY_BYTES, MemorySource::Unknown))
}

/// MemTotal of /proc/meminfo, in bytes.
fn parse_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The files that may hold a limit for a line of /proc/self/cgroup
/// (`hierarchy:controllers:path`): the group's own and those above it. The path
/// may be the host's, of which a container sees only the root.
fn limit_files(line: &str) -> Vec<PathBuf> {
    let mut parts = line.splitn(3, ':');
    let (Some(hierarchy), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
        return Vec::new();
    };
    let (root, file) = match (hierarchy, controllers) {
        ("0", "") => ("/sys/fs/cgroup", "memory.max"),
        (_, controllers) if controllers.split(',').any(|name| name == "memory") => {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        }
        _ => return Vec::new(),
    };
    let inner: PathBuf = Path::new(path).components().filter(|part| matches!(part, Component::Normal(_))).collect();
    inner.ancestors().map(|group| Path::new(root).join(group).join(file)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:       16384000 kB\nMemFree:         1203948 kB\n";
    const MACHINE: u64 = 16_384_000 * 1024;

    fn given(lambda: Option<&str>, files: &[(&str, &str)]) -> u64 {
        with_source(lambda, files).0
    }

    fn with_source(lambda: Option<&str>, files: &[(&str, &str)]) -> (u64, MemorySource) {
        let lookup = |name: &str| lambda.filter(|_| name == "AWS_LAMBDA_FUNCTION_MEMORY_SIZE").map(str::to_owned);
        let read = |path: &Path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| (*text).to_owned())
        };
        memory_limit(lookup, read)
    }

    #[test]
    fn lambdas_own_number_comes_first() {
        let files = [("/proc/meminfo", MEMINFO)];
        assert_eq!(with_source(Some("256"), &files), (256 << 20, MemorySource::Lambda));
        for odd in ["", "0", "lots", "-1", "99999999999999999999", "18446744073709551615"] {
            assert_eq!(given(Some(odd), &files), MACHINE, "{odd}");
        }
    }

    #[test]
    fn a_container_with_cgroup_v2() {
        let file = |limit| {
            given(
                None,
                &[("/proc/meminfo", MEMINFO), ("/proc/self/cgroup", "0::/\n"), ("/sys/fs/cgroup/memory.max", limit)],
            )
        };
        assert_eq!(file("536870912\n"), 512 << 20);
        assert_eq!(file("max\n"), MACHINE);
    }

    #[test]
    fn the_least_limit_of_the_groups_above_counts() {
        let files = [
            ("/proc/meminfo", MEMINFO),
            ("/proc/self/cgroup", "0::/kubepods/pod7/box\n"),
            ("/sys/fs/cgroup/kubepods/pod7/box/memory.max", "max\n"),
            ("/sys/fs/cgroup/kubepods/pod7/memory.max", "268435456\n"),
            ("/sys/fs/cgroup/kubepods/memory.max", "8589934592\n"),
        ];
        assert_eq!(with_source(None, &files), (256 << 20, MemorySource::Cgroup));
        assert_eq!(with_source(None, files.get(..1).unwrap()), (MACHINE, MemorySource::Machine));
    }

    #[test]
    fn cgroup_v1_with_no_limit_and_with_one() {
        let cgroup = "12:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n1:name=systemd:/docker/abc\n";
        let file = |limit| {
            let path = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
            given(None, &[("/proc/meminfo", MEMINFO), ("/proc/self/cgroup", cgroup), (path, limit)])
        };
        assert_eq!(file("134217728\n"), 128 << 20);
        assert_eq!(file("9223372036854771712\n"), MACHINE);
    }

    #[test]
    fn odd_files_are_passed_over() {
        assert_eq!(with_source(None, &[]), (512 << 20, MemorySource::Unknown));
        let files = [
            ("/proc/meminfo", "MemTotal: much\n"),
            ("/proc/self/cgroup", "nonsense\n0::/../../etc\n"),
            ("/sys/fs/cgroup/etc/memory.max", "0\n"),
            ("/sys/fs/cgroup/memory.max", "\n"),
        ];
        assert_eq!(given(None, &files), 512 << 20);
    }

    #[test]
    fn this_machine_has_something() {
        let here = Machine::detect(|_| None);
        assert!(here.cores >= 1);
        assert!(here.memory_bytes >= 1 << 20);
    }
}
