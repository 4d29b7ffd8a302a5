//! One item, of the tenant file or of the DynamoDB table: its fields, each checked
//! for its type, and those of an enabled item for what they say.

use super::coercion;
use super::field_type::FieldType;
use super::plugin::{self, PluginRules};
use super::problem::{ItemNotes, ItemProblem};
use super::rules::{self, Rule};
use super::tree::{Node, Position, Value, quote, quote_unless_plain};
use model::{Delivery, Destination, Plugins};

const DEFAULT_REGION: &str = "us-east-1";
const DEFAULT_PREFIX: &str = "ROSA/cluster-logs/";

/// Names of the groups of applications; case does not matter.
const GROUPS: [&str; 4] = ["API", "Authentication", "Controller Manager", "Scheduler"];

/// An item that names a tenant and a type.
#[derive(Debug)]
pub(super) struct TenantItem {
    /// The item's number in the file, from 1.
    pub(super) number: usize,
    pub(super) at: Option<Position>,
    pub(super) tenant_id: String,
    pub(super) kind: String,
    /// The delivery; `None` if it isn't enabled, or if something is wrong with it (and noted).
    pub(super) delivery: Option<Delivery>,
}

const FIELDS: [(&str, FieldType); 15] = [
    ("tenant_id", FieldType::Text),
    ("type", FieldType::Text),
    ("enabled", FieldType::Bool),
    ("desired_logs", FieldType::Texts),
    ("groups", FieldType::Texts),
    ("target_region", FieldType::Text),
    ("log_distribution_role_arn", FieldType::Text),
    ("log_group_name", FieldType::Text),
    ("bucket_name", FieldType::Text),
    ("bucket_prefix", FieldType::Text),
    (ACCOUNT_ID, FieldType::Text),
    (TTL, FieldType::Any),
    ("created_at", FieldType::Any),
    ("updated_at", FieldType::Any),
    (plugin::FIELD, FieldType::Any),
];

/// The field with the time after which DynamoDB deletes the item, within days.
const TTL: &str = "ttl";

/// The field with the account that owns the bucket.
const ACCOUNT_ID: &str = "account_id";

/// The field with the tenant's role.
const ROLE_ARN: &str = "log_distribution_role_arn";

/// Whether the item is enabled, or its switch is invalid.
pub(super) fn is_enabled(item: &Node) -> bool {
    field(entries(item), "enabled").is_some_and(|node| coercion::coerce_bool(&node.value) != Some(false))
}

/// The warning about the switch of an item that isn't enabled, and of which nothing else is
/// read.
pub(super) fn enabled_warning(item: &Node) -> Option<String> {
    let node = field(entries(item), "enabled")?;
    FieldType::Bool.coercion_warning(&node.value).map(|odd| format!("field enabled: {odd}"))
}

/// Whether the item has expired at `now`, in seconds since the Unix epoch.
pub(super) fn has_expired(item: &Node, now: i64) -> bool {
    field(entries(item), TTL).is_some_and(|node| coercion::is_expired(&node.value, now))
}

/// Whether an unknown field is a misspelled `plugin`.
fn means_plugin(name: &str) -> bool {
    !is_field(name) && nearest_field(name) == Some(plugin::FIELD)
}

fn is_field(name: &str) -> bool {
    FIELDS.iter().any(|(field, _)| *field == name)
}

fn nearest_field(name: &str) -> Option<&'static str> {
    rules::nearest(name, FIELDS.iter().map(|(field, _)| *field))
}

fn entries(item: &Node) -> &[(Node, Node)] {
    match &item.value {
        Value::Map(entries) => entries,
        _ => &[],
    }
}

/// The value of a field; `None` if it is missing or null.
fn field<'a>(entries: &'a [(Node, Node)], field: &str) -> Option<&'a Node> {
    let named = |(key, _): &&(Node, Node)| matches!(&key.value, Value::Text(k) if k == field);
    let (_, value) = entries.iter().find(named)?;
    (value.value != Value::Null).then_some(value)
}

/// Reads item `number` and notes what is wrong with it; `None` if it doesn't even name its
/// tenant and type.
pub(super) fn read(number: usize, node: &Node, rules: &PluginRules, notes: &mut ItemNotes) -> Option<TenantItem> {
    let enabled = is_enabled(node);
    let mut reader = ItemReader { number, at: node.at, tenant: None, enabled, entries: &[], rules, notes };
    let Value::Map(entries) = &node.value else {
        let message = format!("found {}, expected a map of fields", node.value.describe());
        reader.problem(node.at, None, message);
        return None;
    };
    reader.entries = entries;
    reader.tenant = reader.text("tenant_id").map(str::to_owned);
    reader.check_names();
    reader.check_types();
    let plugins = reader.plugins();
    reader.item(plugins)
}

struct ItemReader<'a> {
    number: usize,
    at: Option<Position>,
    tenant: Option<String>,
    /// Whether the item is enabled. If the switch is invalid the rest is read as if it were,
    /// so that all problems are reported at once.
    enabled: bool,
    entries: &'a [(Node, Node)],
    rules: &'a PluginRules,
    notes: &'a mut ItemNotes,
}

impl<'a> ItemReader<'a> {
    /// The value of a field; `None` if it is missing or null.
    fn node(&self, field: &str) -> Option<&'a Node> {
        self::field(self.entries, field)
    }

    /// The text of a field; `None` if it is missing, empty or no text.
    fn text(&self, field: &str) -> Option<&'a str> {
        match &self.node(field)?.value {
            Value::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// The list of a field, empty where it is missing; `[""]` means the same.
    fn list(&self, field: &str) -> Vec<String> {
        let items = match self.node(field).map(|node| &node.value) {
            Some(Value::List(items)) => items,
            Some(Value::Text(text)) => return coercion::coerce_list(text).unwrap_or_default(),
            _ => return Vec::new(),
        };
        let text = |item: &Node| match &item.value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        };
        let texts: Vec<String> = items.iter().filter_map(text).collect();
        if texts == [""] { Vec::new() } else { texts }
    }

    fn note(&self, at: Option<Position>, field: Option<&str>, message: String) -> ItemProblem {
        ItemProblem {
            at,
            item: Some(self.number),
            tenant: self.tenant.clone(),
            field: field.map(str::to_owned),
            message,
        }
    }

    fn problem(&mut self, at: Option<Position>, field: Option<&str>, message: String) {
        let problem = self.note(at, field, message);
        self.notes.problems.push(problem);
    }

    fn warn(&mut self, at: Option<Position>, field: &str, message: String) {
        let warning = self.note(at, Some(field), message);
        self.notes.warnings.push(warning);
    }

    /// Notes a problem with a component. It stops the item's delivery, if that is enabled.
    fn plugin_problem(&mut self, at: Option<Position>, field: &str, message: String) {
        let problem = self.note(at, Some(field), message);
        let notes = if self.enabled { &mut self.notes.plugins } else { &mut self.notes.warnings };
        notes.push(problem);
    }

    /// Notes keys that are no text, come twice, or are unknown.
    fn check_names(&mut self) {
        for (i, (key, value)) in self.entries.iter().enumerate() {
            let Value::Text(name) = &key.value else {
                let found = key.value.describe();
                self.problem(key.at, None, format!("found {found} as a field's name, expected a text"));
                continue;
            };
            let same = |(earlier, _): &&(Node, Node)| earlier.value == key.value;
            if let Some((first, _)) = self.entries.iter().take(i).find(same) {
                let line = first.at.map(|at| format!(", first in line {}", at.line)).unwrap_or_default();
                let message = format!("found twice{line}; keep one");
                self.problem(key.at, Some(&quote_unless_plain(name)), message);
            } else if means_plugin(name) && value.value != Value::Null {
                // If this were ignored, records might go out that a component was to filter.
                let message = format!("unknown; did you mean {}? If not, take it out", plugin::FIELD);
                self.plugin_problem(key.at, &quote_unless_plain(name), message);
            } else if !is_field(name) {
                let hint = nearest_field(name).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                self.warn(key.at, &quote_unless_plain(name), format!("unknown, ignored{hint}"));
            }
        }
    }

    /// Notes fields whose value is of another type than theirs.
    fn check_types(&mut self) {
        for (field, shape) in FIELDS {
            let Some(node) = self.node(field) else { continue };
            if shape.fits(&node.value) {
                shape.coercion_warning(&node.value).into_iter().for_each(|odd| self.warn(node.at, field, odd));
                continue;
            }
            let wrong = match (&node.value, shape) {
                (Value::List(items), FieldType::Texts) => {
                    items.iter().find(|item| !matches!(item.value, Value::Text(_)))
                }
                _ => None,
            };
            let (at, found, expected) = match wrong {
                Some(item) => (item.at, &item.value, FieldType::Text.expected(&item.value)),
                None => (node.at, &node.value, shape.expected(&node.value)),
            };
            self.problem(at, Some(field), format!("found {}, expected {expected}", found.describe()));
        }
    }

    /// The text of a field that must be there; what is wrong with it is noted.
    fn required(&mut self, field: &str, rule: &Rule) -> Option<&'a str> {
        match self.node(field).map(|node| (&node.value, node.at)) {
            None => {
                self.problem(self.at, Some(field), format!("missing, expected {}", rule.expected));
                None
            }
            Some((Value::Text(text), at)) => self.check_text(field, text, at, rule),
            // A value of another type was noted already.
            Some(_) => None,
        }
    }

    /// The text of a field that may be missing or empty.
    fn optional(&mut self, field: &str, default: &'a str, rule: &Rule) -> Option<&'a str> {
        match self.node(field).map(|node| (&node.value, node.at)) {
            Some((Value::Text(text), at)) if !text.is_empty() => self.check_text(field, text, at, rule),
            _ => Some(default),
        }
    }

    fn check_text(&mut self, field: &str, text: &'a str, at: Option<Position>, rule: &Rule) -> Option<&'a str> {
        if (rule.allows)(text) {
            return Some(text);
        }
        let trimmed = text.trim();
        // The type is the item's key: two that differ in blanks are two items.
        if (rule.allows)(trimmed) && field != "type" {
            let message = format!("found {}, whose blanks at the ends are left out", quote(text));
            self.warn(at, field, message);
            return Some(trimmed);
        }
        let message = format!("found {}, expected {}", quote(text), rule.expected);
        self.problem(at, Some(field), message);
        None
    }

    /// The components that the item names; what is wrong with them is noted.
    fn plugins(&mut self) -> Plugins {
        let read =
            self.node(plugin::FIELD).map_or_else(|| Ok(Plugins::default()), |node| plugin::read(node, self.rules));
        read.unwrap_or_else(|problems| {
            for problem in problems {
                self.plugin_problem(problem.at, &problem.field, problem.message);
            }
            Plugins::default()
        })
    }

    fn item(mut self, plugins: Plugins) -> Option<TenantItem> {
        let tenant_id = self.required("tenant_id", &rules::NOT_BLANK);
        let any_type = Rule { allows: |_| true, ..rules::TYPE };
        let kind = self.required("type", if self.enabled { &rules::TYPE } else { &any_type });
        let delivery = match (self.enabled, kind) {
            (true, Some(kind)) => self.delivery(tenant_id.unwrap_or_default(), kind, plugins),
            _ => None,
        };
        // Items are read one after the other.
        let misnamed = self.notes.plugins.last().is_some_and(|problem| problem.item == Some(self.number));
        let delivery = delivery.filter(|_| !misnamed);
        Some(TenantItem {
            number: self.number,
            at: self.at,
            tenant_id: tenant_id?.to_owned(),
            kind: kind?.to_owned(),
            delivery,
        })
    }

    fn delivery(&mut self, tenant_id: &str, kind: &str, plugins: Plugins) -> Option<Delivery> {
        if let Some(node) = self.node(TTL).filter(|node| !matches!(node.value, Value::Number(_))) {
            let found = node.value.describe();
            let message = format!("found {found}, expected a number of seconds since 1970; ignored, as by DynamoDB");
            self.warn(node.at, TTL, message);
        }
        let groups = self.list("groups");
        self.warn_of_unknown_groups(&groups);
        self.warn_of_useless_fields(kind);
        let region = self.optional("target_region", DEFAULT_REGION, &rules::REGION);
        let destination = match kind {
            "cloudwatch" => self.cloudwatch(),
            _ => self.s3(),
        };
        Some(Delivery {
            tenant_id: tenant_id.to_owned(),
            desired_logs: self.list("desired_logs"),
            groups,
            target_region: region?.to_owned(),
            destination: destination?,
            plugins,
        })
    }

    fn cloudwatch(&mut self) -> Option<Destination> {
        let role = self.required(ROLE_ARN, &rules::ROLE);
        let group = self.required("log_group_name", &rules::LOG_GROUP);
        let (role, group) = (role?, group?);
        Some(Destination::CloudWatch {
            role_arn: role.to_owned(),
            account: rules::role_account(role)?.to_owned(),
            log_group: group.to_owned(),
        })
    }

    fn s3(&mut self) -> Option<Destination> {
        let bucket = self.required("bucket_name", &rules::BUCKET);
        let prefix = self.optional("bucket_prefix", DEFAULT_PREFIX, &rules::PREFIX);
        let account = match self.node(ACCOUNT_ID) {
            Some(_) => Some(self.required(ACCOUNT_ID, &rules::ACCOUNT)?.to_owned()),
            // An S3 delivery needs no role; one that is named says whose account it is.
            None => self.text(ROLE_ARN).and_then(rules::role_account).map(str::to_owned),
        };
        let prefix = format!("{}/", prefix?.trim_end_matches('/'));
        Some(Destination::S3 { bucket: bucket?.to_owned(), prefix, account })
    }

    fn warn_of_unknown_groups(&mut self, groups: &[String]) {
        let unknown = |group: &&String| !GROUPS.iter().any(|g| g.eq_ignore_ascii_case(group));
        let at = self.node("groups").map_or(self.at, |node| node.at);
        for group in groups.iter().filter(unknown) {
            let message = format!(
                "found the unknown group {}, which names no application; known are {}",
                quote(group),
                GROUPS.join(", ")
            );
            self.warn(at, "groups", message);
        }
    }

    /// Warns of fields that belong to the other type.
    fn warn_of_useless_fields(&mut self, kind: &str) {
        let others: &[&str] = match kind {
            "cloudwatch" => &["bucket_name", "bucket_prefix", ACCOUNT_ID],
            _ => &["log_distribution_role_arn", "log_group_name"],
        };
        for field in others {
            if let Some(node) = self.node(field) {
                self.warn(node.at, field, format!("has no effect in an item of type {kind}"));
            }
        }
    }
}
