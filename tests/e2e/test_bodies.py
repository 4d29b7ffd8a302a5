"""What messages can say, and what is acknowledged with nothing delivered."""

import json

from emulator import eventually
from records import by_sns, direct, event_bridge, log, s3_record, streams


def sqs(scene, *bodies):
    """A run of SQS mode over these bodies; the queue must be empty after it."""
    for body in bodies:
        scene.send(body)
    run = scene.start("--mode", "sqs")
    scene.drained()
    assert run.stop() == 0, run.said()
    assert scene.left(scene.dead) == (0, 0, 0)
    return run


def test_every_form_of_a_notification(scene):
    tenant = scene.tenant("forms")
    objects = [scene.put(log(tenant.pod(f"pod-{number}"), 5, "a b+c%ü.json.gz")) for number in range(6)]
    records = [s3_record(scene.bucket, one.key) for one in objects]
    sqs(
        scene,
        by_sns(records[0]),
        direct(records[1]),
        event_bridge(scene.bucket, objects[2].key),
        json.dumps({"Type": "Notification", "Message": event_bridge(scene.bucket, objects[3].key)}),
        by_sns(records[4], records[5]),
    )
    assert tenant.streams() == streams(objects)


def test_bad_records_do_not_hold_up_the_others_of_their_message(scene):
    tenant = scene.tenant("several")
    first, last = (scene.put(log(tenant.pod(name))) for name in ("first", "last"))
    between = [
        s3_record(scene.bucket, "too/short.json.gz"),
        s3_record(scene.bucket, last.key, "ObjectRemoved:Delete"),
        {"eventName": "ObjectCreated:Put", "s3": {}},
    ]
    run = sqs(scene, by_sns(s3_record(scene.bucket, first.key), *between, s3_record(scene.bucket, last.key)))
    assert tenant.streams() == streams([first, last])
    assert "too/short.json.gz" in run.problems() and "invalid-key" in run.problems()


def test_what_announces_nothing_is_acknowledged(scene):
    test_event = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": scene.bucket})
    run = sqs(scene, test_event, json.dumps({"Message": test_event}), "garbage", "[]", json.dumps({"Message": "none"}))
    rejected = [line["error"] for line in run.lines("rejected: not a notification")]
    assert len(rejected) == len(run.problems().splitlines()) == 3
    assert any("garbage" in error for error in rejected)


def test_tenants_that_get_nothing(scene):
    disabled = scene.tenant("disabled", s3=True, enabled=False)
    unknown = scene.tenant("unknown", cloudwatch=False)
    logs = [scene.put(log(tenant.pod())) for tenant in (disabled, unknown)]
    run = sqs(scene, *(by_sns(s3_record(scene.bucket, one.key)) for one in logs))
    assert (disabled.streams(), disabled.objects(), unknown.streams()) == ({}, {}, {})
    told = {line["tenant"]: line["deliveries"] for line in run.lines("object")}
    assert told[disabled.name] == "object=ignored(none-enabled)"
    assert told[unknown.name] == "object=ignored(unknown-tenant)"
    gone = {line["tenant"]: line["reason"] for line in run.lines("acknowledged and gone")}
    assert gone == {disabled.name: "none-enabled", unknown.name: "unknown-tenant"}


def test_an_invalid_item_waits_and_the_other_goes_on(scene):
    valid = scene.tenant("valid")
    # Its other delivery lacks the bucket's name.
    scene.item(valid, "s3")
    one = scene.put(log(valid.pod()))
    scene.send(by_sns(s3_record(scene.bucket, one.key)))
    run = scene.start("--mode", "sqs")
    eventually(lambda: scene.left() == (0, 0, 1), lambda: f"a message that waits; the queue has {scene.left()}")
    assert run.stop() == 0, run.said()
    assert valid.streams() == streams([one])
    assert "bucket_name" in run.problems()


def test_desired_logs_and_groups(scene):
    """All is wanted only where neither says anything; otherwise what the two name together."""
    everything = scene.tenant("everything", desired_logs=[""], s3=True)
    listed = scene.tenant("listed", desired_logs=["etcd"], groups={"api"}, s3=True)
    as_set = scene.tenant("set", desired_logs={"etcd", "kube-scheduler"})
    nothing = scene.tenant("nothing", groups=["No Such Group"])
    wanted = {
        everything.name: {"etcd", "kube-apiserver", "kube-scheduler", "Etcd"},
        listed.name: {"etcd", "kube-apiserver"},
        as_set.name: {"etcd", "kube-scheduler"},
        nothing.name: set(),
    }
    tenants = (everything, listed, as_set, nothing)
    logs = {
        tenant.name: [scene.put(log(tenant.pod(f"{name}-0", application=name), 5)) for name in wanted[everything.name]]
        for tenant in tenants
    }
    run = sqs(scene, by_sns(*(s3_record(scene.bucket, one.key) for all in logs.values() for one in all)))
    for tenant in tenants:
        expected = [one for one in logs[tenant.name] if one.pod.application in wanted[tenant.name]]
        assert tenant.streams() == streams(expected)
        if tenant in (everything, listed):
            assert {key.split("/")[3] for key in tenant.objects()} == wanted[tenant.name]
    assert "No Such Group" in run.problems()
