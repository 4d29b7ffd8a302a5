"""Lambda mode, with a stand-in for Lambda's runtime API."""

from records import by_sns, log, s3_record, streams


def poisoned_batch(scene, count=10, poison=6):
    """A batch of messages of three tenants, of which one announces an object that isn't there."""
    tenants = [scene.tenant(f"tenant{number}", s3=number == 0) for number in range(3)]
    logs = [log(tenants[number % 3].pod(f"pod-{number}")) for number in range(count)]
    there = [scene.put(one) for number, one in enumerate(logs) if number != poison]
    event = scene.batch(*(by_sns(s3_record(scene.bucket, one.key)) for one in logs))
    return tenants, there, event, failures(event["Records"][poison])


def failures(*records):
    """The answer that these failed."""
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in records]}


def delivered(tenants, there):
    """Each event once, and of the first tenant the objects."""
    for tenant in tenants:
        assert tenant.streams() == streams([one for one in there if one.pod.tenant == tenant.name])
    bodies = sorted(body for body, _ in tenants[0].objects().values())
    assert bodies == sorted(one.body for one in there if one.pod.tenant == tenants[0].name)


def test_without_a_queue_the_poisoned_message_fails_and_no_other(scene):
    tenants, there, event, poisoned = poisoned_batch(scene)
    function = scene.function(SQS_QUEUE_URL=None)
    assert function.send(event) == poisoned
    delivered(tenants, there)
    # The process lives on, and a message that comes again is not delivered again.
    assert function.send(event) == poisoned
    delivered(tenants, there)
    assert function.send({"Records": []}) == failures()
    for tenant in tenants:
        # Flushed with the answer.
        assert scene.counted(tenant, "LogCount/cloudwatch/successful_delivery") == 3
    assert not function.errors


def test_with_a_queue_it_is_requeued_and_none_fails(scene):
    tenants, there, event, _ = poisoned_batch(scene)
    assert scene.function().send(event) == failures()
    delivered(tenants, there)
    assert sum(scene.left()) == 2, "the two deliveries of the missing object"


def test_with_retries_spent_it_fails(scene):
    tenant = scene.tenant("spent")
    missing = s3_record(scene.bucket, log(tenant.pod()).key)
    event = scene.batch(by_sns(missing, processing_metadata={"offset": 0, "retry_count": 3}))
    assert scene.function().send(event) == failures(*event["Records"])
    assert scene.left() == (0, 0, 0)


def test_bodies_that_announce_nothing_are_acknowledged(scene):
    assert scene.function().send(scene.batch("garbage", "{}", '{"Event": "s3:TestEvent"}')) == failures()


def test_without_lambda_it_says_so(scene):
    run = scene.start()
    assert run.wait() == 1
    assert "AWS_LAMBDA_RUNTIME_API" in run.said() and "--mode" in run.said()
