//! The guests of one delivery of one object: the tenant's component where it does
//! something, the default guest for the rest.

use std::sync::Arc;
use std::time::Duration;

use super::component_run::ComponentRun;
use super::halt::Halt;
use super::instances::Instances;
use super::job::Job;
use super::plan::{OutputKind, Plan, StageRole};
use super::recovery::{Recovery, Successor};
use super::usage::Usage;
use crate::memory::{Owner, SHORT_BYTES};
use model::Stop;
use sandbox::{GuestError, GuestLog, Instance};

/// Runs guests off the tasks' threads.
///
/// # Errors
/// As `work` has them; `Internal` where it was given up (a bug).
pub async fn blocking<T: Send + 'static>(
    function: &'static str,
    work: impl FnOnce() -> Result<T, GuestError> + Send + 'static,
) -> Result<T, GuestError> {
    let lost = |_| Err(GuestError::Internal { function, text: "the host gave it up: a bug".to_owned() });
    tokio::task::spawn_blocking(work).await.unwrap_or_else(lost)
}

/// What came of asking whether a delivery wants an object.
pub struct Asked {
    /// Who goes on with it, if it is wanted; or what went wrong.
    pub answer: Result<(Guests, bool), GuestError>,
    /// What the tenant's component did so far, also where it failed.
    pub run: Option<ComponentRun>,
    /// What was logged.
    pub log: GuestLog,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// The guests of one delivery of one object.
pub struct Guests {
    plan: Plan,
    job: Job,
    /// What the object becomes; `None` before it is begun.
    begun: Option<OutputKind>,
    instances: Instances,
    recovery: Recovery,
    usage: Usage,
}

impl Guests {
    /// Fresh instances for one delivery of one object.
    ///
    /// # Errors
    /// When a component's start fails, and the default guest may not do without it.
    pub fn start(plan: &Plan, job: &Job) -> Result<Self, GuestError> {
        let mut guests = Self {
            plan: plan.clone(),
            job: job.clone(),
            begun: None,
            instances: Instances::new(&plan.slots),
            recovery: Recovery::new(plan),
            usage: Usage::new(plan),
        };
        let exports = plan.exports();
        if exports.log_filter.is_some() || exports.record_rewrite.is_some() || exports.record_transform.is_some() {
            guests.start_tenant().or_else(|error| guests.replace_or_fail(error))?;
        }
        let exports = guests.recovery.exports();
        if !(exports.log_filter.is_some() && exports.record_transform.is_some()) {
            guests.start_default()?;
        }
        Ok(guests)
    }

    /// Fresh instances, and whether the delivery wants the object.
    ///
    /// # Errors
    /// As [`Guests::start`].
    pub fn ask(plan: &Plan, job: &Job) -> Result<Asked, GuestError> {
        let mut guests = Self::start(plan, job)?;
        let wanted = guests.wants();
        let (log, warnings) = (guests.take_log(), guests.take_warnings());
        let run = guests.component();
        Ok(Asked { answer: wanted.map(|wanted| (guests, wanted)), run, log, warnings })
    }

    /// From now on they end when this asks for it, also while they search.
    pub(super) fn set_stop(&mut self, stop: Stop) {
        self.recovery.set_stop(stop);
    }

    /// Who does what.
    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether the delivery wants the object at all.
    ///
    /// # Errors
    /// As the guest says, or what it did wrong.
    pub fn wants(&mut self) -> Result<bool, GuestError> {
        if self.recovery.exports().log_filter.is_some() {
            match self.call_filter(Owner::Tenant) {
                Err(error) => self.replace_or_fail(error)?,
                answer => return answer,
            }
        }
        self.call_filter(Owner::Default)
    }

    fn call_filter(&mut self, owner: Owner) -> Result<bool, GuestError> {
        let (job, settings) = (self.job.clone(), self.settings());
        self.instances.call(owner, "wants", |guest| guest.wants(&job.context(&settings)))
    }

    /// Begins the object, of which more may be known by now.
    pub(super) fn begin(&mut self, job: Job, output: OutputKind) -> Result<(), GuestError> {
        self.job = job;
        self.begin_tenant(output).or_else(|error| self.replace_or_fail(error))?;
        if output == OutputKind::Events && self.recovery.exports().record_transform.is_none() {
            self.begin_default()?;
        }
        self.begun = Some(output);
        let fuel = self.fuel();
        self.recovery.budget().add_without_search(fuel);
        Ok(())
    }

    fn begin_tenant(&mut self, output: OutputKind) -> Result<(), GuestError> {
        let (job, settings, exports) = (self.job.clone(), self.settings(), self.recovery.exports());
        let context = job.context(&settings);
        if exports.record_rewrite.is_some() {
            self.instances.call(Owner::Tenant, "rewrite", |guest| guest.begin_rewrite(&context))?;
        }
        if output == OutputKind::Events && exports.record_transform.is_some() {
            self.instances.call(Owner::Tenant, "transform", |guest| guest.begin_transform(&context))?;
        }
        Ok(())
    }

    fn begin_default(&mut self) -> Result<(), GuestError> {
        let (job, settings) = (self.job.clone(), self.settings());
        let begin = |guest: &mut Instance| guest.begin_transform(&job.context(&settings));
        self.instances.call(Owner::Default, "transform", begin)
    }

    fn settings(&self) -> Arc<Vec<(String, String)>> {
        self.plan.tenant.as_ref().map(|tenant| tenant.settings.clone()).unwrap_or_default()
    }

    /// Whether the tenant's component rewrites; lines stay as they are else.
    pub(super) fn rewrites(&self) -> bool {
        self.recovery.exports().record_rewrite.is_some()
    }

    /// Claims memory for a call on open lines of so many bytes.
    pub(super) fn claim_for(&self, open_bytes: usize) -> Result<(), GuestError> {
        if open_bytes <= SHORT_BYTES {
            return Ok(());
        }
        self.job.memory.claim_line().map_err(|refused| GuestError::Host { what: refused.to_string() })
    }

    /// A call of the rewriter.
    pub(super) fn rewriter<T>(
        &mut self,
        call: impl FnOnce(&mut Instance) -> Result<T, GuestError>,
    ) -> Result<T, GuestError> {
        self.instances.call(Owner::Tenant, "rewrite", call)
    }

    /// A call of whoever transforms.
    pub(super) fn transformer<T>(
        &mut self,
        call: impl FnOnce(&mut Instance) -> Result<T, GuestError>,
    ) -> Result<T, GuestError> {
        let tenant = self.recovery.exports().record_transform.is_some();
        self.instances.call(if tenant { Owner::Tenant } else { Owner::Default }, "transform", call)
    }

    fn start_tenant(&mut self) -> Result<(), GuestError> {
        match &self.plan.tenant {
            Some(tenant) => self.instances.start(Owner::Tenant, &tenant.component, &self.job),
            None => Ok(()),
        }
    }

    fn start_default(&mut self) -> Result<(), GuestError> {
        if self.instances.is_started(Owner::Default) {
            return Ok(());
        }
        self.instances.start(Owner::Default, &self.plan.default, &self.job)
    }
}

/// What happens when the tenant's component fails.
impl Guests {
    /// Which of its instances a role has.
    pub(super) fn generation(&self, role: StageRole) -> u64 {
        self.recovery.generation(role)
    }

    /// Finds who goes on after a failing call on lines, as `on_error` says.
    pub(super) fn recover(&mut self, role: StageRole, error: GuestError) -> Result<Successor, Halt> {
        if !role.is_among(self.recovery.exports()) {
            return Err(error.into());
        }
        self.usage.count_failure(&error);
        let used = self.fuel();
        let successor = self.recovery.after_lines(&error, used)?;
        match successor {
            Successor::Renewed => self.renew()?,
            Successor::Default => self.replace(&error)?,
        }
        Ok(successor)
    }

    /// A new instance of the tenant's component in place of the one at work.
    pub(super) fn renew(&mut self) -> Result<(), Halt> {
        self.recovery.renew()?;
        self.drop_tenant();
        let output = self.begun.unwrap_or(OutputKind::Lines);
        let begun = self.start_tenant().and_then(|()| self.begin_tenant(output));
        begun.map_err(|error| {
            self.usage.count_failure(&error);
            error.into()
        })
    }

    /// The tenant's component failed where there is no line to look for: either the
    /// default guest goes on in its place, or nobody.
    fn replace_or_fail(&mut self, error: GuestError) -> Result<(), GuestError> {
        self.usage.count_failure(&error);
        self.recovery.elsewhere(&error)?;
        self.replace(&error)
    }

    fn replace(&mut self, error: &GuestError) -> Result<(), GuestError> {
        self.drop_tenant();
        let did = self.recovery.replace();
        self.usage.run.replaced = true;
        self.usage.warn(format!(
            "the tenant's component failed, and what it had not settled went through the default guest alone, \
             unfiltered (on_error: default): {}",
            error.without_words()
        ));
        self.start_default()?;
        match did.record_transform.is_some() && self.begun == Some(OutputKind::Events) {
            true => self.begin_default(),
            false => Ok(()),
        }
    }

    fn drop_tenant(&mut self) {
        if let Some(instance) = self.instances.take_tenant() {
            self.usage.add_instance(instance);
        }
    }

    /// Takes note of fuel that was used on lines that were new to the component, without
    /// failing.
    pub(super) fn add_without_search(&mut self, fuel: u64) {
        self.recovery.budget().add_without_search(fuel);
    }

    /// Records are poison: what their dead letters say. Fails where they are too many.
    pub(super) fn record_poison(&mut self, records: u64, error: &GuestError) -> Result<String, Halt> {
        self.recovery.budget().add_poison(records, error)?;
        self.usage.run.poison += records;
        let (name, words) = (error.name(), error.without_words());
        Ok(format!("the component sha256:{} fails on this record: {name}: {words}", self.usage.run.digest))
    }
}

/// What is known of them.
impl Guests {
    /// How long they were at work, their start included.
    pub(super) fn time(&self) -> Duration {
        self.instances.time()
    }

    /// What they logged since this was asked last.
    pub fn take_log(&mut self) -> GuestLog {
        if let Some(log) = self.instances.take_log(Owner::Tenant) {
            self.usage.keep_log(log);
        }
        let mut log = self.usage.take_log();
        if let Some(more) = self.instances.take_log(Owner::Default) {
            log.lines += more.lines;
            log.kept.extend(more.kept);
        }
        log
    }

    /// What the tenant's component did so far, where there is one.
    pub fn component(&self) -> Option<ComponentRun> {
        self.usage.run(self.instances.tenant())
    }

    /// What a person should know, and wasn't told since this was asked last.
    pub fn take_warnings(&mut self) -> Vec<String> {
        self.usage.take_warnings()
    }

    /// Fuel that the tenant's component used, all its instances together.
    pub(super) fn fuel(&self) -> u64 {
        self.usage.fuel(self.instances.tenant())
    }

    /// Lines are given that none of the component's instances was given before.
    pub(super) fn count_input(&mut self, role: StageRole, records: u64, bytes: usize) {
        let exports = self.recovery.exports();
        // What a component that does both rewrote is not given from outside.
        let outside = role == StageRole::Rewrite || exports.record_rewrite.is_none();
        if role.is_among(exports) && outside {
            self.usage.run.records_in += records;
            self.usage.run.input_bytes += bytes as u64;
        }
    }

    /// A call returned so much, and dropped so many records.
    pub(super) fn count_output(&mut self, role: StageRole, records: u64, dropped: u64) {
        let exports = self.recovery.exports();
        if !role.is_among(exports) {
            return;
        }
        let goes_on = exports.record_transform.is_some() && self.begun == Some(OutputKind::Events);
        // What a component that does both rewrote is not given to the outside.
        if role == StageRole::Transform || !goes_on {
            self.usage.run.records_out += records;
        }
        self.usage.run.dropped += dropped;
    }
}
