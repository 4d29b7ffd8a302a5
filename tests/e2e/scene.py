"""The scene of a test: the processor's bucket, topic, queues; its tenants; runs of the binary."""

import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from emulator import PROCESSOR, REGION, TABLE, TENANT_A, eventually
from processor import Processor
from records import CANARY, Pod
from runtime_api import RuntimeApi

CENTRAL_ROLE = f"arn:aws:iam::{PROCESSOR}:role/CentralLogDistribution"
# What the queue's redrive policy says.
MOST_RECEIVES = 3


@dataclass
class Tenant:
    """A tenant: what the table says of it, and what has arrived."""

    name: str
    account: object
    region: str = REGION

    @property
    def group(self):
        """Its log group."""
        return f"/logs/{self.name}"

    @property
    def bucket(self):
        """Its bucket."""
        return f"logs-{self.name}"

    def pod(self, name="pod-0", **fields):
        """A pod of its."""
        return Pod(tenant=self.name, name=name, **fields)

    def make_bucket(self):
        """The bucket, in its own account."""
        self.account.client("s3").create_bucket(Bucket=self.bucket)

    def streams(self):
        """All events that have arrived: {stream: [(milliseconds, message)]}, sorted."""
        logs = self.account.client("logs", self.region)
        if not logs.describe_log_groups(logGroupNamePrefix=self.group)["logGroups"]:
            return {}
        names = [stream["logStreamName"] for stream in logs.describe_log_streams(logGroupName=self.group)["logStreams"]]
        return {name: sorted(self.events(logs, name)) for name in names}

    def events(self, logs, stream):
        """The events of a stream."""
        asked = {"logGroupName": self.group, "logStreamName": stream, "startFromHead": True}
        token = None
        while True:
            page = logs.get_log_events(**asked, **({"nextToken": token} if token else {}))
            yield from ((event["timestamp"], event["message"]) for event in page["events"])
            if page["nextForwardToken"] == token:
                return
            token = page["nextForwardToken"]

    def objects(self):
        """All objects that have arrived: {key: (bytes, metadata)}."""
        s3 = self.account.client("s3")
        objects = {}
        for listed in s3.list_objects_v2(Bucket=self.bucket).get("Contents", []):
            got = s3.get_object(Bucket=self.bucket, Key=listed["Key"])
            objects[listed["Key"]] = (got["Body"].read(), got["Metadata"])
        return objects


class Scene:
    """Everything has a name of its own, so that tests leave each other alone."""

    def __init__(self, emulator, folder: Path):
        self.emulator, self.folder = emulator, folder
        self.id = uuid.uuid4().hex[:8]
        self.account = emulator.accounts[PROCESSOR]
        self.s3, self.sqs = self.account.client("s3"), self.account.client("sqs")
        self.tenants, self.runs, self.apis = [], [], []
        self.bucket = f"source-{self.id}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.dead = self.sqs.create_queue(QueueName=f"logs-dlq-{self.id}")["QueueUrl"]
        redrive = {"deadLetterTargetArn": self.arn(self.dead), "maxReceiveCount": str(MOST_RECEIVES)}
        self.queue = self.sqs.create_queue(
            QueueName=f"logs-{self.id}", Attributes={"RedrivePolicy": json.dumps(redrive)}
        )["QueueUrl"]

    def arn(self, queue):
        """ARN of a queue."""
        return self.attributes(queue)["QueueArn"]

    def attributes(self, queue):
        """All attributes of a queue."""
        return self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]

    def connect(self):
        """From the bucket by the topic to the queue. S3 sends its test event."""
        sns = self.account.client("sns")
        topic = sns.create_topic(Name=f"logs-{self.id}")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=self.arn(self.queue))
        to_topic = {"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}
        self.s3.put_bucket_notification_configuration(
            Bucket=self.bucket, NotificationConfiguration={"TopicConfigurations": [to_topic]}
        )

    def tenant(self, name, account=TENANT_A, cloudwatch=True, s3=False, region=REGION, bucket=True, **fields):
        """A tenant with these deliveries; `fields` go into the items of both. Without `bucket` there is none."""
        tenant = Tenant(f"{name}-{self.id}", self.emulator.accounts[account], region)
        role = f"arn:aws:iam::{account}:role/LogDelivery"
        if cloudwatch:
            self.item(tenant, "cloudwatch", log_distribution_role_arn=role, log_group_name=tenant.group, **fields)
        if s3:
            self.item(tenant, "s3", bucket_name=tenant.bucket, **fields)
        if s3 and bucket:
            tenant.make_bucket()
        self.tenants.append(tenant)
        return tenant

    def item(self, tenant, kind, **fields):
        """An item of the table, as the reference writes it; a list becomes a list, a set a set."""
        item = {"tenant_id": tenant.name, "type": kind, "enabled": True, "target_region": tenant.region, **fields}
        self.account.client("dynamodb").put_item(
            TableName=TABLE, Item={name: attribute(value) for name, value in item.items()}
        )

    def put(self, log):
        """Puts an object into the source bucket."""
        self.s3.put_object(Bucket=self.bucket, Key=log.key, Body=log.body)
        return log

    def send(self, body):
        """Sends a message to the queue."""
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)

    def left(self, queue=None):
        """Messages of a queue: those that can be received, those in flight, those held back."""
        attributes = self.attributes(queue or self.queue)
        kinds = ("", "NotVisible", "Delayed")
        return tuple(int(attributes[f"ApproximateNumberOfMessages{kind}"]) for kind in kinds)

    def drained(self):
        """Waits until the queue is empty."""
        eventually(lambda: self.left() == (0, 0, 0), lambda: f"an empty queue; it has {self.left()}")

    def receive(self, queue=None):
        """The next message of a queue, with its attributes; it is deleted."""
        queue = queue or self.queue
        def received():
            asked = {"MessageAttributeNames": ["All"], "MessageSystemAttributeNames": ["All"]}
            return self.sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=0, **asked).get("Messages")
        message = eventually(received, lambda: f"a message; the queue has {self.left(queue)}")[0]
        self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return message

    def environment(self, **changes):
        """The processor's: only this, whatever the shell has. None: not set."""
        environment = {
            # Asked for: unset, the start warns of what is dropped.
            "DEAD_LETTER": "none",
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.folder),
            **self.account.credentials,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.emulator.url,
            "AWS_ENDPOINT_URL_CLOUDWATCH": self.emulator.cloudwatch.url,
            "AWS_S3_USE_PATH_STYLE": "true",
            "AWS_EC2_METADATA_DISABLED": "true",
            "CENTRAL_LOG_DISTRIBUTION_ROLE_ARN": CENTRAL_ROLE,
            "SQS_QUEUE_URL": self.queue,
            "SOURCE_BUCKET": self.bucket,
            "HTTP_ADDR": "127.0.0.1:0",
            "VISIBILITY_TIMEOUT": "30",
            "SCAN_INTERVAL": "1",
            # Moto is one busy process.
            "REQUEST_TIMEOUT": "60",
            # An open poll is awaited for most of it.
            "SHUTDOWN_GRACE_SECONDS": "5",
            **changes,
        }
        return {name: value for name, value in environment.items() if value is not None}

    def start(self, *arguments, stdin=b"", **changes):
        """The binary with these arguments; `changes` of its environment."""
        run = Processor(self.folder / f"run-{len(self.runs)}", arguments, self.environment(**changes), stdin)
        self.runs.append(run)
        return run

    def manual(self, body, **changes):
        """Manual mode with a body, to its end: the exit code, and the run."""
        run = self.start("--mode", "manual", stdin=body.encode(), **changes)
        return run.wait(), run

    def function(self, **changes):
        """The processor as a Lambda function: the runtime API that brings it events."""
        api = RuntimeApi()
        self.apis.append(api)
        api.start()
        # The image's command is one empty argument, and Lambda is the default.
        function = {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.port}",
            "AWS_LAMBDA_FUNCTION_NAME": "log-processor",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/log-processor",
            "AWS_LAMBDA_LOG_STREAM_NAME": "1",
        }
        self.start("", **{**function, **changes})
        return api

    def batch(self, *bodies):
        """Lambda's event for messages. IDs and handles are made up; no two messages have the same."""
        record = {"eventSource": "aws:sqs", "eventSourceARN": self.arn(self.queue), "awsRegion": REGION}
        return {"Records": [
            {
                **record,
                "messageId": f"message-{number}-{uuid.uuid4()}",
                "receiptHandle": f"handle-{number}",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1795477780991"},
                "messageAttributes": {},
            }
            for number, body in enumerate(bodies)
        ]}

    def counted(self, tenant, name):
        """The sum of a tenant's CloudWatch metric."""
        now = datetime.now(timezone.utc)
        points = self.account.client("cloudwatch").get_metric_statistics(
            Namespace="HCPLF/LogForwarding",
            MetricName=name,
            Dimensions=[{"Name": "Tenant", "Value": tenant.name}],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(point["Sum"] for point in points)

    def close(self):
        """Ends what runs, and checks what holds for every run."""
        for run in self.runs:
            run.kill()
        for api in self.apis:
            api.stop()
        for run in self.runs:
            run.lines()
            assert CANARY not in run.said(), "a record's content is in the log"
            assert "panicked" not in run.said()
            shown = [tenant.name for tenant in self.tenants if tenant.name in run.metrics]
            assert not shown and CANARY not in run.metrics, "labels of metrics must be bounded"


def attribute(value):
    """A value as DynamoDB has it."""
    match value:
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case str():
            return {"S": value}
        case set():
            return {"SS": sorted(value)}
        case list():
            return {"L": [attribute(one) for one in value]}
    raise TypeError(value)
