"""SQS mode: from S3 by SNS to the queue, and on to tenants of two accounts, many at once."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

from emulator import PROCESSOR, TENANT_A, TENANT_B, eventually
from records import CANARY, PREFIX, copied, log, streams


def groups(account, region):
    """Names of an account's log groups."""
    return {group["logGroupName"] for group in account.client("logs", region).describe_log_groups()["logGroups"]}


def test_every_event_of_three_tenants_arrives_once_where_it_belongs(scene):
    scene.connect()
    both = scene.tenant("both", TENANT_A, s3=True)
    logs_only = scene.tenant("logs", TENANT_B, region="eu-west-1")
    s3_only = scene.tenant("objects", TENANT_B, cloudwatch=False, s3=True, bucket_prefix="their/own")
    # One group is there already, the other is not.
    both.account.client("logs").create_log_group(logGroupName=both.group)
    tenants = (both, logs_only, s3_only)
    objects = [
        log(tenant.pod(f"pod-{pod}"), file=f"2026-{file}.json.gz")
        for pod in range(3) for file in range(2) for tenant in tenants
    ]
    run = scene.start("--mode", "sqs")
    run.awaits("serving /metrics")
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(scene.put, objects))
    scene.drained()
    assert run.stop() == 0, run.said()

    of = lambda tenant: [one for one in objects if one.pod.tenant == tenant.name]
    assert both.streams() == streams(of(both))
    assert logs_only.streams() == streams(of(logs_only))
    for tenant, prefix in ((both, PREFIX), (s3_only, "their/own")):
        arrived_objects = tenant.objects()
        assert {key: body for key, (body, _) in arrived_objects.items()} == {
            copied(one, prefix): one.body for one in of(tenant)
        }
        for one in of(tenant):
            metadata = dict(arrived_objects[copied(one, prefix)][1])
            assert int(metadata.pop("delivery-timestamp")) > 1_795_000_000
            assert metadata == {
                "source-bucket": scene.bucket,
                "source-key": one.key,
                "tenant-id": tenant.name,
                "application": "kube-apiserver",
                "pod-name": one.pod.name,
            }
    # Nowhere else: neither in the processor's account, nor in another tenant's, nor in another region.
    for account in (PROCESSOR, TENANT_A, TENANT_B):
        for region in ("us-east-1", "eu-west-1"):
            here = {
                tenant.group for tenant in (both, logs_only)
                if (tenant.account.account, tenant.region) == (account, region)
            }
            ours = {name for name in groups(scene.emulator.accounts[account], region) if scene.id in name}
            assert ours == here, (account, region)
    assert scene.left(scene.dead) == (0, 0, 0)
    assert not run.problems()
    # A line an object, and none an event.
    told = [line["key"] for line in run.lines() if line["message"] == "object"]
    assert sorted(told) == sorted(one.key for one in objects)
    assert CANARY in both.streams()["pod-0"][0][1], "or its absence from the log means nothing"


def test_keys_with_what_notifications_encode(scene):
    scene.connect()
    tenant = scene.tenant("keys", s3=True)
    files = ["a b.json.gz", "a+b.json.gz", "100%.json.gz", "%2F.json.gz", "größe.json.gz", "a&b=c;d.json.gz"]
    objects = [scene.put(log(tenant.pod("pod ü+"), 5, file)) for file in files]
    run = scene.start("-mode=sqs")
    scene.drained()
    assert run.stop() == 0
    assert tenant.streams() == streams(objects)
    arrived_objects = tenant.objects()
    assert {key: body for key, (body, _) in arrived_objects.items()} == {copied(one): one.body for one in objects}
    sources = {unquote(metadata["source-key"]) for _, metadata in arrived_objects.values()}
    assert sources == {one.key for one in objects}
    assert not run.problems()


def test_a_large_object_takes_several_puts(scene):
    scene.connect()
    tenant = scene.tenant("large")
    large = scene.put(log(tenant.pod(), 12_000, damage=[f'{{"message": "{CANARY}']))
    run = scene.start(EXECUTION_MODE="sqs")
    scene.drained()
    assert run.metric('log_processor_batches_total{destination="cloudwatch"') >= 2
    assert run.metric('log_processor_lines_total{destination="cloudwatch",outcome="delivered"') == 12_000
    assert run.metric('log_processor_lines_total{destination="cloudwatch",outcome="malformed"') == 1
    assert run.stop() == 0
    assert tenant.streams() == streams([large])
    line, = run.lines("object")
    assert line["deliveries"] == "cloudwatch=partial(malformed)"
    assert (line["events"], line["malformed"], line["level"]) == (12_000, 1, "WARN")


def test_a_stop_in_the_middle_loses_and_repeats_nothing(scene):
    scene.connect()
    tenants = [scene.tenant(f"stopped{number}", s3=True) for number in range(2)]
    objects = [log(tenant.pod(f"pod-{number}")) for number in range(20) for tenant in tenants]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(scene.put, objects))
    # It ends when its work does.
    few = {"MAX_CONCURRENT_OBJECTS": "2", "VISIBILITY_TIMEOUT": "20", "SHUTDOWN_GRACE_SECONDS": "120"}
    run = scene.start("--mode", "sqs", **few)
    run.awaits("object")
    assert run.stop() == 0
    # What it had begun is done and deleted; what it only held is the next one's.
    assert 0 < len(run.lines("object")) < len(objects)
    assert sum(scene.left()) > 0
    scene.start("--mode", "sqs", **few)
    scene.drained()
    for tenant in tenants:
        mine = [one for one in objects if one.pod.tenant == tenant.name]
        assert tenant.streams() == streams(mine)
        assert {key: body for key, (body, _) in tenant.objects().items()} == {copied(one): one.body for one in mine}
    assert scene.left(scene.dead) == (0, 0, 0)


def test_metrics_and_health(scene):
    scene.connect()
    tenant = scene.tenant("metrics", s3=True)
    run = scene.start("--mode", "sqs")
    assert run.get("/healthz") == (200, "ok\n")
    for number in range(3):
        scene.put(log(tenant.pod(f"pod-{number}")))
    scene.drained()
    assert run.get("/readyz") == (200, "ok\n")
    for destination in ("cloudwatch", "s3"):
        assert run.metric(f'log_processor_deliveries_total{{destination="{destination}",outcome="delivered"') == 3
    # S3's test event is a message, too.
    assert run.metric('log_processor_messages_total{outcome="acknowledged"') == 4
    eventually(lambda: run.metric("log_processor_messages_in_flight") == 0, "nothing to be held")
    assert run.metric("log_processor_delivery_latency_seconds_count") == 6
    assert run.get("/elsewhere")[0] == 404
    assert run.stop() == 0
    assert 'outcome="delivered"' in run.metrics

    sent = scene.account.client("cloudwatch").list_metrics(
        Namespace="HCPLF/LogForwarding", Dimensions=[{"Name": "Tenant", "Value": tenant.name}]
    )["Metrics"]
    names = {metric["MetricName"] for metric in sent}
    for kind in ("cloudwatch", "s3"):
        assert {f"LogCount/{kind}/{what}" for what in ("successful_delivery", "delivery_latency")} <= names
    assert scene.counted(tenant, "LogCount/cloudwatch/successful_events") == 60
    assert scene.counted(tenant, "LogCount/cloudwatch/successful_delivery") == 3
