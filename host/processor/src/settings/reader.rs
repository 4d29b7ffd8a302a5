//! Reads variables, and gathers all that is wrong with them.

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
    /// The variable.
    pub variable: &'static str,
    /// What is wrong, as it follows the variable's name: the value where it may be
    /// shown, escaped and cut to a readable length, and what is allowed.
    pub text: String,
}

/// The environment can't be used: every problem there is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct SettingsError {
    /// At least one.
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

/// Where values come from, and what was found about them. A problem is noted and
/// the default goes on, so that the other variables are still looked at.
pub(super) struct SettingsReader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<SettingProblem>,
    warnings: Vec<String>,
}

impl<'a> SettingsReader<'a> {
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, problems: Vec::new(), warnings: Vec::new() }
    }

    /// The warnings. What is wrong with a variable that isn't used is one of them.
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

    /// A value as it is.
    pub(super) fn raw(&self, name: &str) -> Option<String> {
        (self.lookup)(name)
    }

    /// Empty counts as unset; white space at the ends never matters.
    fn trimmed(&self, variable: &Variable) -> Option<String> {
        self.raw(variable.name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// Empty counts as unset; white space at the ends never matters. What was no UTF-8
    /// is a problem whatever it is for: it would be another path, or another secret.
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

    /// A number whose default is in the table.
    pub(super) fn number(&mut self, variable: &Variable) -> u64 {
        self.number_or(variable, 0)
    }

    /// A number; `found` is its default where that is not in the table, brought
    /// into the variable's range.
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

    /// A text, or its default, as `parse` reads it. None: unset without a default,
    /// or a problem.
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

    /// `true` or `1`.
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

    /// As [`SettingsReader::text`], of a variable that may hold a secret. `parse` says what is
    /// wrong, by field where there are fields, and nothing of the value itself.
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

    /// Values that are separated by commas; each that can't be read is a problem, with
    /// what `parse` says of it.
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

    /// Something wrong, in words that follow the variable's name.
    pub(super) fn add_problem(&mut self, variable: &Variable, text: String) {
        self.add_problem_named(variable.name, text);
    }

    /// Something that is odd, in a sentence.
    pub(super) fn add_warning(&mut self, text: String) {
        self.warnings.push(text);
    }

    /// As [`SettingsReader::add_problem`], of a variable that is in no table.
    pub(super) fn add_problem_named(&mut self, variable: &'static str, text: String) {
        self.problems.push(SettingProblem { variable, text });
    }
}

/// A value as an error shows it: quoted, escaped, and never longer than a line.
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
