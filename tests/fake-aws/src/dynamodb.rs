//! DynamoDB: Query by the partition key, and Scan, in pages.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::FakeAws;
use crate::call::{Call, Input};
use crate::identity::Session;
use crate::reply::{Refusal, Reply};
use crate::state::State;

#[derive(Default)]
pub(crate) struct Tables(HashMap<String, Table>);

struct Table {
    partition_key: String,
    sort_key: Option<String>,
    /// Items a page; AWS's own limit is a megabyte.
    page: usize,
    /// The items in DynamoDB's form: `{"tenant_id": {"S": "a"}}`.
    items: Vec<Value>,
}

impl Table {
    /// The key of an item, and nothing else of it.
    fn key(&self, item: &Value) -> Value {
        let names = [Some(&self.partition_key), self.sort_key.as_ref()];
        Value::Object(names.into_iter().flatten().map(|name| (name.clone(), item[name].clone())).collect())
    }

    /// Items of a partition in the order of the sort key.
    fn partition(&self, value: &Value) -> Vec<&Value> {
        let mut items: Vec<_> = self.items.iter().filter(|item| &item[&self.partition_key] == value).collect();
        if let Some(sort_key) = &self.sort_key {
            items.sort_by_key(|item| item[sort_key].to_string());
        }
        items
    }
}

pub(crate) fn input(call: &mut Call) -> Result<Input, Refusal> {
    let json = call.read_json()?;
    call.resource = json["TableName"].as_str().unwrap_or("").to_owned();
    Ok(Input::Json(json))
}

pub(crate) fn run(state: &mut State, call: &Call, who: &Session) -> Result<Reply, Refusal> {
    let scans = match &*call.operation {
        "Query" => false,
        "Scan" => true,
        other => return Err(Refusal::bad("UnknownOperationException", format!("{other} isn't played"))),
    };
    state.demand(call, who, if scans { "dynamodb:Scan" } else { "dynamodb:Query" }, &call.resource)?;
    let missing = || Refusal::bad("ResourceNotFoundException", "Requested resource not found");
    let table = state.tables.0.get(&call.resource).ok_or_else(missing)?;
    let request = call.json();
    for parameter in ["FilterExpression", "ProjectionExpression", "IndexName", "KeyConditions", "Select"] {
        if !request[parameter].is_null() {
            return Err(invalid(&format!("{parameter} isn't played")));
        }
    }
    if scans {
        return Ok(Reply::json(&page(table, table.items.iter().collect(), request)?));
    }
    let (name, value) = condition(request)?;
    if name != table.partition_key {
        return Err(invalid(&format!("Query condition missed key schema element: {}", table.partition_key)));
    }
    if value["S"].as_str().is_none_or(str::is_empty) {
        return Err(invalid("One or more parameter values were invalid: the key must be a string that is not empty"));
    }
    Ok(Reply::json(&page(table, table.partition(value), request)?))
}

/// Parses `name = :value` to the attribute's name and its value.
fn condition(request: &Value) -> Result<(&str, &Value), Refusal> {
    let expression =
        request["KeyConditionExpression"].as_str().ok_or_else(|| invalid("KeyConditionExpression is missing"))?;
    let (name, value) =
        expression.split_once('=').ok_or_else(|| invalid("Invalid KeyConditionExpression: Syntax error"))?;
    let (name, value) = (name.trim(), value.trim());
    let names = request["ExpressionAttributeNames"].as_object();
    let values = request["ExpressionAttributeValues"].as_object();
    let unused =
        |map: Option<&Map<String, Value>>, used: &str| map.is_some_and(|map| map.keys().any(|key| key != used));
    if unused(names, name) || unused(values, value) {
        return Err(invalid("Value provided in ExpressionAttributeNames or ExpressionAttributeValues is unused"));
    }
    let undefined = || invalid("An expression attribute name or value that is used in the expression is not defined");
    let name = match name.strip_prefix('#') {
        None => name,
        Some(_) => names.and_then(|names| names.get(name)?.as_str()).ok_or_else(undefined)?,
    };
    let value = values.and_then(|values| values.get(value)).ok_or_else(undefined)?;
    Ok((name, value))
}

/// Full pages have a LastEvaluatedKey even where nothing comes after them, as AWS has it.
fn page(table: &Table, items: Vec<&Value>, request: &Value) -> Result<Value, Refusal> {
    let from = match &request["ExclusiveStartKey"] {
        Value::Null => 0,
        start => {
            let position = items.iter().position(|item| &table.key(item) == start);
            position.ok_or_else(|| invalid("The provided starting key is invalid"))? + 1
        }
    };
    let limit = request["Limit"].as_u64().map_or(table.page, |limit| table.page.min(limit as usize));
    let end = items.len().min(from + limit);
    let page = &items[from..end];
    let mut answer = json!({"Items": page, "Count": page.len(), "ScannedCount": page.len()});
    if let Some(last) = page.last().filter(|_| page.len() == limit) {
        answer["LastEvaluatedKey"] = table.key(last);
    }
    Ok(answer)
}

fn invalid(message: &str) -> Refusal {
    Refusal::bad("ValidationException", message)
}

impl FakeAws {
    /// An empty table.
    pub fn add_table(&self, name: &str, partition_key: &str, sort_key: Option<&str>) {
        let (partition_key, sort_key) = (partition_key.to_owned(), sort_key.map(str::to_owned));
        let table = Table { partition_key, sort_key, page: 1000, items: Vec::new() };
        self.state().tables.0.insert(name.to_owned(), table);
    }

    /// Puts an item in DynamoDB's form (`{"tenant_id": {"S": "a"}}`), in place of one with its key.
    pub fn put_item(&self, table: &str, item: Value) {
        let mut state = self.state();
        let table = state.tables.0.get_mut(table).expect("a table that was added");
        let key = table.key(&item);
        let others = std::mem::take(&mut table.items);
        table.items = others.into_iter().filter(|other| table.key(other) != key).collect();
        table.items.push(item);
    }

    /// Sets the most items in a page of this table.
    pub fn page_size(&self, table: &str, items: usize) {
        self.state().tables.0.get_mut(table).expect("a table that was added").page = items;
    }
}
