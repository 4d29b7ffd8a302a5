//! Reads the fields of a component, and notes all that is wrong with them.

use std::sync::Arc;

use super::limits::LIMITS;
use super::problem::FieldProblem;
use super::rules::PluginRules;
use super::source;
use crate::tenant::rules;
use crate::tenant::tree::{Node, Position, Value, quote, quote_unless_plain};
use model::{Digest, Limits, OnError, Plugin};

const FIELDS: [&str; 7] = ["component", "sha256", "settings", "on_error", "mode", "limits", "log"];

/// The most settings of a component.
const MAX_SETTINGS: usize = 100;

/// The most bytes of a setting's name.
const MAX_NAME_BYTES: usize = 128;

/// The most bytes of all settings' values together.
const MAX_VALUE_BYTES: usize = 32 * 1024;

const ON_ERROR: [(&str, OnError); 3] =
    [("retry", OnError::Retry), ("quarantine", OnError::Quarantine), ("default", OnError::Default)];

/// The role of a component: its output is delivered, or only compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PluginMode {
    Active,
    Shadow,
}

const MODES: [(&str, PluginMode); 2] = [("active", PluginMode::Active), ("shadow", PluginMode::Shadow)];

impl PluginMode {
    /// The name in items.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Shadow => "shadow",
        }
    }
}

/// A map of known fields, each there once.
struct FieldMap<'n> {
    path: &'n str,
    at: Option<Position>,
    entries: Vec<(&'n str, &'n Node)>,
}

impl<'n> FieldMap<'n> {
    /// Null means that the field is missing.
    fn get(&self, name: &str) -> Option<&'n Node> {
        let (_, node) = self.entries.iter().find(|(field, _)| *field == name)?;
        (node.value != Value::Null).then_some(node)
    }

    fn path(&self, name: &str) -> String {
        below(self.path, name)
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { quote_unless_plain(name) } else { format!("{path}.{}", quote_unless_plain(name)) }
}

/// Reads a component's fields and gathers problems. After a problem a default is used, so that
/// the other fields are still read.
pub(super) struct PluginReader<'a> {
    rules: &'a PluginRules,
    /// Whether problems quote the texts that were found.
    shows_text: bool,
    problems: Vec<FieldProblem>,
}

impl<'a> PluginReader<'a> {
    pub(super) fn new(rules: &'a PluginRules, shows_text: bool) -> Self {
        Self { rules, shows_text, problems: Vec::new() }
    }

    /// Returns what was read, if there was no problem.
    pub(super) fn finish<T>(self, read: T) -> Result<T, Vec<FieldProblem>> {
        if self.problems.is_empty() { Ok(read) } else { Err(self.problems) }
    }

    pub(super) fn problem(&mut self, at: Option<Position>, field: String, message: String) {
        self.problems.push(FieldProblem { at, field, message });
    }

    /// Reads an item's component at `path`; `None` if something is wrong with it.
    pub(super) fn component(&mut self, path: &str, node: &Node) -> (Option<PluginMode>, Option<Plugin>) {
        let Some(fields) = self.fields(path, node, &FIELDS) else {
            return (None, None);
        };
        let mode = match fields.get("mode") {
            Some(_) => self.choice(&fields, "mode", &MODES),
            None => Some(PluginMode::Active),
        };
        if let (Some(PluginMode::Shadow), Some(node)) = (mode, fields.get("on_error")) {
            let message = "not allowed for a shadow, whose failures never harm the delivery; take it out".to_owned();
            self.problem(node.at, fields.path("on_error"), message);
        }
        (mode, self.plugin(&fields))
    }

    /// Reads the operator's component, which runs for all tenants.
    pub(super) fn read_operators(&mut self, node: &Node) -> Option<Plugin> {
        let fields = self.fields("", node, &FIELDS)?;
        if let Some(node) = fields.get("mode") {
            let message = "not allowed here: what runs for everybody is active; take it out".to_owned();
            self.problem(node.at, fields.path("mode"), message);
        }
        self.plugin(&fields)
    }

    fn plugin(&mut self, fields: &FieldMap<'_>) -> Option<Plugin> {
        let component = self.required(fields, "component", source::COMPONENT).and_then(|(text, at)| {
            let read = source::component(text, self.rules.folder.as_deref());
            read.map_err(|why| self.refused(at, fields.path("component"), text, &why)).ok()
        });
        let sha256 = self.required(fields, "sha256", "the SHA-256 of the component: 64 hexadecimal digits");
        let sha256 = sha256.and_then(|(text, at)| {
            let why = "no SHA-256, expected 64 hexadecimal digits, as `sha256sum` prints them";
            text.parse::<Digest>().map_err(|_| self.refused(at, fields.path("sha256"), text, why)).ok()
        });
        let settings = self.settings(fields);
        let on_error = self.choice(fields, "on_error", &ON_ERROR).unwrap_or_default();
        let limits = self.limits(fields);
        let logs_to_operator = self.choice(fields, "log", &[("operator", ())]).is_some();
        Some(Plugin {
            component: component?,
            sha256: Some(sha256?),
            settings: Arc::new(settings),
            on_error,
            limits,
            logs_to_operator,
        })
    }

    /// The fields of a map; what is no field of it is noted.
    fn fields<'n>(&mut self, path: &'n str, node: &'n Node, known: &[&str]) -> Option<FieldMap<'n>> {
        let fields = self.map(path, node)?;
        for (name, node) in &fields.entries {
            if !known.contains(name) {
                let hint = rules::nearest(name, known.iter().copied());
                let hint = hint.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                let message = format!("unknown, expected only {}{hint}", known.join(", "));
                self.problem(node.at, fields.path(name), message);
            }
        }
        Some(fields)
    }

    /// The entries of a map; names that are no text, or come twice, are noted.
    fn map<'n>(&mut self, path: &'n str, node: &'n Node) -> Option<FieldMap<'n>> {
        let Value::Map(entries) = &node.value else {
            self.problem(node.at, path.to_owned(), format!("found {}, expected a map", node.value.kind()));
            return None;
        };
        let mut fields = FieldMap { path, at: node.at, entries: Vec::new() };
        for (key, value) in entries {
            let Value::Text(name) = &key.value else {
                let message = format!("found {} as a name, expected a text; put it in quotes", key.value.kind());
                self.problem(key.at, path.to_owned(), message);
                continue;
            };
            if fields.entries.iter().any(|(earlier, _)| earlier == name) {
                self.problem(key.at, fields.path(name), "found twice; keep one".to_owned());
            } else {
                fields.entries.push((name, value));
            }
        }
        Some(fields)
    }

    /// The text of a field that must be there.
    fn required<'n>(
        &mut self,
        fields: &FieldMap<'n>,
        name: &str,
        expected: &str,
    ) -> Option<(&'n str, Option<Position>)> {
        match fields.get(name).map(|node| (&node.value, node.at)) {
            Some((Value::Text(text), at)) => return Some((text, at)),
            Some((other, at)) => {
                let quotes = if matches!(other, Value::Number(_) | Value::Bool(_)) { "; put it in quotes" } else { "" };
                self.problem(at, fields.path(name), format!("found {}, expected a text{quotes}", self.found(other)));
            }
            None => self.problem(fields.at, fields.path(name), format!("missing, expected {expected}")),
        }
        None
    }

    /// Reads one of a few words; `None` if it is missing, or another word (and noted).
    fn choice<T: Copy>(&mut self, fields: &FieldMap<'_>, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let node = fields.get(name)?;
        let chosen = choices.iter().find(|(word, _)| matches!(&node.value, Value::Text(text) if text == word));
        if chosen.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let expected = match words.as_slice() {
                [only] => format!("only {only}"),
                all => format!("one of {}", all.join(", ")),
            };
            let message = format!("found {}, expected {expected}", self.found(&node.value));
            self.problem(node.at, fields.path(name), message);
        }
        chosen.map(|(_, value)| *value)
    }

    /// Sorted by name, so that the same settings are equal wherever they come from.
    fn settings(&mut self, fields: &FieldMap<'_>) -> Vec<(String, String)> {
        let path = fields.path("settings");
        let Some(map) = fields.get("settings").and_then(|node| self.map(&path, node)) else {
            return Vec::new();
        };
        let mut settings = Vec::new();
        for (name, node) in &map.entries {
            match &node.value {
                Value::Text(text) => settings.push(((*name).to_owned(), text.clone())),
                // The value isn't shown: it may be a secret.
                other => {
                    let message = format!("found {}, expected a text; put it in quotes", other.kind());
                    self.problem(node.at, map.path(name), message);
                }
            }
            if !(1..=MAX_NAME_BYTES).contains(&name.len()) {
                let message = format!("a name of {} bytes, expected 1 to {MAX_NAME_BYTES}", name.len());
                self.problem(node.at, map.path(name), message);
            }
        }
        let values: usize = settings.iter().map(|(_, value)| value.len()).sum();
        if map.entries.len() > MAX_SETTINGS {
            let message = format!("{} settings, at most {MAX_SETTINGS} are allowed", map.entries.len());
            self.problem(map.at, path.clone(), message);
        }
        if values > MAX_VALUE_BYTES {
            let message = format!("values of {values} bytes together, at most {MAX_VALUE_BYTES} are allowed");
            self.problem(map.at, path.clone(), message);
        }
        settings.sort();
        settings
    }

    /// The host's limits, lowered.
    fn limits(&mut self, fields: &FieldMap<'_>) -> Limits {
        let mut limits = self.rules.limits.clone();
        let path = fields.path("limits");
        let names = LIMITS.map(|limit| limit.name);
        let Some(map) = fields.get("limits").and_then(|node| self.fields(&path, node, &names)) else {
            return limits;
        };
        for limit in &LIMITS {
            let Some(node) = map.get(limit.name) else { continue };
            let most = (limit.get)(&self.rules.limits);
            let least = limit.least.min(most).max(1);
            let number = match &node.value {
                Value::Number(text) => text.parse::<u64>().ok(),
                _ => None,
            };
            let message = match number {
                Some(n) if n > most => format!(
                    "found {n}, the host's limit is {most} ({}); lower it, or ask the operator to raise that",
                    limit.variable
                ),
                Some(n) if n < least => format!("found {n}, expected {least} to {most}"),
                Some(n) => {
                    (limit.set)(&mut limits, n);
                    continue;
                }
                None => {
                    let found = self.found(&node.value);
                    format!("found {found}, expected a whole number, {least} to {most}, without quotes or unit")
                }
            };
            self.problem(node.at, map.path(limit.name), message);
        }
        limits
    }

    /// A value as a problem says it was found.
    fn found(&self, value: &Value) -> String {
        if self.shows_text { value.describe() } else { value.kind() }
    }

    /// Notes a text that was found and is not what was expected; `why` follows "found".
    fn refused(&mut self, at: Option<Position>, field: String, text: &str, why: &str) {
        // The text before an @ may be a password.
        let shows_text = self.shows_text && !text.replace("@sha256:", "").contains('@');
        let message = if shows_text { format!("found {}: {why}", quote(text)) } else { format!("found {why}") };
        self.problem(at, field, message);
    }
}
