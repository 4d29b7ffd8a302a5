//! The types that cross between a guest and the empty WASI.

use wasmtime::component::{ComponentType, Lower, Resource};

/// Resources, of which the host keeps nothing: a handle is all there is.
pub(super) struct IoError;
pub(super) struct Pollable;
pub(super) struct InputStream;
pub(super) struct OutputStream;
pub(super) struct TerminalInput;
pub(super) struct TerminalOutput;
pub(super) struct Descriptor;
/// Any other: no guest ever gets one.
pub(super) struct Absent;

/// Why a stream can't go on.
#[derive(ComponentType, Lower)]
#[component(variant)]
pub(super) enum StreamError {
    #[component(name = "last-operation-failed")]
    #[expect(dead_code, reason = "the contract's, but nothing here ever fails")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

/// A wall clock's time.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Datetime {
    pub(super) seconds: u64,
    pub(super) nanoseconds: u32,
}
