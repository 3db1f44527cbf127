"""Applies the Terraform example to emulators and reads back what they hold.

    ZONEWATCH_TEST_MOTO=URL ZONEWATCH_TEST_AWS=URL ZONEWATCH_BIN=PROGRAM python terraform.py PLUGINS SCRATCH

PLUGINS is a folder with the AWS provider (`terraform init -plugin-dir`), SCRATCH one to work in. The modules are
applied as they are; only the example's provider is told how to speak to emulators. CloudFront is played by ministack,
all else by moto.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import boto3

import flow
import readback
import readback_service
import sabotage
from template import ROOT

ZONES = ("example.com", "example.net")
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/zonewatch:0.1.0"
KEY = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000"
# Emulators know no account of the caller's but their own, and no names of buckets.
PROVIDER = """
provider "aws" {
  region                      = "us-east-1"
  skip_credentials_validation = true
  s3_use_path_style           = true
}
"""
# Alarms beside those of any deployment.
MORE_ALARMS = {f"not-logged-{zone}" for zone in ZONES} | {f"not-arriving-{zone}" for zone in ZONES}
MORE_ALARMS |= {f"delivery-{outlet}" for outlet in ("records", "quarantine", "windows", "findings")}
MORE_ALARMS |= {
    "zonewatch-WriteThrottleEvents",
    "zonewatch-rollup-state-ReadThrottleEvents",
    "source-WriteProvisionedThroughputExceeded",
}
# What a second plan may still want to change: what these emulators do not say back, by kind and attribute.
UNSAID = {
    "aws_appautoscaling_target": {"tags", "tags_all"},
    "aws_cloudfront_response_headers_policy": {"custom_headers_config", "remove_headers_config"},
    "aws_cloudwatch_log_group": {"kms_key_id", "log_group_class"},
    "aws_cloudwatch_log_subscription_filter": {"distribution"},
    "aws_ecs_service": {
        "availability_zone_rebalancing",
        "capacity_provider_strategy",
        "deployment_controller",
        "enable_ecs_managed_tags",
        "health_check_grace_period_seconds",
    },
    "aws_kinesis_stream": {"tags", "tags_all"},
    "aws_vpc_endpoint": {"ip_address_type"},
}
# Other ways to call the module. They are planned only: what they would make is the provider's word, not an emulator's.
VARIANTS = {
    "smallest": {
        "zones": {},
        "existing_log_groups": ["/aws/route53/example.org"],
        "windows": False,
        "create_network": False,
        "vpc_id": "vpc-00000000000000001",
        "subnet_ids": ["subnet-00000000000000001"],
        "cluster_name": "mine",
        "allow_doctor": False,
    },
    "kubernetes": {
        "zones": {"example.com": "Z0123456789ABCDEFGHIJ"},
        "workers_on": "kubernetes",
        "kubernetes": {"cluster_name": "dns", "namespace": "observability"},
    },
    "service-accounts": {
        "workers_on": "kubernetes",
        "kubernetes": {
            "oidc_provider_arn": "arn:aws:iam::000000000000:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE"
        },
    },
    "elsewhere": {"workers_on": "elsewhere", "windows": False},
    "largest": {
        "zones": {"example.com": "Z0123456789ABCDEFGHIJ"},
        "source_shards": 4,
        "fan_out": True,
        "record_streams": 2,
        "kms_key_arn": KEY,
        "logs_kms_key_arn": KEY,
        "nat_gateways": "each",
        "public_workers": True,
        "spot": True,
        "beside_kcl": True,
        "scraper_security_groups": {"prometheus": "sg-00000000000000001"},
        "opensearch": {
            "domain_arn": "arn:aws:es:us-east-1:000000000000:domain/dns",
            "subnet_ids": ["subnet-00000000000000001"],
            "security_group_ids": ["sg-00000000000000001"],
        },
        "page": {
            "domain_names": ["dns.example.com"],
            "certificate_arn": "arn:aws:acm:us-east-1:000000000000:certificate/x",
        },
    },
}


class Failed(Exception):
    pass


def terraform(folder, *arguments, codes=(0,)):
    """What terraform prints, if it ends with one of these codes."""
    run = subprocess.run(
        ["terraform", arguments[0], "-no-color", *arguments[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if run.returncode not in codes:
        said = "\n".join((run.stdout + run.stderr).strip().splitlines()[-40:])
        raise Failed(f"terraform {arguments[0]} in {folder.name} ended with {run.returncode}\n{said}")
    return run.stdout


def copied(scratch):
    """A copy of the modules to work in; the example's folder."""
    shutil.rmtree(scratch, ignore_errors=True)
    for folder in ("terraform", "cdn"):
        shutil.copytree(
            ROOT / "deploy" / folder,
            scratch / "deploy" / folder,
            ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"),
        )
    return scratch / "deploy/terraform/examples/complete"


def root_module(folder, plugins, files):
    """Makes a root module of these files and the provider."""
    folder.mkdir(exist_ok=True)
    for name, text in {"provider_override.tf": PROVIDER, **files}.items():
        (folder / name).write_text(text)
    terraform(folder, "init", "-input=false", f"-plugin-dir={plugins}")


def validated(example, plugins):
    """The real provider's schema finds no fault, and does find one that is planted."""
    terraform(example, "fmt", "-check", "-recursive", "../..")
    terraform(example, "validate")
    streams = example / "../../modules/streams/main.tf"
    text = streams.read_text()
    streams.write_text(text.replace("retention_period = var.source", "retention_periods = var.source"))
    try:
        if "retention_periods" not in terraform(example, "validate", "-json", codes=(1,)):
            raise Failed("terraform validate did not name the argument that was misspelt")
    finally:
        streams.write_text(text)


def made_zones(endpoint):
    route53 = boto3.client("route53", endpoint_url=endpoint, region_name="us-east-1")
    made = {zone: route53.create_hosted_zone(Name=zone, CallerReference=zone)["HostedZone"]["Id"] for zone in ZONES}
    return {zone: path.rsplit("/", 1)[-1] for zone, path in made.items()}


def planned_again(example):
    """A second plan wants nothing but what the emulators do not say back."""
    terraform(example, "plan", "-input=false", "-detailed-exitcode", "-out=again", codes=(0, 2))
    plan = json.loads(terraform(example, "show", "-json", "again"))
    replaced = set()
    for change in plan["resource_changes"]:
        before, after = change["change"]["before"] or {}, change["change"]["after"] or {}
        kind, actions = change["type"], change["change"]["actions"]
        unsaid = UNSAID.get(kind, set())
        if "delete" in actions and unsaid:
            replaced.add(kind)
        changed = {key for key in after if before.get(key) != after[key] and key in before}
        # A query log hangs on its group.
        if (
            actions == ["no-op"]
            or changed <= unsaid
            or (kind == "aws_route53_query_log" and "aws_cloudwatch_log_group" in replaced)
        ):
            continue
        yield f"{change['address']}: a second plan would {'/'.join(actions)} {sorted(changed - unsaid)}"


def spread(example):
    """moto does not keep a filter's distribution, so it is read where Terraform keeps what it sent."""
    state = json.loads(terraform(example, "show", "-json", "again"))["planned_values"]["root_module"]
    found = [
        one["values"]["distribution"]
        for one in resources(state)
        if one["type"] == "aws_cloudwatch_log_subscription_filter"
    ]
    if found != ["Random"] * len(ZONES):
        yield f"subscriptions spread records by {found}"


def resources(module):
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from resources(child)


def variants(example, plugins):
    for name, values in VARIANTS.items():
        call = {"module": {"zonewatch": {"source": "../..", "name": name, "image": IMAGE, **values}}}
        folder = example.parent / name
        root_module(folder, plugins, {"main.tf.json": json.dumps(call)})
        terraform(folder, "plan", "-input=false", "-out=plan")
        plan = json.loads(terraform(folder, "show", "-json", "plan"))
        kinds = {one["type"] for one in resources(plan["planned_values"]["root_module"])}
        print(f"  {name}: {len(plan['resource_changes'])} changes planned, {len(kinds)} kinds of resources")


def main(plugins, scratch):
    moto, ministack = os.environ["ZONEWATCH_TEST_MOTO"], os.environ["ZONEWATCH_TEST_AWS"]
    os.environ.update(
        CHECKPOINT_DISABLE="1", AWS_ENDPOINT_URL=moto, AWS_ENDPOINT_URL_CLOUDFRONT=ministack, TF_IN_AUTOMATION="1"
    )
    os.environ.pop("TF_CLI_CONFIG_FILE", None)
    example = copied(scratch)
    root_module(example, plugins, {})
    validated(example, plugins)
    print("validated; a misspelt argument is refused")

    zones = made_zones(moto)
    values = {"zones": zones, "image": IMAGE, "alarm_emails": ["oncall@example.com"]}
    (example / "terraform.tfvars.json").write_text(json.dumps(values))
    applied = terraform(example, "apply", "-input=false", "-auto-approve", "-parallelism=20")
    print(next(line for line in applied.splitlines() if line.startswith("Apply complete")))

    it = readback.Deployed(
        "zonewatch", zones, moto, {"cloudfront": ministack}, frozenset({"distribution", "delivery encryption"})
    )
    endpoints = {"s3", "dynamodb", "logs", "ecr.api", "ecr.dkr"}
    faults = [*sabotage.everything(it, MORE_ALARMS, endpoints), *readback_service.scaling(it)]
    faults += [*planned_again(example), *spread(example)]
    if faults:
        raise Failed("\n".join(faults))
    print("read back: as it should be")
    faults = list(flow.flows(it, ZONES[0], os.environ["ZONEWATCH_BIN"]))
    if faults:
        raise Failed("\n".join(faults))
    print(f"{flow.QUERIES} queries went from the log group to the archive, and the worker drained in time")
    sabotage.noticed(it, MORE_ALARMS, endpoints)
    variants(example, plugins)


if __name__ == "__main__":
    try:
        main(sys.argv[1], Path(sys.argv[2]).resolve())
    except Failed as failed:
        sys.exit(str(failed))
