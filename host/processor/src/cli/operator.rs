//! What the operators' commands share: settings, AWS if it is needed, tenants, and the
//! components that they name.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::hash::Hash;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::arguments::TenantArguments;
use super::aws_options::aws_options;
use super::environment::variable;
use super::exit::{Exit, Fatal, fatal};
use super::plan;
use crate::aws::{Aws, AwsError};
use crate::plugin::LoaderOptions;
use crate::settings::{AwsSettings, Machine, PluginSettings, Purpose, Settings, SettingsError};
use crate::tenant::{FileDirectory, Lookup, PluginRules, TenantFileError, TenantRecord, of_table};
use model::{AllowedSource, ComponentRef, Delivery, Plugin};
use sandbox::Engine;

/// Instances at once: one that is being checked, and some for what runs beside it.
const INSTANCES: u32 = 4;

/// Runs a command. An error that ends it early goes to standard error.
pub(super) fn run(work: impl Future<Output = Result<Exit, Fatal>>) -> Exit {
    let machine = Machine::detect(variable);
    super::arenas::limit(machine.cores);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(machine.cores.min(4)).enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => Err(fatal(Exit::Failed, format!("no threads can be started: {error}"))),
    };
    done.unwrap_or_else(|Fatal { exit, problem }| {
        print_error(&problem);
        exit
    })
}

/// Prints an error that doesn't end the command.
pub(super) fn print_error(problem: &str) {
    let _ = writeln!(std::io::stderr(), "error: {problem}");
}

/// Prints a warning.
pub(super) fn print_warning(warning: &str) {
    let _ = writeln!(std::io::stderr(), "warning: {warning}");
}

/// Prints a line or several of the result.
pub(super) fn print(text: &str) -> Result<(), Fatal> {
    let mut stdout = std::io::stdout().lock();
    let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    written.map_err(|error| fatal(Exit::Failed, format!("can't write to standard output: {error}")))
}

/// The settings of an operator's command.
#[derive(Debug)]
pub(super) struct OperatorContext {
    pub(super) settings: Settings,
    pub(super) aws: AwsSettings,
    pub(super) warnings: Vec<String>,
}

impl OperatorContext {
    /// Reads settings that the command requires, for no mode.
    pub(super) fn read() -> Result<Self, Fatal> {
        Self::of(Purpose::NoMode).map_err(|error| fatal(Exit::Configuration, error.to_string()))
    }

    pub(super) fn of(purpose: Purpose) -> Result<Self, SettingsError> {
        let (settings, aws, warnings) = Settings::for_aws(&variable, Machine::detect(variable), purpose)?;
        Ok(Self { settings, aws, warnings })
    }

    pub(super) fn engine(&self) -> Result<Engine, Fatal> {
        let made = Engine::new(INSTANCES, self.settings.plugin.limits.memory_bytes);
        made.map_err(|error| fatal(Exit::Failed, error.to_string()))
    }

    pub(super) async fn connect(&self) -> Result<Aws, Fatal> {
        Aws::connect(aws_options(&self.aws)).await.map_err(|error| fatal(Exit::Aws, error.to_string()))
    }

    /// Options for a loader, or for its sources alone.
    pub(super) fn loader_options(&self, aws: Option<&Aws>) -> LoaderOptions {
        plan::loader_options(&self.settings.plugin, aws.map(Aws::components))
    }

    /// The rules for components. As for `local`, if nothing is allowed the tenant file's
    /// folder is.
    fn rules(&mut self, file: Option<&Path>) -> PluginRules {
        let limits = self.settings.plugin.limits.clone();
        let Some(path) = file else { return PluginRules { limits, folder: None } };
        let rules = PluginRules::of_file(path, limits);
        let sources = &mut self.settings.plugin.sources;
        if sources.is_empty() {
            sources.extend(rules.folder.clone().map(AllowedSource::Folder));
        }
        rules
    }
}

/// The tenants of the directory.
#[derive(Debug, Default)]
pub(super) struct Tenants {
    pub(super) found: BTreeMap<String, Arc<TenantRecord>>,
    /// Warnings about the file as a whole.
    pub(super) warnings: Vec<String>,
}

/// Why the tenants can't be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum TenantsError {
    #[error(transparent)]
    File(#[from] TenantFileError),
    #[error(transparent)]
    Table(#[from] AwsError),
    #[error("there is no item of the tenant {0:?}; check --tenant")]
    Unknown(String),
}

impl TenantsError {
    /// The exit code of the command.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::File(_) => Exit::Configuration,
            Self::Table(_) | Self::Unknown(_) => Exit::Failed,
        }
    }
}

impl Tenants {
    /// Reads the file if there is one, else the table. `aws` is there if there is no file.
    pub(super) async fn read(
        context: &mut OperatorContext,
        which: &TenantArguments,
        aws: Option<&Aws>,
    ) -> Result<Self, TenantsError> {
        let rules = context.rules(which.tenants.as_deref());
        let mut tenants = match (&which.tenants, aws) {
            (Some(path), _) => {
                let file = FileDirectory::load(path, &rules)?;
                let found = file.tenants().map(|tenant| (tenant.to_owned(), file.lookup(tenant))).collect();
                Self { found, warnings: file.warnings().to_vec() }
            }
            (None, Some(aws)) => {
                let table = aws.table(&context.aws.tenant_table);
                Self { found: of_table(&table, which.tenant.as_deref(), &rules).await?, warnings: Vec::new() }
            }
            (None, None) => Self::default(),
        };
        if let Some(tenant) = &which.tenant {
            tenants.found.retain(|name, _| name == tenant);
            if tenants.found.is_empty() {
                return Err(TenantsError::Unknown(tenant.clone()));
            }
        }
        Ok(tenants)
    }

    /// All valid, enabled deliveries.
    pub(super) fn deliveries(&self) -> impl Iterator<Item = &Arc<Delivery>> {
        self.found.values().flat_map(|found| match &found.lookup {
            Lookup::Deliveries(deliveries) => deliveries.as_slice(),
            Lookup::Unknown | Lookup::NoneEnabled => &[],
        })
    }

    /// Enabled deliveries that are invalid, with the problem of each.
    pub(super) fn invalid(&self) -> impl Iterator<Item = (String, &str)> {
        self.found.iter().flat_map(|(tenant, found)| {
            found
                .invalid
                .iter()
                .map(move |invalid| (describe_delivery(tenant, &invalid.kind), invalid.problem.as_str()))
        })
    }
}

/// Describes a delivery.
pub(super) fn describe_delivery(tenant: &str, kind: &str) -> String {
    format!("tenant {tenant:?} ({kind})")
}

/// A component, and everything that names it.
#[derive(Debug, Clone)]
pub(super) struct NamedPlugin {
    pub(super) plugin: Arc<Plugin>,
    pub(super) by: Vec<String>,
}

/// Every component that the operator and the tenants name, with its namer, in a stable order.
pub(super) fn named(settings: &PluginSettings, tenants: &Tenants) -> Vec<(Arc<Plugin>, String)> {
    let operator = [(&settings.default_plugin, "DEFAULT_PLUGIN"), (&settings.key_parser, "KEY_PARSER")];
    let mut all: Vec<_> =
        operator.iter().filter_map(|(plugin, by)| Some((Arc::clone(plugin.as_ref()?), (*by).to_owned()))).collect();
    for delivery in tenants.deliveries() {
        let who = describe_delivery(&delivery.tenant_id, delivery.id().name());
        all.extend(delivery.plugins.active.clone().map(|plugin| (plugin, who.clone())));
        all.extend(delivery.plugins.shadow.clone().map(|plugin| (plugin, format!("{who}, shadow"))));
    }
    all
}

/// Groups components by `key`.
pub(super) fn group_by<K: Eq + Hash>(all: Vec<(Arc<Plugin>, String)>, key: impl Fn(&Plugin) -> K) -> Vec<NamedPlugin> {
    let (mut named, mut indexes) = (Vec::<NamedPlugin>::new(), HashMap::new());
    for (plugin, by) in all {
        let index = *indexes.entry(key(&plugin)).or_insert(named.len());
        match named.get_mut(index) {
            Some(known) => known.by.push(by),
            None => named.push(NamedPlugin { plugin, by: vec![by] }),
        }
    }
    named
}

/// Whether any component lies in S3.
pub(super) fn any_in_s3<'a>(plugins: impl IntoIterator<Item = &'a Arc<Plugin>>) -> bool {
    plugins.into_iter().any(|plugin| matches!(plugin.component, ComponentRef::S3 { .. }))
}

/// Joins the first names of a list: a thousand tenants may share one component.
pub(super) fn join_first(by: &[String]) -> String {
    const MAX_SHOWN: usize = 5;
    let first: Vec<&str> = by.iter().take(MAX_SHOWN).map(String::as_str).collect();
    match by.len().saturating_sub(MAX_SHOWN) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Digest, Limits, OnError};

    fn plugin(bytes: &str, setting: &str) -> Arc<Plugin> {
        Arc::new(Plugin {
            component: ComponentRef::File("/a.wasm".into()),
            sha256: Some(Digest::of(bytes.as_bytes())),
            settings: Arc::new(vec![("mode".to_owned(), setting.to_owned())]),
            on_error: OnError::Retry,
            limits: Limits::default(),
            logs_to_operator: false,
        })
    }

    #[test]
    fn a_component_is_there_once_with_all_who_name_it() {
        let all = || [plugin("a", "x"), plugin("b", "x"), plugin("a", "y"), plugin("a", "x")].into_iter().zip(0..);
        let all = || all().map(|(plugin, number)| (plugin, number.to_string())).collect::<Vec<_>>();
        let by = |named: Vec<NamedPlugin>| named.into_iter().map(|named| named.by.join(" ")).collect::<Vec<_>>();
        assert_eq!(by(group_by(all(), |plugin| plugin.sha256)), ["0 2 3", "1"]);
        assert_eq!(by(group_by(all(), Plugin::clone)), ["0 3", "1", "2"]);
    }

    #[test]
    fn not_everybody_is_shown() {
        let by: Vec<String> = (0..7).map(|number| number.to_string()).collect();
        assert_eq!(join_first(&by[..5]), "0, 1, 2, 3, 4");
        assert_eq!(join_first(&by), "0, 1, 2, 3, 4 and 2 more");
    }
}
