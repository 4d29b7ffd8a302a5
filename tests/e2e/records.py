"""Objects as the log collector of a cluster writes them, with the events that they are."""

import gzip
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from urllib.parse import quote_plus

# In every message; it must never be seen but where it is delivered.
CANARY = "canary-5c1de0"

# Of a copied object's key, where the tenant's item has none.
PREFIX = "ROSA/cluster-logs"


@dataclass(frozen=True)
class Pod:
    """What a key says of an object."""

    tenant: str
    name: str
    application: str = "kube-apiserver"
    cluster: str = "prod-mc01"

    def key(self, file="20261120T093000-0001.json.gz"):
        """Key of one of its objects."""
        return f"{self.cluster}/{self.tenant}/{self.application}/{self.name}/{file}"


@dataclass(frozen=True)
class Log:
    """An object, and what must become of it."""

    pod: Pod
    key: str
    body: bytes
    # (milliseconds since the Unix epoch, message)
    events: list = field(hash=False)


def log(pod, count=20, file="20261120T093000-0001.json.gz", damage=()):
    """An object of `count` records of the last hour, in the order of time; `damage`: lines put in between."""
    begin = datetime.now(timezone.utc) - timedelta(hours=1)
    lines, events = [], []
    for number in range(count):
        at = begin + timedelta(milliseconds=number)
        message = f"{CANARY} {pod.name} {file} line {number}: <größer> & \"quoted\""
        lines.append(json.dumps(record(pod, at, message), ensure_ascii=number % 2 == 0))
        events.append((milliseconds(at), message))
    lines[1:1] = damage
    return Log(pod, pod.key(file), gzip.compress("".join(f"{line}\n" for line in lines).encode()), events)


def streams(logs):
    """What a tenant's log group must hold of these objects: {stream: [(milliseconds, message)]}."""
    streams = {}
    for one in logs:
        streams.setdefault(one.pod.name, []).extend(one.events)
    return {name: sorted(events) for name, events in streams.items()}


def copied(log, prefix=PREFIX):
    """Where the reference copies an object to."""
    return f"{prefix}/{log.pod.tenant}/{log.pod.application}/{log.pod.name}/{log.key.rpartition('/')[2]}"


def milliseconds(at):
    """A time as CloudWatch Logs has it."""
    return int(at.replace(microsecond=0).timestamp()) * 1000 + at.microsecond // 1000


def record(pod, at, message):
    """A record in the shape of Vector's Kubernetes source. Nanoseconds, as it writes them."""
    return {
        "application": pod.application,
        "cluster_id": pod.cluster,
        "file": f"/var/log/pods/{pod.tenant}_{pod.name}_3f1c/{pod.application}/0.log",
        "ingest_timestamp": at.isoformat().replace("+00:00", "Z"),
        "kubernetes": {
            "container_image": "quay.io/openshift/release:4.18.9",
            "container_name": pod.application,
            "pod_labels": {"app": pod.application, "tier": "control-plane"},
            "pod_name": pod.name,
            "pod_namespace": pod.tenant,
        },
        "message": message,
        "namespace": pod.tenant,
        "pod_name": pod.name,
        "source_type": "kubernetes_logs",
        "stream": "stderr",
        "timestamp": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond:06}999Z",
    }


def s3_record(bucket, key, name="ObjectCreated:Put", **object_fields):
    """A record of an S3 event, its key encoded as AWS does."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%S}.000Z",
        "eventName": name,
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
            "object": {"key": quote_plus(key, safe="/"), "size": 1000, **object_fields},
        },
    }


def direct(*records):
    """The body of a message that S3 itself sends."""
    return json.dumps({"Records": list(records)})


def by_sns(*records, **beside):
    """The same by way of SNS; `beside`: fields beside `Message`."""
    return json.dumps({"Type": "Notification", "Message": direct(*records), **beside})


def event_bridge(bucket, key):
    """The same by way of EventBridge, whose key is not encoded."""
    return json.dumps({
        "version": "0",
        "source": "aws.s3",
        "detail-type": "Object Created",
        "time": f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}",
        "detail": {"version": "0", "bucket": {"name": bucket}, "object": {"key": key, "size": 1000}},
    })
