"""Breaks what was deployed, one resource at a time, and looks whether readback.py notices: a check that has not been
seen to fail proves nothing."""

import readback
import readback_service


def everything(it, more_alarms, endpoints):
    """All faults of a deployment."""
    for look in (
        readback.query_logging,
        readback.streams,
        readback.tables,
        readback.buckets,
        readback.deliveries,
        readback_service.service,
        readback_service.page,
    ):
        yield from look(it)
    yield from readback_service.alarms(it, more_alarms)
    yield from readback_service.network(it, endpoints)


def ways(it):
    """What is broken, how, and words of the fault that must be told."""
    logs, dynamodb, s3 = it.client("logs"), it.client("dynamodb"), it.client("s3")
    zone = next(iter(it.zones))
    group = f"/aws/route53/{zone}"
    name = logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"][0]["filterName"]
    yield (
        "a subscription that is gone",
        lambda: logs.delete_subscription_filter(logGroupName=group, filterName=name),
        "no subscription",
    )
    policy = logs.describe_resource_policies()["resourcePolicies"][0]["policyName"]
    yield "a resource policy that is gone", lambda: logs.delete_resource_policy(policyName=policy), "no resource policy"
    route53 = it.client("route53")
    config = route53.list_query_logging_configs(HostedZoneId=it.zones[zone])["QueryLoggingConfigs"][0]["Id"]
    yield (
        "query logging that is off",
        lambda: route53.delete_query_logging_config(Id=config),
        "its queries are logged to []",
    )
    yield (
        "a stream that is gone",
        lambda: it.client("kinesis").delete_stream(StreamName=f"{it.app}-rollup"),
        "no such stream",
    )
    yield (
        "a table that may be deleted",
        lambda: dynamodb.update_table(TableName=it.app, DeletionProtectionEnabled=False),
        "it may be deleted",
    )
    if it.keeps("time to live"):
        off = {"Enabled": False, "AttributeName": "expires"}
        yield (
            "rows that stay",
            lambda: dynamodb.update_time_to_live(TableName=f"{it.app}-state", TimeToLiveSpecification=off),
            "rows of the dead stay",
        )
    snapshots = it.bucket("snapshots")
    yield (
        "a bucket that may be public",
        lambda: s3.put_public_access_block(Bucket=snapshots, PublicAccessBlockConfiguration={"BlockPublicAcls": False}),
        "may be made public",
    )
    yield (
        "a bucket without versions",
        lambda: s3.put_bucket_versioning(Bucket=snapshots, VersioningConfiguration={"Status": "Suspended"}),
        "no versions",
    )
    yield "a bucket without its policy", lambda: s3.delete_bucket_policy(Bucket=it.bucket("archive")), "without TLS"
    yield (
        "an outlet that is gone",
        lambda: it.client("firehose").delete_delivery_stream(DeliveryStreamName=f"{it.app}-windows"),
        "no such delivery stream",
    )
    yield (
        "an alarm that is gone",
        lambda: it.client("cloudwatch").delete_alarms(AlarmNames=[f"{it.app}-source-behind"]),
        "no such alarm",
    )
    iam = it.client("iam")
    role = task(it)["taskRoleArn"].rsplit("/", 1)[-1]
    wide = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":["*"]}]}'
    yield (
        "a role that may do too much",
        lambda: iam.put_role_policy(RoleName=role, PolicyName="wide", PolicyDocument=wide),
        "allowed too much",
    )


def task(it):
    ecs = it.client("ecs")
    (held,) = ecs.describe_services(cluster=it.app, services=[it.app])["services"]
    return ecs.describe_task_definition(taskDefinition=held["taskDefinition"])["taskDefinition"]


def noticed(it, more_alarms, endpoints):
    """Breaks it all, and fails unless every break is told."""
    broken = list(ways(it))
    for _, act, _ in broken:
        act()
    told = list(everything(it, more_alarms, endpoints))
    silent = [what for what, _, words in broken if not any(words in fault for fault in told)]
    if silent:
        raise SystemExit("not noticed: " + ", ".join(silent) + "\ntold:\n" + "\n".join(told))
    print(f"{len(broken)} ways to break it, each noticed: " + ", ".join(what for what, _, _ in broken))
