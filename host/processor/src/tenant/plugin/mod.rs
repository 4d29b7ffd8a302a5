//! The components that an item names in its field `plugin`, and the one that the operator
//! names for all tenants, with the same fields. An unknown field is an error: a tenant counts
//! on what it asked for.
//!
//! - `reader`: reads the fields, and notes all that is wrong with them.
//! - `source`: the texts that say where a component lies, or may lie.
//! - `limits`: what a component may use, by name; `rules`: what it may not go beyond.
//! - `problem`: something wrong in a field.

mod limits;
mod problem;
mod reader;
mod rules;
mod source;

use std::sync::Arc;

use super::json;
use super::tree::{Node, Value};
use model::{Limits, Plugin, Plugins};
use reader::{PluginMode, PluginReader};

pub(crate) use limits::LIMITS;
pub(crate) use problem::FieldProblem;
pub use rules::PluginRules;
pub(crate) use source::{allowed, component};

/// The field of an item that names its components. A tenant that has it counts on its
/// records never going out without them.
pub(super) const FIELD: &str = "plugin";

/// Reads the value of an item's field `plugin`.
///
/// # Errors
/// All that is wrong with it; at least one.
pub(super) fn read(node: &Node, rules: &PluginRules) -> Result<Plugins, Vec<FieldProblem>> {
    let mut reader = PluginReader::new(rules, true);
    let mut plugins = Plugins::default();
    match &node.value {
        Value::List(items) if (1..=2).contains(&items.len()) => {
            let mut first = None;
            for (i, node) in items.iter().enumerate() {
                let path = format!("{FIELD}[{i}]");
                let (mode, plugin) = reader.component(&path, node);
                if let Some(mode) = mode.filter(|_| mode == first) {
                    let message =
                        format!("{} again, as {FIELD}[0] is; of two, one is active and one a shadow", mode.name());
                    reader.problem(node.at, format!("{path}.mode"), message);
                }
                first = mode;
                put(&mut plugins, mode, plugin);
            }
        }
        Value::Map(_) => {
            let (mode, plugin) = reader.component(FIELD, node);
            put(&mut plugins, mode, plugin);
        }
        other => {
            let expected = "expected a map, or a list of one or two: an active component and a shadow";
            reader.problem(node.at, FIELD.to_owned(), format!("found {}, {expected}", other.kind()));
        }
    }
    reader.finish(plugins)
}

fn put(plugins: &mut Plugins, mode: Option<PluginMode>, plugin: Option<Plugin>) {
    match mode {
        Some(PluginMode::Active) => plugins.active = plugin.map(Arc::new),
        Some(PluginMode::Shadow) => plugins.shadow = plugin.map(Arc::new),
        // Noted: nothing of this is used.
        None => {}
    }
}

/// Reads what the operator names for everybody: a JSON map as in an item, without
/// `mode`, or `REFERENCE@sha256:HEX`.
///
/// # Errors
/// All that is wrong with it, at least one, with nothing of the text.
pub(crate) fn of_operator(text: &str, limits: &Limits) -> Result<Plugin, Vec<FieldProblem>> {
    let whole = |message| vec![FieldProblem::of_all(message)];
    let node = match text.rsplit_once("@sha256:") {
        _ if text.starts_with('{') => json::parse(text).map_err(|error| whole(format!("no valid JSON: {error}")))?,
        Some((component, sha256)) => pair(component, sha256),
        None => return Err(whole("neither a JSON map nor REFERENCE@sha256:<digest of the component>".to_owned())),
    };
    let rules = PluginRules { limits: limits.clone(), folder: None };
    let mut reader = PluginReader::new(&rules, false);
    let plugin = reader.read_operators(&node);
    reader.finish(plugin)?.ok_or_else(|| whole("no component".to_owned()))
}

fn pair(component: &str, sha256: &str) -> Node {
    let node = |value| Node { at: None, value };
    let text = |text: &str| node(Value::Text(text.to_owned()));
    node(Value::Map(vec![(text("component"), text(component)), (text("sha256"), text(sha256))]))
}

#[cfg(test)]
#[path = "plugin_tests.rs"]
mod tests;

#[cfg(test)]
mod random_tests;
