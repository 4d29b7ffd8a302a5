//! `log-processor check`: what is wrong with settings, tenants, roles and components,
//! before records wait for it. Nothing is changed, and nothing kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use futures_util::StreamExt;
use serde::Serialize;

use super::arguments::CheckArguments;
use super::exit::{Exit, Fatal, fatal};
use super::modes::{self, NO_QUEUE};
use super::operator::{self, NamedPlugin, OperatorContext, Tenants, describe_delivery};
use crate::aws::{Aws, BucketOwnerSetting};
use crate::plugin::Loader;
use crate::settings::{AwsSettings, DeadLetterSetting, Mode, Purpose, SettingsError};
use model::{Delivery, Destination, OnError, Plugin};

/// The most roles, or components, that are checked at once.
const MAX_CONCURRENT: usize = 8;

/// A problem or a warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    /// The subject: a setting, a tenant's delivery, a component, the table.
    about: String,
    what: String,
}

/// A component that can run.
#[derive(Debug, Serialize)]
struct RunnableComponent {
    component: String,
    sha256: Option<String>,
    exports: Vec<String>,
    named_by: Vec<String>,
}

/// All findings.
#[derive(Debug, Default, Serialize)]
struct Findings {
    /// Problems that keep records from being delivered.
    problems: Vec<Finding>,
    /// Warnings.
    warnings: Vec<Finding>,
    /// Components that can run.
    components: Vec<RunnableComponent>,
    /// The numbers of what was checked.
    looked_at: CheckedCounts,
}

#[derive(Debug, Default, Serialize)]
struct CheckedCounts {
    tenants: usize,
    deliveries: usize,
    roles: usize,
    components: usize,
}

impl Findings {
    fn problem(&mut self, about: impl Into<String>, what: impl Into<String>) {
        self.problems.push(Finding { about: about.into(), what: what.into() });
    }

    fn warning(&mut self, about: impl Into<String>, what: impl Into<String>) {
        self.warnings.push(Finding { about: about.into(), what: what.into() });
    }
}

pub(super) async fn check(arguments: &CheckArguments) -> Result<Exit, Fatal> {
    let mut findings = Findings::default();
    let mode = modes::mode(arguments.mode.as_deref())?;
    let exit = match OperatorContext::of(mode.map_or(Purpose::AnyMode, Purpose::Mode)) {
        Ok(context) => check_all(arguments, context, mode, &mut findings).await?,
        Err(error) => {
            report_settings(&error, &mut findings);
            Exit::Configuration
        }
    };
    if arguments.json {
        let json = serde_json::to_string_pretty(&findings).map_err(|error| fatal(Exit::Failed, error.to_string()))?;
        operator::print(&json)?;
    } else {
        operator::print(&findings.text())?;
    }
    Ok(exit)
}

fn report_settings(error: &SettingsError, findings: &mut Findings) {
    for problem in &error.problems {
        findings.problem(problem.variable, problem.text.trim_start());
    }
}

/// Checks everything that valid settings lead to.
async fn check_all(
    arguments: &CheckArguments,
    mut context: OperatorContext,
    mode: Option<Mode>,
    findings: &mut Findings,
) -> Result<Exit, Fatal> {
    let from_table = arguments.which.tenants.is_none();
    let mut aws = if from_table { Some(context.connect().await?) } else { None };
    for warning in std::mem::take(&mut context.warnings) {
        findings.warning("settings", warning);
    }
    let tenants = match Tenants::read(&mut context, &arguments.which, aws.as_ref()).await {
        Ok(tenants) => tenants,
        Err(error) if error.exit() == Exit::Configuration => return Err(fatal(error.exit(), error.to_string())),
        Err(error) => {
            findings.problem("tenants", error.to_string());
            Tenants::default()
        }
    };
    let named = operator::named(&context.settings.plugin, &tenants);
    if aws.is_none() && operator::any_in_s3(named.iter().map(|(plugin, _)| plugin)) {
        aws = Some(context.connect().await?);
    }
    check_items(&tenants, findings);
    if let Some(aws) = aws.as_ref().filter(|_| from_table) {
        check_roles(aws, &tenants, findings).await;
    }
    if from_table {
        if let Some(Err(missing)) = mode.map(|mode| modes::can_work(mode, &context.aws)) {
            findings.problem("settings", missing.problem);
        }
        check_buckets(&context.aws, &tenants, findings);
        check_losses(&context.aws, mode, &named, findings);
    }
    check_components(&context, aws.as_ref(), named, findings).await?;
    Ok(if findings.problems.is_empty() { Exit::Done } else { Exit::Failed })
}

fn check_items(tenants: &Tenants, findings: &mut Findings) {
    findings.looked_at.tenants = tenants.found.len();
    findings.looked_at.deliveries = tenants.deliveries().count() + tenants.invalid().count();
    for (about, what) in tenants.invalid() {
        findings.problem(about, what);
    }
    for warning in &tenants.warnings {
        findings.warning("tenant file", warning);
    }
    for (tenant, found) in &tenants.found {
        for warning in &found.warnings {
            findings.warning(format!("tenant {tenant:?}"), warning);
        }
    }
}

/// Assumes each role once, as a delivery would, and does nothing with it. S3 deliveries have
/// no role of the tenant's.
async fn check_roles(aws: &Aws, tenants: &Tenants, findings: &mut Findings) {
    let mut roles: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for delivery in tenants.deliveries() {
        if let Destination::CloudWatch { role_arn, .. } = &delivery.destination {
            let by = roles.entry((role_arn, &delivery.target_region)).or_default();
            by.push(describe_delivery(&delivery.tenant_id, delivery.id().name()));
        }
    }
    findings.looked_at.roles = roles.len();
    let assumed = futures_util::stream::iter(roles)
        .map(|((role, region), by)| async move { (aws.assume(role, region).await, by) })
        .buffered(MAX_CONCURRENT);
    for (assumed, by) in assumed.collect::<Vec<_>>().await {
        if let Err(error) = assumed {
            findings.problem(operator::join_first(&by), error.to_string());
        }
    }
}

/// Warns of buckets whose owner nothing verifies, as in the reference.
fn check_buckets(aws: &AwsSettings, tenants: &Tenants, findings: &mut Findings) {
    if aws.source_buckets.is_none() {
        let what = "not set: whoever can send to the queue may name any bucket that the processor can read, with the \
                    tenant in the key; set it to the buckets that logs land in";
        findings.warning("SOURCE_BUCKETS", what);
    }
    let stranger = "if the bucket is deleted, a stranger may make one of the same name";
    if aws.owners.source.is_none() {
        findings.warning("SOURCE_BUCKET_OWNER", format!("not set: {stranger}, and its objects are delivered"));
    }
    if matches!(aws.dead_letter, DeadLetterSetting::S3 { .. }) && aws.owners.dead_letters == BucketOwnerSetting::Anybody
    {
        findings.warning("DEAD_LETTER_OWNER", format!("any: {stranger}, and get the dead letters"));
    }
    let anyones = |delivery: &&Arc<Delivery>| matches!(delivery.destination, Destination::S3 { account: None, .. });
    let anyones: Vec<_> =
        tenants.deliveries().filter(anyones).map(|it| describe_delivery(&it.tenant_id, it.id().name())).collect();
    if !anyones.is_empty() {
        let what = format!("no account_id: {stranger}, and get the tenant's logs");
        findings.warning(operator::join_first(&anyones), what);
    }
}

/// Warns of what would be lost, or done again.
fn check_losses(aws: &AwsSettings, mode: Option<Mode>, named: &[(Arc<Plugin>, String)], findings: &mut Findings) {
    if let Some(warning) = aws.dead_letter.warning() {
        findings.warning("DEAD_LETTER", warning);
    }
    if aws.queue_url.is_none() && matches!(mode, None | Some(Mode::Lambda)) {
        findings.warning("SQS_QUEUE_URL", NO_QUEUE);
    }
    if matches!(aws.dead_letter, DeadLetterSetting::Unset | DeadLetterSetting::None) {
        check_dead_letters(named, findings);
    }
}

/// Checks that quarantined records have a place.
fn check_dead_letters(named: &[(Arc<Plugin>, String)], findings: &mut Findings) {
    let quarantining = named.iter().filter(|(plugin, _)| plugin.on_error == OnError::Quarantine);
    let by: BTreeSet<&String> = quarantining.map(|(_, by)| by).collect();
    if !by.is_empty() {
        let by: Vec<String> = by.into_iter().cloned().collect();
        let what = "on_error is quarantine, and DEAD_LETTER names no place for what is quarantined: deliveries fail \
                    where there is any; set DEAD_LETTER";
        findings.problem(operator::join_first(&by), what);
    }
}

/// Fetches, verifies and compiles each component, and has it check its settings.
async fn check_components(
    context: &OperatorContext,
    aws: Option<&Aws>,
    named: Vec<(Arc<Plugin>, String)>,
    findings: &mut Findings,
) -> Result<(), Fatal> {
    let mut options = context.loader_options(aws);
    // The cache is neither read nor written.
    options.cache.folder = None;
    // The person who made the settings asks what is wrong with them.
    options.guest_words = true;
    let (engine, options) = (&context.engine()?, &options);
    let named = operator::group_by(named, Plugin::clone);
    findings.looked_at.components = named.len();
    let loaded = futures_util::stream::iter(group_by_reference(named))
        .map(|of_place| async move {
            // Every reference is fetched, even if another has the same bytes.
            let loader = Loader::new(engine.clone(), options.clone());
            let mut loaded = Vec::new();
            for named in of_place {
                // Only the result is kept: there may be thousands of components.
                loaded.push((loader.load(&named.plugin).await.map(|component| component.exports()), named));
            }
            loaded
        })
        .buffered(MAX_CONCURRENT);
    for (loaded, NamedPlugin { plugin, by }) in loaded.collect::<Vec<_>>().await.into_iter().flatten() {
        let about = operator::join_first(&by);
        match loaded {
            Err(failure) => {
                let sha256 = plugin.sha256.map_or_else(|| "-".to_owned(), |digest| digest.to_string());
                findings.problem(about, format!("{failure} ({}; sha256 {sha256})", failure.kind.name()));
            }
            Ok(exports) => {
                if by.iter().any(|by| by == "KEY_PARSER") && exports.key_parser.is_none() {
                    findings.problem("KEY_PARSER", format!("{} exports no key-parser", plugin.component));
                }
                findings.components.push(RunnableComponent {
                    component: plugin.component.to_string(),
                    sha256: plugin.sha256.map(|digest| digest.to_string()),
                    exports: exports.names().map(str::to_owned).collect(),
                    named_by: by,
                });
            }
        }
    }
    Ok(())
}

/// Groups plugins that name the same bytes at the same place, with settings of their own.
fn group_by_reference(named: Vec<NamedPlugin>) -> Vec<Vec<NamedPlugin>> {
    let (mut places, mut all) = (HashMap::new(), Vec::<Vec<NamedPlugin>>::new());
    for named in named {
        let place = (named.plugin.component.clone(), named.plugin.sha256);
        let place = *places.entry(place).or_insert(all.len());
        match all.get_mut(place) {
            Some(known) => known.push(named),
            None => all.push(vec![named]),
        }
    }
    all
}

impl Findings {
    /// Formats the findings for people, problems last, where they are seen.
    fn text(&self) -> String {
        let mut lines = Vec::new();
        for RunnableComponent { component, sha256, exports, named_by } in &self.components {
            let (sha256, exports) = (sha256.as_deref().unwrap_or("-"), exports.join(", "));
            lines.push(format!(
                "good: {component}: sha256 {sha256}: {exports}; named by {}",
                operator::join_first(named_by)
            ));
        }
        lines.extend(self.warnings.iter().map(|Finding { about, what }| format!("warning: {about}: {what}")));
        lines.extend(self.problems.iter().map(|Finding { about, what }| format!("problem: {about}: {what}")));
        let CheckedCounts { tenants, deliveries, roles, components } = &self.looked_at;
        lines.push(format!(
            "tenants {tenants}, deliveries {deliveries}, roles {roles}, components {components}; problems {}, warnings {}",
            self.problems.len(),
            self.warnings.len()
        ));
        lines.join("\n")
    }
}
