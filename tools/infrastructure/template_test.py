"""Each rule of template.py finds its fault, and cfn-lint the faults that are left to it.

python template_test.py
"""

import copy
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import template as checks

TEXT = checks.TEMPLATE.read_text()
GOOD = checks.load(TEXT)
KNOWN = checks.known_actions()


def broken(name, change):
    """The template with one resource's properties changed."""
    changed = copy.deepcopy(GOOD)
    change(changed["Resources"][name]["Properties"])
    return changed


class Rules(unittest.TestCase):
    def one_fault(self, rule, template, words):
        self.assertEqual(list(rule(GOOD)), [])
        found = list(rule(template))
        self.assertEqual(len(found), 1, found)
        self.assertIn(words, found[0])

    def test_a_filter_without_a_role_is_found(self):
        without = broken("Subscription", lambda filter: filter.pop("RoleArn"))
        self.one_fault(checks.subscriptions, without, "without RoleArn")

    def test_a_filter_that_keeps_streams_together_is_found(self):
        for value in (None, "ByLogStream"):
            changed = broken("Subscription", lambda filter, value=value: filter.update(Distribution=value))
            self.one_fault(checks.subscriptions, changed, "not Random")

    def test_a_root_object_with_a_slash_is_found(self):
        for value in ("/index.html", ""):
            changed = broken(
                "PageDistribution", lambda page, value=value: page["DistributionConfig"].update(DefaultRootObject=value)
            )
            self.one_fault(checks.root_objects, changed, "is no object's name")

    def test_what_is_not_encrypted_is_found(self):
        for name, key in [
            ("RollupStream", "StreamEncryption"),
            ("Workers", "SSESpecification"),
            ("QuarantineDelivery", "DeliveryStreamEncryptionConfigurationInput"),
            ("Archive", "BucketEncryption"),
        ]:
            self.one_fault(checks.encryption, broken(name, lambda it, key=key: it.pop(key)), f"{name}: ")

    def test_a_bucket_that_may_be_public_is_found(self):
        changed = broken("Snapshots", lambda it: it["PublicAccessBlockConfiguration"].update(BlockPublicPolicy=False))
        self.one_fault(checks.encryption, changed, "closed to the public")

    def test_a_resource_that_is_lost_by_chance_is_found(self):
        changed = copy.deepcopy(GOOD)
        del changed["Resources"]["Leases"]["DeletionPolicy"]
        self.one_fault(checks.retention, changed, "Leases: ")

    def test_leases_that_are_lost_and_rows_that_stay_are_found(self):
        for name, key in [
            ("Leases", "PointInTimeRecoverySpecification"),
            ("RollupLeases", "DeletionProtectionEnabled"),
            ("RollupWorkers", "TimeToLiveSpecification"),
        ]:
            self.one_fault(checks.tables, broken(name, lambda it, key=key: it.pop(key)), f"{name}: ")

    def test_versions_that_stay_are_found(self):
        self.one_fault(
            checks.lifecycles, broken("Snapshots", lambda it: it.pop("LifecycleConfiguration")), "stay for ever"
        )

    def test_a_network_of_one_kind_or_an_open_one_is_found(self):
        self.one_fault(checks.network, broken("PublicB", lambda it: it.pop("Ipv6CidrBlock")), "without IPv6")
        changed = broken("PrivateIpv6", lambda it: it.update(GatewayId=it.pop("EgressOnlyInternetGatewayId")))
        self.one_fault(checks.network, changed, "called from outside")

    def test_deliveries_without_dates_or_error_prefix_are_found(self):
        s3 = "ExtendedS3DestinationConfiguration"
        for change in (
            lambda it: it[s3].update(Prefix="findings/"),
            lambda it: it[s3].update(CompressionFormat="UNCOMPRESSED"),
            lambda it: it[s3].pop("ErrorOutputPrefix"),
        ):
            self.one_fault(checks.deliveries, broken("FindingsDelivery", change), "FindingsDelivery: ")

    def test_a_silent_alarm_and_a_topic_that_takes_none_are_found(self):
        self.one_fault(checks.alarms, broken("NotLogged", lambda it: it.pop("AlarmActions")), "tells nobody")
        keyed = broken("Alarms", lambda it: it.update(KmsMasterKeyId="alias/aws/sns"))
        self.one_fault(checks.alarms, keyed, "can't publish")

    def test_a_task_that_is_killed_too_soon_or_never_looked_at_is_found(self):
        for secs in (5, 180):
            changed = broken("Task", lambda it, secs=secs: it["ContainerDefinitions"][0].update(StopTimeout=secs))
            self.one_fault(checks.tasks, changed, "StopTimeout")
        unseen = broken("Task", lambda it: it["ContainerDefinitions"][0].pop("HealthCheck"))
        self.one_fault(checks.tasks, unseen, "nobody looks")

    def test_an_action_of_no_service_is_found(self):
        for text, count in [
            ('"kinesis:GetRecord"', 1),
            ('["kinesis:GetRecords", "aws:SourceArn", "kms:ViaService"]', 0),
        ]:
            self.assertEqual(len(list(checks.actions(text, "x", KNOWN))), count, text)
        misspelt = json.dumps(GOOD["Resources"]).replace("dynamodb:UpdateItem", "dynamodb:UpdateItems")
        self.assertEqual(len(list(checks.actions(misspelt, "x", KNOWN))), 1)

    def test_a_variable_that_is_no_setting_is_found(self):
        keys = checks.setting_keys("[worker]\napp = 1\n[enrich]\n[enrich.zones]\n[source]\n# x = 1\nstart_at = ''\n")
        self.assertEqual(keys, {"ZONEWATCH_WORKER__APP", "ZONEWATCH_ENRICH__ZONES", "ZONEWATCH_SOURCE__START_AT"})
        found = list(checks.settings("ZONEWATCH_WORKER__APP ZONEWATCH_SOURCE__STREEM", "x", keys))
        self.assertEqual(found, ["x: ZONEWATCH_SOURCE__STREEM is no setting"])

    def test_an_outlet_that_goes_nowhere_is_found(self):
        keys = checks.setting_keys("[records]\ndelivery_streams = []\n[quarantine]\ndelivery_stream = ''\nfile = ''\n")
        told = "ZONEWATCH_RECORDS__DELIVERY_STREAMS ZONEWATCH_DETECT__ENABLED"
        found = list(checks.outlets(told, "x", keys))
        self.assertEqual(found, ["x: ZONEWATCH_QUARANTINE__DELIVERY_STREAM is not set"])

    def test_aliases_and_what_is_too_long_are_found(self):
        self.assertEqual(list(checks.form(TEXT)), [])
        for text in ("a: &Name\n  b: 1\n", "c: *Name\n", "c: [*Name]\n", "c: &Name { d: 1 }\n"):
            self.assertEqual(len(list(checks.form(text))), 1, text)
        self.assertEqual(len(list(checks.form("#" * 1_000_001))), 1)

    def test_a_function_that_is_not_the_tested_one_is_found(self):
        source = checks.FUNCTION.read_text()
        self.assertEqual(list(checks.page_function(GOOD, source)), [])
        self.assertEqual(len(list(checks.page_function(GOOD, source.replace("index.html", "home.html")))), 1)

    def test_what_deploy_holds_has_no_fault(self):
        self.assertEqual(list(checks.faults()), [])


class Lint(unittest.TestCase):
    """cfn-lint, as it is run on the template: anything it says is a failure."""

    def lint(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "template.yaml"
            path.write_text(text)
            linter = Path(sys.executable).parent / "cfn-lint"
            run = subprocess.run([sys.executable, linter, path], capture_output=True, text=True, check=False)
            return run.returncode, run.stdout

    def test_the_template_is_clean(self):
        self.assertEqual(self.lint(TEXT), (0, ""))

    def test_misspelt_properties_types_and_references_are_found(self):
        seeds = [
            ("      RetentionInDays: !Ref", "      RetentionDays: !Ref", "E3002"),
            ("ShardCount: 1\n", "ShardCount: one\n", "E3012"),
            ("!GetAtt DeliveryRole.Arn\n", "!GetAtt DeliveryRoles.Arn\n", "E1010"),
            ("SSEAlgorithm: AES256", "SSEAlgorithm: AES257", "E3030"),
            ("kinesis:PutRecords #", "kinesis:PutRecordz #", "W3037"),
        ]
        changed = TEXT
        for before, after, _ in seeds:
            self.assertIn(before, changed)
            changed = changed.replace(before, after, 1)
        code, said = self.lint(changed)
        self.assertNotEqual(code, 0)
        for before, _, rule in seeds:
            self.assertIn(rule, said, before)


if __name__ == "__main__":
    unittest.main()
