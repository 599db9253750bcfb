#!/bin/sh
# moto 5.2.5 takes CreateLaunchTemplateVersion with SourceVersion, and inherits nothing from that version.
#
# Guess: a new version has the settings of its source version but for those that the call names. So a pipeline that rolls an AMI out
#   names the image alone, and instance type and key stay as they were.
# Behaviour: SourceVersion is dropped in silence. The new version has the image and nothing else, so what is launched from it gets
#   the default instance type.
# Seen: version 2: ['ImageId'], launched from it: m1.small
#
# It installs moto in a temporary folder, calls nothing outside the process, fails when the behaviour has changed, and cleans up.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'moto[ec2]==5.2.5' boto3==1.43.106
AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test "$folder/venv/bin/python" - <<'PYTHON'
import boto3
from moto import mock_aws

with mock_aws():
    ec2 = boto3.client("ec2", "eu-west-1")
    old, new = (image["ImageId"] for image in ec2.describe_images(Owners=["amazon"])["Images"][:2])
    template = {"LaunchTemplateName": "web-server"}
    ec2.create_launch_template(**template, LaunchTemplateData={"ImageId": old, "InstanceType": "t3.large", "EbsOptimized": True})
    answer = ec2.create_launch_template_version(**template, SourceVersion="1", LaunchTemplateData={"ImageId": new})
    version = answer["LaunchTemplateVersion"]
    settings = sorted(version["LaunchTemplateData"])
    launched = ec2.run_instances(LaunchTemplate={**template, "Version": "2"}, MinCount=1, MaxCount=1)
    kind = launched["Instances"][0]["InstanceType"]
    print(f"version {version['VersionNumber']}: {settings}, launched from it: {kind}")
    assert (version["VersionNumber"], settings, kind) == (2, ["ImageId"], "m1.small"), "changed"
PYTHON
