#!/bin/sh
# moto 5.2.5 keeps the LaunchTime of an instance that was stopped and started again.
#
# Guess: LaunchTime is when the instance was last launched (EC2 API reference, Instance), so a start moves it. Whoever asks whether an
#   agent has been heard of since the start compares its last contact with LaunchTime.
# Behaviour: StartInstances leaves LaunchTime as RunInstances has set it, as it leaves the AttachTime of the network interface, which is
#   the time of the first launch. A test cannot tell an instance that was restarted from one that was not, and a contact from before the
#   stop counts as a new one.
# Seen: state after the start: running, LaunchTime moved: no, LaunchTime is still the AttachTime of the interface: yes
#
# It installs moto in a temporary folder, calls nothing outside the process, fails when the behaviour has changed, and cleans up.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'moto[ec2]==5.2.5' boto3==1.43.106
AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test "$folder/venv/bin/python" - <<'PYTHON'
import time

import boto3
from moto import mock_aws

with mock_aws():
    ec2 = boto3.client("ec2", "eu-west-1")
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    instance = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    described = lambda: ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    before = described()["LaunchTime"]
    ec2.stop_instances(InstanceIds=[instance])
    time.sleep(2)  # LaunchTime has whole seconds
    ec2.start_instances(InstanceIds=[instance])
    after = described()
    moved = after["LaunchTime"] != before
    attached = after["NetworkInterfaces"][0]["Attachment"]["AttachTime"]
    same = abs((attached - after["LaunchTime"]).total_seconds()) < 1.5
    says = {True: "yes", False: "no"}
    print(f"state after the start: {after['State']['Name']}, LaunchTime moved: {says[moved]}, "
          f"LaunchTime is still the AttachTime of the interface: {says[same]}")
    assert (after["State"]["Name"], moved, same) == ("running", False, True)
PYTHON
