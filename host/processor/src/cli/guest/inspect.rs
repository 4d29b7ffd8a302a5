//! `log-processor guest inspect`: exactly what a component can do.

use std::collections::BTreeMap;
use std::path::Path;

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::cli::arguments::InspectArguments;
use crate::cli::exit::{Exit, Fatal, fatal};
use crate::cli::operator::{self, OperatorContext};
use crate::pipeline::blocking;
use crate::tenant::plugin::{LIMITS, component, of_operator};
use model::{ComponentErrorKind, ComponentRef, Digest, Failure, FailureKind, Limits};
use sandbox::{Engine, Provider, Seal, read_component};

/// What a component is and may do.
#[derive(Debug, Serialize)]
struct Inspection {
    /// The component's reference as it was given.
    component: String,
    sha256: String,
    bytes: usize,
    exports: Vec<String>,
    imports: Vec<Import>,
    /// The bytes of the machine code, as the cache has it; `None` if the component is refused.
    compiled_bytes: Option<usize>,
    /// The limits of the component's instances, as the operator set them.
    limits: BTreeMap<&'static str, u64>,
    /// The reasons why the component would be refused; empty if it would be accepted.
    refused: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Import {
    name: String,
    /// `contract`, `empty-wasi` or `nothing`.
    given: &'static str,
}

pub(in crate::cli) async fn inspect(arguments: &InspectArguments) -> Result<Exit, Fatal> {
    let context = OperatorContext::read()?;
    let (bytes, sha256) = bytes(&context, &arguments.component).await?;
    let (engine, limits) = (context.engine()?, context.settings.plugin.limits.clone());
    let name = arguments.component.clone();
    let inspection = blocking("inspect", move || Ok(Inspection::of(&engine, name, &bytes, sha256, limits)));
    let inspection = inspection.await.map_err(|error: sandbox::GuestError| fatal(Exit::Failed, error.to_string()))?;
    if arguments.json {
        let json = serde_json::to_string_pretty(&inspection).map_err(|error| fatal(Exit::Failed, error.to_string()))?;
        operator::print(&json)?;
    } else {
        operator::print(&inspection.table())?;
    }
    Ok(if inspection.refused.is_empty() { Exit::Done } else { Exit::Configuration })
}

/// Fetches the component's bytes; returns also the digest that was given with it.
async fn bytes(context: &OperatorContext, text: &str) -> Result<(Vec<u8>, Option<Digest>), Fatal> {
    let limits = &context.settings.plugin.limits;
    let wrong = |what: String| fatal(Exit::Configuration, format!("{text}: {what}"));
    if !["s3://", "oci://", "file:"].iter().any(|scheme| text.starts_with(scheme)) {
        let unreadable = |error| wrong(format!("{error}; name a component's file that can be read, or s3://, oci://"));
        let bytes = read_component(Path::new(text), limits).map_err(unreadable)?;
        return Ok((bytes, None));
    }
    let (place, sha256) = match of_operator(text, limits) {
        Ok(plugin) => (plugin.component, plugin.sha256),
        Err(_) => {
            let folder = std::env::current_dir().ok();
            (component(text, folder.as_deref()).map_err(|what| wrong(format!("found {what}")))?, None)
        }
    };
    let aws = match &place {
        ComponentRef::S3 { .. } => Some(context.connect().await?),
        ComponentRef::Oci { .. } | ComponentRef::File(_) => None,
    };
    let sources = context.loader_options(aws.as_ref()).sources;
    let fetched = sources.fetch(&place, limits.component_bytes).await;
    let bytes = fetched.map_err(|failure| fatal(exit(&failure), failure.to_string()))?;
    Ok((bytes, sha256))
}

/// The exit code of a component that can't be fetched: refused for good, or to be tried later.
fn exit(failure: &Failure) -> Exit {
    use ComponentErrorKind::{Digest, Forbidden, Refused, TooLarge};
    match failure.kind {
        FailureKind::Component(Digest | Forbidden | Refused | TooLarge) => Exit::Configuration,
        _ => Exit::Failed,
    }
}

impl Inspection {
    fn of(engine: &Engine, component: String, bytes: &[u8], expected: Option<Digest>, limits: Limits) -> Self {
        let sha256 = Digest::of(bytes);
        let mut inspection = Self {
            sha256: sha256.to_string(),
            bytes: bytes.len(),
            exports: Vec::new(),
            imports: Vec::new(),
            compiled_bytes: None,
            limits: LIMITS.iter().map(|limit| (limit.name, (limit.get)(&limits))).collect(),
            refused: Vec::new(),
            component,
        };
        if let Some(expected) = expected.filter(|expected| *expected != sha256) {
            inspection.refused.push(format!("its sha256 is {sha256}, and {expected} was named"));
            return inspection;
        }
        if u64::try_from(bytes.len()).is_ok_and(|length| length > limits.component_bytes) {
            let most = limits.component_bytes;
            inspection.refused.push(format!("it has more than {most} bytes, the limit (PLUGIN_MAX_COMPONENT_BYTES)"));
            return inspection;
        }
        if let Err(error) = inspection.check_all(engine, bytes, limits) {
            inspection.refused.push(error.to_string());
        }
        inspection
    }

    fn check_all(&mut self, engine: &Engine, bytes: &[u8], limits: Limits) -> Result<(), sandbox::LoadError> {
        let names = engine.read_names(bytes, &limits)?;
        self.exports = names.exports;
        let import = |(name, given)| Import { name, given: word(given) };
        self.imports = names.imports.into_iter().map(import).collect();
        let component = engine.load(&self.component, bytes, limits)?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.compiled_bytes = Some(engine.seal(&component, Digest::of(bytes), length, Seal::OwnFolder)?.len());
        Ok(())
    }

    fn table(&self) -> String {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        let mut row = |name: &str, value: String| {
            table.add_row([name.to_owned(), value]);
        };
        row("component", self.component.clone());
        row("sha256", self.sha256.clone());
        row("bytes", self.bytes.to_string());
        row("compiled", self.compiled_bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{bytes} bytes")));
        row("exports", lines(self.exports.iter().map(|export| printable(export))));
        row(
            "imports",
            lines(self.imports.iter().map(|import| format!("{}  {}", printable(&import.name), import.words()))),
        );
        row("limits", lines(self.limits.iter().map(|(name, limit)| format!("{name} {limit}"))));
        row("refused", lines(self.refused.iter().map(|why| printable(why))));
        table.trim_fmt()
    }
}

impl Import {
    fn words(&self) -> &'static str {
        match self.given {
            "contract" => "(given)",
            "empty-wasi" => {
                "(empty: no files, sockets, environment or arguments; clocks and randomness are the object's)"
            }
            _ => "(refused: guests are given nothing of the kind)",
        }
    }
}

fn word(provider: Provider) -> &'static str {
    match provider {
        Provider::Contract => "contract",
        Provider::EmptyWasi => "empty-wasi",
        Provider::Nobody => "nothing",
    }
}

/// Formats lines; `-` if there are none.
fn lines(lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() { "-".to_owned() } else { lines.join("\n") }
}

/// Escapes a component's text: components choose their names, and terminals obey them.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
