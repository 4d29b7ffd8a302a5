//! Reads variables and gathers all problems.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use super::mode::Purpose;
use super::table::LOG_LEVEL;
use super::variable::{DefaultValue, ValueKind, Variable};
use crate::telemetry::LogLevel;
use crate::tenant::plugin::FieldProblem;

/// A variable whose value can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingProblem {
    /// The variable's name.
    pub variable: &'static str,
    /// What is wrong, to follow the variable's name: the value if it may be shown, escaped and
    /// cut to a readable length, and what is allowed.
    pub text: String,
}

/// The problems that make the environment unusable.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct SettingsError {
    /// All problems; at least one.
    pub problems: Vec<SettingProblem>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid settings in the environment:")?;
        for p in &self.problems {
            write!(f, "\n  {}{}", p.variable, p.text)?;
        }
        Ok(())
    }
}

/// Reads values and gathers problems. After a problem the default is used, so that the other
/// variables are still read.
pub(super) struct SettingsReader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<SettingProblem>,
    warnings: Vec<String>,
}

impl<'a> SettingsReader<'a> {
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, problems: Vec::new(), warnings: Vec::new() }
    }

    /// Returns the warnings. Problems with unused variables are among them.
    pub(super) fn finish(mut self, purpose: Purpose) -> Result<Vec<String>, SettingsError> {
        let mut problems = Vec::new();
        for problem in self.problems {
            match purpose.why_unused(problem.variable) {
                Some(why) => self.warnings.push(format!("{}{}; {why}", problem.variable, problem.text)),
                None => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(self.warnings) } else { Err(SettingsError { problems }) }
    }

    /// Returns a value unchanged.
    pub(super) fn raw(&self, name: &str) -> Option<String> {
        (self.lookup)(name)
    }

    /// Empty counts as unset; white space at the ends never matters.
    fn trimmed(&self, variable: &Variable) -> Option<String> {
        self.raw(variable.name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// Returns a value without white space at its ends; an empty one counts as unset. A value
    /// that isn't UTF-8 is a problem for any variable: it would be another path, or another
    /// secret.
    pub(super) fn value(&mut self, variable: &Variable) -> Option<String> {
        let value = self.trimmed(variable)?;
        if !value.contains(char::REPLACEMENT_CHARACTER) {
            return Some(value);
        }
        if !self.problems.iter().any(|problem| problem.variable == variable.name) {
            self.add_problem(variable, " is not UTF-8 (it is not shown); correct it, or unset it".to_owned());
        }
        None
    }

    /// Reads a number whose default is in the table.
    pub(super) fn number(&mut self, variable: &Variable) -> u64 {
        self.number_or(variable, 0)
    }

    /// Reads a number; `found` is its default if that isn't in the table, brought into the
    /// variable's range.
    pub(super) fn number_or(&mut self, variable: &Variable, found: u64) -> u64 {
        let ValueKind::Number { default, min, max, unit } = variable.kind else {
            return found;
        };
        let default = match default {
            DefaultValue::Fixed(n) => n,
            DefaultValue::Computed(_) => found.clamp(min, max),
        };
        let Some(value) = self.value(variable) else {
            return default;
        };
        let number = unit.parse(&value).filter(|n| (min..=max).contains(n));
        number.unwrap_or_else(|| {
            self.problem(variable, &value);
            default
        })
    }

    pub(super) fn seconds(&mut self, variable: &Variable) -> Duration {
        Duration::from_secs(self.number(variable))
    }

    /// Reads a text, or its default, with `parse`; `None` if it is unset without a default, or
    /// a problem.
    pub(super) fn text<T>(&mut self, variable: &Variable, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        match (self.value(variable), &variable.kind) {
            (Some(value), _) => parse(&value).or_else(|| {
                self.problem(variable, &value);
                None
            }),
            (None, ValueKind::Text { default: DefaultValue::Fixed(default), .. }) => parse(default),
            (None, _) => None,
        }
    }

    /// Reads a flag: `true` or `1`.
    pub(super) fn flag(&mut self, variable: &Variable) -> bool {
        let value = self.trimmed(variable).unwrap_or_default();
        if !matches!(value.as_str(), "" | "true" | "1" | "false" | "0") {
            let (name, shown, allowed) = (variable.name, quote(&value), variable.range_text());
            self.warnings.push(format!("{name} is {shown}: allowed is {allowed}; it means false"));
        }
        matches!(value.as_str(), "true" | "1")
    }

    pub(super) fn level(&mut self) -> LogLevel {
        let Some(value) = self.trimmed(&LOG_LEVEL) else {
            return LogLevel::Info;
        };
        LogLevel::parse(&value).unwrap_or_else(|| {
            let (shown, allowed) = (quote(&value), LOG_LEVEL.range_text());
            self.warnings.push(format!("LOG_LEVEL is {shown}: allowed is {allowed}; INFO is used"));
            LogLevel::Info
        })
    }

    /// Reads a text that may hold a secret. `parse` says what is wrong, by field if there are
    /// fields, without the value.
    pub(super) fn secret<T>(
        &mut self,
        variable: &Variable,
        parse: impl Fn(&str) -> Result<T, Vec<FieldProblem>>,
    ) -> Option<T> {
        let problems = match parse(&self.value(variable)?) {
            Ok(value) => return Some(value),
            Err(problems) => problems,
        };
        for FieldProblem { field, message, .. } in problems {
            let field = if field.is_empty() { field } else { format!(", field {field}") };
            self.add_problem(variable, format!("{field}: {message}"));
        }
        None
    }

    /// Reads values that are separated by commas. Each that `parse` refuses is a problem.
    pub(super) fn list<T>(&mut self, variable: &Variable, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let text = self.value(variable).unwrap_or_default();
        let mut read = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match parse(part) {
                Ok(value) => read.push(value),
                Err(why) => self.add_problem(variable, format!(" holds {}: {why}", quote(part))),
            }
        }
        read
    }

    fn problem(&mut self, variable: &Variable, value: &str) {
        let (value, allowed) = (quote(value), variable.range_text());
        self.add_problem(variable, format!(" is {value}: allowed is {allowed}; unset it for the default"));
    }

    /// Adds a problem whose text follows the variable's name.
    pub(super) fn add_problem(&mut self, variable: &Variable, text: String) {
        self.add_problem_named(variable.name, text);
    }

    /// Adds a warning, a sentence.
    pub(super) fn add_warning(&mut self, text: String) {
        self.warnings.push(text);
    }

    /// [Adds a problem](SettingsReader::add_problem) with a variable that is in no table.
    pub(super) fn add_problem_named(&mut self, variable: &'static str, text: String) {
        self.problems.push(SettingProblem { variable, text });
    }
}

/// Quotes a value for an error: escaped, and never longer than a line.
fn quote(value: &str) -> String {
    const MAX_CHARS: usize = 60;
    if value.contains('@') {
        return "a value with an @ (not shown: it may hold a password)".to_owned();
    }
    match value.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{:?}…", value.get(..end).unwrap_or_default()),
        None => format!("{value:?}"),
    }
}
