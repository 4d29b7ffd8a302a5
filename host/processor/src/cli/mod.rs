//! The command line: what it takes, what it prints, how it exits.
//!
//! - `arguments`: commands and flags.
//! - `modes`: `log-processor [--mode …]`, on AWS.
//! - `local`: `log-processor local`.
//! - `guest`: `log-processor guest …`: looks at components, and makes them ready.
//! - `check`: `log-processor check`: settings, tenants, roles, components.
//! - `operator`: what these two share.
//! - `plan`: the guests that all work with; `job_settings`: what is the same for all deliveries.
//! - `arenas`: the allocator.
//! - `console`: messages and progress on standard error.
//! - `exit`: exit codes; `environment`: variables; `aws_options`: what clients are made from.

mod arenas;
mod arguments;
mod aws_options;
mod check;
mod console;
mod environment;
mod exit;
mod guest;
mod job_settings;
mod local;
mod modes;
mod operator;
mod plan;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command, GuestCommand};
use exit::Exit;
use sandbox::Precompiled;

/// Runs the command line `arguments`, of which the first is the program.
/// `default_guest` is the one that the binary embeds.
pub fn run(arguments: impl IntoIterator<Item = OsString>, default_guest: Precompiled<'_>) -> ExitCode {
    // The image's command passes one empty argument.
    let arguments = arguments.into_iter().filter(|argument| !argument.is_empty()).map(arguments::with_two_dashes);
    let exit = match Arguments::try_parse_from(arguments) {
        Ok(Arguments { command: Some(Command::Local(arguments)), .. }) => local::run(&arguments, default_guest),
        Ok(Arguments { command: Some(Command::Check(arguments)), .. }) => operator::run(check::check(&arguments)),
        Ok(Arguments { command: Some(Command::Guest(GuestCommand::Inspect(arguments))), .. }) => {
            operator::run(guest::inspect(&arguments))
        }
        Ok(Arguments { command: Some(Command::Guest(GuestCommand::Precompile(arguments))), .. }) => {
            operator::run(guest::precompile(&arguments))
        }
        Ok(Arguments { command: None, mode }) => modes::run(&mode, default_guest),
        Err(error) => {
            // Help and version are asked for, and no failure.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            let text = error.render();
            let _ = if error.use_stderr() {
                write!(std::io::stderr(), "{text}")
            } else {
                write!(std::io::stdout(), "{text}")
            };
            exit
        }
    };
    ExitCode::from(exit as u8)
}
