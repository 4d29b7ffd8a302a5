//! One record in the shape that Vector's Kubernetes source writes, with the
//! fields that the cluster's pipeline adds: keys sorted, about 1.1 kB of which
//! 200 bytes are the message.

use serde_json::{Value, json};

use crate::message;
use crate::random::Random;
use crate::time::Instant;

/// The shape of a record's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// `message` is a string.
    #[default]
    Text,
    /// No `message`: the fields stand beside the metadata.
    Fields,
    /// `message` is an object.
    Object,
}

/// Options of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The shape of the message.
    pub shape: Shape,
    /// Mean size of a message in bytes, unescaped; single ones vary widely.
    pub message_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { shape: Shape::Text, message_bytes: 200 }
    }
}

/// A pod and all that its records repeat.
#[derive(Debug, Clone)]
pub struct Pod {
    /// `<environment>-…`, the first segment of the key.
    pub cluster_id: String,
    /// The tenant.
    pub namespace: String,
    /// The application.
    pub application: String,
    /// The pod's name: the log stream.
    pub name: String,
    head: String,
    kubernetes: String,
    tail: String,
}

impl Pod {
    /// A pod of that application with a name, node, address and identity of its own.
    #[must_use]
    pub fn new(cluster_id: &str, namespace: &str, application: &str, random: &mut Random) -> Self {
        let template = random.hex(9);
        let name = format!("{application}-{template}-{}", random.suffix(5));
        let uid = random.uuid();
        let ip = format!("10.{}.{}.{}", random.between(128, 135), random.below(256), random.between(2, 254));
        let node = format!("ip-10-0-{}-{}", random.below(256), random.between(4, 254));
        let kubernetes = json!({
            "container_id": format!("cri-o://{}", random.hex(64)),
            "container_image": "quay.io/openshift/release:4.18.9",
            "container_name": application,
            "namespace_labels": {"kubernetes.io/metadata.name": namespace},
            "pod_annotations": {"openshift.io/scc": "restricted-v2"},
            "pod_ip": ip,
            "pod_labels": {"app": application, "tier": "control-plane"},
            "pod_name": name,
            "pod_namespace": namespace,
            "pod_node_name": node,
            "pod_uid": uid,
        });
        let file = format!("/var/log/pods/{namespace}_{name}_{uid}/{application}/0.log");
        Self {
            head: format!(
                "{{\"application\":{},\"cluster_id\":{},\"file\":{},\"ingest_timestamp\":\"",
                Value::from(application),
                Value::from(cluster_id),
                Value::from(file)
            ),
            kubernetes: format!("\",\"kubernetes\":{kubernetes}"),
            tail: format!(
                ",\"namespace\":{},\"pod_name\":{},\"source_type\":\"kubernetes_logs\",\"stream\":\"",
                Value::from(namespace),
                Value::from(name.as_str())
            ),
            cluster_id: cluster_id.into(),
            namespace: namespace.into(),
            application: application.into(),
            name,
        }
    }

    /// The part of a key up to the file's name: it ends in `/`.
    #[must_use]
    pub fn prefix(&self) -> String {
        let Self { cluster_id, namespace, application, name, .. } = self;
        format!("{cluster_id}/{namespace}/{application}/{name}/")
    }

    /// One record, without a newline, that says what such a pod would.
    #[must_use]
    pub fn record(&self, random: &mut Random, at: Instant, options: &Options) -> String {
        let mean = options.message_bytes;
        let content = match options.shape {
            Shape::Text => format!(",\"message\":{}", Value::from(message::text(random, at, mean))),
            Shape::Object => {
                format!(",\"message\":{}", Value::from(message::fields(random, mean)))
            }
            Shape::Fields => message::fields(random, mean)
                .into_iter()
                .map(|(name, value)| format!(",{}:{value}", Value::from(name)))
                .collect(),
        };
        self.wrap(random, at, &content)
    }

    /// One record, without a newline, with exactly this message.
    #[must_use]
    pub fn saying(&self, random: &mut Random, at: Instant, message: &str) -> String {
        self.wrap(random, at, &format!(",\"message\":{}", Value::from(message)))
    }

    fn wrap(&self, random: &mut Random, at: Instant, content: &str) -> String {
        let delay = i64::try_from(random.between(150_000_000, 900_000_000)).unwrap_or(0);
        let ingested = at.plus_nanos(delay);
        let Self { head, kubernetes, tail, .. } = self;
        let stream = if random.one_in(4) { "stdout" } else { "stderr" };
        format!("{head}{ingested}{kubernetes}{content}{tail}{stream}\",\"timestamp\":\"{at}\"}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(shape: Shape, count: usize) -> Vec<(usize, Value)> {
        let mut random = Random::new(3);
        let pod = Pod::new("prod-use1-mc01", "acme-payments", "kube-apiserver", &mut random);
        let options = Options { shape, ..Options::default() };
        (0..count)
            .map(|_| {
                let text = pod.record(&mut random, Instant::DAY, &options);
                assert!(!text.contains('\n'));
                (text.len(), serde_json::from_str(&text).unwrap())
            })
            .collect()
    }

    #[test]
    fn has_the_size_that_clusters_write() {
        let records = records(Shape::Text, 4000);
        let size = records.iter().map(|(size, _)| size).sum::<usize>() / records.len();
        assert!((1000..=1200).contains(&size), "record of {size} bytes");
        let message: usize = records.iter().map(|(_, r)| r["message"].as_str().unwrap().len()).sum();
        let message = message / records.len();
        assert!((180..=220).contains(&message), "message of {message} bytes");
        assert!(records.iter().any(|(_, r)| !r["message"].as_str().unwrap().is_ascii()));
        assert!(records.iter().any(|(_, r)| r["message"].as_str().unwrap().contains("\n\t")));
    }

    #[test]
    fn has_the_shape_that_vector_writes() {
        for shape in [Shape::Text, Shape::Fields, Shape::Object] {
            for (_, record) in records(shape, 50) {
                for field in [
                    "application",
                    "cluster_id",
                    "file",
                    "ingest_timestamp",
                    "namespace",
                    "pod_name",
                    "source_type",
                    "stream",
                    "timestamp",
                ] {
                    assert!(record[field].is_string(), "{field} in {record}");
                }
                for field in [
                    "container_id",
                    "container_image",
                    "container_name",
                    "pod_ip",
                    "pod_name",
                    "pod_namespace",
                    "pod_node_name",
                    "pod_uid",
                ] {
                    assert!(record["kubernetes"][field].is_string(), "{field} in {record}");
                }
                for field in ["pod_labels", "pod_annotations", "namespace_labels"] {
                    assert!(record["kubernetes"][field].is_object(), "{field} in {record}");
                }
                assert_eq!(record["timestamp"], "2026-11-20T00:00:00.000000000Z");
                match shape {
                    Shape::Text => assert!(record["message"].is_string()),
                    Shape::Object => assert!(record["message"]["msg"].is_string()),
                    Shape::Fields => {
                        assert!(record.get("message").is_none() && record["msg"].is_string());
                    }
                }
            }
        }
    }

    #[test]
    fn takes_a_size() {
        let mut random = Random::new(4);
        let pod = Pod::new("prod-a", "n", "etcd", &mut random);
        let options = Options { message_bytes: 4000, ..Options::default() };
        let sum: usize = (0..500).map(|_| pod.record(&mut random, Instant::DAY, &options).len()).sum();
        assert!((4500..=6000).contains(&(sum / 500)), "{}", sum / 500);
    }
}
