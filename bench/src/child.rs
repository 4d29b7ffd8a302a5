//! A process run to its end, and what it used by the kernel's account.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// What a process used.
pub(crate) struct Usage {
    /// User and system time.
    pub(crate) cpu: Duration,
    /// From before its start to after its end.
    pub(crate) wall: Duration,
    /// Largest resident set, in bytes.
    pub(crate) peak_bytes: u64,
}

/// Runs a program, which must succeed; its output is dropped.
#[expect(unsafe_code, reason = "wait4 is the only call that tells a child's own usage")]
pub(crate) fn run(program: &Path, arguments: &[&Path]) -> Result<Usage> {
    let started = Instant::now();
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("can't start {}; `make build` makes it", program.display()))?;
    let id = libc::pid_t::try_from(child.id())?;
    let mut status = 0;
    // SAFETY: all zeros is a valid rusage: it holds nothing but numbers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `id` is a child of ours that nobody else waits for, and both
    // pointers are to values that outlive the call.
    let waited = unsafe { libc::wait4(id, &raw mut status, 0, &raw mut usage) };
    let wall = started.elapsed();
    ensure!(waited == id, "wait4 failed: {}", std::io::Error::last_os_error());
    ensure!(status == 0, "{} failed (wait status {status}); run it by hand: {arguments:?}", program.display());
    let peak_kib = u64::try_from(usage.ru_maxrss)?;
    Ok(Usage { cpu: time(usage.ru_utime)? + time(usage.ru_stime)?, wall, peak_bytes: peak_kib * 1024 })
}

fn time(time: libc::timeval) -> Result<Duration> {
    Ok(Duration::from_secs(u64::try_from(time.tv_sec)?) + Duration::from_micros(u64::try_from(time.tv_usec)?))
}

/// CPU time of this thread.
#[expect(unsafe_code, reason = "std has no clock of a thread's CPU time")]
pub(crate) fn thread_cpu() -> Result<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a value that outlives the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    ensure!(result == 0, "clock_gettime failed: {}", std::io::Error::last_os_error());
    Ok(Duration::from_secs(u64::try_from(time.tv_sec)?) + Duration::from_nanos(u64::try_from(time.tv_nsec)?))
}
