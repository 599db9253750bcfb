"""Tests which templates the local CloudFormation rejects."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "local"))

import provisioning


class Fields(unittest.TestCase):
    def test_an_output_or_a_parameter_with_a_field_that_aws_does_not_know_is_found(self):
        template = {
            "Parameters": {"One": {"Type": "String", "Default": "", "AllowedPattern": ".*", "Description": "d"}},
            "Outputs": {"Two": {"Value": {"Ref": "One"}, "Description": "agents", "Export": {"Name": "n"}}},
        }
        self.assertIsNone(provisioning.unknown_field(template))
        self.assertIsNone(provisioning.unknown_field({}))
        # `{Value: v, Description: agents, work orders}` without quotation marks.
        template["Outputs"]["Two"]["work orders"] = None
        self.assertEqual(provisioning.unknown_field(template), "Outputs Two: work orders")
        template["Parameters"]["One"]["Pattern"] = ".*"
        self.assertEqual(provisioning.unknown_field({"Parameters": template["Parameters"]}), "Parameters One: Pattern")


if __name__ == "__main__":
    unittest.main()
