"""The rest of readback.py: workers, alarms, network and page."""

import json

from readback import may, statements
from template import FUNCTION

METRICS_PORT = 9464


def service(it):
    ecs = it.client("ecs")
    found = ecs.describe_services(cluster=it.app, services=[it.app])["services"]
    if not found:
        yield f"{it.app}: no such service"
        return
    (held,) = found
    if held["desiredCount"] != 2:
        yield f"{it.app}: {held['desiredCount']} workers instead of 2"
    task = ecs.describe_task_definition(taskDefinition=held["taskDefinition"])["taskDefinition"]
    (container,) = task["containerDefinitions"]
    wanted = {"readonlyRootFilesystem": True, "user": "65532", "stopTimeout": 30, "command": ["worker"]}
    for key, value in wanted.items():
        if container.get(key) != value:
            yield f"{it.app}: {key} of its container is {container.get(key)}, not {value}"
    if it.keeps("health check") and container.get("healthCheck", {}).get("command") != [
        "CMD",
        "/usr/bin/zonewatch",
        "health",
    ]:
        yield f"{it.app}: nobody looks whether a worker lives: {container.get('healthCheck')}"
    group = container["logConfiguration"]["options"]["awslogs-group"]
    if not it.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
        yield f"{it.app}: its log group {group} is not there"
    yield from settings(it, environment(container))
    yield from role(it, task["taskRoleArn"])


def environment(container):
    """What a worker is told, as its process sees it."""
    return {entry["name"]: entry["value"] for entry in container["environment"]}


def settings(it, told):
    """Every name in the environment is that of something made."""
    wanted = {
        "ZONEWATCH_WORKER__APP": it.app,
        "ZONEWATCH_SOURCE__STREAM": f"{it.app}-source",
        "ZONEWATCH_LEASES__CREATE": "false",
        "ZONEWATCH_RECORDS__DELIVERY_STREAMS": f"{it.app}-records",
        "ZONEWATCH_QUARANTINE__DELIVERY_STREAM": f"{it.app}-quarantine",
        "ZONEWATCH_DETECT__ENABLED": "true",
        "ZONEWATCH_DETECT__ROLLUP_STREAM": f"{it.app}-rollup",
        "ZONEWATCH_DETECT__BUCKET": it.bucket("snapshots"),
        "ZONEWATCH_DETECT__WINDOWS_DELIVERY_STREAM": f"{it.app}-windows",
        "ZONEWATCH_DETECT__FINDINGS_DELIVERY_STREAM": f"{it.app}-findings",
        "ZONEWATCH_LIMITS__HELD_BYTES_MAX": "1006632960",
        "ZONEWATCH_HTTP__OPERATIONS": f"0.0.0.0:{METRICS_PORT}",
        "ZONEWATCH_LOG__FORMAT": "json",
        "AWS_USE_DUALSTACK_ENDPOINT": "true",
    }
    for name, value in wanted.items():
        if told.get(name) != value:
            yield f"{it.app}: workers are told {name}={told.get(name)}, not {value}"


# What a worker does on each kind of thing, as in the README's table.
READS = {"ListShards", "GetShardIterator", "GetRecords", "DescribeStreamSummary"}
LEASES = {"DescribeTable", "Scan", "GetItem", "BatchGetItem", "PutItem", "UpdateItem"}
BEATS = {"DescribeTable", "Scan", "BatchGetItem", "UpdateItem", "DeleteItem"}
DELIVERS = {"PutRecordBatch", "DescribeDeliveryStream"}


def of(service, names):
    return {f"{service}:{name}" for name in names}


def role(it, arn):
    """A worker may do its work on what was made, and nothing on everything."""
    bucket = f"arn:aws:s3:::{it.bucket('snapshots')}"
    needs = {
        bucket: {"s3:ListBucket"},
        f"{bucket}/{it.app}/x": {f"s3:{verb}Object" for verb in ("Get", "Put", "Delete")},
    }
    for stream, more in [("source", set()), ("rollup", {"PutRecords"})]:
        needs[it.arn("kinesis", f"stream/{it.app}-{stream}")] = of("kinesis", READS | more)
    for table in (it.app, f"{it.app}-rollup"):
        needs[it.arn("dynamodb", f"table/{table}")] = of("dynamodb", LEASES)
        needs[it.arn("dynamodb", f"table/{table}/index/LeaseOwnerToLeaseKeyIndex")] = {"dynamodb:Query"}
        needs[it.arn("dynamodb", f"table/{table}-state")] = of("dynamodb", BEATS)
    for outlet in ("records", "quarantine", "windows", "findings"):
        needs[it.arn("firehose", f"deliverystream/{it.app}-{outlet}")] = of("firehose", DELIVERS)
    for resource, actions in needs.items():
        yield from may(it, arn, actions, resource)
    for one in statements(it, arn):
        text = json.dumps(one)
        if '"*"' in text or ':*"' in json.dumps(one["Action"]):
            yield f"{arn}: it is allowed too much: {text}"


def scaling(it):
    client = it.client("application-autoscaling")
    targets = client.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
    targets = [target for target in targets if target["ResourceId"] == f"service/{it.app}/{it.app}"]
    if [(target["MinCapacity"], target["MaxCapacity"]) for target in targets] != [(2, 8)]:
        yield f"{it.app}: it is scaled within {targets}"
    policies = client.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
    configured = [policy.get("TargetTrackingScalingPolicyConfiguration", {}) for policy in policies]
    if [one.get("TargetValue") for one in configured] != [60]:
        yield f"{it.app}: it is scaled by {configured}"


# Alarms by the ends of their names, and the dimension that says what they watch.
ALARMS = {
    "source-behind": "StreamName",
    "rollup-behind": "StreamName",
    "workers-missing": "ServiceName",
    "workers-busy": "ServiceName",
    "workers-memory": "ServiceName",
    "errors": None,
}


def alarms(it, more):
    """Alarms there must be (`more` beside those of any deployment); each watches something made, and tells somebody."""
    found = it.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{it.app}-")["MetricAlarms"]
    by_name = {alarm["AlarmName"].removeprefix(f"{it.app}-"): alarm for alarm in found}
    topics = {topic["TopicArn"] for topic in it.client("sns").list_topics()["Topics"]}
    for name in sorted({*ALARMS, *more} - by_name.keys()):
        yield f"{name}: no such alarm"
    made = {
        "StreamName": set(it.client("kinesis").list_streams()["StreamNames"]),
        "TableName": set(it.client("dynamodb").list_tables()["TableNames"]),
        "DeliveryStreamName": set(it.client("firehose").list_delivery_streams()["DeliveryStreamNames"]),
        "ClusterName": {it.app},
        "ServiceName": {it.app},
        "HostedZoneId": set(it.zones.values()),
        "LogGroupName": {f"/aws/route53/{zone}" for zone in it.zones},
    }
    for name, alarm in by_name.items():
        if not alarm["AlarmActions"] or not set(alarm["AlarmActions"]) <= topics:
            yield f"{name}: the alarm tells {alarm['AlarmActions']}"
        metrics = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
        for metric in metrics or [alarm]:
            for dimension in metric.get("Dimensions", []):
                if dimension["Value"] not in made[dimension["Name"]]:
                    yield f"{name}: it watches {dimension['Name']} {dimension['Value']}, which is not there"


def network(it, endpoints):
    ec2 = it.client("ec2")
    vpcs = [vpc for vpc in ec2.describe_vpcs()["Vpcs"] if vpc["CidrBlock"] == "10.64.0.0/20"]
    if len(vpcs) != 1:
        yield f"no VPC 10.64.0.0/20, or several: {vpcs}"
        return
    vpc = [{"Name": "vpc-id", "Values": [vpcs[0]["VpcId"]]}]
    subnets = ec2.describe_subnets(Filters=vpc)["Subnets"]
    if len(subnets) != 4 or len({subnet["AvailabilityZone"] for subnet in subnets}) != 2:
        yield f"{len(subnets)} subnets instead of two in each of two zones"
    if it.keeps("ipv6"):
        for subnet in subnets:
            if len(subnet.get("Ipv6CidrBlockAssociationSet", [])) != 1:
                yield f"{subnet['SubnetId']}: no IPv6"
    yield from routes(it, ec2.describe_route_tables(Filters=vpc)["RouteTables"])
    found = {
        endpoint["ServiceName"].removeprefix("com.amazonaws.us-east-1.")
        for endpoint in ec2.describe_vpc_endpoints(Filters=vpc)["VpcEndpoints"]
    }
    if found != endpoints:
        yield f"endpoints of the VPC: {sorted(found)}, not {sorted(endpoints)}"
    for group in ec2.describe_security_groups(Filters=vpc)["SecurityGroups"]:
        for rule in group["IpPermissions"]:
            if any(source["CidrIp"] == "0.0.0.0/0" for source in rule.get("IpRanges", [])):
                yield f"{group['GroupId']}: it lets everybody in: {rule}"


def routes(it, route_tables):
    """Public tables lead to the internet gateway both ways, private ones only out, by IPv6."""
    ways = []
    for table in route_tables:
        if any(association.get("SubnetId") for association in table["Associations"]):
            to = {}
            for route in table["Routes"]:
                where = route.get("DestinationCidrBlock") or route.get("DestinationIpv6CidrBlock")
                to[where] = route.get("GatewayId") or route.get("EgressOnlyInternetGatewayId") or ""
            ways.append((to.get("0.0.0.0/0", "")[:4], to.get("::/0", "")[:4]))
    public, private = ("igw-", "igw-"), ("", "eigw") if it.keeps("ipv6") else ("", "")
    if public not in ways or private not in ways or set(ways) != {public, private}:
        yield f"routes lead to {ways}"


def page(it):
    cloudfront = it.client("cloudfront")
    items = cloudfront.list_distributions()["DistributionList"].get("Items", [])
    items = [item for item in items if f"({it.app})" in item["Comment"]]
    if len(items) != 1:
        yield f"{len(items)} distributions instead of one"
        return
    config = cloudfront.get_distribution_config(Id=items[0]["Id"])["DistributionConfig"]
    if config["DefaultRootObject"] != "index.html" or config["IsIPV6Enabled"] is not True:
        yield f"the page: root {config['DefaultRootObject']!r}, IPv6 {config['IsIPV6Enabled']}"
    (origin,) = config["Origins"]["Items"]
    if not origin.get("OriginAccessControlId") or not origin["DomainName"].startswith(it.bucket("page")):
        yield f"the page: its origin is {origin}"
    behavior = config["DefaultCacheBehavior"]
    functions = behavior.get("FunctionAssociations", {}).get("Items", [])
    if [one["EventType"] for one in functions] != ["viewer-request"] or behavior[
        "ViewerProtocolPolicy"
    ] != "redirect-to-https":
        yield f"the page: {behavior}"
    code = cloudfront.get_function(Name=f"{it.app}-index", Stage="LIVE")["FunctionCode"].read().decode()
    if code.strip() != FUNCTION.read_text().strip():
        yield "the page: its function is not deploy/cdn/index.js"
