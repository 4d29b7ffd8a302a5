//! What each failure leads to, on AWS: the built binary against a fake one that
//! fails as it is told. A test a row of the failure table.

mod cloudwatch;
mod content;
mod environment;
mod guests;
mod keeping;
mod lost;
mod notification;
mod process;
mod source;
mod table;
mod tenant;
