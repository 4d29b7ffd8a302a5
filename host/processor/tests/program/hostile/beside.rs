//! Hostile tenants and a healthy one, in one process.

use fake_aws::scene::{CloudWatchTenant, QUEUE};
use serde_json::{Value, json};

use super::guest::Guest;
use crate::common::aws::{Lab, Process, records, texts};

/// The healthy tenant's objects, and the records of each.
const OBJECTS: usize = 8;
const RECORDS: usize = 50;

/// The records of a hostile tenant's first object.
pub(crate) const THEIRS: usize = 10;

/// A lab with hostile tenants, and `good`, which has no component.
pub(crate) struct Beside {
    pub(crate) lab: Lab,
    good: CloudWatchTenant,
    evil: Vec<Evil>,
}

struct Evil {
    tenant: CloudWatchTenant,
    /// As labels have it.
    digest: String,
    /// By which name it fails, and what its error says.
    fails: Option<(String, Vec<String>)>,
}

/// What the process said of them, once each had an attempt.
pub(crate) struct Seen {
    pub(crate) process: Process,
    pub(crate) beside: Beside,
}

impl Beside {
    pub(crate) fn new() -> Self {
        let lab = Lab::new().dead_letters();
        let plugins = lab.path("plugins");
        std::fs::create_dir(&plugins).unwrap();
        let lab = lab
            .set("PLUGIN_SOURCES", format!("file:{}", plugins.display()))
            .set("PLUGIN_FUEL_PER_MIB", 500_000_000)
            .set("PLUGIN_START_FUEL", 200_000_000)
            .set("TENANT_CACHE_SECONDS", 1);
        let good = lab.scene.add_cloudwatch_tenant("good");
        Self { lab, good, evil: Vec::new() }
    }

    /// With a setting of the environment.
    pub(crate) fn set(self, name: &str, value: impl ToString) -> Self {
        Self { lab: self.lab.set(name, value), ..self }
    }

    /// Without one.
    pub(crate) fn unset(self, name: &str) -> Self {
        Self { lab: self.lab.unset(name), ..self }
    }

    /// With a folder for dead letters.
    pub(crate) fn dead_letters(self) -> Self {
        Self { lab: self.lab.dead_letters(), ..self }
    }

    /// A hostile tenant of this name, whose item names this component, and its first
    /// object.
    pub(crate) fn add(self, name: &str, guest: Guest) -> Self {
        self.with(name, guest, &records(name, THEIRS))
    }

    /// As [`Beside::add`], with these lines in its object.
    pub(crate) fn with(mut self, name: &str, guest: Guest, lines: &str) -> Self {
        let tenant = self.lab.scene.add_cloudwatch_tenant(name);
        let plugin = guest.item(&self.lab);
        let digest = plugin["M"]["sha256"]["S"].as_str().unwrap_or_default().chars().take(12).collect();
        self.evil.push(Evil { tenant, digest, fails: None });
        self.item(name, &plugin);
        self.lab.announced(name, "1", lines);
        self
    }

    /// As [`Beside::add`]: it fails by this bounded name, with a text that says these.
    pub(crate) fn fails(self, name: &str, guest: Guest, reason: &str, says: &[&str]) -> Self {
        let mut beside = self.add(name, guest);
        let says = says.iter().map(|&part| part.to_owned()).collect();
        beside.evil.last_mut().unwrap().fails = Some((reason.to_owned(), says));
        beside
    }

    /// Has a tenant's item name a component from now on.
    pub(crate) fn item(&self, name: &str, plugin: &Value) {
        let tenant = self.tenant(name);
        let fields = json!({
            "log_distribution_role_arn": {"S": tenant.role}, "log_group_name": {"S": tenant.group}, "plugin": plugin,
        });
        self.lab.scene.add_delivery(name, "cloudwatch", fields);
    }

    pub(crate) fn tenant(&self, name: &str) -> &CloudWatchTenant {
        &self.find(name).tenant
    }

    fn find(&self, name: &str) -> &Evil {
        self.evil.iter().find(|evil| evil.tenant.name == name).unwrap()
    }

    /// Runs it until each hostile tenant's object had its attempt and the healthy
    /// tenant has all of its logs, each object's at the first attempt. Where one is to
    /// fail, nothing of it is delivered, nothing is lost. (That the healthy one waits
    /// for no other, `suspended` shows.)
    #[track_caller]
    pub(crate) fn run(self) -> Seen {
        let seen = self.until_healthy();
        for Evil { tenant, fails, .. } in &seen.beside.evil {
            seen.line(&tenant.name);
            if let Some((reason, says)) = fails {
                seen.failed(&tenant.name, reason, says);
                seen.waits(&tenant.name);
            }
        }
        seen
    }

    /// Runs it until the healthy tenant has all of its logs.
    #[track_caller]
    pub(crate) fn until_healthy(self) -> Seen {
        for object in 0..OBJECTS {
            self.lab.announced("good", &object.to_string(), &records("good", RECORDS));
        }
        let process = self.lab.sqs();
        process.wait("the healthy tenant's logs", || self.lab.messages(&self.good).len() >= OBJECTS * RECORDS);
        let mut all = self.lab.messages(&self.good);
        let mut expected: Vec<String> = (0..OBJECTS).flat_map(|_| texts(RECORDS)).collect();
        all.sort();
        expected.sort();
        assert_eq!(all, expected);
        let seen = Seen { process, beside: self };
        for line in seen.lines("good") {
            assert_eq!(line["deliveries"], "cloudwatch=delivered", "{line}");
        }
        seen
    }
}

impl Seen {
    /// The lines of a tenant's objects in the log so far.
    pub(crate) fn lines(&self, tenant: &str) -> Vec<Value> {
        let folder = format!("/{tenant}/");
        let mut lines = self.process.objects();
        lines.retain(|line| line["tenant"] == tenant || line["key"].as_str().unwrap().contains(&folder));
        lines
    }

    /// The first of them.
    #[track_caller]
    pub(crate) fn line(&self, tenant: &str) -> Value {
        self.process.until("a hostile tenant's object", || self.lines(tenant).into_iter().next())
    }

    /// Waits for a line of one of its objects.
    #[track_caller]
    pub(crate) fn object(&self, key: &str) -> Value {
        self.process.line("an object's line", |line| line["message"] == "object" && line["key"] == key)
    }

    /// What became of its first object.
    #[track_caller]
    pub(crate) fn came(&self, tenant: &str, deliveries: &str) -> Value {
        let line = self.line(tenant);
        assert_eq!(line["deliveries"], deliveries, "{tenant}: {line}");
        line
    }

    /// The messages of the stream that a tenant's keys name, in order.
    pub(crate) fn messages(&self, tenant: &str) -> Vec<String> {
        self.beside.lab.messages(self.beside.tenant(tenant))
    }

    /// Its dead letters.
    pub(crate) fn letters(&self, tenant: &str) -> Vec<Value> {
        let mut letters = self.beside.lab.letters();
        letters.retain(|letter| letter["tenant"] == tenant);
        letters
    }

    /// The sum of a metric's samples of this tenant, and of its component, with these labels.
    pub(crate) fn metric(&self, name: &str, tenant: &str, labels: &[&str]) -> f64 {
        let own = [format!("tenant=\"{tenant}\""), format!("digest=\"{}\"", self.beside.find(tenant).digest)];
        let labels: Vec<&str> = own.iter().map(String::as_str).chain(labels.iter().copied()).collect();
        self.process.metric(&format!("log_processor_plugin_{name}"), &labels)
    }

    /// Its first object failed by this name, with a text that says these: in the log,
    /// and in the metrics of deliveries and components.
    #[track_caller]
    pub(crate) fn failed<T: AsRef<str>>(&self, tenant: &str, name: &str, says: &[T]) {
        let line = self.came(tenant, &format!("cloudwatch=failed({name})"));
        let error = line["error"].as_str().unwrap_or_default();
        assert_eq!(line["level"], "ERROR", "{line}");
        for part in says {
            assert!(error.contains(part.as_ref()), "{tenant}: {:?} is not in {error:?}", part.as_ref());
        }
        // Bounded, whatever the component says of itself.
        assert!(error.len() < 4_000, "{tenant}: {} bytes of {error:?}", error.len());
        let (reason, kind) = (format!("reason=\"{name}\""), format!("kind=\"{name}\""));
        let labels = ["destination=\"cloudwatch\"", "outcome=\"failed\"", reason.as_str()];
        assert!(self.process.metric("log_processor_deliveries_total", &labels) >= 1.0, "{tenant}: {labels:?}");
        if !matches!(name, "guest-timeout" | "component-suspended") {
            assert!(self.metric("failures_total", tenant, &[&kind]) >= 1.0, "{tenant}: {kind}");
        }
    }

    /// Nothing of it is delivered or dead-lettered; its message is in the queue.
    #[track_caller]
    pub(crate) fn waits(&self, tenant: &str) {
        assert!(self.messages(tenant).is_empty(), "{tenant}: nothing of it goes out");
        assert!(self.letters(tenant).is_empty(), "{tenant}: it waits, and is no dead letter");
        let folder = format!("/{tenant}/");
        self.process.wait("the message that is sent back", || {
            self.beside.lab.aws.messages(QUEUE).iter().any(|message| message.body.contains(&folder))
        });
    }
}
