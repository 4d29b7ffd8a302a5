//! Messages of control planes: klog lines, audit events, structured lines, stack traces, and
//! now and then a language other than English.

use serde_json::{Map, Value, json};

use crate::random::Random;
use crate::time::Instant;

const KLOG: [(&str, &str, &str); 12] = [
    ("I", "httplog.go:132", "\"HTTP\" verb=\"LIST\" URI=\"/api/v1/namespaces?limit=500&resourceVersion=0\""),
    (
        "I",
        "trace.go:236",
        "Trace[1298498081]: \"Reflector ListAndWatch\" name:k8s.io/client-go/informers/factory.go:150",
    ),
    ("I", "controller.go:624", "quota admission added evaluator for: deployments.apps"),
    ("I", "alloc.go:330", "\"allocated clusterIPs\" service=\"openshift-ingress/router-default\""),
    ("I", "schedule_one.go:314", "\"Successfully bound pod to node\" pod=\"openshift-dns/dns-default-x7k2p\""),
    ("I", "cacher.go:469", "cacher (routes.route.openshift.io): initialized"),
    (
        "I",
        "event.go:377",
        "Event(v1.ObjectReference{Kind:\"Deployment\", Namespace:\"openshift-console\", Name:\"console\"}): reason: 'ScalingReplicaSet'",
    ),
    (
        "W",
        "reflector.go:547",
        "k8s.io/client-go/informers/factory.go:160: failed to list *v1.Secret: secrets is forbidden",
    ),
    (
        "W",
        "dispatcher.go:225",
        "Failed calling webhook, failing open pod-identity-webhook.amazonaws.com: <nil> & retrying",
    ),
    (
        "E",
        "authentication.go:73",
        "\"Unable to authenticate the request\" err=\"[invalid bearer token, token lookup failed]\"",
    ),
    (
        "E",
        "status.go:71",
        "apiserver received an error that is not an metav1.Status: &errors.errorString{s:\"http2: stream closed\"}",
    ),
    (
        "E",
        "timeout.go:142",
        "post-timeout activity - time-elapsed: 3.2ms, GET \"/apis/apps/v1/replicasets\" result: <nil>",
    ),
];

const FIELDS: [(&str, &str); 14] = [
    ("srcIP", "10.128.4.37:51432"),
    ("userAgent", "kube-controller-manager/v1.31.6 (linux/amd64) kubernetes/6f6a4ab"),
    ("audit-ID", "7d1b2f8e-64a9-4d0f-9a55-0f2d9c1be7aa"),
    ("apf_pl", "workload-low"),
    ("apf_fs", "service-accounts"),
    ("resp", "200"),
    ("latency", "4.183921ms"),
    ("node", "ip-10-0-143-21.ec2.internal"),
    ("controller", "replicaset-controller"),
    ("path", "C:\\Users\\builder\\src"),
    ("revision", "184467"),
    ("duration", "12.5µs"),
    ("resource", "pods.v1."),
    ("reason", "\\\"context deadline exceeded\\\""),
];

const FOREIGN: [&str; 5] = [
    "Zugriff verweigert für Benutzer »jürgen.müller« – bitte erneut anmelden",
    "ユーザー「田中」の認証に失敗しました",
    "Échec de la vérification du certificat : délai dépassé",
    "доступ запрещён: недостаточно прав",
    "rollout finished 🎉 → all replicas ready ✓",
];

/// A log line of about `mean` bytes on average, more varied than even.
pub(crate) fn text(random: &mut Random, at: Instant, mean: usize) -> String {
    let mean = u64::try_from(mean).unwrap_or(u64::MAX);
    // Half a field is what a line overshoots by.
    let want = random.between(mean / 2, mean + mean / 2).saturating_sub(20);
    let want = usize::try_from(want).unwrap_or(usize::MAX);
    match random.below(50) {
        0 => foreign(random, at, want),
        1 => stack(random, want),
        2..=10 => audit(random, at, want),
        11..=16 => zap(random, at, want),
        _ => klog(random, at, want),
    }
}

/// The fields of a structured record, of about `mean` bytes as JSON.
pub(crate) fn fields(random: &mut Random, mean: usize) -> Map<String, Value> {
    let (_, caller, text) = random.pick(&KLOG);
    let mut map = Map::new();
    map.insert("level".into(), random.pick(&["info", "info", "warn", "error"]).into());
    map.insert("logger".into(), random.pick(&["operator", "canary", "status"]).into());
    map.insert("msg".into(), text.into());
    map.insert("latency_ms".into(), json!(f64::from(u16::try_from(random.below(4000)).unwrap_or(0)) / 8.0));
    map.insert("request".into(), json!({"attempt": random.below(5), "caller": caller, "ok": true}));
    let mut size = Value::from(map.clone()).to_string().len();
    while size < mean {
        let (name, value) = random.pick(&FIELDS);
        let name = format!("{name}_{}", map.len());
        size += name.len() + value.len() + 6;
        map.insert(name, value.into());
    }
    map
}

fn klog(random: &mut Random, at: Instant, want: usize) -> String {
    let (level, place, text) = random.pick(&KLOG);
    let mut line = format!("{level}{}       1 {place}] {text}", at.klog());
    pad(random, &mut line, want);
    line
}

fn foreign(random: &mut Random, at: Instant, want: usize) -> String {
    let mut line = format!("W{}       1 login.go:88] {}", at.klog(), random.pick(&FOREIGN));
    pad(random, &mut line, want);
    line
}

fn pad(random: &mut Random, line: &mut String, want: usize) {
    while line.len() < want {
        let (name, value) = random.pick(&FIELDS);
        line.push_str(&format!(" {name}=\"{value}\""));
    }
}

/// An audit event: JSON that arrives as a string, so that every quote of it is
/// escaped in the record.
fn audit(random: &mut Random, at: Instant, want: usize) -> String {
    let mut line = format!(
        "{{\"kind\":\"Event\",\"level\":\"Metadata\",\"auditID\":\"{}\",\"verb\":\"{}\",\"requestReceivedTimestamp\":\"{at}\"",
        random.uuid(),
        random.pick(&["get", "list", "watch", "create", "patch", "delete"]),
    );
    while line.len() + 1 < want {
        let (name, value) = random.pick(&FIELDS);
        line.push_str(&format!(",\"{name}\":{}", Value::from(value)));
    }
    line.push('}');
    line
}

/// A line of etcd.
fn zap(random: &mut Random, at: Instant, want: usize) -> String {
    let mut line = format!(
        "{{\"level\":\"{}\",\"ts\":\"{at}\",\"caller\":\"{}\",\"msg\":\"{}\"",
        random.pick(&["info", "warn"]),
        random.pick(&["etcdserver/util.go:170", "mvcc/index.go:214", "mvcc/hash.go:151"]),
        random.pick(&["apply request took too long", "compact tree index", "storing new hash"]),
    );
    while line.len() + 1 < want {
        let (name, value) = random.pick(&FIELDS);
        line.push_str(&format!(",\"{name}\":{}", Value::from(value)));
    }
    line.push('}');
    line
}

/// Several lines in one message: newlines and tabs to escape.
fn stack(random: &mut Random, want: usize) -> String {
    let mut line = format!("panic: runtime error\n\ngoroutine {} [running]:", random.below(9999));
    while line.len() < want {
        let (_, place, _) = random.pick(&KLOG);
        line.push_str(&format!("\nmain.(*server).handle(0xc000{})\n\t/go/src/{place}", random.hex(6)));
    }
    line
}
