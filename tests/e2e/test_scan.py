"""Scan mode: a bucket's listing in place of notifications."""

from concurrent.futures import ThreadPoolExecutor

from emulator import eventually
from records import log, streams


def told(run):
    """Keys of the objects that it worked on, as often as it did."""
    return sorted(line["key"] for line in run.lines("object"))


def test_all_pages_once_and_only_what_ends_as_it_should(scene):
    tenant = scene.tenant("scan", s3=True)
    # More than a page of keys, which lie between these in the listing.
    first, last = scene.put(log(tenant.pod("a"))), scene.put(log(tenant.pod("z")))
    others = [tenant.pod("m").key(f"{number:04}.txt") for number in range(1001)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda key: scene.s3.put_object(Bucket=scene.bucket, Key=key, Body=b"{}"), others))
    run = scene.start("--mode", "scan", SQS_QUEUE_URL=None)
    eventually(lambda: len(told(run)) == 2, run.said)
    # What comes later is found by another listing, which finds the first again.
    later = scene.put(log(tenant.pod("b")))
    eventually(lambda: len(told(run)) > 2, run.said)
    assert run.get("/readyz") == (200, "ok\n")
    assert run.stop() == 0
    assert told(run) == sorted(one.key for one in (first, later, last))
    assert tenant.streams() == streams([first, later, last])
    assert len(tenant.objects()) == 3


def test_other_suffixes_and_what_failed(scene):
    tenant = scene.tenant("suffixes", s3=True, bucket=False)
    plain = scene.put(log(tenant.pod(), file="a.ndjson"))
    scene.put(log(tenant.pod("ignored")))
    run = scene.start("--mode=scan", SCAN_SUFFIXES=".log,.ndjson")
    # The bucket's absence fails the delivery; a later listing tries that alone.
    eventually(lambda: told(run), run.said)
    tenant.make_bucket()
    eventually(tenant.objects, run.said)
    assert run.stop() == 0
    assert set(told(run)) == {plain.key}
    assert tenant.streams() == streams([plain])
    assert scene.left() == (0, 0, 0), "nothing is sent to a queue"
