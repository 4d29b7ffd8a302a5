//! What the guests of a delivery used, did, logged, and gave reason to warn of.

use super::component_run::ComponentRun;
use super::plan::{LoadedPlugin, Plan};
use model::Limits;
use sandbox::{GuestError, GuestLog, Instance};

/// What is known of the tenant's component: of calls, and of instances that are gone.
pub(super) struct Usage {
    /// `None` where the tenant has no component.
    limits: Option<Limits>,
    pub(super) run: ComponentRun,
    log: GuestLog,
    warnings: Vec<String>,
}

impl Usage {
    /// Nothing yet.
    pub(super) fn new(plan: &Plan) -> Self {
        let component = plan.tenant.as_ref().map(|LoadedPlugin { component, .. }| component);
        let digest = component.map(|component| component.digest().to_owned()).unwrap_or_default();
        Self {
            limits: component.map(|component| component.limits().clone()),
            run: ComponentRun { digest, ..ComponentRun::default() },
            log: GuestLog::default(),
            warnings: Vec::new(),
        }
    }

    /// What the component did so far, where there is one; `instance`: the one at work.
    pub(super) fn run(&self, instance: Option<&Instance>) -> Option<ComponentRun> {
        self.limits.as_ref()?;
        let mut run = self.run.clone();
        if let Some(instance) = instance {
            run.add_used(instance.used());
        }
        Some(run)
    }

    /// Fuel that the component used, all its instances together.
    pub(super) fn fuel(&self, instance: Option<&Instance>) -> u64 {
        let used = instance.map(|instance| instance.used().fuel);
        self.run.used.fuel.saturating_add(used.unwrap_or_default())
    }

    /// Counts a failure, if it is the component's own.
    pub(super) fn count_failure(&mut self, error: &GuestError) {
        if error.is_guests_fault() {
            self.run.failures.add(error.kind().into(), 1);
        }
    }

    /// Keeps what is known of an instance of the component that goes.
    pub(super) fn add_instance(&mut self, mut instance: Instance) {
        self.run.add_used(instance.used());
        self.keep_log(instance.take_log());
    }

    /// All instances together keep no more lines and bytes than one may.
    pub(super) fn keep_log(&mut self, log: GuestLog) {
        let Some(Limits { log_lines, log_bytes, .. }) = &self.limits else { return };
        self.log.lines += log.lines;
        let mut bytes: usize = self.log.kept.iter().map(|line| line.text.len()).sum();
        for line in log.kept {
            bytes += line.text.len();
            if self.log.kept.len() as u64 >= *log_lines || bytes > *log_bytes {
                break;
            }
            self.log.kept.push(line);
        }
    }

    /// What was kept since this was asked last.
    pub(super) fn take_log(&mut self) -> GuestLog {
        std::mem::take(&mut self.log)
    }

    /// Warns a person.
    pub(super) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// What a person should know, and wasn't told since this was asked last.
    pub(super) fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }
}
