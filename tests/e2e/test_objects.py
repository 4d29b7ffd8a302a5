"""Objects that have versions, that changed, and that hold what can't be delivered."""

import gzip
import json
from datetime import datetime, timedelta, timezone

from records import CANARY, Log, by_sns, copied, direct, log, milliseconds, record, s3_record, streams


def test_the_version_that_was_announced_is_delivered(scene):
    tenant = scene.tenant("versions", s3=True)
    scene.s3.put_bucket_versioning(Bucket=scene.bucket, VersioningConfiguration={"Status": "Enabled"})
    old, new = log(tenant.pod(), 5), log(tenant.pod(), 7)
    put = [scene.s3.put_object(Bucket=scene.bucket, Key=one.key, Body=one.body) for one in (old, new)]
    code, run = scene.manual(direct(s3_record(scene.bucket, old.key, versionId=put[0]["VersionId"])))
    assert code == 0, run.said()
    assert tenant.streams() == streams([old])
    assert tenant.objects()[copied(old)][0] == old.body


def test_an_object_that_changed_is_left_to_its_own_notification(scene):
    tenant = scene.tenant("changed")
    one = scene.put(log(tenant.pod()))
    code, run = scene.manual(direct(s3_record(scene.bucket, one.key, eTag="0" * 32)))
    assert code == 0, run.said()
    assert tenant.streams() == {}
    assert run.lines("object")[0]["deliveries"] == "cloudwatch=ignored(changed)"


def dead_letters(scene, bucket):
    """All lines of all dead letters."""
    keys = [listed["Key"] for listed in scene.s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
    assert all(key.startswith("letters/") for key in keys)
    bodies = [scene.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys]
    return [json.loads(line) for body in bodies for line in body.splitlines()]


def test_what_cannot_be_delivered_goes_to_the_dead_letters(scene):
    tenant = scene.tenant("letters")
    bucket = f"dead-{scene.id}"
    scene.s3.create_bucket(Bucket=bucket)
    malformed = f'{{"message": "{CANARY}'
    good = log(tenant.pod(), damage=[malformed])
    tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
    too_new = json.dumps(record(good.pod, tomorrow, f"{CANARY} too new"))
    # The file ends within its second member: the lines of the first count.
    whole = gzip.decompress(good.body)
    body = gzip.compress(whole + too_new.encode() + b"\n") + gzip.compress(b"{}")[:12]
    one = scene.put(Log(good.pod, good.key, body, good.events))
    messages = by_sns(s3_record(scene.bucket, one.key), s3_record(scene.bucket, "too/short.json.gz"))
    code, run = scene.manual(messages, DEAD_LETTER=f"s3://{bucket}/letters/")
    assert code == 0, run.said()
    assert tenant.streams() == streams([good])
    letters = {letter["reason"]: letter for letter in dead_letters(scene, bucket)}
    assert letters.keys() >= {"malformed", "too-new", "damaged", "invalid-key"}
    assert letters["malformed"]["data"] == malformed
    assert letters["malformed"]["lines"] == [1, 1] and letters["malformed"]["key"] == one.key
    assert letters["too-new"]["timestamp"] == milliseconds(tomorrow)
    assert letters["invalid-key"]["key"] == "too/short.json.gz"
