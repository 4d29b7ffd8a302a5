//! All tenants of the table at once, for operators' commands.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{PluginRules, TenantRecord};
use crate::aws::{Attribute, AwsError, Item, Table};

/// The table's partition key.
const PARTITION_KEY: &str = "tenant_id";

/// Reads every tenant of the table, or only `tenant` (an empty map if it has no item).
///
/// # Errors
/// The table can't be read.
pub async fn of_table(
    table: &Table,
    tenant: Option<&str>,
    rules: &PluginRules,
) -> Result<BTreeMap<String, Arc<TenantRecord>>, AwsError> {
    let items = match tenant {
        Some(tenant) => table.query(PARTITION_KEY, tenant).await?,
        None => table.scan().await?,
    };
    Ok(by_tenant(items).into_iter().map(|(tenant, items)| (tenant.clone(), found(&tenant, &items, rules))).collect())
}

fn found(tenant: &str, items: &[Item], rules: &PluginRules) -> Arc<TenantRecord> {
    Arc::new(TenantRecord::read(tenant, items, rules))
}

/// Groups items by tenant. The key is always a text: the table takes no item without it.
fn by_tenant(items: Vec<Item>) -> BTreeMap<String, Vec<Item>> {
    let mut tenants: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    for item in items {
        let tenant = match item.get(PARTITION_KEY) {
            Some(Attribute::Text(tenant)) => tenant.clone(),
            _ => String::new(),
        };
        tenants.entry(tenant).or_default().push(item);
    }
    tenants
}

#[cfg(test)]
mod tests {
    use super::super::Lookup;
    use super::*;
    use model::Limits;

    #[test]
    fn each_tenant_has_its_own_items() {
        let text = |text: &str| Attribute::Text(text.to_owned());
        let item = |tenant: &str, bucket: &str| {
            let fields = [("tenant_id", text(tenant)), ("type", text("s3")), ("bucket_name", text(bucket))];
            let mut item: Item = fields.map(|(name, value)| (name.to_owned(), value)).into();
            item.insert("enabled".to_owned(), Attribute::Bool(true));
            item
        };
        let tenants = by_tenant(vec![item("b", "b-logs"), item("a", "a-logs"), item("b", "B")]);
        assert_eq!(
            tenants.iter().map(|(name, items)| (&**name, items.len())).collect::<Vec<_>>(),
            [("a", 1), ("b", 2)]
        );
        let rules = PluginRules { limits: Limits::default(), folder: None };
        let b = found("b", &tenants["b"], &rules);
        assert!(matches!(&b.lookup, Lookup::Deliveries(deliveries) if deliveries.len() == 1));
        assert!(b.invalid[0].problem.contains("bucket_name"), "{:?}", b.invalid);
    }
}
