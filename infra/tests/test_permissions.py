"""Tests what the local AWS checks a call of EC2 on."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "local"))

import blocks
import licenses
import permissions

IMAGE, SNAPSHOT, TEMPLATE = "ami-0123456789abcdef0", "snap-0123456789abcdef0", "lt-0123456789abcdef0"
TAGS = {"goldsmith:stack": "s"}


def touched(action, **parameters):
    """Returns the resources and condition keys that a call is checked on; `None` if the emulator checks it."""
    tags, owners = dict.fromkeys((IMAGE, SNAPSHOT, TEMPLATE), TAGS), {IMAGE: "444455556666"}
    call = permissions.Call(action, parameters, "eu-west-1", "111122223333", tags, owners)
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

    def test_a_copy_is_checked_on_the_owner_of_its_original_and_on_the_tags_of_what_is_new(self):
        asked = {"TagSpecification.1.ResourceType": "image", "TagSpecification.1.Tag.1.Key": "k", "TagSpecification.1.Tag.1.Value": "v"}
        found = touched("ec2:CopyImage", SourceImageId=IMAGE, SourceRegion="us-east-1", **asked)
        original = ("arn:aws:ec2:us-east-1::image/" + IMAGE, {"ec2:ImageID": IMAGE, "ec2:Owner": "444455556666"})
        new = {"aws:RequestTag/k": "v"}
        self.assertEqual(found, [
            original,
            ("arn:aws:ec2:eu-west-1::image/*", new),
            ("arn:aws:ec2:eu-west-1::image/*", {**new, "ec2:CreateAction": "CopyImage"}),
            ("arn:aws:ec2:eu-west-1::snapshot/*", {}),
        ])
        self.assertEqual(len(touched("ec2:CopyImage", SourceImageId="ami-1", SourceRegion="us-east-1")), 2, "EC2 rejects it")

    def test_the_owner_of_an_image_of_amazon_is_amazon(self):
        images = [{"id": IMAGE, "account": "1", "source": True}, {"id": "ami-1", "account": "2", "source": False}]
        self.assertEqual(permissions.owners_in({"images": images}), {IMAGE: "amazon", "ami-1": "2"})

    def test_an_export_is_checked_on_its_image_and_on_the_new_task(self):
        image = ("arn:aws:ec2:eu-west-1::image/" + IMAGE, {"aws:ResourceTag/goldsmith:stack": "s"})
        task = "arn:aws:ec2:eu-west-1:111122223333:export-image-task/*"
        tags = {
            "TagSpecification.1.ResourceType": "export-image-task", "TagSpecification.1.Tag.1.Key": "k",
            "TagSpecification.1.Tag.1.Value": "v"}
        call = permissions.Call("ec2:ExportImage", {"ImageId": IMAGE, **tags}, "eu-west-1", "111122223333", {IMAGE: TAGS})
        found = [*call.existing("ImageId"), *call.new("export-image-task")]
        asked = {"aws:RequestTag/k": "v"}
        self.assertEqual(found, [
            ("ec2:ExportImage", *image), ("ec2:ExportImage", task, asked),
            ("ec2:CreateTags", task, {**asked, "ec2:CreateAction": "ExportImage"})])

    def test_a_launch_is_checked_on_the_licenses_of_its_image(self):
        license = "arn:aws:license-manager:eu-west-1:111122223333:license-configuration:lic-1"
        image = f"arn:aws:ec2:eu-west-1::image/{IMAGE}"
        self.addCleanup(licenses.ASSOCIATED.clear)
        for associated in ([], [license]):
            licenses.ASSOCIATED["111122223333", image] = associated
            found = [resource for resource, _ in touched("ec2:RunInstances", ImageId=IMAGE)]
            self.assertEqual([image in found, license in found], [True, bool(associated)])

    def test_a_missing_resource_is_left_to_ec2(self):
        self.assertEqual(touched("ec2:DeregisterImage", ImageId="ami-1"), [])

    def test_a_call_that_names_no_resource_needs_the_permission_for_all(self):
        self.assertEqual(touched("ec2:EnableImageBlockPublicAccess"), [("*", {})])

    def test_a_call_on_blocks_is_checked_on_each_snapshot_that_it_names(self):
        snapshot = ("arn:aws:ec2:eu-west-1::snapshot/" + SNAPSHOT, {"aws:ResourceTag/goldsmith:stack": "s"})
        for method, path, operation in (
            ("GET", "/blocks", "ListSnapshotBlocks"), ("GET", "/blocks/7", "GetSnapshotBlock"),
            ("PUT", "/blocks/7", "PutSnapshotBlock"), ("GET", "/changedblocks", "ListChangedBlocks"),
        ):
            found, parameters = blocks.call_of_blocks(method, f"/snapshots/{SNAPSHOT}{path}", b"", {"blockToken": ["t"]})
            self.assertEqual((found, touched(f"ebs:{found}", **parameters)), (operation, [snapshot]))
        both = {"firstSnapshotId": [SNAPSHOT]}
        found, parameters = blocks.call_of_blocks("GET", f"/snapshots/{SNAPSHOT}/changedblocks", b"", both)
        self.assertEqual(touched(f"ebs:{found}", **parameters), [snapshot, snapshot])
        for method, path in (("GET", "/snapshots"), ("POST", f"/snapshots/{SNAPSHOT}/blocks"), ("GET", "/snapshots/a/b/c")):
            self.assertIsNone(blocks.call_of_blocks(method, path, b"", {}))

    def test_a_snapshot_that_is_started_is_checked_on_its_tags(self):
        body = b'{"VolumeSize": 8, "Description": null, "ParentSnapshotId": "snap-1", "Tags": [{"Key": "k", "Value": "v"}]}'
        found, parameters = blocks.call_of_blocks("POST", "/snapshots", body, {})
        context = {"aws:RequestTag/k": "v", "ebs:VolumeSize": "8", "ebs:ParentSnapshot": "snap-1", "aws:TagKeys": ["k"]}
        self.assertEqual(touched(f"ebs:{found}", **parameters), [("arn:aws:ec2:eu-west-1::snapshot/*", context)])
        for body in (b"", b"[]", b"no JSON"):
            self.assertEqual(blocks.call_of_blocks("POST", "/snapshots", body, {}), ("StartSnapshot", {}))

    def test_lists_and_other_resources_are_left_to_the_emulator(self):
        for action in ("DescribeImages", "DescribeInstanceStatus", "DescribeSnapshots", "CreateKeyPair", "DeleteRoute"):
            self.assertIsNone(touched(f"ec2:{action}", **{"ImageId.1": IMAGE}), action)


if __name__ == "__main__":
    unittest.main()
