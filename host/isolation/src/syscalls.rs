//! Names of system calls, for whoever is told that one was forbidden.

macro_rules! names {
    ($($name:ident)*) => {
        &[$((numbers::$name, stringify!($name))),*]
    };
}

/// Numbers under the calls' own names.
mod numbers {
    pub(super) use libc::{
        SYS_accept as accept, SYS_accept4 as accept4, SYS_bind as bind, SYS_bpf as bpf, SYS_capset as capset, SYS_chroot as chroot,
        SYS_clone as clone, SYS_clone3 as clone3, SYS_connect as connect, SYS_dup as dup, SYS_dup3 as dup3,
        SYS_execve as execve, SYS_execveat as execveat, SYS_fchmod as fchmod, SYS_fchown as fchown,
        SYS_fcntl as fcntl, SYS_ftruncate as ftruncate, SYS_getdents64 as getdents64, SYS_getsockopt as getsockopt,
        SYS_init_module as init_module, SYS_io_uring_enter as io_uring_enter, SYS_io_uring_setup as io_uring_setup,
        SYS_ioctl as ioctl, SYS_kcmp as kcmp, SYS_keyctl as keyctl, SYS_kill as kill, SYS_linkat as linkat,
        SYS_listen as listen, SYS_memfd_create as memfd_create, SYS_mkdirat as mkdirat, SYS_mmap as mmap,
        SYS_mount as mount, SYS_mprotect as mprotect, SYS_nanosleep as nanosleep, SYS_newfstatat as newfstatat,
        SYS_openat as openat, SYS_openat2 as openat2, SYS_perf_event_open as perf_event_open,
        SYS_pidfd_getfd as pidfd_getfd, SYS_pidfd_open as pidfd_open, SYS_pidfd_send_signal as pidfd_send_signal,
        SYS_pipe2 as pipe2, SYS_pivot_root as pivot_root, SYS_prctl as prctl, SYS_prlimit64 as prlimit64,
        SYS_process_madvise as process_madvise, SYS_process_vm_readv as process_vm_readv,
        SYS_process_vm_writev as process_vm_writev, SYS_ptrace as ptrace, SYS_reboot as reboot,
        SYS_rt_sigaction as rt_sigaction, SYS_rt_sigqueueinfo as rt_sigqueueinfo, SYS_seccomp as seccomp,
        SYS_sendto as sendto, SYS_setns as setns, SYS_setresuid as setresuid, SYS_setuid as setuid, SYS_shmat as shmat,
        SYS_shmget as shmget, SYS_socket as socket, SYS_socketpair as socketpair, SYS_statx as statx,
        SYS_symlinkat as symlinkat, SYS_tgkill as tgkill, SYS_tkill as tkill, SYS_uname as uname,
        SYS_unlinkat as unlinkat, SYS_unshare as unshare, SYS_userfaultfd as userfaultfd, SYS_write as write,
    };
    #[cfg(target_arch = "x86_64")]
    pub(super) use libc::{SYS_fork as fork, SYS_open as open, SYS_stat as stat, SYS_vfork as vfork};
}

const NAMES: &[(libc::c_long, &str)] = names! {
    accept accept4 bind bpf capset chroot clone clone3 connect dup dup3 execve execveat fchmod fchown fcntl ftruncate
    getdents64 getsockopt init_module io_uring_enter io_uring_setup ioctl kcmp keyctl kill linkat listen memfd_create
    mkdirat mmap mount mprotect nanosleep newfstatat openat openat2 perf_event_open pidfd_getfd pidfd_open
    pidfd_send_signal pipe2 pivot_root prctl prlimit64 process_madvise process_vm_readv process_vm_writev ptrace reboot
    rt_sigaction rt_sigqueueinfo seccomp sendto setns setresuid setuid shmat shmget socket socketpair statx symlinkat
    tgkill tkill uname unlinkat unshare userfaultfd write
};

#[cfg(target_arch = "x86_64")]
const OLD_NAMES: &[(libc::c_long, &str)] = names! { fork open stat vfork };
#[cfg(not(target_arch = "x86_64"))]
const OLD_NAMES: &[(libc::c_long, &str)] = &[];

/// The name of a system call; its number where the name isn't known.
pub(crate) fn name(number: i32) -> String {
    let known = NAMES.iter().chain(OLD_NAMES).find(|(known, _)| *known == libc::c_long::from(number));
    known.map_or_else(|| format!("number {number}"), |(_, name)| (*name).to_owned())
}
