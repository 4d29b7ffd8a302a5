"""What can't be delivered at once: requeued, and at the end left to the queue's redrive policy."""

import json
import time

import pytest

from emulator import eventually
from records import by_sns, copied, log, s3_record, streams
from scene import MOST_RECEIVES

SPENT = {"offset": 0, "retry_count": 3, "original_receipt_handle": "x", "requeued_at": "2026-11-20T09:30:00Z"}


def test_a_failed_delivery_is_requeued_alone_and_arrives(scene):
    scene.connect()
    tenant, other = scene.tenant("late", s3=True, bucket=False), scene.tenant("other", s3=True)
    missing = log(other.pod("missing"))
    run = scene.start("--mode", "sqs", VISIBILITY_TIMEOUT="6")
    one, beside = scene.put(log(tenant.pod())), scene.put(log(other.pod()))
    # Meanwhile another message's retries are spent: one that is about a single delivery,
    # since several would be sent back first, each alone.
    spent = {**SPENT, "delivery": "s3"}
    scene.send(by_sns(s3_record(scene.bucket, missing.key), processing_metadata=spent))
    eventually(lambda: run.metric("log_processor_requeues_total") >= 1, "a requeue")
    tenant.make_bucket()
    dead = scene.receive(scene.dead)
    assert json.loads(json.loads(dead["Body"])["Message"])["Records"][0]["s3"]["object"]["key"] == missing.key
    assert json.loads(dead["Body"])["processing_metadata"] == spent
    failed = run.lines("the message failed")
    assert [line["attempt"] for line in failed] == list(range(1, MOST_RECEIVES + 1))
    assert all(missing.key in line["error"] and "after 3 retries" in line["error"] for line in failed)
    scene.drained()
    assert run.stop() == 0
    # Each once, though the object's S3 delivery took a second attempt.
    assert tenant.streams() == streams([one])
    assert other.streams() == streams([beside])
    assert [body for body, _ in tenant.objects().values()] == [one.body]
    assert [*other.objects()] == [copied(beside)]
    assert scene.left(scene.dead) == (0, 0, 0)


def test_the_body_of_a_requeue(scene):
    """By Lambda, which asks for nothing that the test wants to see."""
    tenant = scene.tenant("requeued", s3=True, bucket=False)
    one, fine = scene.put(log(tenant.pod())), scene.put(log(scene.tenant("fine").pod()))
    function = scene.function()
    event = scene.batch(by_sns(s3_record(scene.bucket, one.key), s3_record(scene.bucket, fine.key)))
    began = time.time()
    assert function.send(event) == {"batchItemFailures": []}
    assert sum(scene.left()) == 1
    message = scene.receive()
    assert time.time() - began > 1.9, "held back"
    body = json.loads(message["Body"])
    record, = json.loads(body["Message"])["Records"]
    assert record == json.loads(json.loads(event["Records"][0]["body"])["Message"])["Records"][0]
    metadata = body["processing_metadata"]
    for name in ("requeued_at", "first_failed_at"):
        at = metadata.pop(name)
        assert at.endswith("Z") and at[:2] == "20", name
    assert "CopyObject" in metadata.pop("last_error")
    assert metadata == {"offset": 0, "retry_count": 1, "original_receipt_handle": "handle-0", "delivery": "s3"}
    numbers = {name: (it["DataType"], it["StringValue"]) for name, it in message["MessageAttributes"].items()}
    assert numbers == {"ProcessingOffset": ("Number", "0"), "RetryCount": ("Number", "1")}
    # And with the bucket there, the requeue brings only what was left.
    tenant.make_bucket()
    assert function.send(scene.batch(message["Body"])) == {"batchItemFailures": []}
    assert scene.left() == (0, 0, 0)
    assert tenant.streams() == streams([one])
    assert [*tenant.objects()] == [copied(one)]


@pytest.mark.parametrize("offset", [7, 20])
def test_the_reference_s_offset_is_gone_on_from(scene, offset):
    """As its messages have it, when the image is swapped."""
    tenant = scene.tenant("offset")
    one = scene.put(log(tenant.pod(), 20))
    body = by_sns(s3_record(scene.bucket, one.key), processing_metadata={**SPENT, "retry_count": 1, "offset": offset})
    assert scene.function().send(scene.batch(body)) == {"batchItemFailures": []}
    assert [event for events in tenant.streams().values() for event in events] == one.events[offset:]
