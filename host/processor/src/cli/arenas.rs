//! Limits how much freed memory glibc's allocator keeps.
//!
//! The allocator gives threads up to eight arenas per core, and each arena keeps what was
//! freed in it: an object's buffers, in the arena of whichever thread happened to read it. So
//! memory would grow with the threads that have run and with the machine's cores: 64 objects
//! of 16 MB, one at a time on two cores, took 92 MiB; with the limit they take 54 MiB.

/// Arenas per core: as many threads as cores run at once, and half of the arenas may be
/// another's.
const ARENAS_PER_CORE: usize = 2;

/// Limits the arenas. Must be called before there are other threads.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "glibc's allocator is set by a call of C; see SAFETY")]
pub(super) fn limit(cores: usize) {
    let most = i32::try_from(cores.saturating_mul(ARENAS_PER_CORE)).unwrap_or(i32::MAX);
    // SAFETY: a plain call that keeps no pointer. Where it fails, nothing has changed.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, most) };
}

/// Does nothing: other allocators have no such arenas.
#[cfg(not(target_env = "gnu"))]
pub(super) fn limit(_: usize) {}
