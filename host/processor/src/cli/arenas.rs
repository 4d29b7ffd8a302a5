//! How much freed memory glibc's allocator holds on to.
//!
//! It gives the threads up to eight arenas a core, and each keeps what was freed in
//! it: an object's buffers, in the arena of whichever thread happened to read it. So
//! memory would grow with the threads that have run and with the machine's cores: 64
//! objects of 16 MB, one at a time on two cores, took 92 MiB, and take 54 MiB so.

/// Arenas for each core: as many threads as there are cores run at once, and half of
/// the arenas may be another's.
const ARENAS_PER_CORE: usize = 2;

/// Limits the arenas; to be called before there are threads.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "glibc's allocator is set by a call of C; see SAFETY")]
pub(super) fn limit(cores: usize) {
    let most = i32::try_from(cores.saturating_mul(ARENAS_PER_CORE)).unwrap_or(i32::MAX);
    // SAFETY: a plain call that keeps no pointer. Where it fails, nothing has changed.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, most) };
}

/// Other allocators have no such arenas.
#[cfg(not(target_env = "gnu"))]
pub(super) fn limit(_: usize) {}
