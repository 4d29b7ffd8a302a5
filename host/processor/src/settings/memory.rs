//! MEMORY_BUDGET, and what follows from it.

use super::machine::{Machine, MemorySource};
use super::plugin_table::PLUGIN_LOADED_BYTES;
use super::reader::SettingsReader;
use super::table;
use crate::memory::{Demand, MemoryBudget, Needs, default_component_bytes, default_line_bytes, default_loaded_bytes};
use model::Limits;

/// What deliveries may claim of the memory, and how much each does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemorySettings {
    /// MEMORY_BUDGET: bytes of the whole process.
    pub budget: u64,
    /// Where it is from.
    pub source: MemorySource,
    /// Bytes of it that can be claimed.
    pub claimable: u64,
    /// What a delivery claims.
    pub needs: Needs,
}

impl MemorySettings {
    /// A budget of which nothing is claimed.
    pub fn budget(&self) -> MemoryBudget {
        MemoryBudget::new(self.claimable, self.needs.component, self.needs.largest_line())
    }

    /// Deliveries without a component that have room at once; at least 1.
    pub(super) fn deliveries(&self) -> u64 {
        let reserved = self.needs.component.saturating_add(self.needs.largest_line());
        (self.claimable.saturating_sub(reserved) / self.needs.delivery.max(1)).max(1)
    }
}

/// The budget, while what follows from it is read.
pub(super) struct Budget {
    bytes: u64,
    source: MemorySource,
    /// PLUGIN_LOADED_BYTES.
    pub(super) loaded: u64,
}

impl Budget {
    pub(super) fn read(reader: &mut SettingsReader<'_>, machine: Machine) -> Self {
        let is_set = reader.value(&table::MEMORY_BUDGET).is_some();
        let (bytes, source) = match is_set {
            true => (reader.number_or(&table::MEMORY_BUDGET, machine.memory_bytes), MemorySource::Setting),
            false => (machine.memory_bytes, machine.memory_source),
        };
        Self { bytes, source, loaded: reader.number_or(&PLUGIN_LOADED_BYTES, default_loaded_bytes(bytes)) }
    }

    fn demand(&self, max_line: u64) -> Demand {
        Demand { budget: self.bytes, loaded: self.loaded, max_line }
    }

    /// MAX_LINE_BYTES by default.
    pub(super) fn default_line(&self) -> u64 {
        default_line_bytes(self.demand(0).claimable())
    }

    /// PLUGIN_MEMORY_BYTES by default.
    pub(super) fn default_component(&self) -> u64 {
        default_component_bytes(self.demand(0).claimable())
    }

    /// What follows from all. Settings by which one delivery alone could not have all that it
    /// may need are a problem.
    pub(super) fn finish(self, reader: &mut SettingsReader<'_>, max_line: u64, limits: &Limits) -> MemorySettings {
        let demand = self.demand(max_line);
        let (claimable, needs) = (demand.claimable(), demand.needs(limits));
        if needs.most() > claimable {
            let (budget, source, fixed, most) = (self.bytes, self.source.name(), demand.fixed(), needs.most());
            let (loaded, memory) = (self.loaded, limits.memory_bytes);
            let (output, events, held) = (limits.output_bytes, limits.output_events, limits.held_back_bytes);
            let text = format!(
                " is {budget} bytes ({source}), of which {fixed} are fixed (PLUGIN_LOADED_BYTES={loaded} included): one \
                 delivery with the largest line (MAX_LINE_BYTES={max_line}) and component \
                 (PLUGIN_MEMORY_BYTES={memory}, PLUGIN_MAX_OUTPUT_BYTES={output}, PLUGIN_MAX_OUTPUT_EVENTS={events}, PLUGIN_MAX_HELD_BYTES={held}) may need \
                 {most} more; raise it with the container's memory, or lower those"
            );
            reader.add_problem(&table::MEMORY_BUDGET, text);
        }
        MemorySettings { budget: self.bytes, source: self.source, claimable, needs }
    }
}
