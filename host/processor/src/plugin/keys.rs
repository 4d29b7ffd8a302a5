//! Reads the keys of objects: to whom an object belongs.

use std::sync::Arc;
use std::time::Duration;

use super::plans::{PlanError, Plans, PlansInner};
use super::suspension::PluginUse;
use crate::pipeline::{ComponentRun, blocking, parse_key};
use model::{ObjectId, OnError, Origin, Plugin};
use sandbox::{Component, GuestError};

/// Why a key can't be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key is refused for good. The text of the key-parser is for the dead letter.
    #[error("{text}")]
    Rejected {
        /// The key-parser's text.
        text: String,
        /// Whether the log may have the text too: it is this program's own, or the operator
        /// asked for what its author logs.
        for_the_log: bool,
    },
    /// The key-parser failed and will be tried again.
    #[error("{0}")]
    Failed(PlanError),
}

impl KeyError {
    fn of(error: GuestError, who: &str, for_the_log: bool) -> Self {
        match error {
            GuestError::Rejected { text, .. } => Self::Rejected { text, for_the_log },
            error => {
                let failure = error.into_failure(for_the_log);
                let text = format!("{who}{failure}");
                Self::Failed(PlanError { failure: failure.in_words(text), wait: Duration::ZERO, component: None })
            }
        }
    }
}

impl Plans {
    /// Parses an object's key. `now`: the guests' clock.
    ///
    /// # Errors
    /// The key can't be parsed, or the key-parser can't be loaded.
    pub async fn parse_key(&self, object: &ObjectId, now: i64) -> Result<Origin, KeyError> {
        match &self.0.key_parser {
            Some(plugin) => self.0.operators(plugin, object, now).await,
            None => self.0.default_guests(object, now).await,
        }
    }
}

impl PlansInner {
    async fn default_guests(&self, object: &ObjectId, now: i64) -> Result<Origin, KeyError> {
        let (origin, _) = self.parse(&self.default, object, now).await;
        origin.map_err(|error| KeyError::of(error, "", true))
    }

    /// Parses a key with a component; returns also what that used.
    async fn parse(
        &self,
        component: &Component,
        object: &ObjectId,
        now: i64,
    ) -> (Result<Origin, GuestError>, ComponentRun) {
        let (component, slots, object) = (component.clone(), self.slots.clone(), object.clone());
        let mut run = ComponentRun { digest: component.digest().to_owned(), ..ComponentRun::default() };
        let parsed = blocking("parse-key", move || Ok(parse_key(&component, &slots, &object, now, None)));
        let origin = parsed.await.and_then(|(origin, used)| {
            run.used = used;
            origin.and_then(checked)
        });
        if let Err(error) = &origin
            && error.is_guests_fault()
        {
            run.failures.add(error.kind().into(), 1);
        }
        (origin, run)
    }

    /// Parses a key with KEY_PARSER, which decides all of the origin.
    async fn operators(&self, plugin: &Arc<Plugin>, object: &ObjectId, now: i64) -> Result<Origin, KeyError> {
        let failed = match self.key_parser(plugin).await {
            Err(error) => KeyError::Failed(error),
            Ok(guest) => {
                let (origin, run) = self.parse(&guest.component, object, now).await;
                self.metrics.record_component(PluginUse::KEYS, &run);
                match origin {
                    Ok(origin) => return Ok(origin),
                    Err(error) if !error.is_guests_fault() => {
                        return Err(KeyError::of(error, "KEY_PARSER: ", plugin.logs_to_operator));
                    }
                    Err(error) => KeyError::of(error, "KEY_PARSER: ", plugin.logs_to_operator),
                }
            }
        };
        match failed {
            KeyError::Failed(error) if plugin.on_error == OnError::Default => {
                if let Some(warning) =
                    self.warn(PluginUse::KEYS, &error, "the default guest reads the keys, as on_error says")
                {
                    tracing::warn!("{warning}");
                }
                self.default_guests(object, now).await
            }
            failed => Err(failed),
        }
    }
}

/// Checks that each part of an origin can be part of a path, whoever made it.
fn checked(origin: Origin) -> Result<Origin, GuestError> {
    origin.check().map_err(|what| GuestError::Contract { function: "parse-key", what })?;
    Ok(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They may quote what they were given: the log has them where the operator asks.
    #[test]
    fn words_of_who_reads_the_keys_are_for_the_dead_letter() {
        let words = || "hunter2".to_owned();
        for heard in [false, true] {
            let rejected = GuestError::Rejected { function: "parse-key", text: words() };
            let expected = KeyError::Rejected { text: words(), for_the_log: heard };
            assert_eq!(KeyError::of(rejected, "KEY_PARSER: ", heard), expected);
            let failed =
                KeyError::of(GuestError::Internal { function: "parse-key", text: words() }, "KEY_PARSER: ", heard);
            let text = failed.to_string();
            assert!(text.starts_with("KEY_PARSER: ") && text.contains("hunter2") == heard, "{text}");
        }
    }
}
