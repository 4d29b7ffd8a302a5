//! A limit of memory around a process, as a container has it: a memory cgroup where one can be
//! made, else the process's own limit (RLIMIT_DATA).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::aws::Lab;

static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// What bounds the memory of a process and its children.
pub(super) enum Fence {
    /// Version 1 or 2.
    Cgroup { folder: PathBuf, peak: &'static str },
    /// There is no cgroup to be had.
    ResourceLimit { kib: usize },
}

impl Fence {
    /// A fence of so many bytes; prints which it is.
    pub(super) fn new(bytes: usize) -> Self {
        let name = format!("log-processor-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let fence = version_1(&name, bytes).or_else(|| version_2(&name, bytes));
        let fence = fence.unwrap_or(Self::ResourceLimit { kib: bytes / 1024 });
        match &fence {
            Self::Cgroup { folder, .. } => println!("memory is bounded by the cgroup {}", folder.display()),
            Self::ResourceLimit { .. } => println!("no cgroup can be made: memory is bounded by RLIMIT_DATA"),
        }
        fence
    }

    /// Has a lab start its processes within it.
    pub(super) fn around(&self, lab: Lab) -> Lab {
        match self {
            Self::Cgroup { folder, .. } => lab.before(&format!("echo $$ > {}/cgroup.procs", folder.display())),
            // The processor can't see this limit.
            Self::ResourceLimit { kib } => {
                lab.before(&format!("ulimit -d {kib}")).set("MEMORY_BUDGET", format!("{kib}KiB"))
            }
        }
    }

    /// The most bytes that were used, where that is known.
    pub(super) fn peak(&self) -> Option<usize> {
        let Self::Cgroup { folder, peak } = self else { return None };
        fs::read_to_string(folder.join(peak)).ok()?.trim().parse().ok()
    }
}

impl Drop for Fence {
    fn drop(&mut self) {
        if let Self::Cgroup { folder, .. } = self {
            // Where a process is left it stays.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// This process's own group in a hierarchy: `controllers` as /proc/self/cgroup has them.
fn own(controllers: &str) -> Option<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    let line = text.lines().find(|line| line.split(':').nth(1) == Some(controllers))?;
    Some(line.splitn(3, ':').nth(2)?.trim_start_matches('/').into())
}

/// A new group below one of these, with these files written.
fn make(roots: &[PathBuf], name: &str, files: &[(&str, String)], peak: &'static str) -> Option<Fence> {
    roots.iter().find_map(|root| {
        let folder = root.join(name);
        fs::create_dir(&folder).ok()?;
        let fence = Fence::Cgroup { folder: folder.clone(), peak };
        files.iter().all(|(file, value)| fs::write(folder.join(file), value).is_ok()).then_some(fence)
    })
}

fn version_1(name: &str, bytes: usize) -> Option<Fence> {
    let root = Path::new("/sys/fs/cgroup/memory");
    let roots = [root.join(own("memory")?), root.to_owned()];
    let files = [("memory.limit_in_bytes", bytes.to_string()), ("memory.swappiness", "0".to_owned())];
    let fence = make(&roots, name, &files, "memory.max_usage_in_bytes")?;
    if let Fence::Cgroup { folder, .. } = &fence {
        // A kernel that counts no swap has no such file.
        let _ = fs::write(folder.join("memory.memsw.limit_in_bytes"), bytes.to_string());
    }
    Some(fence)
}

fn version_2(name: &str, bytes: usize) -> Option<Fence> {
    let root = Path::new("/sys/fs/cgroup");
    let mut roots = vec![root.join(own("")?)];
    roots.extend(roots.first()?.parent().map(Path::to_owned));
    let files = [("memory.max", bytes.to_string()), ("memory.swap.max", "0".to_owned())];
    make(&roots, name, &files, "memory.peak")
}
