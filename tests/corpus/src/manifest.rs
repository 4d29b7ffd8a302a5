//! The contents of a corpus, so that a test can compare them with what was delivered.

use serde_json::{Value, json};

/// Counts over whole lines: of a truncated object those before the damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Lines, blank ones included.
    pub lines: u64,
    /// Lines with nothing in them.
    pub blank: u64,
    /// Lines that are not JSON.
    pub malformed: u64,
    /// Records: more than lines where a line is an array of several.
    pub records: u64,
    /// Records that have no message as text: fields beside the metadata, or an object.
    pub structured: u64,
    /// Records with an empty message: no event.
    pub empty: u64,
    /// Records more than 14 days older than their object: CloudWatch refuses them.
    pub too_old: u64,
    /// Bytes that can be decompressed, those of a line cut by damage included.
    pub bytes: u64,
}

impl Counts {
    /// Events that CloudWatch gets, by the default guest.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.records.saturating_sub(self.empty).saturating_sub(self.too_old)
    }

    /// Adds the counts of another object.
    pub fn add(&mut self, other: &Self) {
        self.lines += other.lines;
        self.blank += other.blank;
        self.malformed += other.malformed;
        self.records += other.records;
        self.structured += other.structured;
        self.empty += other.empty;
        self.too_old += other.too_old;
        self.bytes += other.bytes;
    }

    fn to_json(self) -> Value {
        json!({
            "lines": self.lines, "blank": self.blank, "malformed": self.malformed,
            "records": self.records, "structured": self.structured, "empty": self.empty,
            "too_old": self.too_old, "events": self.events(), "bytes": self.bytes,
        })
    }
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Bucket: the first folder below `objects`.
    pub bucket: String,
    /// Key: the path below the bucket.
    pub key: String,
    /// The namespace: the tenant, known or not.
    pub tenant: String,
    /// The application.
    pub application: String,
    /// The pod: the log stream.
    pub pod: String,
    /// Modification time, seconds since the Unix epoch.
    pub modified: i64,
    /// Size of the file in bytes.
    pub compressed: u64,
    /// The object's contents.
    pub counts: Counts,
    /// The offset in the decompressed bytes at which the gzip stream is damaged.
    pub damaged_at: Option<u64>,
    /// What is special about the object, in a few words.
    pub odd: Option<&'static str>,
    /// The enabled deliveries that want it: `cloudwatch`, `s3`.
    pub wanted_by: Vec<&'static str>,
}

/// All that was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    /// Every object, in the order of its path.
    pub objects: Vec<Object>,
}

impl Manifest {
    /// Sums over a tenant's objects, or over all of them.
    #[must_use]
    pub fn totals(&self, tenant: Option<&str>) -> Counts {
        let mut sum = Counts::default();
        for object in &self.objects {
            if tenant.is_none_or(|tenant| tenant == object.tenant) {
                sum.add(&object.counts);
            }
        }
        sum
    }

    /// The tenants, known or not, sorted.
    #[must_use]
    pub fn tenants(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.objects.iter().map(|o| o.tenant.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The manifest as JSON: `totals`, `tenants` by name, `objects`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let tenants: serde_json::Map<String, Value> = self
            .tenants()
            .into_iter()
            .map(|name| {
                let count = self.objects.iter().filter(|o| o.tenant == name).count();
                (name.to_owned(), merge(self.totals(Some(name)).to_json(), json!({"objects": count})))
            })
            .collect();
        let objects: Vec<Value> = self.objects.iter().map(Object::to_json).collect();
        let totals = merge(self.totals(None).to_json(), json!({"objects": objects.len()}));
        json!({"totals": totals, "tenants": tenants, "objects": objects})
    }
}

impl Object {
    fn to_json(&self) -> Value {
        let about = json!({
            "bucket": self.bucket, "key": self.key, "tenant": self.tenant,
            "application": self.application, "pod": self.pod, "modified": self.modified,
            "compressed": self.compressed, "damaged_at": self.damaged_at, "odd": self.odd,
            "wanted_by": self.wanted_by,
        });
        merge(self.counts.to_json(), about)
    }
}

fn merge(mut one: Value, other: Value) -> Value {
    if let (Some(one), Value::Object(other)) = (one.as_object_mut(), other) {
        one.extend(other);
    }
    one
}
