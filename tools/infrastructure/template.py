"""Checks of what deploy/ makes on AWS that cfn-lint and Terraform leave out.

    python template.py

Each rule is a function from what is checked to a list of faults; template_test.py shows each one its fault. Needs
cfn-lint for its loader and its list of IAM actions. Nothing outside this machine is called.
"""

import json
import re
import sys
from pathlib import Path

import cfnlint
from cfnlint.decode import cfn_yaml

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "deploy/cloudformation/zonewatch.yaml"
MODULES = ROOT / "deploy/terraform"
TOLD = MODULES / "modules/program/settings.tf"
FUNCTION = ROOT / "deploy/cdn/index.js"
SETTINGS = ROOT / "deploy/zonewatch.toml"

# What S3 takes of a template; CloudFormation's own call takes 51,200.
TEMPLATE_BYTES_MAX = 1_000_000
# A worker drains for 10 s at most (SIGTERM); Fargate kills 120 s after the signal at the latest.
STOP_SECS = range(15, 121)
# Losing one of these loses something: its stack must say what becomes of it.
STATEFUL = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::Logs::LogGroup")
SETTING = re.compile(r"\bZONEWATCH_[A-Z]+__[A-Z_]+\b")
# The placeholder of texts that explain how a variable is spelled.
EXPLAINED = {"ZONEWATCH_SECTION__KEY"}
# A service's prefix and an action, as policies spell it; condition keys look the same.
ACTION = re.compile(r"\"((?!aws:)[a-z0-9-]+:[A-Z][A-Za-z0-9]+)\"")
CONDITION_KEYS = {"kms:ViaService"}


def load(text):
    """A template as a plain dictionary, with functions in their long form."""
    # Its own kinds of dictionaries know their lines, and take long to copy.
    return json.loads(json.dumps(cfn_yaml.loads(text)))


def of_type(template, *kinds):
    """Resources of these kinds: name and properties."""
    for name, resource in template["Resources"].items():
        if resource["Type"] in kinds:
            yield name, resource.get("Properties", {})


def subscriptions(template):
    """A subscription filter to Kinesis needs a role, and spreads records only if it is told to."""
    for name, filter in of_type(template, "AWS::Logs::SubscriptionFilter"):
        to_lambda = "Lambda" in json.dumps(filter.get("DestinationArn", ""))
        if not to_lambda and not filter.get("RoleArn"):
            yield f"{name}: a subscription filter to Kinesis without RoleArn"
        if filter.get("Distribution") != "Random":
            yield f"{name}: its Distribution is not Random: all of an edge location goes to one shard"


def root_objects(template):
    """A default root object is an object's name: with a slash before it CloudFront finds none."""
    for name, distribution in of_type(template, "AWS::CloudFront::Distribution"):
        found = distribution["DistributionConfig"].get("DefaultRootObject", "")
        if not found or found.startswith("/"):
            yield f"{name}: DefaultRootObject {found!r} is no object's name"


def encryption(template):
    """Everything at rest is encrypted, and no bucket is public."""
    for name, stream in of_type(template, "AWS::Kinesis::Stream"):
        if stream.get("StreamEncryption", {}).get("EncryptionType") != "KMS":
            yield f"{name}: the stream is not encrypted"
    for name, table in of_type(template, "AWS::DynamoDB::Table"):
        if table.get("SSESpecification", {}).get("SSEEnabled") is not True:
            yield f"{name}: the table is not encrypted by a key that a trail shows"
    for name, delivery in of_type(template, "AWS::KinesisFirehose::DeliveryStream"):
        if "KeyType" not in delivery.get("DeliveryStreamEncryptionConfigurationInput", {}):
            yield f"{name}: the delivery stream is not encrypted"
    for name, bucket in of_type(template, "AWS::S3::Bucket"):
        block = bucket.get("PublicAccessBlockConfiguration", {})
        if "BucketEncryption" not in bucket or list(block.values()) != [True] * 4:
            yield f"{name}: the bucket is not encrypted, or not closed to the public"


def retention(template):
    """Whoever deletes a stack is not surprised by what goes with it."""
    for name, resource in template["Resources"].items():
        if resource["Type"] in STATEFUL and not {"DeletionPolicy", "UpdateReplacePolicy"} <= resource.keys():
            yield f"{name}: neither DeletionPolicy nor UpdateReplacePolicy may be left to chance"


def tables(template):
    """Leases can be had back, and rows of dead workers go away. The emulator keeps neither setting."""
    for name, table in of_type(template, "AWS::DynamoDB::Table"):
        recovery = table.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled")
        expiry = table.get("TimeToLiveSpecification", {})
        key = table["KeySchema"][0]["AttributeName"]
        if key == "leaseKey" and (recovery is not True or table.get("DeletionProtectionEnabled") is not True):
            yield f"{name}: leases without point-in-time recovery, or without protection"
        if key == "worker" and (expiry.get("Enabled") is not True or expiry.get("AttributeName") != "expires"):
            yield f"{name}: rows of dead workers stay"


def lifecycles(template):
    """Old versions go away in the end."""
    for name, bucket in of_type(template, "AWS::S3::Bucket"):
        rules = bucket.get("LifecycleConfiguration", {}).get("Rules", [])
        if "VersioningConfiguration" in bucket and not any("NoncurrentVersionExpiration" in rule for rule in rules):
            yield f"{name}: old versions stay for ever"


def network(template):
    """Every subnet has both kinds of addresses; nobody calls into a private one."""
    for name, subnet in of_type(template, "AWS::EC2::Subnet"):
        if not subnet.get("CidrBlock") or not subnet.get("Ipv6CidrBlock"):
            yield f"{name}: a subnet without IPv4 or without IPv6"
    for name, route in of_type(template, "AWS::EC2::Route"):
        if route["RouteTableId"] == {"Ref": "PrivateRoutes"} and "EgressOnlyInternetGatewayId" not in route:
            yield f"{name}: a private subnet that can be called from outside"


def deliveries(template):
    """Objects are partitioned by date and compressed; what failed lies apart. Firehose needs an error prefix then."""
    for name, delivery in of_type(template, "AWS::KinesisFirehose::DeliveryStream"):
        index = delivery.get("AmazonopensearchserviceDestinationConfiguration", {})
        target = delivery.get("ExtendedS3DestinationConfiguration") or index.get("S3Configuration", {})
        if "!{timestamp:" not in target.get("Prefix", "") or target.get("CompressionFormat") != "GZIP":
            yield f"{name}: objects are not partitioned by date, or not compressed"
        if "!{firehose:error-output-type}" not in target.get("ErrorOutputPrefix", ""):
            yield f"{name}: what could not be delivered has no prefix of its own"


def alarms(template):
    """An alarm tells somebody, and says in its description where to look."""
    for name, alarm in of_type(template, "AWS::CloudWatch::Alarm"):
        if not alarm.get("AlarmActions") or not alarm.get("AlarmDescription"):
            yield f"{name}: the alarm tells nobody, or not what to do"
    for name, topic in of_type(template, "AWS::SNS::Topic"):
        if "alias/aws/sns" in json.dumps(topic):
            yield f"{name}: CloudWatch can't publish under the AWS-managed key"


def tasks(template):
    """A task has the time that its drain needs, and somebody looks whether it lives."""
    for name, task in of_type(template, "AWS::ECS::TaskDefinition"):
        for container in task["ContainerDefinitions"]:
            if container.get("StopTimeout") not in STOP_SECS:
                yield f"{name}: StopTimeout {container.get('StopTimeout')} is no time for a drain of 10 s on Fargate"
            if "HealthCheck" not in container:
                yield f"{name}: nobody looks whether the container lives"


def known_actions():
    """The actions of every service that cfn-lint knows, in lower case."""
    text = (Path(cfnlint.__file__).parent / "data/AdditionalSpecs/Policies.json").read_text()
    return {f"{service}:{action}" for service, spec in json.loads(text).items() for action in spec["Actions"]}


def actions(text, where, known):
    """Every IAM action is one. cfn-lint only warns of others, and nobody looks at Terraform's."""
    for action in sorted(set(ACTION.findall(text)) - CONDITION_KEYS):
        if action.lower() not in known:
            yield f"{where}: no service has the action {action}"


def settings(text, where, keys):
    """A worker refuses to start on a variable that is no setting of its own."""
    for name in sorted(set(SETTING.findall(text)) - keys - EXPLAINED):
        yield f"{where}: {name} is no setting"


def outlets(text, where, keys):
    """What the program can deliver has somewhere to go: a new outlet is a new delivery stream."""
    for name in sorted(key for key in keys if key.endswith(("DELIVERY_STREAM", "DELIVERY_STREAMS"))):
        if name not in text:
            yield f"{where}: {name} is not set"


def setting_keys(document):
    """The variables that deploy/zonewatch.toml's keys have."""
    section, keys = "", set()
    for line in document.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif found := re.match(r"([a-z_]+) = ", line):
            keys.add(f"ZONEWATCH_{section}__{found[1]}".upper())
        # A table of its own, which a variable gives as a whole.
        if "." in section:
            keys.add("ZONEWATCH_" + section.replace(".", "__").upper())
    return keys


def form(text):
    """CloudFormation refuses aliases, which every YAML library takes, and what is too long."""
    if len(text.encode()) > TEMPLATE_BYTES_MAX:
        yield f"the template has more than {TEMPLATE_BYTES_MAX} bytes"
    for number, line in enumerate(text.splitlines(), 1):
        code = line.split(" #")[0]
        if re.search(r"(^|[\s:\[,-])[&*][A-Za-z]\w*\s*($|[\],}{])", code) and "Action" not in code:
            yield f"line {number}: an anchor or alias, which CloudFormation does not take"


def page_function(template, source):
    """The function in the template is the one that has tests."""
    for name, function in of_type(template, "AWS::CloudFront::Function"):
        if function["FunctionCode"].strip() != source.strip():
            yield f"{name}: FunctionCode is not deploy/cdn/index.js"


RULES = (
    subscriptions,
    root_objects,
    encryption,
    retention,
    tables,
    lifecycles,
    network,
    deliveries,
    alarms,
    tasks,
)


def faults():
    """All faults of what deploy/ holds."""
    text = TEMPLATE.read_text()
    template, known, keys = load(text), known_actions(), setting_keys(SETTINGS.read_text())
    for rule in RULES:
        yield from rule(template)
    yield from form(text)
    yield from page_function(template, FUNCTION.read_text())
    yield from actions(json.dumps(template["Resources"]), TEMPLATE.name, known)
    yield from settings(text, TEMPLATE.name, keys)
    yield from outlets(text, TEMPLATE.name, keys)
    yield from outlets(TOLD.read_text(), "modules/program", keys)
    for module in sorted(MODULES.rglob("*.tf")):
        where = str(module.relative_to(MODULES))
        yield from actions(module.read_text(), where, known)
        yield from settings(module.read_text(), where, keys)


if __name__ == "__main__":
    found = list(faults())
    print("\n".join(found) or "no faults")
    sys.exit(bool(found))
