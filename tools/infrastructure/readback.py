"""What an emulator holds after Terraform or CloudFormation has run, read by the services' own calls.

That a stack is CREATE_COMPLETE proves nothing: emulators skip kinds in silence. Every function yields faults; what an
emulator does not keep is left out by name (`Deployed.forgets`), so that it shows where a check is weaker.
"""

import json
from dataclasses import dataclass, field

import boto3


@dataclass
class Deployed:
    """One deployment, and where to look at it."""

    app: str
    zones: dict  # name -> hosted zone id
    endpoint: str
    # Services that another emulator plays.
    elsewhere: dict = field(default_factory=dict)
    # What the emulator is told and does not keep.
    forgets: frozenset = frozenset()
    account: str = "000000000000"
    region: str = "us-east-1"

    def client(self, service):
        endpoint = self.elsewhere.get(service, self.endpoint)
        return boto3.client(service, endpoint_url=endpoint, region_name=self.region)

    def keeps(self, what):
        return what not in self.forgets

    def arn(self, service, resource):
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def bucket(self, kind):
        return f"{self.app}-{kind}-{self.account}-{self.region}"


def query_logging(it):
    logs, route53 = it.client("logs"), it.client("route53")
    for zone, zone_id in it.zones.items():
        group = f"/aws/route53/{zone}"
        arn = it.arn("logs", f"log-group:{group}")
        found = [
            held
            for held in logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
            if held["logGroupName"] == group
        ]
        if not found or not found[0].get("retentionInDays"):
            yield f"{group}: no log group that forgets in the end"
            continue
        configs = route53.list_query_logging_configs(HostedZoneId=zone_id)["QueryLoggingConfigs"]
        if [config["CloudWatchLogsLogGroupArn"] for config in configs] != [arn]:
            yield f"{zone}: its queries are logged to {configs}, not to {arn}"
        filters = logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
        if len(filters) != 1 or filters[0]["destinationArn"] != it.arn("kinesis", f"stream/{it.app}-source"):
            yield f"{group}: no subscription that sends to the source stream: {filters}"
            continue
        if filters[0]["filterPattern"] != "":
            yield f"{group}: the subscription leaves something out"
        if it.keeps("distribution") and filters[0].get("distribution") != "Random":
            yield f"{group}: the subscription does not spread records"
        yield from may(it, filters[0]["roleArn"], {"kinesis:PutRecord"}, it.arn("kinesis", f"stream/{it.app}-source"))
    policies = [
        json.loads(policy["policyDocument"]) for policy in logs.describe_resource_policies()["resourcePolicies"]
    ]
    statements = [one for policy in policies for one in listed(policy["Statement"])]
    if not any(lets_route53_write(it, one) for one in statements):
        yield f"no resource policy lets Route 53, and only for zones of this account, write: {statements}"


def lets_route53_write(it, statement):
    condition = statement.get("Condition", {})
    return (
        statement["Principal"] == {"Service": "route53.amazonaws.com"}
        and set(statement["Action"]) == {"logs:CreateLogStream", "logs:PutLogEvents"}
        and statement["Resource"] == it.arn("logs", "log-group:/aws/route53/*")
        and condition.get("StringEquals") == {"aws:SourceAccount": it.account}
        and condition.get("ArnLike") == {"aws:SourceArn": "arn:aws:route53:::hostedzone/*"}
    )


def streams(it):
    kinesis = it.client("kinesis")
    wanted = {f"{it.app}-source": ("ON_DEMAND", 24), f"{it.app}-rollup": ("PROVISIONED", 72)}
    for name, (mode, hours) in wanted.items():
        try:
            found = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        except kinesis.exceptions.ResourceNotFoundException:
            yield f"{name}: no such stream"
            continue
        is_as_wanted = (found["StreamModeDetails"]["StreamMode"], found["RetentionPeriodHours"]) == (mode, hours)
        if not is_as_wanted or found["StreamStatus"] != "ACTIVE":
            yield f"{name}: {found}"
        if it.keeps("stream encryption") and found.get("EncryptionType") != "KMS":
            yield f"{name}: it is not encrypted"
        if mode == "PROVISIONED" and found["OpenShardCount"] != 1:
            yield f"{name}: {found['OpenShardCount']} shards instead of one"


def tables(it):
    dynamodb = it.client("dynamodb")
    for name, key in [
        (it.app, "leaseKey"),
        (f"{it.app}-rollup", "leaseKey"),
        (f"{it.app}-state", "worker"),
        (f"{it.app}-rollup-state", "worker"),
    ]:
        try:
            table = dynamodb.describe_table(TableName=name)["Table"]
        except dynamodb.exceptions.ResourceNotFoundException:
            yield f"{name}: no such table"
            continue
        if table["KeySchema"] != [{"AttributeName": key, "KeyType": "HASH"}]:
            yield f"{name}: its key is {table['KeySchema']}"
        if table.get("BillingModeSummary", {}).get("BillingMode") != "PAY_PER_REQUEST":
            yield f"{name}: it is not billed on demand"
        if it.keeps("table encryption") and table.get("SSEDescription", {}).get("Status") != "ENABLED":
            yield f"{name}: it is not encrypted by a key that a trail shows"
        yield from lease_table(it, name, table) if key == "leaseKey" else worker_table(it, name)


def lease_table(it, name, table):
    indexes = {index["IndexName"]: index for index in table.get("GlobalSecondaryIndexes", [])}
    owned = indexes.get("LeaseOwnerToLeaseKeyIndex", {})
    key = [(part["AttributeName"], part["KeyType"]) for part in owned.get("KeySchema", [])]
    if key != [("leaseOwner", "HASH"), ("leaseKey", "RANGE")] or owned["Projection"]["ProjectionType"] != "KEYS_ONLY":
        yield f"{name}: its index by owner is {owned}"
    backups = it.client("dynamodb").describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    if it.keeps("point-in-time recovery") and recovery != "ENABLED":
        yield f"{name}: no point-in-time recovery"
    if table.get("DeletionProtectionEnabled") is not True:
        yield f"{name}: it may be deleted"


def worker_table(it, name):
    if not it.keeps("time to live"):
        return
    expiry = it.client("dynamodb").describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    if expiry.get("TimeToLiveStatus") not in ("ENABLED", "ENABLING") or expiry["AttributeName"] != "expires":
        yield f"{name}: rows of the dead stay: {expiry}"


def buckets(it):
    s3 = it.client("s3")
    held = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    for kind in ("snapshots", "archive", "page"):
        name = it.bucket(kind)
        if name not in held:
            yield f"{name}: no such bucket"
            continue
        if list(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values()) != [True] * 4:
            yield f"{name}: it may be made public"
        if not s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]:
            yield f"{name}: it is not encrypted"
        if not any(denies_plain_http(one) for one in policy_of(s3, name)):
            yield f"{name}: it takes requests without TLS"
        if kind != "page" and s3.get_bucket_versioning(Bucket=name).get("Status") != "Enabled":
            yield f"{name}: no versions"
        if kind == "page" or not it.keeps("lifecycle"):
            continue
        rules = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
        if not any(
            rule["Status"] == "Enabled" and rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays")
            for rule in rules
        ):
            yield f"{name}: old versions stay for ever: {rules}"


def policy_of(s3, bucket):
    try:
        return json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    except s3.exceptions.ClientError:
        return []


def denies_plain_http(statement):
    condition = statement.get("Condition", {}).get("Bool")
    return statement["Effect"] == "Deny" and condition == {"aws:SecureTransport": "false"}


def deliveries(it):
    firehose = it.client("firehose")
    for outlet in ("records", "quarantine", "windows", "findings"):
        name = f"{it.app}-{outlet}"
        try:
            found = firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
        except firehose.exceptions.ResourceNotFoundException:
            yield f"{name}: no such delivery stream"
            continue
        if found["DeliveryStreamType"] != "DirectPut" or found["DeliveryStreamStatus"] != "ACTIVE":
            yield f"{name}: {found['DeliveryStreamType']}, {found['DeliveryStreamStatus']}"
        if (
            it.keeps("delivery encryption")
            and found.get("DeliveryStreamEncryptionConfiguration", {}).get("Status") != "ENABLED"
        ):
            yield f"{name}: it is not encrypted"
        target = found["Destinations"][0].get("ExtendedS3DestinationDescription") or {}
        is_dated = target.get("Prefix", "").startswith(f"{outlet}/year=!{{timestamp:yyyy}}/")
        if (
            not is_dated
            or target.get("CompressionFormat") != "GZIP"
            or target["BucketARN"] != f"arn:aws:s3:::{it.bucket('archive')}"
        ):
            yield f"{name}: it delivers to {target}"
        if not target.get("ErrorOutputPrefix", "").startswith(f"errors/{outlet}/!{{firehose:error-output-type}}/"):
            yield f"{name}: what fails has no prefix of its own"
        yield from may(it, target["RoleARN"], {"s3:PutObject"}, f"arn:aws:s3:::{it.bucket('archive')}/records/x")


def listed(value):
    return value if isinstance(value, list) else [value]


def statements(it, role_arn):
    """All that a role is allowed."""
    iam, role = it.client("iam"), role_arn.rsplit("/", 1)[-1]
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        document = json.loads(document) if isinstance(document, str) else document
        yield from listed(document["Statement"])


def matches(pattern, resource):
    if pattern.endswith("*"):
        return resource.startswith(pattern[:-1])
    return pattern == resource


def may(it, role_arn, actions, resource):
    """Faults if a role may not do all of this on a resource."""
    allowed = set()
    for one in statements(it, role_arn):
        if one["Effect"] == "Allow" and any(matches(pattern, resource) for pattern in listed(one["Resource"])):
            allowed |= set(listed(one["Action"]))
    if not actions <= allowed:
        yield f"{role_arn} may not {sorted(actions - allowed)} on {resource}"
