#!/bin/sh
# moto 5.2.5 launches another instance for a RunInstances call that repeats the client token of the one before.
#
# Guess: an emulator that takes ClientToken does with it what EC2 does: the same call with the same token gives the instance that
#   there is already. A test of code that retries after a lost answer rests on it.
# Behaviour: the token is accepted, and neither kept nor looked at: each call makes an instance of its own. So a test on moto that counts
#   instances after a retry fails right code.
# Seen: first and second call: different instances, running: 2
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
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]

    def launched():
        answer = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, ClientToken="build-7-launch-1")
        return answer["Instances"][0]["InstanceId"]

    def count(*filters):
        pages = ec2.describe_instances(Filters=list(filters))["Reservations"]
        return sum(len(page["Instances"]) for page in pages)

    first, second = launched(), launched()
    running = count({"Name": "instance-state-name", "Values": ["running"]})
    which = "the same instance" if first == second else "different instances"
    print(f"first and second call: {which}, running: {running}")
    assert (which, running) == ("different instances", 2), "changed"
PYTHON
