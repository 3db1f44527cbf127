"""moto_server with four gaps filled that keep our templates from creating what they would create on AWS.

    python moto_filled.py [ARGUMENT...]

Each one is where moto 5.2.1 differs from AWS; nothing is made easier than it is there.
"""

import functools
import json

from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.ec2.models.subnets import Subnet
from moto.route53.models import Route53Backend
from moto.server import main


def tags_of_scalable_targets(_self):
    """The action is missing. The provider reads tags after each creation, and tries a refusal for ever."""
    return json.dumps({"Tags": {}})


def ipv6_of_subnet(self):
    """moto wraps the state once more, and the provider waits until it is `associated`."""
    return [
        {
            "ipv6CidrBlock": association["ipv6CidrBlock"],
            "associationId": association["associationId"],
            "ipv6CidrBlockState": {"State": association["ipv6CidrBlockState"]["State"]},
        }
        for association in self.ipv6_cidr_block_associations.values()
        if association["ipv6CidrBlockState"]["State"] == "associated"
    ]


def query_logging_takes_plain_arns(create):
    """AWS takes a log group's ARN with and without `:*`, moto only with."""

    @functools.wraps(create)
    def created(self, hosted_zone_id, log_group_arn):
        plain = log_group_arn.removesuffix(":*")
        config = create(self, hosted_zone_id, f"{plain}:*")
        config.cloud_watch_logs_log_group_arn = log_group_arn
        return config

    return created


def query_logging_of_a_zone(self, hosted_zone_id=None, next_token=None, max_results=None):
    """moto looks for the zone under another form of its id, and then lists those of all zones."""
    configs = self.query_logging_configs.values()
    return [config for config in configs if hosted_zone_id in (None, config.hosted_zone_id)], None


ApplicationAutoScalingResponse.list_tags_for_resource = tags_of_scalable_targets
Subnet.ipv6_cidr_block_association_set = property(ipv6_of_subnet)
Route53Backend.create_query_logging_config = query_logging_takes_plain_arns(Route53Backend.create_query_logging_config)
Route53Backend.list_query_logging_configs = query_logging_of_a_zone

if __name__ == "__main__":
    main()
