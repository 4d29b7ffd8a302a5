//! A processor and its tenants, ready made: source bucket, queue with its
//! dead-letter queue, table, central role; tenants in accounts of their own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::{FakeAws, Object, PROCESSOR_ACCOUNT, PROCESSOR_ARN, Permissions, REGION, Trust, clock};

/// The bucket that objects land in.
pub const SOURCE: &str = "source-logs";
/// The queue that announces objects.
pub const QUEUE: &str = "log-processor";
/// The queue for messages that failed three times.
pub const DEAD_LETTERS: &str = "log-processor-dlq";
/// Tenants' deliveries.
pub const TABLE: &str = "tenant-configurations";
/// The first hop.
pub const CENTRAL_ROLE: &str = "arn:aws:iam::000000000001:role/CentralLogDistribution";
/// The number of receives after which a message goes to [`DEAD_LETTERS`].
pub const MAX_RECEIVES: u32 = 3;

/// How S3 writes keys in its events: form-encoded.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/').remove(b' ');

/// A tenant that takes its logs in CloudWatch.
#[derive(Debug, Clone)]
pub struct CloudWatchTenant {
    /// The tenant's name, the namespace of its keys.
    pub name: String,
    /// The tenant's account.
    pub account: String,
    /// The tenant's role, which trusts the central one with the processor's account as
    /// external ID.
    pub role: String,
    /// The tenant's log group, which doesn't exist yet.
    pub group: String,
}

/// A tenant that takes its logs in S3.
#[derive(Debug, Clone)]
pub struct S3Tenant {
    /// The tenant's name, the namespace of its keys.
    pub name: String,
    /// The tenant's account.
    pub account: String,
    /// The tenant's bucket.
    pub bucket: String,
    /// The prefix of its keys; ends in `/`.
    pub prefix: String,
}

/// A processor and its tenants. `Clone` is cheap.
#[derive(Clone)]
pub struct Scene {
    /// The fake that the scene plays in.
    pub aws: FakeAws,
    /// URL of [`QUEUE`].
    pub queue_url: String,
}

impl Scene {
    /// Sets the scene, without tenants. The processor may do what the
    /// reference's IAM roles allow, and no more: no GetObjectVersion, no
    /// ChangeMessageVisibility, no AbortMultipartUpload, no PutObjectAcl.
    pub fn new(aws: FakeAws) -> Self {
        aws.add_bucket(PROCESSOR_ACCOUNT, SOURCE);
        aws.add_table(TABLE, "tenant_id", Some("type"));
        aws.add_queue(PROCESSOR_ACCOUNT, DEAD_LETTERS, Duration::from_secs(30), None);
        let redrive = Some((MAX_RECEIVES, DEAD_LETTERS));
        let queue_url = aws.add_queue(PROCESSOR_ACCOUNT, QUEUE, Duration::from_secs(300), redrive);
        aws.set_permissions(PROCESSOR_ARN, Self::permissions());
        let central = Permissions::none()
            .allow("sts:AssumeRole", "*")
            .allow("s3:GetObject", &format!("{SOURCE}/*"))
            .allow("s3:ListBucket", SOURCE)
            .allow("s3:PutObject", "tenant-*");
        aws.add_role(CENTRAL_ROLE, Trust::of(PROCESSOR_ARN), central);
        Self { aws, queue_url }
    }

    /// The processor's own permissions, to be extended as tests need.
    pub fn permissions() -> Permissions {
        Permissions::none()
            .allow("s3:GetObject", &format!("{SOURCE}/*"))
            .allow("s3:ListBucket", SOURCE)
            .allow("dynamodb:Query", TABLE)
            .allow("sqs:ReceiveMessage", QUEUE)
            .allow("sqs:DeleteMessage", QUEUE)
            .allow("sqs:SendMessage", QUEUE)
            .allow("sts:AssumeRole", CENTRAL_ROLE)
            .allow("sts:GetCallerIdentity", "*")
            .allow("cloudwatch:PutMetricData", "*")
    }

    /// The environment that makes a child process the processor of this scene:
    /// [`FakeAws::env`], and its settings.
    pub fn env(&self) -> Vec<(String, String)> {
        let mut env = self.aws.env();
        let settings = [
            ("TENANT_CONFIG_TABLE", TABLE),
            ("SQS_QUEUE_URL", &self.queue_url),
            ("CENTRAL_LOG_DISTRIBUTION_ROLE_ARN", CENTRAL_ROLE),
            ("SOURCE_BUCKET", SOURCE),
        ];
        env.extend(settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        env
    }

    /// A tenant with a role in an account of its own, and its item in the table.
    pub fn add_cloudwatch_tenant(&self, name: &str) -> CloudWatchTenant {
        let account = account_of(name);
        let role = format!("arn:aws:iam::{account}:role/LogDistribution");
        let group = format!("/logs/{name}");
        let permissions = Permissions::none()
            .allow("logs:PutLogEvents", &group)
            .allow("logs:CreateLogGroup", &group)
            .allow("logs:CreateLogStream", &group);
        self.aws.add_role(&role, Trust::of(CENTRAL_ROLE).external_id(PROCESSOR_ACCOUNT), permissions);
        let fields = json!({"log_distribution_role_arn": {"S": role}, "log_group_name": {"S": group}});
        self.add_delivery(name, "cloudwatch", fields);
        CloudWatchTenant { name: name.to_owned(), account, role, group }
    }

    /// A tenant with a bucket in an account of its own, and its item in the table.
    pub fn add_s3_tenant(&self, name: &str) -> S3Tenant {
        let (account, bucket) = (account_of(name), format!("tenant-{name}"));
        self.aws.add_bucket(&account, &bucket);
        let prefix = "logs/".to_owned();
        self.add_delivery(name, "s3", json!({"bucket_name": {"S": bucket}, "bucket_prefix": {"S": prefix}}));
        S3Tenant { name: name.to_owned(), account, bucket, prefix }
    }

    /// Adds load for a benchmark: CloudWatch tenants `tenant-0`, …, and objects that the
    /// tenants take turns with, announced in [`QUEUE`] by a message each. `bytes` makes the
    /// object of a number, as gzip.
    pub fn add_load(&self, tenants: usize, objects: usize, bytes: impl Fn(usize) -> Bytes) -> Vec<CloudWatchTenant> {
        let tenants: Vec<_> = (0..tenants).map(|n| self.add_cloudwatch_tenant(&format!("tenant-{n}"))).collect();
        for number in 0..objects {
            let (tenant, pod) = (&tenants[number % tenants.len()].name, number / tenants.len());
            let key = format!("prod-1/{tenant}/application/pod-{pod}/{number:06}.json.gz");
            self.put_object(&key, bytes(number));
            self.send(&self.notify(&key));
        }
        tenants
    }

    /// An enabled delivery, with these fields beside those that all have.
    pub fn add_delivery(&self, tenant: &str, kind: &str, fields: Value) {
        let mut item = json!({
            "tenant_id": {"S": tenant}, "type": {"S": kind}, "enabled": {"BOOL": true}, "target_region": {"S": REGION},
        });
        for (name, value) in fields.as_object().into_iter().flatten() {
            item[name] = value.clone();
        }
        self.aws.put_item(TABLE, item);
    }

    /// Puts an object into the source bucket.
    pub fn put_object(&self, key: &str, bytes: impl Into<Bytes>) -> Arc<Object> {
        self.aws.put_object(SOURCE, key, bytes)
    }

    /// The body of the message that announces an object of the source bucket:
    /// S3's event, wrapped by SNS.
    pub fn notify(&self, key: &str) -> String {
        self.announce(&[key])
    }

    /// [Announces](Scene::notify) several objects in one message.
    pub fn announce(&self, keys: &[&str]) -> String {
        let records: Vec<_> = keys.iter().map(|key| self.record(key)).collect();
        let message = json!({"Records": records}).to_string();
        json!({
            "Type": "Notification",
            "MessageId": "00000000-0000-0000-0000-000000000000",
            "TopicArn": format!("arn:aws:sns:{REGION}:{PROCESSOR_ACCOUNT}:logs"),
            "Subject": "Amazon S3 Notification",
            "Message": message,
            "Timestamp": clock::iso(clock::now()),
        })
        .to_string()
    }

    /// One record of S3's event; size, ETag and version where the object is there.
    pub fn record(&self, key: &str) -> Value {
        let encoded = utf8_percent_encode(key, ENCODED).to_string().replace(' ', "+");
        let mut object = json!({"key": encoded, "sequencer": "0055AED6DCD90281E5"});
        if let Some(stored) = self.aws.object(SOURCE, key) {
            object["sequencer"] = format!("{:018X}", stored.last_modified).into();
            object["size"] = stored.size.into();
            object["eTag"] = stored.etag.clone().into();
            if let Some(version) = &stored.version_id {
                object["versionId"] = version.clone().into();
            }
        }
        json!({
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": REGION,
            "eventTime": clock::iso(clock::now()), "eventName": "ObjectCreated:Put",
            "s3": {
                "s3SchemaVersion": "1.0",
                "bucket": {"name": SOURCE, "arn": format!("arn:aws:s3:::{SOURCE}")},
                "object": object,
            },
        })
    }

    /// Sends a message to [`QUEUE`]; its ID.
    pub fn send(&self, body: &str) -> String {
        self.aws.send_message(QUEUE, body)
    }

    /// The event that Lambda makes of messages of [`QUEUE`]: pairs of message ID and body.
    pub fn lambda_event(&self, messages: &[(&str, &str)]) -> String {
        let record = |(id, body): &(&str, &str)| {
            json!({
                "messageId": id, "receiptHandle": format!("lambda-{id}"), "body": body,
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": clock::now().to_string()},
                "messageAttributes": {}, "md5OfBody": crate::call::md5_hex(body.as_bytes()),
                "eventSource": "aws:sqs", "awsRegion": REGION,
                "eventSourceARN": format!("arn:aws:sqs:{REGION}:{PROCESSOR_ACCOUNT}:{QUEUE}"),
            })
        };
        json!({"Records": messages.iter().map(record).collect::<Vec<_>>()}).to_string()
    }
}

/// The account of a tenant: always the same one, and different for each, as nearly as twelve
/// digits allow.
fn account_of(name: &str) -> String {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{:012}", 100_000_000_000 + hash % 900_000_000_000)
}
