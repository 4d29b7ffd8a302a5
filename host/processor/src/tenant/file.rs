//! The directory of tenants as a file: the items of the DynamoDB table as YAML or
//! JSON, either as a list or as a map whose `tenants` is that list.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use super::item::{self, TenantItem};
use super::problem::{ItemNotes, ItemProblem};
use super::tree::{self, Node, Position, Value, quote};
use super::{InvalidDelivery, Lookup, PluginRules, TenantRecord};
use model::{Delivery, Destination};

/// The largest tenant file that is read, in MiB: some hundred thousand items.
const MAX_MIB: u64 = 64;

/// Why a tenant file can't be used.
#[derive(Debug, Error)]
pub enum TenantFileError {
    /// The file can't be opened or read.
    #[error("can't read the tenant file {}: {cause}; {}", .path.display(), remedy(.cause))]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// The path is a folder.
    #[error("the tenant file {} is a folder; give a YAML or JSON file", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// The file is larger than any tenant file should be.
    #[error("the tenant file {} is larger than {MAX_MIB} MiB; is it the right file?", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file isn't UTF-8.
    #[error("{}:{line}: the tenant file is not UTF-8; save it as UTF-8", .path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The line of the first byte that is not, counted from 1.
        line: usize,
    },
    /// The file is empty except for comments.
    #[error("the tenant file {} is empty; {EXPECTED}", .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is neither YAML nor JSON.
    #[error("{}:{}:{}: not valid YAML or JSON: {message}", .path.display(), .at.line, .at.column)]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The position of the error.
        at: Position,
        /// The parser's message.
        message: String,
    },
    /// Items of the file are invalid.
    #[error("{}", listed(.path, .problems))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// All problems in the file's order; at least one.
        problems: Vec<ItemProblem>,
    },
}

const EXPECTED: &str = "expected a list of items, or a map whose `tenants` is that list";

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "name an existing file with --tenants",
        io::ErrorKind::PermissionDenied => "let this user read it",
        _ => "check the path and the disk",
    }
}

fn listed(path: &Path, problems: &[ItemProblem]) -> String {
    let mut text = match problems.len() {
        1 => format!("the tenant file {} has a problem:", path.display()),
        n => format!("the tenant file {} has {n} problems:", path.display()),
    };
    for problem in problems {
        text.push_str(&format!("\n  {}:{problem}", path.display()));
    }
    text
}

/// The tenants of a file.
#[derive(Debug)]
pub struct FileDirectory {
    tenants: BTreeMap<String, Arc<TenantRecord>>,
    warnings: Vec<String>,
}

impl FileDirectory {
    /// Reads and checks a tenant file. What is wrong with a component that an item
    /// names stops only the item's delivery.
    ///
    /// # Errors
    /// All that is wrong with it at once, each with line, item, tenant and field.
    pub fn load(path: &Path, rules: &PluginRules) -> Result<Self, TenantFileError> {
        let text = read(path)?;
        let owned = || path.to_owned();
        let root = tree::parse(text.strip_prefix('\u{feff}').unwrap_or(&text))
            .map_err(|e| TenantFileError::Syntax { path: owned(), at: e.at, message: e.message })?
            .ok_or_else(|| TenantFileError::Empty { path: owned() })?;

        let mut notes = ItemNotes::default();
        let nodes = items(&root, &mut notes);
        let numbered = nodes.iter().zip(1..);
        let items: Vec<TenantItem> = numbered.filter_map(|(node, n)| item::read(n, node, rules, &mut notes)).collect();
        check_duplicates(&items, &mut notes);
        check_folder_clashes(&items, &mut notes);

        if !notes.problems.is_empty() {
            notes.problems.append(&mut notes.plugins);
            notes.problems.sort_by_key(|problem| problem.at);
            return Err(TenantFileError::Invalid { path: owned(), problems: notes.problems });
        }
        let located = |problem: &ItemProblem| format!("{}:{problem}", path.display());
        let mut components: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for problem in &notes.plugins {
            components.entry(problem.item.unwrap_or_default()).or_default().push(located(problem));
        }
        Ok(Self { tenants: by_tenant(items, components), warnings: notes.warnings.iter().map(located).collect() })
    }

    /// Looks up a tenant.
    pub fn lookup(&self, tenant_id: &str) -> Arc<TenantRecord> {
        let unknown = || Arc::new(TenantRecord::unknown());
        self.tenants.get(tenant_id).cloned().unwrap_or_else(unknown)
    }

    /// All tenants that the file names, sorted.
    pub fn tenants(&self) -> impl Iterator<Item = &str> {
        self.tenants.keys().map(String::as_str)
    }

    /// Warnings, a sentence each, with file, line, item, tenant and field.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

fn read(path: &Path) -> Result<String, TenantFileError> {
    let failed = |cause| TenantFileError::Read { path: path.to_owned(), cause };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(TenantFileError::Folder { path: path.to_owned() });
    }
    let most = MAX_MIB << 20;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > most) {
        return Err(TenantFileError::TooLarge { path: path.to_owned() });
    }
    String::from_utf8(bytes).map_err(|e| {
        let valid = e.as_bytes().iter().take(e.utf8_error().valid_up_to());
        TenantFileError::NotUtf8 { path: path.to_owned(), line: 1 + valid.filter(|byte| **byte == b'\n').count() }
    })
}

/// The nodes of the items, wherever the file keeps its list.
fn items<'a>(root: &'a Node, notes: &mut ItemNotes) -> &'a [Node] {
    let whole = |at, message| ItemProblem { at, item: None, tenant: None, field: None, message };
    let list = match &root.value {
        Value::Map(entries) => {
            let named = |(key, _): &&(Node, Node)| matches!(&key.value, Value::Text(k) if k == "tenants");
            for (key, _) in entries.iter().filter(|entry| !named(entry)) {
                let message = format!("{} beside `tenants`: unknown, ignored", key.value.describe());
                notes.warnings.push(whole(key.at, message));
            }
            let mut lists = entries.iter().filter(named);
            let list = lists.next();
            for (key, _) in lists {
                notes.problems.push(whole(key.at, "`tenants` found twice; keep one".to_owned()));
            }
            list.map(|(_, list)| list)
        }
        _ => Some(root),
    };
    match list.map(|list| (&list.value, list.at)) {
        Some((Value::List(items), at)) => {
            if items.is_empty() {
                notes.warnings.push(whole(at, "no tenant is listed; nothing will be delivered".to_owned()));
            }
            items
        }
        Some((other, at)) => {
            notes.problems.push(whole(at, format!("found {}, {EXPECTED}", other.describe())));
            &[]
        }
        None => {
            notes.problems.push(whole(root.at, format!("found a map without `tenants`, {EXPECTED}")));
            &[]
        }
    }
}

fn problem_of(item: &TenantItem, field: &str, message: String) -> ItemProblem {
    ItemProblem {
        at: item.at,
        item: Some(item.number),
        tenant: Some(item.tenant_id.clone()),
        field: Some(field.to_owned()),
        message,
    }
}

/// Notes items of the same tenant and type: the table's key, so there can't be two.
fn check_duplicates(items: &[TenantItem], notes: &mut ItemNotes) {
    let mut seen = HashMap::new();
    for item in items {
        let key = (&item.tenant_id, &item.kind);
        if let Some(first) = seen.insert(key, item.number) {
            let message =
                format!("{} again, as in item {first}; a tenant has at most one item a type", quote(&item.kind));
            notes.problems.push(problem_of(item, "type", message));
        }
    }
}

/// Notes log groups that are two to AWS and one as folders: their streams would be
/// mixed, maybe those of two tenants.
fn check_folder_clashes(items: &[TenantItem], notes: &mut ItemNotes) {
    let mut seen = HashMap::new();
    for item in items {
        let Some(delivery) = &item.delivery else {
            continue;
        };
        let Destination::CloudWatch { account, log_group, .. } = &delivery.destination else {
            continue;
        };
        let folder = log_group.strip_prefix('/').unwrap_or(log_group);
        let key = (account, &delivery.target_region, folder);
        let (first, group) = *seen.entry(key).or_insert((item.number, log_group));
        if group != log_group {
            let message = format!(
                "found {}, which differs from {} of item {first} only by the leading slash; \
                 both would be written to one folder, so rename one",
                quote(log_group),
                quote(group)
            );
            notes.problems.push(problem_of(item, "log_group_name", message));
        }
    }
}

/// Groups items by tenant; `components`: the problems of items' components, by the item's
/// number.
fn by_tenant(
    items: Vec<TenantItem>,
    mut components: BTreeMap<usize, Vec<String>>,
) -> BTreeMap<String, Arc<TenantRecord>> {
    let mut tenants: BTreeMap<String, (Vec<_>, Vec<_>)> = BTreeMap::new();
    for item in items {
        let (deliveries, invalid) = tenants.entry(item.tenant_id).or_default();
        deliveries.extend(item.delivery.map(Arc::new));
        if let Some(problems) = components.remove(&item.number) {
            invalid.push(InvalidDelivery { kind: item.kind, problem: problems.join("; ") });
        }
    }
    tenants.into_iter().map(|(tenant, (deliveries, invalid))| (tenant, tenant_record(deliveries, invalid))).collect()
}

fn tenant_record(mut deliveries: Vec<Arc<Delivery>>, invalid: Vec<InvalidDelivery>) -> Arc<TenantRecord> {
    deliveries.sort_by_key(|delivery| delivery.id());
    let lookup = if deliveries.is_empty() { Lookup::NoneEnabled } else { Lookup::Deliveries(deliveries) };
    Arc::new(TenantRecord { lookup, invalid, ..TenantRecord::unknown() })
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
