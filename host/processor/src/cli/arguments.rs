//! Commands and flags.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use model::AllowedSource;

/// Routes the logs of many tenants.
///
/// Without a command it works on AWS: takes notifications of log objects, finds
/// the tenant of each, and delivers to the tenant's CloudWatch Logs or S3.
#[derive(Debug, Parser)]
#[command(name = "log-processor", version, about, args_conflicts_with_subcommands = true, after_long_help = after_help())]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) mode: ModeArguments,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Deliver a folder of objects to a folder, with no cloud account: to try it
    /// out, and to try a guest on real logs
    #[command(after_long_help = after_help_local())]
    Local(LocalArguments),
    /// Look at components, and make them ready ahead of time
    #[command(subcommand)]
    Guest(GuestCommand),
    /// Check settings, tenants, their roles and their components; changes nothing
    ///
    /// Each tenant's role is assumed, and not used; each component is fetched,
    /// verified, compiled, and asked about its settings, and nothing of it is kept.
    /// With --tenants the file is looked at as `local` does: no role is assumed.
    #[command(after_long_help = after_help_check())]
    Check(CheckArguments),
}

#[derive(Debug, Subcommand)]
pub(super) enum GuestCommand {
    /// Say what a component can do, and whether it would be refused
    #[command(after_long_help = after_help_inspect())]
    Inspect(InspectArguments),
    /// Compile components into the cache, before they are needed
    #[command(after_long_help = after_help_precompile())]
    Precompile(PrecompileArguments),
}

#[derive(Debug, Args)]
pub(super) struct InspectArguments {
    /// A file, or where a component lies: s3://bucket/key, file:path,
    /// oci://registry/name@sha256:HEX; each may end in the @sha256:HEX of its bytes
    #[arg(value_name = "FILE|REFERENCE")]
    pub(super) component: String,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct TenantArguments {
    /// The items of this tenant file, in place of the DynamoDB table's
    #[arg(long, value_name = "FILE")]
    pub(super) tenants: Option<PathBuf>,
    /// The items of this tenant alone
    #[arg(long, value_name = "ID")]
    pub(super) tenant: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct PrecompileArguments {
    /// Components, in place of those that items, DEFAULT_PLUGIN and KEY_PARSER name
    #[arg(value_name = "REFERENCE@sha256:HEX", conflicts_with_all = ["tenants", "tenant"])]
    pub(super) components: Vec<String>,
    #[command(flatten)]
    pub(super) which: TenantArguments,
    /// Write the compiled forms there too, for PLUGIN_COMPILED of Lambdas; needs
    /// PLUGIN_CACHE_KEY
    #[arg(long, value_name = "s3://BUCKET/PREFIX", value_parser = s3_place)]
    pub(super) publish: Option<S3Place>,
}

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    pub(super) which: TenantArguments,
    /// For this mode alone: settings that it doesn't use only warn. Else EXECUTION_MODE
    /// decides; without either, every setting counts
    #[arg(long, value_name = "MODE")]
    pub(super) mode: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// A bucket, and a prefix that ends in `/` or is empty.
#[derive(Debug, Clone)]
pub(super) struct S3Place {
    pub(super) bucket: String,
    pub(super) prefix: String,
}

fn s3_place(text: &str) -> Result<S3Place, String> {
    match crate::tenant::plugin::allowed(text) {
        Ok(AllowedSource::S3 { bucket, prefix }) => Ok(S3Place { bucket, prefix }),
        _ => Err("expected s3://BUCKET/PREFIX".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(super) struct ModeArguments {
    /// Where messages come from: lambda (the default), sqs, manual (one message on
    /// standard input) or scan (a bucket's objects). Else EXECUTION_MODE decides
    #[arg(long, value_name = "MODE")]
    pub(super) mode: Option<String>,
    #[command(flatten)]
    pub(super) plugin: PluginArguments,
}

#[derive(Debug, Args)]
pub(super) struct PluginArguments {
    /// Run this component for every tenant; the default guest does what it
    /// doesn't export
    #[arg(long, value_name = "FILE")]
    pub(super) plugin: Option<PathBuf>,
    /// A setting for the component; may be given more than once
    #[arg(long = "plugin-setting", value_name = "NAME=VALUE", requires = "plugin", value_parser = setting)]
    pub(super) plugin_settings: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(super) struct LocalArguments {
    /// Folder of objects: DIR/<bucket>/<key>
    #[arg(long, value_name = "DIR")]
    pub(super) objects: PathBuf,
    /// Tenant file: the fields of the DynamoDB items, as YAML or JSON
    #[arg(long, value_name = "FILE")]
    pub(super) tenants: PathBuf,
    /// Folder for what is delivered; made where it is missing
    #[arg(long, value_name = "DIR")]
    pub(super) output: PathBuf,
    /// Write a report as JSON: one entry per object and delivery, and totals
    /// (`-`: to standard output, in place of the table)
    #[arg(long, value_name = "FILE|-")]
    pub(super) report: Option<PathBuf>,
    #[command(flatten)]
    pub(super) plugin: PluginArguments,
    /// Show on standard error what components log. It may hold log contents
    #[arg(long)]
    pub(super) guest_log: bool,
    /// Deliver again what an earlier run delivered to the same output
    #[arg(long)]
    pub(super) again: bool,
}

fn after_help() -> String {
    format!(
        "Environment:\n{}\nExit codes:\n  0  done, or ended by SIGTERM\n  1  it failed: see the error\n  \
         2  the command line can't be understood, or names no mode\n  3  a setting or file that was named is wrong\n  \
         4  no AWS credentials",
        crate::settings::help_aws()
    )
}

fn after_help_local() -> String {
    format!(
        "Environment:\n{}\nExit codes:\n  0  every object has its outcome\n  1  something is left to do: run again\n  \
         2  the command line can't be understood\n  3  a setting, file or folder that was named is wrong",
        crate::settings::help()
    )
}

fn after_help_inspect() -> &'static str {
    "Exit codes:\n  0  it would be taken\n  1  it can't be used: see the error\n  \
     2  the command line can't be understood\n  3  it would be refused, or a setting is wrong\n  4  no AWS credentials"
}

fn after_help_precompile() -> &'static str {
    "Without arguments: the components of all items of the DynamoDB table (needs dynamodb:Scan), DEFAULT_PLUGIN and \
     KEY_PARSER.\n\nExit codes:\n  0  all are compiled\n  1  one is not, or an item can't be read: see the errors\n  \
     2  the command line can't be understood\n  3  a setting or file that was named is wrong\n  4  no AWS credentials"
}

fn after_help_check() -> &'static str {
    "Exit codes:\n  0  all is good\n  1  something is wrong: it says what\n  2  the command line can't be understood\n  \
     3  a setting or file that was named is wrong\n  4  no AWS credentials"
}

/// The reference takes its one flag with a single dash too.
pub(super) fn with_two_dashes(argument: std::ffi::OsString) -> std::ffi::OsString {
    match argument.to_str() {
        Some(text) if text == "-mode" || text.starts_with("-mode=") => format!("-{text}").into(),
        _ => argument,
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}
