//! The instances at work on one delivery of one object, and who takes over when the
//! tenant's component fails.

use std::sync::Arc;
use std::time::Duration;

use super::account::ComponentRun;
use super::plan::{Plan, around};
use super::quarantine::{Patience, most_fuel};
use super::slots::Turns;
use super::{Halt, Job, Stop};
use model::{Limits, OnError};
use sandbox::{Component, Exports, GuestError, GuestLog, Instance};

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

/// What a component does with an object's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Rewrite,
    Transform,
}

/// Who goes on after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recovery {
    /// A new instance of the tenant's component.
    Renewed,
    /// The default guest, alone.
    Replaced,
}

/// The instances at work on one delivery of one object.
pub struct Guests {
    plan: Plan,
    job: Job,
    /// What the tenant's component does: nothing any more once it was replaced.
    does: Exports,
    tenant: Option<Instance>,
    default: Option<Instance>,
    /// Rises when the tenant's instance is another, or the default guest is in its place.
    generation: u64,
    /// Lines become events; none: not begun.
    events: Option<bool>,
    turns: Turns,
    patience: Patience,
    stop: Stop,
    run: ComponentRun,
    /// Of the tenant's instances that are gone.
    log: GuestLog,
    warnings: Vec<String>,
}

impl Guests {
    /// Fresh ones.
    pub(super) fn start(plan: Plan, job: Job) -> Result<Self, GuestError> {
        let does = plan.exports();
        let digest = plan.tenant.as_ref().map(|tenant| tenant.component.digest().to_owned());
        let mut guests = Self {
            turns: Turns::new(&plan.slots),
            plan,
            job,
            does,
            tenant: None,
            default: None,
            generation: 0,
            events: None,
            patience: Patience::default(),
            stop: Stop::default(),
            run: ComponentRun { digest: digest.unwrap_or_default(), ..ComponentRun::default() },
            log: GuestLog::default(),
            warnings: Vec::new(),
        };
        if does.log_filter.is_some() || does.record_rewrite.is_some() || does.record_transform.is_some() {
            guests.start_tenant().or_else(|error| guests.replace_or_fail(error))?;
        }
        if !(guests.does.log_filter.is_some() && guests.does.record_transform.is_some()) {
            guests.start_default()?;
        }
        Ok(guests)
    }

    /// From now on it ends when this asks for it, also while it searches.
    pub(super) fn heed(&mut self, stop: Stop) {
        self.stop = stop;
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
        if self.does.log_filter.is_some() {
            match self.ask() {
                Err(error) => self.replace_or_fail(error)?,
                answer => return answer,
            }
        }
        self.ask()
    }

    fn ask(&mut self) -> Result<bool, GuestError> {
        let (job, settings) = (self.job.clone(), self.settings());
        self.call(self.does.log_filter.is_some(), "wants", |guest| guest.wants(&job.context(&settings)))
    }

    /// Begins the object, of which more may be known by now. `events`: lines become
    /// events; else only the rewriter has work.
    pub(super) fn begin(&mut self, job: Job, events: bool) -> Result<(), GuestError> {
        self.job = job;
        self.begin_tenant(events).or_else(|error| self.replace_or_fail(error))?;
        if events && self.does.record_transform.is_none() {
            self.begin_default()?;
        }
        self.events = Some(events);
        self.patience.asked_for(self.fuel());
        Ok(())
    }

    fn begin_tenant(&mut self, events: bool) -> Result<(), GuestError> {
        let (job, settings) = (self.job.clone(), self.settings());
        let context = job.context(&settings);
        if self.does.record_rewrite.is_some() {
            self.call(true, "rewrite", |guest| guest.begin_rewrite(&context))?;
        }
        if events && self.does.record_transform.is_some() {
            self.call(true, "transform", |guest| guest.begin_transform(&context))?;
        }
        Ok(())
    }

    fn begin_default(&mut self) -> Result<(), GuestError> {
        let (job, settings) = (self.job.clone(), self.settings());
        self.call(false, "transform", |guest| guest.begin_transform(&job.context(&settings)))
    }

    fn settings(&self) -> Arc<Vec<(String, String)>> {
        self.plan.tenant.as_ref().map(|tenant| tenant.settings.clone()).unwrap_or_default()
    }

    /// Whether the tenant's component rewrites; lines stay as they are else.
    pub(super) fn rewrites(&self) -> bool {
        self.does.record_rewrite.is_some()
    }

    /// A call of the rewriter.
    pub(super) fn rewriter<T>(
        &mut self,
        call: impl FnOnce(&mut Instance) -> Result<T, GuestError>,
    ) -> Result<T, GuestError> {
        self.call(true, "rewrite", call)
    }

    /// A call of whoever transforms.
    pub(super) fn transformer<T>(
        &mut self,
        call: impl FnOnce(&mut Instance) -> Result<T, GuestError>,
    ) -> Result<T, GuestError> {
        self.call(self.does.record_transform.is_some(), "transform", call)
    }

    fn call<T>(
        &mut self,
        tenant: bool,
        function: &'static str,
        call: impl FnOnce(&mut Instance) -> Result<T, GuestError>,
    ) -> Result<T, GuestError> {
        let guest = if tenant { &mut self.tenant } else { &mut self.default };
        let missing = || GuestError::Internal { function, text: "no component does it".to_owned() };
        let guest = guest.as_mut().ok_or_else(missing)?;
        self.turns.run(|| call(guest))
    }

    fn start_tenant(&mut self) -> Result<(), GuestError> {
        let component = self.plan.tenant.as_ref().map(|tenant| tenant.component.clone());
        self.tenant = component.map(|component| self.instance(&component)).transpose()?;
        Ok(())
    }

    fn start_default(&mut self) -> Result<(), GuestError> {
        if self.default.is_none() {
            self.default = Some(self.instance(&self.plan.default.clone())?);
        }
        Ok(())
    }

    fn instance(&mut self, component: &Component) -> Result<Instance, GuestError> {
        let around = around(&self.job.object, self.job.delivery.id(), self.job.now, &self.turns);
        self.turns.run(|| Instance::start(component, &around))
    }
}

/// What happens when the tenant's component fails.
impl Guests {
    /// Which of its instances a role has: another one knows nothing of the lines that
    /// were given before.
    pub(super) fn generation(&self, role: Role) -> u64 {
        // Who transforms from the beginning goes on when a rewriter is replaced.
        if plays(self.plan.exports(), role) { self.generation } else { 0 }
    }

    /// Finds who goes on after a failing call on lines, as `on_error` says.
    pub(super) fn recover(&mut self, role: Role, error: GuestError) -> Result<Recovery, Halt> {
        if !plays(self.does, role) {
            return Err(error.into());
        }
        if self.on_error() != OnError::Quarantine || !error.is_guests_fault() {
            return self.replace_or_fail(error).map(|()| Recovery::Replaced).map_err(Halt::from);
        }
        self.count_failure(&error);
        let most = self.limits().map(most_fuel).unwrap_or_default();
        self.patience.failed(&error, self.fuel(), most)?;
        self.renew().map(|()| Recovery::Renewed)
    }

    /// A new instance of the tenant's component in place of the one at work.
    pub(super) fn renew(&mut self) -> Result<(), Halt> {
        if self.stop.is_requested() {
            return Err(Halt::Stopped);
        }
        self.let_go();
        self.generation += 1;
        let begun = self.start_tenant().and_then(|()| self.begin_tenant(self.events == Some(true)));
        begun.map_err(|error| {
            self.count_failure(&error);
            error.into()
        })
    }

    /// The tenant's component failed where there is no line to look for: either the
    /// default guest goes on in its place, or nobody.
    fn replace_or_fail(&mut self, error: GuestError) -> Result<(), GuestError> {
        self.count_failure(&error);
        if self.on_error() != OnError::Default || !error.is_guests_fault() {
            return Err(error);
        }
        self.let_go();
        self.generation += 1;
        let transformed = std::mem::take(&mut self.does).record_transform;
        self.run.replaced = true;
        self.warnings.push(format!(
            "the tenant's component failed, and what it had not settled went through the default guest alone, \
             unfiltered (on_error: default): {}",
            error.without_words()
        ));
        self.start_default()?;
        if transformed.is_some() && self.events == Some(true) { self.begin_default() } else { Ok(()) }
    }

    fn on_error(&self) -> OnError {
        self.plan.tenant.as_ref().map(|tenant| tenant.on_error).unwrap_or_default()
    }

    /// Drops the tenant's instance, and keeps what is known of it.
    fn let_go(&mut self) {
        if let Some(mut instance) = self.tenant.take() {
            self.run.add_used(instance.used());
            let log = instance.take_log();
            self.keep_log(log);
        }
    }
}

/// What is known of them.
impl Guests {
    /// How long they were at work, their start included.
    pub(super) fn time(&self) -> Duration {
        self.turns.worked()
    }

    /// What they logged since this was asked last.
    pub fn take_log(&mut self) -> GuestLog {
        if let Some(log) = self.tenant.as_mut().map(Instance::take_log) {
            self.keep_log(log);
        }
        let mut log = std::mem::take(&mut self.log);
        if let Some(more) = self.default.as_mut().map(Instance::take_log) {
            log.lines += more.lines;
            log.kept.extend(more.kept);
        }
        log
    }

    /// What the tenant's component did so far, where there is one.
    pub fn component(&self) -> Option<ComponentRun> {
        let mut run = self.plan.tenant.as_ref().map(|_| self.run.clone())?;
        if let Some(instance) = &self.tenant {
            run.add_used(instance.used());
        }
        Some(run)
    }

    /// What a person should know, and wasn't told since this was asked last.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Fuel that the tenant's component used, all its instances together.
    pub(super) fn fuel(&self) -> u64 {
        let instance = self.tenant.as_ref().map(|instance| instance.used().fuel);
        self.run.used.fuel.saturating_add(instance.unwrap_or_default())
    }

    /// So much of it was used on lines that were new to it, without failing.
    pub(super) fn went_well(&mut self, fuel: u64) {
        self.patience.asked_for(fuel);
    }

    fn limits(&self) -> Option<&Limits> {
        self.plan.tenant.as_ref().map(|tenant| tenant.component.limits())
    }

    /// Records are poison: what their dead letters say. Fails where they are too many.
    pub(super) fn poisoned(&mut self, records: u64, error: &GuestError) -> Result<String, Halt> {
        self.patience.poisoned(records, error)?;
        self.run.poison += records;
        let (name, words) = (error.name(), error.without_words());
        Ok(format!("the component sha256:{} fails on this record: {name}: {words}", self.run.digest))
    }

    /// Lines are given that none of the component's instances was given before.
    pub(super) fn count_input(&mut self, role: Role, records: u64, bytes: usize) {
        // What a component that does both rewrote is not given from outside.
        let outside = role == Role::Rewrite || self.does.record_rewrite.is_none();
        if plays(self.does, role) && outside {
            self.run.records_in += records;
            self.run.input_bytes += bytes as u64;
        }
    }

    /// A call returned so much, and dropped so many records.
    pub(super) fn count_output(&mut self, role: Role, records: u64, dropped: u64) {
        if plays(self.does, role) {
            let outside =
                role == Role::Transform || !(self.does.record_transform.is_some() && self.events == Some(true));
            self.run.records_out += if outside { records } else { 0 };
            self.run.dropped += dropped;
        }
    }

    fn count_failure(&mut self, error: &GuestError) {
        if error.is_guests_fault() {
            self.run.failures.add(error.kind().into(), 1);
        }
    }

    /// All instances together keep no more than one may.
    fn keep_log(&mut self, log: GuestLog) {
        let Some((lines, most)) = self.limits().map(|limits| (limits.log_lines, limits.log_bytes)) else { return };
        self.log.lines += log.lines;
        let mut bytes: usize = self.log.kept.iter().map(|line| line.text.len()).sum();
        for line in log.kept {
            bytes += line.text.len();
            if self.log.kept.len() as u64 >= lines || bytes > most {
                break;
            }
            self.log.kept.push(line);
        }
    }
}

fn plays(does: Exports, role: Role) -> bool {
    match role {
        Role::Rewrite => does.record_rewrite.is_some(),
        Role::Transform => does.record_transform.is_some(),
    }
}
