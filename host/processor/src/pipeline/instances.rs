//! Instances of components, at work on one delivery of one object.

use std::time::Duration;

use super::job::Job;
use super::slots::{GuestSlots, SlotTimer};
use crate::memory::Owner;
use sandbox::{Component, GuestError, GuestLog, Instance, Surroundings};

/// At most one instance of each component, which take turns with all others.
pub(super) struct Instances {
    tenant: Option<Instance>,
    default: Option<Instance>,
    timer: SlotTimer,
}

impl Instances {
    /// None yet.
    pub(super) fn new(slots: &GuestSlots) -> Self {
        Self { tenant: None, default: None, timer: SlotTimer::new(slots) }
    }

    /// Starts a new instance, in place of the one that there is.
    pub(super) fn start(&mut self, owner: Owner, component: &Component, job: &Job) -> Result<(), GuestError> {
        let surroundings = Surroundings {
            memory: job.memory.of(owner).map(|memory| self.timer.grant(memory)),
            ..self.timer.surroundings(&job.object, job.delivery.id().name(), job.now)
        };
        let instance = self.timer.run(|| Instance::start(component, &surroundings))?;
        *self.get_mut(owner) = Some(instance);
        Ok(())
    }

    pub(super) fn is_started(&self, owner: Owner) -> bool {
        match owner {
            Owner::Tenant => self.tenant.is_some(),
            Owner::Default => self.default.is_some(),
        }
    }

    /// Calls one when it has its turn.
    pub(super) fn call<T>(
        &mut self,
        owner: Owner,
        function: &'static str,
        call: impl FnOnce(&mut Instance) -> Result<T, GuestError>,
    ) -> Result<T, GuestError> {
        let instance = match owner {
            Owner::Tenant => &mut self.tenant,
            Owner::Default => &mut self.default,
        };
        let missing = || GuestError::Internal { function, text: "no component does it".to_owned() };
        let instance = instance.as_mut().ok_or_else(missing)?;
        self.timer.run(|| call(instance))
    }

    /// The tenant's, where it has one.
    pub(super) fn tenant(&self) -> Option<&Instance> {
        self.tenant.as_ref()
    }

    /// Takes the tenant's out, to be dropped.
    pub(super) fn take_tenant(&mut self) -> Option<Instance> {
        self.tenant.take()
    }

    /// What one logged since this was asked last.
    pub(super) fn take_log(&mut self, owner: Owner) -> Option<GuestLog> {
        self.get_mut(owner).as_mut().map(Instance::take_log)
    }

    /// How long they were at work, their starts included.
    pub(super) fn time(&self) -> Duration {
        self.timer.cpu_time()
    }

    fn get_mut(&mut self, owner: Owner) -> &mut Option<Instance> {
        match owner {
            Owner::Tenant => &mut self.tenant,
            Owner::Default => &mut self.default,
        }
    }
}
