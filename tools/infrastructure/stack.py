"""Creates the CloudFormation template in an emulator, reads back what it holds, deletes it, and breaks a second one.

    ZONEWATCH_TEST_AWS=URL ZONEWATCH_TEST_MOTO=URL ZONEWATCH_BIN=PROGRAM python stack.py

ministack creates nearly every kind in the template, and runs the function that turns query logging on; Route 53 is
played by moto, since ministack has no query logging. What has to be left out is printed: nothing but cfn-lint and
template.py looks at that.
"""

import copy
import json
import os
import sys
import time

import boto3

import flow
import readback
import sabotage
import template

APP = "zonewatch"
# Kinds that ministack's CloudFormation does not know (nor does moto's create them) ...
UNKNOWN = (
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::EC2::EgressOnlyInternetGateway",
    "AWS::EC2::VPCCidrBlock",
)
# ... and what it does not keep of those that it knows.
FORGETS = frozenset(
    {
        "ipv6",
        "stream encryption",
        "table encryption",
        "point-in-time recovery",
        "time to live",
        "lifecycle",
        "health check",
    }
)
# What doctor asks and ministack does not say.
UNKNOWN_TO_DOCTOR = {"LeaseOwnerToLeaseKeyIndex", "time to live"}
MORE_ALARMS = {
    "leases-throttled",
    "beats-throttled",
    "records-stale",
    "findings-stale",
    "delivery-throttled",
    "source-throttled",
}
ENDPOINTS = {"s3", "dynamodb", "logs", "ecr.api", "ecr.dkr"}
PATIENCE_SECS = 180


class Failed(Exception):
    pass


def fitted(whole, moto):
    """The template as ministack takes it, and what was left out of it."""
    fit, out = copy.deepcopy(whole), []
    held = fit["Resources"]
    for name, one in whole["Resources"].items():
        properties = one.get("Properties", {})
        gone = [kind for kind in UNKNOWN if one["Type"] == kind]
        if "Metrics" in properties:
            gone.append("metric math")
        if "EgressOnlyInternetGatewayId" in properties:
            gone.append("a route to what was left out")
        if gone:
            del held[name]
            out.append(f"{name} ({gone[0]})")
        elif one["Type"] == "AWS::EC2::Subnet":
            del held[name]["DependsOn"], held[name]["Properties"]["Ipv6CidrBlock"]
            del held[name]["Properties"]["AssignIpv6AddressOnCreation"]
            out.append(f"IPv6 of {name}")
    # It reckons with the number, and has the text of a parameter.
    held["Service"]["Properties"]["DesiredCount"] = 2
    held["QueryLoggingFunction"]["Properties"]["Environment"] = {"Variables": {"AWS_ENDPOINT_URL_ROUTE_53": moto}}
    return fit, out


class Stacks:
    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.client = boto3.client("cloudformation", endpoint_url=endpoint, region_name="us-east-1")
        self.s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
        self.s3.create_bucket(Bucket="templates")

    def create(self, name, body, **parameters):
        """The stack once it is at rest. The template is too long to be sent, as on AWS."""
        self.s3.put_object(Bucket="templates", Key=f"{name}.json", Body=json.dumps(body).encode())
        self.client.create_stack(
            StackName=name,
            TemplateURL=f"{self.endpoint}/templates/{name}.json",
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        return self.at_rest(name)

    def at_rest(self, name):
        give_up = time.monotonic() + PATIENCE_SECS
        while time.monotonic() < give_up:
            (stack,) = self.client.describe_stacks(StackName=name)["Stacks"]
            if not stack["StackStatus"].endswith("IN_PROGRESS"):
                return stack
            time.sleep(0.5)
        raise Failed(f"stack {name} is still {stack['StackStatus']} after {PATIENCE_SECS} s")

    def reasons(self, name):
        events = self.client.describe_stack_events(StackName=name)["StackEvents"]
        return [
            f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason')}"
            for one in events
            if "FAILED" in one["ResourceStatus"]
        ]

    def kinds(self, name):
        found = self.client.describe_stack_resources(StackName=name)["StackResources"]
        return {one["LogicalResourceId"]: one for one in found}


def zone_of(moto, name):
    """A hosted zone, and in moto the log group without which it turns no query logging on."""
    route53, logs = (
        boto3.client(service, endpoint_url=moto, region_name="us-east-1") for service in ("route53", "logs")
    )
    logs.create_log_group(logGroupName=f"/aws/route53/{name}")
    return route53.create_hosted_zone(Name=name, CallerReference=name)["HostedZone"]["Id"].rsplit("/", 1)[-1]


def wanted(body, parameters):
    """Resources that must be there with these parameters."""
    off = {"HasOpenSearch", "HasScraper", "HasDataEndpoints"} | (
        {"HasPage"} if parameters.get("Page") != "true" else set()
    )
    return {name for name, one in body["Resources"].items() if one.get("Condition") not in off}


def created(stacks, it, body):
    parameters = {
        "AppName": it.app,
        "HostedZoneId": next(iter(it.zones.values())),
        "HostedZoneName": next(iter(it.zones)),
        "Page": "true",
        "Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/zonewatch:0.1.0",
        "AlarmEmail": "oncall@example.com",
    }
    stack = stacks.create(it.app, body, **parameters)
    if stack["StackStatus"] != "CREATE_COMPLETE":
        raise Failed(f"{stack['StackStatus']}: {stacks.reasons(it.app)}")
    held = stacks.kinds(it.app)
    lost = [
        name
        for name in sorted(wanted(body, parameters))
        if name not in held or not held[name].get("PhysicalResourceId")
    ]
    if lost:
        raise Failed(f"CREATE_COMPLETE, and yet not there: {lost}")
    return len(held)


def deleted(stacks, it):
    """What a deletion takes along, and what it leaves."""
    dynamodb, route53 = it.client("dynamodb"), it.client("route53")
    zone = next(iter(it.zones.values()))
    stacks.client.delete_stack(StackName=APP)
    give_up = time.monotonic() + PATIENCE_SECS
    while True:
        tables = set(dynamodb.list_tables()["TableNames"])
        configs = route53.list_query_logging_configs(HostedZoneId=zone)["QueryLoggingConfigs"]
        if (f"{APP}-state" not in tables and not configs) or time.monotonic() > give_up:
            break
        time.sleep(0.5)
    if configs:
        yield "query logging is still on after the stack was deleted"
    if tables & {APP, f"{APP}-rollup", f"{APP}-state"} != {APP, f"{APP}-rollup"}:
        yield f"tables after the stack was deleted: {sorted(tables)}"
    kept = {bucket["Name"] for bucket in it.client("s3").list_buckets()["Buckets"]}
    if not {it.bucket("archive"), it.bucket("snapshots")} <= kept:
        yield f"buckets after the stack was deleted: {sorted(kept)}"


def refused(stacks, it, body, moto):
    """A zone that is logged elsewhere already is left alone, and the stack says so."""
    zone = zone_of(moto, "logged.example")
    boto3.client("logs", endpoint_url=moto, region_name="us-east-1").create_log_group(logGroupName="/elsewhere")
    arn = it.arn("logs", "log-group:/elsewhere")
    route53 = it.client("route53")
    route53.create_query_logging_config(HostedZoneId=zone, CloudWatchLogsLogGroupArn=arn)
    stack = stacks.create(
        "second", body, AppName="second", HostedZoneId=zone, HostedZoneName="logged.example", Image="image:1"
    )
    if "ROLLBACK" not in stack["StackStatus"] or not any(
        "is logged to" in reason for reason in stacks.reasons("second")
    ):
        yield f"a zone that is logged elsewhere: {stack['StackStatus']}, {stacks.reasons('second')}"
    left = route53.list_query_logging_configs(HostedZoneId=zone)["QueryLoggingConfigs"]
    if [config["CloudWatchLogsLogGroupArn"] for config in left] != [arn]:
        yield f"a zone that was logged elsewhere is logged to {left} now"


def main():
    ministack, moto = os.environ["ZONEWATCH_TEST_AWS"], os.environ["ZONEWATCH_TEST_MOTO"]
    body, out = fitted(template.load(template.TEMPLATE.read_text()), moto)
    print("left out: " + ", ".join(out))
    stacks = Stacks(ministack)
    zones = {"stack.example": zone_of(moto, "stack.example")}
    it = readback.Deployed(APP, zones, ministack, {"route53": moto}, FORGETS)
    print(f"created: {created(stacks, it, body)} resources")

    faults = [*sabotage.everything(it, MORE_ALARMS, ENDPOINTS)]
    faults += flow.examined(os.environ["ZONEWATCH_BIN"], flow.told(it), UNKNOWN_TO_DOCTOR)
    faults += refused(stacks, it, body, moto)
    if faults:
        raise Failed("\n".join(faults))
    print("read back: as it should be; a zone that is logged elsewhere is left alone")
    faults = list(deleted(stacks, it))
    if faults:
        raise Failed("\n".join(faults))
    print("deleted: query logging is off, leases and buckets are kept")

    broken = readback.Deployed(
        "broken", {"broken.example": zone_of(moto, "broken.example")}, ministack, {"route53": moto}, FORGETS
    )
    created(stacks, broken, body)
    sabotage.noticed(broken, MORE_ALARMS, ENDPOINTS)


if __name__ == "__main__":
    try:
        main()
    except Failed as failed:
        sys.exit(str(failed))
