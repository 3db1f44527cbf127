"""Query logs on their way through what was deployed: from the log group to the archive, by the real program with the
settings, and nothing but the settings, that its task definition has."""

import gzip
import json
import os
import signal
import socket
import subprocess
import tempfile
import time

import readback_service
import sabotage

QUERIES = 50
PATIENCE_SECS = 240
DRAIN_SECS_MAX = 10


def told(it):
    """The task's environment, with addresses and the pace of this machine: an emulator has no dual-stack names, and
    ports must be free."""
    (container,) = sabotage.task(it)["containerDefinitions"]
    settings = readback_service.environment(container)
    del settings["AWS_USE_DUALSTACK_ENDPOINT"]
    for key in ("OPERATIONS", "PEOPLE"):
        with socket.create_server(("127.0.0.1", 0)) as free:
            settings[f"ZONEWATCH_HTTP__{key}"] = f"127.0.0.1:{free.getsockname()[1]}"
    # moto answers one call at a time, and on a loaded machine after seconds: no lease may be lost by that.
    settings.update(ZONEWATCH_LEASES__FAILOVER_SECS="60", ZONEWATCH_SOURCE__POLL_MS="1000")
    settings.update(ZONEWATCH_SOURCE__IDLE_POLL_MS="2000")
    # Variables of the tests are no settings of a worker, which would refuse them.
    around = {name: value for name, value in os.environ.items() if not name.startswith("ZONEWATCH_")}
    return {**around, **settings, "AWS_ENDPOINT_URL": it.endpoint}


def examined(program, settings, unknown=frozenset()):
    """`worker --check` takes the settings, and `doctor` finds all that they name; only workers are missing yet."""
    check = subprocess.run([program, "worker", "--check"], env=settings, capture_output=True, text=True, check=False)
    if check.returncode != 0:
        yield f"a worker does not take its settings: {check.stdout}{check.stderr}"
        return
    doctor = subprocess.run([program, "doctor", "--json"], env=settings, capture_output=True, text=True, check=False)
    findings = json.loads(doctor.stdout)["findings"]
    for finding in findings:
        expected = finding["check"] == "coverage" or finding["subject"] in unknown
        if finding["state"] in ("problem", "warning") and not expected:
            yield f"doctor: {finding}"
    checks = {finding["check"] for finding in findings}
    if not {"stream", "outlet", "lease table", "state table", "subscription"} <= checks:
        yield f"doctor looked at {sorted(checks)} only"


def logged(it, zone):
    """Lines as Route 53 writes them, in the log stream that it would make."""
    logs, group = it.client("logs"), f"/aws/route53/{zone}"
    stream = f"{it.zones[zone]}/IAD12-C1"
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    # moto's own ids of zones do not begin with a Z, and the worker would take them for damage.
    line = f"1.0 {stamp} Z0123456789ABCDEFGHIJ {{}}.{zone} A NXDOMAIN UDP IAD12-C1 192.0.2.1 -"
    names = [f"host{number}" for number in range(QUERIES)]
    events = [{"timestamp": int(now * 1000), "message": line.format(name)} for name in names]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
    # As a lean record has it, which is the example's form: the zone has a field of its own.
    return {f'"name":"{name}"' for name in names}


def archived(it):
    """What the archive holds of records, as text."""
    s3, bucket = it.client("s3"), it.bucket("archive")
    text = []
    for found in s3.list_objects_v2(Bucket=bucket, Prefix="records/").get("Contents", []):
        body = s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
        text.append((gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode())
    return "".join(text)


def flows(it, zone, program):
    """A worker reads what is logged and delivers it, is alive meanwhile, and drains in time."""
    settings = told(it)
    # The buckets refuse what comes without TLS, which an emulator has not.
    s3, buckets = it.client("s3"), [it.bucket(kind) for kind in ("snapshots", "archive")]
    policies = {bucket: s3.get_bucket_policy(Bucket=bucket)["Policy"] for bucket in buckets}
    for bucket in buckets:
        s3.delete_bucket_policy(Bucket=bucket)
    yield from examined(program, settings)
    with tempfile.TemporaryFile("w+") as log:
        worker = subprocess.Popen([program, "worker"], env=settings, stdout=log, stderr=log)
        faults = []
        try:
            faults += watched(it, zone, program, settings, worker)
        finally:
            if worker.poll() is None:
                worker.kill()
                worker.wait()
        log.seek(0)
        lines = log.read().splitlines()
        faults += (f"the worker's log: {line}" for line in lines if '"level":"ERROR"' in line)
        if not any('"worker starting"' in line for line in lines):
            faults.append("the worker's log is not JSON")
        if faults:
            yield from [*faults, "the worker's log ends:", *lines[-20:]]
    for bucket, policy in policies.items():
        s3.put_bucket_policy(Bucket=bucket, Policy=policy)


def watched(it, zone, program, settings, worker):
    names, give_up = logged(it, zone), time.monotonic() + PATIENCE_SECS
    missing = names
    while missing and time.monotonic() < give_up and worker.poll() is None:
        time.sleep(2)
        text = archived(it)
        missing = {name for name in names if name not in text}
    if missing:
        yield f"{len(missing)} of {len(names)} queries never came to the archive"
    alive = subprocess.run([program, "health"], env=settings, capture_output=True, text=True, check=False)
    if alive.returncode != 0:
        yield f"the worker is not alive: {alive.stderr}"
    begun = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    code = worker.wait(timeout=2 * DRAIN_SECS_MAX)
    if code != 0 or time.monotonic() - begun > DRAIN_SECS_MAX:
        yield f"the worker ended with {code} after {time.monotonic() - begun:.1f} s"
