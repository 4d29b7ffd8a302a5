//! The items of a tenant. An invalid item of the table never stops the others; the reference
//! gives up all of them.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Lookup;
use super::item;
use super::plugin::PluginRules;
use super::problem::{ItemNotes, ItemProblem};
use super::tree::{Node, Value, quote};
use crate::aws::{Attribute, Item};
use model::{Delivery, DestinationKind};

/// The most warnings that are kept per tenant.
const MAX_WARNINGS: usize = 20;

/// The most characters of an item's `type` that are kept.
const MAX_KIND_CHARS: usize = 64;

/// A tenant's deliveries, from the table or the tenant file.
#[derive(Debug, PartialEq)]
pub struct TenantRecord {
    /// The valid, enabled deliveries. `NoneEnabled`, with a non-empty `invalid`, if all
    /// enabled ones are invalid.
    pub lookup: Lookup,
    /// Enabled deliveries whose items are invalid.
    pub invalid: Vec<InvalidDelivery>,
    /// The number of enabled items that have expired (`ttl`): DynamoDB deletes them within
    /// days, and until then they count as deleted.
    pub expired: usize,
    /// Warnings about the enabled items, a sentence each, none twice, at most 20.
    pub warnings: Vec<String>,
}

/// An enabled delivery whose item can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidDelivery {
    /// The item's `type`, cut to 64 characters; empty if it has none.
    pub kind: String,
    /// The problems by field, with what is expected.
    pub problem: String,
}

impl InvalidDelivery {
    /// The `type`, if it exists, as reports and labels may have it.
    pub fn delivery(&self) -> Option<DestinationKind> {
        DestinationKind::parse(&self.kind)
    }
}

impl TenantRecord {
    /// A tenant without items.
    pub(super) fn unknown() -> Self {
        Self { lookup: Lookup::Unknown, invalid: Vec::new(), expired: 0, warnings: Vec::new() }
    }

    /// Reads all items that the table has for `tenant_id`.
    pub(super) fn read(tenant_id: &str, items: &[Item], rules: &PluginRules) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::read_at(tenant_id, items, rules, i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }

    /// [Reads](Self::read) the items as of `now`, in seconds since the Unix epoch.
    fn read_at(tenant_id: &str, items: &[Item], rules: &PluginRules, now: i64) -> Self {
        let mut found = Self::unknown();
        let mut valid = Vec::new();
        for (item, number) in items.iter().zip(1..) {
            let node = item_node(item);
            if !item::is_enabled(&node) {
                item::enabled_warning(&node).into_iter().for_each(|odd| found.add_warning(odd));
                continue;
            }
            if item::has_expired(&node, now) {
                found.expired += 1;
                found.add_warning(format!(
                    "field ttl: its item of type {} has expired, and counts as deleted",
                    quote(&kind(item))
                ));
                continue;
            }
            let mut notes = ItemNotes::default();
            match delivery(tenant_id, number, &node, rules, &mut notes) {
                Ok(delivery) => valid.push(Arc::new(delivery)),
                Err(problem) => found.invalid.push(InvalidDelivery { kind: kind(item), problem }),
            }
            found.add_warnings(notes.warnings);
        }
        if items.len() > found.expired {
            valid.sort_by_key(|delivery| delivery.id());
            found.lookup = if valid.is_empty() { Lookup::NoneEnabled } else { Lookup::Deliveries(valid) };
        }
        found
    }

    /// Whether no item of the tenant could make a delivery.
    pub(super) fn is_unknown(&self) -> bool {
        !matches!(self.lookup, Lookup::Deliveries(_)) && self.invalid.is_empty()
    }

    fn add_warnings(&mut self, warnings: Vec<ItemProblem>) {
        for warning in warnings {
            self.add_warning(ItemProblem { item: None, ..warning }.to_string());
        }
    }

    fn add_warning(&mut self, text: String) {
        if self.warnings.len() < MAX_WARNINGS && !self.warnings.contains(&text) {
            self.warnings.push(text);
        }
    }
}

/// The delivery of an enabled item, or all that is wrong with it.
fn delivery(
    tenant_id: &str,
    number: usize,
    node: &Node,
    rules: &PluginRules,
    notes: &mut ItemNotes,
) -> Result<Delivery, String> {
    let delivery = item::read(number, node, rules, notes).and_then(|item| item.delivery);
    let by_field = |problem: ItemProblem| ItemProblem { item: None, tenant: None, ..problem }.to_string();
    let noted = notes.problems.drain(..).chain(notes.plugins.drain(..));
    let mut problems: Vec<String> = noted.map(by_field).collect();
    if let Some(delivery) = delivery.as_ref().filter(|delivery| delivery.tenant_id != tenant_id) {
        let (found, expected) = (quote(&delivery.tenant_id), quote(tenant_id));
        problems.push(format!("field tenant_id: found {found}, expected {expected}, which was asked for"));
    }
    match delivery {
        Some(delivery) if problems.is_empty() => Ok(delivery),
        _ => Err(problems.join("; ")),
    }
}

fn kind(item: &Item) -> String {
    match item.get("type") {
        Some(Attribute::Text(text) | Attribute::Number(text)) => text.chars().take(MAX_KIND_CHARS).collect(),
        _ => String::new(),
    }
}

fn item_node(item: &Item) -> Node {
    let entry = |(name, attribute): (&String, &Attribute)| {
        (table_node(Value::Text(name.clone())), table_node(attribute_value(attribute)))
    };
    table_node(Value::Map(item.iter().map(entry).collect()))
}

fn table_node(value: Value) -> Node {
    Node { at: None, value }
}

/// DynamoDB nests at most 32 deep, which bounds the recursion.
fn attribute_value(attribute: &Attribute) -> Value {
    match attribute {
        Attribute::Text(text) => Value::Text(text.clone()),
        Attribute::Number(number) => Value::Number(number.clone()),
        Attribute::Bool(b) => Value::Bool(*b),
        Attribute::Null => Value::Null,
        Attribute::List(items) => Value::List(items.iter().map(|item| table_node(attribute_value(item))).collect()),
        Attribute::Map(entries) => item_node(entries).value,
        Attribute::Binary => Value::Binary,
    }
}

#[cfg(test)]
#[path = "tenant_record_tests.rs"]
mod tests;
