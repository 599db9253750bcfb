"""Tests what the local AWS checks a call of EC2 on."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "local"))

import permissions

IMAGE, SNAPSHOT, TEMPLATE = "ami-0123456789abcdef0", "snap-0123456789abcdef0", "lt-0123456789abcdef0"
TAGS = {"goldsmith:stack": "s"}


def touched(action, **parameters):
    """Returns the resources and condition keys that a call is checked on; `None` if the emulator checks it."""
    call = permissions.Call(action, parameters, "eu-west-1", "111122223333", dict.fromkeys((IMAGE, SNAPSHOT, TEMPLATE), TAGS))
    found = permissions.touched(action)
    return found and [(resource, context) for _, resource, context in found(call)]


class Touched(unittest.TestCase):
    def test_a_call_is_checked_on_each_resource_that_it_names(self):
        image = ("arn:aws:ec2:eu-west-1::image/" + IMAGE, {"aws:ResourceTag/goldsmith:stack": "s"})
        snapshot = ("arn:aws:ec2:eu-west-1::snapshot/" + SNAPSHOT, {"aws:ResourceTag/goldsmith:stack": "s"})
        for action in ("DeregisterImage", "ModifyImageAttribute", "DescribeImageAttribute", "EnableImageDeprecation"):
            self.assertEqual(touched(f"ec2:{action}", ImageId=IMAGE), [image], action)
        for action in ("DeleteSnapshot", "ModifySnapshotTier"):
            self.assertEqual(touched(f"ec2:{action}", SnapshotId=SNAPSHOT), [snapshot], action)
        self.assertEqual(touched("ec2:LockSnapshots", **{"SnapshotId.1": SNAPSHOT, "ImageId": IMAGE}), [image, snapshot])

    def test_a_call_about_a_launch_template_is_checked_on_its_tags(self):
        template = ("arn:aws:ec2:eu-west-1:111122223333:launch-template/" + TEMPLATE, {"aws:ResourceTag/goldsmith:stack": "s"})
        for action in ("CreateLaunchTemplateVersion", "ModifyLaunchTemplate", "DeleteLaunchTemplateVersions"):
            self.assertEqual(touched(f"ec2:{action}", LaunchTemplateId=TEMPLATE), [template], action)

    def test_a_missing_resource_is_left_to_ec2(self):
        self.assertEqual(touched("ec2:DeregisterImage", ImageId="ami-1"), [])

    def test_a_call_that_names_no_resource_needs_the_permission_for_all(self):
        self.assertEqual(touched("ec2:EnableImageBlockPublicAccess"), [("*", {})])

    def test_lists_and_other_resources_are_left_to_the_emulator(self):
        for action in ("DescribeImages", "DescribeInstanceStatus", "DescribeSnapshots", "CreateKeyPair", "DeleteRoute"):
            self.assertIsNone(touched(f"ec2:{action}", **{"ImageId.1": IMAGE}), action)


if __name__ == "__main__":
    unittest.main()
