//! The operator's settings about components.

use std::path::PathBuf;
use std::sync::Arc;

use super::memory::Budget;
use super::plugin_table as table;
use super::reader::SettingsReader;
use super::value::{self, to_usize};
use crate::memory::{default_output_bytes, default_output_events};
use crate::tenant::plugin::{self, FieldProblem};
use model::{AllowedSource, Limits, Plugin};

/// The bytes that may be held back in addition to values of MAX_LINE_BYTES: whole chunks
/// count.
const HELD_BACK_MARGIN_BYTES: usize = 1024 * 1024;

/// The fewest bytes of a key that can't be guessed.
const MIN_KEY_BYTES: usize = 16;

/// The operator's settings about components of its own and of tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginSettings {
    /// The limits of each component: PLUGIN_MEMORY_BYTES, PLUGIN_FUEL_PER_MIB,
    /// PLUGIN_START_FUEL, PLUGIN_MAX_OUTPUT_RATIO, PLUGIN_MAX_OUTPUT_BYTES,
    /// PLUGIN_MAX_OUTPUT_EVENTS, PLUGIN_MAX_MESSAGE_BYTES, PLUGIN_MAX_HELD_BYTES,
    /// PLUGIN_LOG_LINES, PLUGIN_LOG_BYTES, PLUGIN_TIMEOUT, PLUGIN_MAX_COMPONENT_BYTES.
    pub limits: Limits,
    /// PLUGIN_SOURCES: the places that components may come from.
    pub sources: Vec<AllowedSource>,
    /// PLUGIN_REGISTRY_AUTH: a Docker config.json.
    pub registry_auth: Option<PathBuf>,
    /// PLUGIN_CACHE_DIR.
    pub cache_dir: Option<PathBuf>,
    /// PLUGIN_CACHE_BYTES.
    pub cache_bytes: u64,
    /// PLUGIN_CACHE_KEY: at least 16 bytes; never shown.
    pub cache_key: Option<CacheKey>,
    /// PLUGIN_COMPILED: bucket, and prefix that ends in `/` or is empty.
    pub compiled: Option<(String, String)>,
    /// PLUGIN_LOADED_BYTES.
    pub loaded_bytes: u64,
    /// PLUGIN_SHADOW_CONTENTS: a shadow's differences are shown as they are.
    pub shadow_contents: bool,
    /// DEFAULT_PLUGIN.
    pub default_plugin: Option<Arc<Plugin>>,
    /// KEY_PARSER.
    pub key_parser: Option<Arc<Plugin>>,
}

impl PluginSettings {
    /// Reads all settings but `compiled`, which only the modes that work with AWS have.
    pub(super) fn read(reader: &mut SettingsReader<'_>, max_line_bytes: usize, budget: &Budget) -> Self {
        let limits = limits(reader, max_line_bytes, budget);
        let of_operator = |text: &str| plugin::of_operator(text, &limits).map(Arc::new);
        Self {
            default_plugin: reader.secret(&table::DEFAULT_PLUGIN, of_operator),
            key_parser: reader.secret(&table::KEY_PARSER, of_operator),
            sources: reader.list(&table::PLUGIN_SOURCES, plugin::allowed),
            registry_auth: reader.text(&table::PLUGIN_REGISTRY_AUTH, value::path),
            cache_dir: reader.text(&table::PLUGIN_CACHE_DIR, value::path),
            cache_bytes: reader.number(&table::PLUGIN_CACHE_BYTES),
            cache_key: reader.secret(&table::PLUGIN_CACHE_KEY, CacheKey::parse),
            compiled: None,
            loaded_bytes: budget.loaded,
            shadow_contents: reader.flag(&table::PLUGIN_SHADOW_CONTENTS),
            limits,
        }
    }
}

fn limits(reader: &mut SettingsReader<'_>, max_line_bytes: usize, budget: &Budget) -> Limits {
    let max_line = u64::try_from(max_line_bytes).unwrap_or(u64::MAX);
    // A value of MAX_LINE_BYTES over several lines, and what stands in its chunks beside it.
    let held_back_bytes = max_line_bytes.saturating_mul(2).saturating_add(HELD_BACK_MARGIN_BYTES);
    Limits {
        memory_bytes: to_usize(reader.number_or(&table::PLUGIN_MEMORY_BYTES, budget.default_component())),
        fuel_per_mib: reader.number(&table::PLUGIN_FUEL_PER_MIB),
        start_fuel: reader.number(&table::PLUGIN_START_FUEL),
        output_ratio: to_usize(reader.number(&table::PLUGIN_MAX_OUTPUT_RATIO)),
        output_bytes: to_usize(reader.number_or(&table::PLUGIN_MAX_OUTPUT_BYTES, default_output_bytes(max_line))),
        output_events: to_usize(reader.number_or(&table::PLUGIN_MAX_OUTPUT_EVENTS, default_output_events(max_line))),
        message_bytes: to_usize(reader.number_or(&table::PLUGIN_MAX_MESSAGE_BYTES, max_line_bytes as u64)),
        held_back_bytes: to_usize(reader.number_or(&table::PLUGIN_MAX_HELD_BYTES, held_back_bytes as u64)),
        log_lines: reader.number(&table::PLUGIN_LOG_LINES),
        log_bytes: to_usize(reader.number(&table::PLUGIN_LOG_BYTES)),
        call_time: reader.seconds(&table::PLUGIN_TIMEOUT),
        component_bytes: reader.number(&table::PLUGIN_MAX_COMPONENT_BYTES),
    }
}

/// Reads PLUGIN_COMPILED, whose contents nobody would trust without PLUGIN_CACHE_KEY.
pub(super) fn compiled(reader: &mut SettingsReader<'_>) -> Option<(String, String)> {
    let compiled = reader.text(&table::PLUGIN_COMPILED, value::s3_place);
    if compiled.is_some() && reader.value(&table::PLUGIN_CACHE_KEY).is_none() {
        let why = " needs PLUGIN_CACHE_KEY: what is compiled there is believed for its signature only; set it, to the \
                   same value wherever this bucket is used, or unset PLUGIN_COMPILED";
        reader.add_problem(&table::PLUGIN_COMPILED, why.to_owned());
    }
    compiled
}

/// A secret key for HMACs.
#[derive(Clone, PartialEq, Eq)]
pub struct CacheKey(pub Vec<u8>);

impl CacheKey {
    fn parse(text: &str) -> Result<Self, Vec<FieldProblem>> {
        if text.len() < MIN_KEY_BYTES {
            let message = format!("shorter than {MIN_KEY_BYTES} bytes; `openssl rand -hex 32` makes a good one");
            return Err(vec![FieldProblem::of_all(message)]);
        }
        Ok(Self(text.as_bytes().to_vec()))
    }
}

impl std::fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CacheKey(…)")
    }
}
