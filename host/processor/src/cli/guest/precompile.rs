//! `log-processor guest precompile`: components into the cache, before they are
//! needed, and to the operator's bucket for machines whose disk is empty.

use std::sync::Arc;

use crate::aws::Aws;
use crate::cli::arguments::{PrecompileArguments, S3Place};
use crate::cli::exit::{Exit, Fatal, fatal};
use crate::cli::operator::{self, NamedPlugin, OperatorContext, Tenants};
use crate::plugin::{CompiledBucket, Loader};
use crate::tenant::plugin::of_operator;
use model::{Failure, Plugin};

pub(in crate::cli) async fn precompile(arguments: &PrecompileArguments) -> Result<Exit, Fatal> {
    let mut context = OperatorContext::read()?;
    context.warnings.iter().for_each(|warning| operator::print_warning(warning));
    if arguments.publish.is_some() && context.settings.plugin.cache_key.is_none() {
        let problem = "--publish needs PLUGIN_CACHE_KEY: what is published is believed for its HMAC; set the same key \
                       here and where it is read";
        return Err(fatal(Exit::Configuration, problem));
    }
    let from_table = arguments.components.is_empty() && arguments.which.tenants.is_none();
    let mut aws = if from_table || arguments.publish.is_some() { Some(context.connect().await?) } else { None };
    let Selection { components, mut failed } = select(arguments, &mut context, aws.as_ref()).await?;
    if aws.is_none() && operator::any_in_s3(components.iter().map(|named| &named.plugin)) {
        aws = Some(context.connect().await?);
    }
    let loader = Loader::new(context.engine()?, context.loader_options(aws.as_ref()));
    let to = aws.as_ref().zip(arguments.publish.as_ref()).map(|(aws, place)| compiled_place(aws, place));
    if components.is_empty() {
        operator::print_warning("no component is named: nothing to compile");
    }
    for named in components {
        match one(&loader, &named.plugin, to.as_ref()).await {
            Ok(done) => operator::print(&line(&named, &done))?,
            Err(error) => {
                operator::print_error(&format!("{error} (named by {})", operator::join_first(&named.by)));
                failed = true;
            }
        }
    }
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// The components to compile.
struct Selection {
    components: Vec<NamedPlugin>,
    /// Whether some items couldn't be read; they may name more components.
    failed: bool,
}

async fn select(
    arguments: &PrecompileArguments,
    context: &mut OperatorContext,
    aws: Option<&Aws>,
) -> Result<Selection, Fatal> {
    if !arguments.components.is_empty() {
        let named = arguments.components.iter().map(|text| of_text(text, context)).collect::<Result<Vec<_>, _>>()?;
        return Ok(Selection { components: operator::group_by(named, bytes), failed: false });
    }
    let tenants = Tenants::read(context, &arguments.which, aws).await;
    let tenants = tenants.map_err(|error| fatal(error.exit(), error.to_string()))?;
    let mut failed = false;
    for (who, problem) in tenants.invalid() {
        operator::print_error(&format!("{who}: {problem}"));
        failed = true;
    }
    let named = operator::named(&context.settings.plugin, &tenants);
    Ok(Selection { components: operator::group_by(named, bytes), failed })
}

fn of_text(text: &str, context: &OperatorContext) -> Result<(Arc<Plugin>, String), Fatal> {
    let plugin = of_operator(text, &context.settings.plugin.limits).map_err(|problems| {
        let problems: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
        fatal(Exit::Configuration, format!("{text}: {}", problems.join("; ")))
    })?;
    Ok((Arc::new(plugin), "the command line".to_owned()))
}

/// The key of a component's machine code, which depends on nothing else.
fn bytes(plugin: &Plugin) -> impl Eq + std::hash::Hash + use<> {
    (plugin.component.clone(), plugin.sha256)
}

fn compiled_place(aws: &Aws, place: &S3Place) -> CompiledBucket {
    let S3Place { bucket, prefix } = place.clone();
    CompiledBucket { s3: aws.components(), bucket, prefix }
}

/// A component that was compiled.
struct PrecompiledForm {
    bytes: u64,
    compiled_bytes: u64,
    /// The key under which the component is published, if it is.
    published: Option<String>,
}

async fn one(loader: &Loader, plugin: &Plugin, to: Option<&CompiledBucket>) -> Result<PrecompiledForm, Failure> {
    let compiled_bytes = loader.precompile(plugin).await?;
    let published = match to {
        Some(to) => Some(format!("s3://{}/{}", to.bucket, loader.publish(plugin, to).await?)),
        None => None,
    };
    Ok(PrecompiledForm { bytes: loader.component_bytes(plugin).await?, compiled_bytes, published })
}

fn line(named: &NamedPlugin, done: &PrecompiledForm) -> String {
    let digest = named.plugin.sha256.map_or_else(|| "-".to_owned(), |digest| digest.to_string());
    let published = done.published.as_ref().map(|place| format!("  published at {place}")).unwrap_or_default();
    let (place, by, PrecompiledForm { bytes, compiled_bytes, .. }) =
        (&named.plugin.component, operator::join_first(&named.by), done);
    format!("{digest}  {place}  {bytes} bytes, {compiled_bytes} compiled  named by {by}{published}")
}
