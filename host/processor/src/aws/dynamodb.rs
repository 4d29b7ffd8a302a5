//! DynamoDB: querying and scanning a table.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use super::AwsError;
use super::operation::Operation;
use super::service::{Access, Service};

/// The value of an item's attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// S.
    Text(String),
    /// N, as it is written.
    Number(String),
    /// BOOL.
    Bool(bool),
    /// NULL.
    Null,
    /// L, SS or NS.
    List(Vec<Attribute>),
    /// M.
    Map(BTreeMap<String, Attribute>),
    /// B, BS, or a type that is not known here.
    Binary,
}

/// An item: its attributes by name.
pub type Item = BTreeMap<String, Attribute>;

/// A table. `Clone` is cheap.
#[derive(Clone)]
pub struct Table {
    dynamodb: Service<Client>,
    name: Arc<str>,
}

/// The client of all tables.
pub(super) fn client(access: Access) -> Service<Client> {
    Service::new(access, |access| {
        let config = aws_sdk_dynamodb::config::Builder::from(&access.config).retry_partition(access.retry_partition());
        Client::from_conf(config.build())
    })
}

impl Table {
    pub(super) fn new(dynamodb: Service<Client>, name: &str) -> Self {
        Self { dynamodb, name: name.into() }
    }

    /// Gets all items whose partition key `key` is `value`, over all pages.
    ///
    /// # Errors
    /// `NotFound`: there is no such table.
    pub async fn query(&self, key: &str, value: &str) -> Result<Vec<Item>, AwsError> {
        let request = self
            .dynamodb
            .client()
            .await?
            .query()
            .table_name(&*self.name)
            .key_condition_expression("#key = :value")
            .expression_attribute_names("#key", key)
            .expression_attribute_values(":value", AttributeValue::S(value.to_owned()));
        let (mut items, mut from) = (Vec::new(), None);
        loop {
            let page = request.clone().set_exclusive_start_key(from).send().await.map_err(|error| {
                self.dynamodb.call(Operation::Query).classify(format!("table {}", self.name), error)
            })?;
            items.extend(self.proven(Operation::Query, page.items)?);
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                return Ok(items);
            }
        }
    }

    /// Gets all items of the table, over all pages.
    ///
    /// # Errors
    /// `NotFound`: there is no such table. `Denied`: the role may not Scan; only operators' commands
    /// need it.
    pub async fn scan(&self) -> Result<Vec<Item>, AwsError> {
        let request = self.dynamodb.client().await?.scan().table_name(&*self.name);
        let (mut items, mut from) = (Vec::new(), None);
        loop {
            let page =
                request.clone().set_exclusive_start_key(from).send().await.map_err(|error| {
                    self.dynamodb.call(Operation::Scan).classify(format!("table {}", self.name), error)
                })?;
            items.extend(self.proven(Operation::Scan, page.items)?);
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                return Ok(items);
            }
        }
    }
}

impl Table {
    /// The items of a response. DynamoDB always sends the list, if only an empty one. A response
    /// without it must not be taken for an empty table: the tenant would be unknown, and its logs
    /// ignored.
    fn proven(
        &self,
        operation: Operation,
        items: Option<Vec<HashMap<String, AttributeValue>>>,
    ) -> Result<impl Iterator<Item = Item>, AwsError> {
        let unproven = || self.dynamodb.call(operation).missing_proof(format!("table {}", self.name), "list of items");
        Ok(items.ok_or_else(unproven)?.into_iter().map(item))
    }
}

fn item(attributes: impl IntoIterator<Item = (String, AttributeValue)>) -> Item {
    attributes.into_iter().map(|(name, value)| (name, attribute(value))).collect()
}

fn attribute(value: AttributeValue) -> Attribute {
    match value {
        AttributeValue::S(text) => Attribute::Text(text),
        AttributeValue::N(number) => Attribute::Number(number),
        AttributeValue::Bool(value) => Attribute::Bool(value),
        AttributeValue::Null(_) => Attribute::Null,
        AttributeValue::L(list) => Attribute::List(list.into_iter().map(attribute).collect()),
        AttributeValue::Ss(texts) => Attribute::List(texts.into_iter().map(Attribute::Text).collect()),
        AttributeValue::Ns(numbers) => Attribute::List(numbers.into_iter().map(Attribute::Number).collect()),
        AttributeValue::M(map) => Attribute::Map(item(map)),
        _ => Attribute::Binary,
    }
}

#[cfg(test)]
#[path = "dynamodb_tests.rs"]
mod tests;
