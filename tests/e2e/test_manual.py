"""Manual mode: one message on standard input."""

from records import by_sns, copied, direct, log, s3_record, streams


def test_a_message_is_delivered(scene):
    tenant = scene.tenant("manual", s3=True)
    one = scene.put(log(tenant.pod()))
    code, run = scene.manual(by_sns(s3_record(scene.bucket, one.key)), SQS_QUEUE_URL=None)
    assert code == 0, run.said()
    assert tenant.streams() == streams([one])
    assert [*tenant.objects()] == [copied(one)]
    assert scene.counted(tenant, "LogCount/cloudwatch/successful_delivery") == 1
    assert not run.problems()


def test_what_fails_is_told_and_never_requeued(scene):
    tenant = scene.tenant("fails", s3=True, bucket=False)
    one = scene.put(log(tenant.pod()))
    code, run = scene.manual(direct(s3_record(scene.bucket, one.key)))
    assert code == 1
    assert tenant.bucket in run.errors.read_text()
    assert tenant.streams() == streams([one])
    assert scene.left() == (0, 0, 0)


def test_a_missing_object_fails(scene):
    key = log(scene.tenant("missing").pod()).key
    code, run = scene.manual(direct(s3_record(scene.bucket, key)))
    assert code == 1
    assert key in run.errors.read_text()


def test_input_that_is_no_message(scene):
    for body, said in (("", "is empty"), ("\n", "is empty"), ("garbage", "not JSON"), ("{}", "no S3 notification")):
        code, run = scene.manual(body)
        assert code == 1
        assert said in run.errors.read_text()
