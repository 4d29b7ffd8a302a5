"""How it ends when it can't begin, and what it says when AWS isn't as it should be."""

import json

from emulator import eventually, free_port
from records import by_sns, direct, log, s3_record, streams


def test_exit_codes(scene):
    no_keys = dict.fromkeys(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
    nothing = direct()
    cases = [
        (["--mode", "batch"], {}, 2, "unknown mode"),
        ([], {"EXECUTION_MODE": "batch"}, 2, "unknown mode"),
        (["--mode", "sqs", "--no-such-flag"], {}, 2, "--no-such-flag"),
        (["--mode", "sqs"], {"MAX_BATCH_SIZE": "10001", "VISIBILITY_TIMEOUT": "1"}, 3, "VISIBILITY_TIMEOUT"),
        (["--mode", "manual"], {"MAX_BATCH_SIZE": "0"}, 3, "MAX_BATCH_SIZE"),
        (["--mode", "manual"], no_keys, 4, "credentials"),
        (["--mode", "sqs"], {"SQS_QUEUE_URL": None}, 1, "SQS_QUEUE_URL"),
        (["--mode", "sqs"], {"SQS_QUEUE_URL": ""}, 1, "SQS_QUEUE_URL"),
        (["--mode", "scan"], {"SOURCE_BUCKET": None}, 1, "SOURCE_BUCKET"),
    ]
    # All at once: they have nothing to wait for but each other.
    runs = [scene.start(*arguments, stdin=nothing.encode(), **changes) for arguments, changes, _, _ in cases]
    for run, (arguments, changes, code, said) in zip(runs, cases):
        assert (run.wait(), said in run.errors.read_text()) == (code, True), (arguments, changes, run.said())


def test_an_invalid_log_level_warns(scene):
    test_event = json.dumps({"Event": "s3:TestEvent"})
    code, run = scene.manual(test_event, LOG_LEVEL="loud")
    assert code == 0
    assert "LOG_LEVEL" in run.problems()
    code, run = scene.manual(test_event, LOG_LEVEL="error")
    assert (code, run.lines()) == (0, [])


def test_a_missing_table(scene):
    key = scene.put(log(scene.tenant("table").pod())).key
    scene.send(by_sns(s3_record(scene.bucket, key)))
    run = scene.start("--mode", "sqs", TENANT_CONFIG_TABLE="no-such-table")
    eventually(lambda: run.get("/readyz")[0] == 503, run.said)
    assert run.get("/readyz")[1].startswith("tenant table:")
    assert "no-such-table" not in run.get("/readyz")[1]
    eventually(lambda: scene.left() == (0, 0, 1), lambda: f"a requeue; the queue has {scene.left()}")
    assert run.get("/healthz")[0] == 200
    assert run.stop() == 0
    assert "no-such-table" in run.problems()


def test_a_missing_queue(scene):
    run = scene.start("--mode", "sqs", SQS_QUEUE_URL=scene.queue.replace("/logs-", "/none-"))
    eventually(lambda: run.get("/readyz")[0] == 503, run.said)
    assert run.get("/readyz")[1].startswith("queue:")
    assert f"none-{scene.id}" not in run.get("/readyz")[1]
    assert f"none-{scene.id}" in run.problems()
    assert run.get("/healthz")[0] == 200
    assert run.stop() == 0


def test_an_endpoint_that_does_not_answer(scene):
    body = direct(s3_record(scene.bucket, log(scene.tenant("nowhere").pod()).key))
    endpoint = f"http://127.0.0.1:{free_port()}"
    code, run = scene.manual(body, AWS_ENDPOINT_URL=endpoint, RETRY_ATTEMPTS="1")
    assert code == 1
    assert "Query" in run.errors.read_text() and "tenant-configurations" in run.errors.read_text()


def test_metrics_that_cannot_be_sent_fail_nothing(scene):
    """CloudWatch's endpoint alone is away."""
    tenant = scene.tenant("unsent")
    one = scene.put(log(tenant.pod()))
    away = f"http://127.0.0.1:{free_port()}"
    changes = {"AWS_ENDPOINT_URL_CLOUDWATCH": away, "RETRY_ATTEMPTS": "1"}
    code, run = scene.manual(direct(s3_record(scene.bucket, one.key)), **changes)
    assert code == 0, run.said()
    assert "CloudWatch metrics can't be sent" in run.problems()
    assert tenant.streams() == streams([one])
