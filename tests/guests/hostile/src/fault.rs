//! Faults that any function may have.

use std::hint::black_box;

use crate::bindings::log_router::plugin::host_log::{Level, log};
use crate::bindings::log_router::plugin::types::Failure;

/// Commits the fault of `mode`, when it names this function.
pub(crate) fn in_function(function: &str, mode: &str) -> Result<(), Failure> {
    match mode.split_once(':') {
        Some((at, fault)) if at == function => commit(fault),
        _ => Ok(()),
    }
}

pub(crate) fn commit(fault: &str) -> Result<(), Failure> {
    match fault {
        "rejected" => return Err(Failure::Rejected("not for me".to_owned())),
        "rejected-long" => return Err(Failure::Rejected("€".repeat(100_000))),
        "internal" => return Err(Failure::Internal("lost my way".to_owned())),
        "loop" => loop {
            black_box(0);
        },
        "unreachable" => unreachable(),
        "panic" => panic(),
        "recursion" => {
            recurse(1);
        }
        "memory" => {
            let mut kept = Vec::new();
            loop {
                kept.push(vec![1_u8; 1 << 20]);
                black_box(&kept);
            }
        }
        // As much as there is, and then on as if nothing were.
        "memory-quiet" => {
            let mut kept: Vec<Vec<u8>> = Vec::new();
            loop {
                let mut more = Vec::new();
                if more.try_reserve_exact(1 << 20).is_err() {
                    break;
                }
                kept.push(more);
            }
        }
        "log-lines" => (0..1_000_000_000_u64).for_each(|number| log(Level::Info, &number.to_string())),
        "log-some" => (0..1_000_u64).for_each(|number| log(Level::Warn, &number.to_string())),
        "log-bytes" => {
            let text = "x".repeat(1 << 20);
            (0..1_000_000_000_u64).for_each(|_| log(Level::Info, &text));
        }
        "log-long" => log(Level::Error, &"€".repeat(1_000)),
        _ => {}
    }
    Ok(())
}

#[expect(clippy::panic, reason = "that is the fault")]
fn panic() {
    panic!("a guest's panic");
}

#[cfg(target_arch = "wasm32")]
fn unreachable() {
    core::arch::wasm32::unreachable()
}

#[cfg(not(target_arch = "wasm32"))]
fn unreachable() {
    std::process::abort()
}

#[allow(unconditional_recursion, reason = "that is the fault")]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    recurse(depth + 1) + black_box(frame).iter().sum::<u64>()
}
