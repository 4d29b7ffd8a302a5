//! Processes run to their end, and what they used by the kernel's account.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

/// The interval at which a process's memory is read.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The resources that a process used.
pub(crate) struct Usage {
    /// User and system time.
    pub(crate) cpu: Duration,
    /// Wall-clock time, from before its start to after its end.
    pub(crate) wall: Duration,
    /// Largest resident set, in bytes; never told as less than what the process
    /// that started it had.
    pub(crate) peak_bytes: u64,
}

/// Runs a program, which must succeed; its output is dropped.
pub(crate) fn run(program: &Path, arguments: &[&Path]) -> Result<Usage> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let running = Running::start(&mut command)?;
    let (status, usage) = running.end()?;
    ensure!(status.success(), "{} failed ({status}); run it by hand: {arguments:?}", program.display());
    Ok(usage)
}

/// A process that was started; killed when it is dropped.
pub(crate) struct Running {
    child: Option<Child>,
    id: libc::pid_t,
    /// Just before it was started.
    pub(crate) started: Instant,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let started = Instant::now();
        let child = command.spawn().with_context(|| {
            let program = Path::new(command.get_program()).display();
            format!("can't start {program}; `make build` makes it")
        })?;
        Ok(Self { id: libc::pid_t::try_from(child.id())?, child: Some(child), started })
    }

    /// Takes the process's standard input, which can be done once.
    pub(crate) fn input(&mut self) -> Result<std::process::ChildStdin> {
        let input = self.child.as_mut().and_then(|child| child.stdin.take());
        input.context("a process without a standard input")
    }

    /// Asks it to end.
    #[expect(unsafe_code, reason = "std only knows how to kill")]
    pub(crate) fn terminate(&self) -> Result<()> {
        // SAFETY: a plain call; `id` is a child of ours that was not waited for.
        let result = unsafe { libc::kill(self.id, libc::SIGTERM) };
        ensure!(result == 0, "kill failed: {}", std::io::Error::last_os_error());
        Ok(())
    }

    /// Waits for its end.
    #[expect(unsafe_code, reason = "wait4 is the only call that tells a child's own usage")]
    pub(crate) fn end(mut self) -> Result<(ExitStatus, Usage)> {
        let mut status = 0;
        // SAFETY: all zeros is a valid rusage: it holds nothing but numbers.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: `id` is a child of ours that nobody else waits for, and both
        // pointers are to values that outlive the call.
        let waited = unsafe { libc::wait4(self.id, &raw mut status, 0, &raw mut usage) };
        let wall = self.started.elapsed();
        ensure!(waited == self.id, "wait4 failed: {}", std::io::Error::last_os_error());
        // The process is gone, and its number may be another's now.
        drop(self.child.take());
        let peak_kib = u64::try_from(usage.ru_maxrss)?;
        let cpu = time(usage.ru_utime)? + time(usage.ru_stime)?;
        let status = std::os::unix::process::ExitStatusExt::from_raw(status);
        Ok((status, Usage { cpu, wall, peak_bytes: peak_kib * 1024 }))
    }

    /// Watches its memory until its end: the peak is its own, whatever this
    /// process has.
    pub(crate) fn watch(&self) -> Peak {
        let status = format!("/proc/{}/status", self.id);
        Peak(std::thread::spawn(move || {
            let mut peak = 0;
            while let Some(kib) = high_water(&status) {
                peak = kib * 1024;
                std::thread::sleep(LOOK_EVERY);
            }
            peak
        }))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The memory of a process that is watched.
pub(crate) struct Peak(JoinHandle<u64>);

impl Peak {
    /// Largest resident set in bytes, when the process has ended.
    pub(crate) fn bytes(self) -> Result<u64> {
        let bytes = self.0.join().map_err(|_| anyhow!("the watching of memory was given up"))?;
        ensure!(bytes > 0, "the process's memory could not be read");
        Ok(bytes)
    }
}

/// VmHWM in KiB; `None` if the process has ended.
fn high_water(status: &str) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
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
