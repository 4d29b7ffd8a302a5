//! One message through all its deliveries: what the modes that work on AWS share.
//!
//! From the top down; each file imports only files that stand below it:
//!
//! - `process`: one message: its records, their objects, and what becomes of the whole.
//! - `object`: one announced object: its key, its tenant, its deliveries.
//! - `requeue`: what becomes of the message: acknowledged, sent back in parts, or failed.
//! - `reject`: what can never be delivered, or nobody wants.
//! - `admission`: whether and when a delivery runs.
//! - `aws_port`: AWS, as the delivery run sees it; `duplicates`: several messages about the same
//!   delivery.
//! - `refusals`: what of an object is refused for good, across attempts.
//! - `object_log`: the log line of an object.
//! - `object_run`: an announced object while it is worked on, and what came of it.
//! - `processor`: what messages are processed with.
//! - `unfinished`: a delivery that is to be tried again, and when.
//! - `rejections`: the rejected records of a message; `ledger`: its accounts: whatever it
//!   announces is somewhere in the end.
//! - `permits`: how many deliveries run at once, fairly between tenants; `breaker`: tenants whose
//!   destinations keep failing; `deduplication`: what this process has done, and does, of what may
//!   be announced again; `guest_logs`: what guests log.
//! - The leaves: `message_types`: a message, its outcome, and how its work is ended; `clock`.

mod admission;
mod aws_port;
mod breaker;
mod clock;
mod deduplication;
mod duplicates;
mod guest_logs;
mod ledger;
mod message_types;
mod object;
mod object_log;
mod object_run;
mod permits;
mod process;
mod processor;
mod refusals;
mod reject;
mod rejections;
mod requeue;
mod unfinished;

pub use message_types::{Control, Message, MessageOutcome, ObjectOwner};
pub use processor::{ProcessingLimits, Processor, ProcessorParts, WINDOW_BYTES};
