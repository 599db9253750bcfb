#!/bin/sh
# moto 5.2.5 disables an AMI in name only: it is listed, and instances are launched from it.
#
# Guess: after DisableImage, no instance can be launched from the AMI, and DescribeImages shows it only if the call says
#   IncludeDisabled. That is what makes disabling the safe step before an image is removed: what still needs the image is seen.
# Behaviour: the image's state is `disabled`, and nothing follows from it. RunInstances starts an instance of it, and DescribeImages lists
#   it among one's own images, also with IncludeDisabled=False. A test that waits for the failed launch never sees one.
# Seen: state: disabled, listed without being asked for: 1, instance launched from it: pending
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
    source = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    instance = ec2.run_instances(ImageId=source, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    image = ec2.create_image(InstanceId=instance, Name="web-server 1.0.0")["ImageId"]
    ec2.disable_image(ImageId=image)
    (listed,) = ec2.describe_images(Owners=["self"], IncludeDisabled=False)["Images"]
    launched = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["State"]["Name"]
    print(f"state: {listed['State']}, listed without being asked for: 1, instance launched from it: {launched}")
    assert (listed["ImageId"], listed["State"], launched) == (image, "disabled", "pending"), "changed"
PYTHON
