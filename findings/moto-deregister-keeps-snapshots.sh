#!/bin/sh
# moto 5.2.5 takes DeregisterImage with DeleteAssociatedSnapshots, and deletes no snapshot.
#
# Guess: since boto3 knows the parameter and moto answers `Return: True`, the image's snapshots are gone, as on EC2, whose answer also
#   lists what it has deleted.
# Behaviour: the parameter is dropped in silence. The image is gone, its snapshot stays, and the answer has no list of results.
#   Code that leaves the removal of snapshots to EC2 looks as if it leaked them.
# Seen: images left: 0, snapshots left of it: 1, results in the answer: none
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
    (mapping,) = ec2.describe_images(ImageIds=[image])["Images"][0]["BlockDeviceMappings"]
    snapshot = mapping["Ebs"]["SnapshotId"]
    answer = ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)
    images = len(ec2.describe_images(Owners=["self"])["Images"])
    left = len(ec2.describe_snapshots(Filters=[{"Name": "snapshot-id", "Values": [snapshot]}])["Snapshots"])
    results = answer.get("DeleteSnapshotResults") or "none"
    print(f"images left: {images}, snapshots left of it: {left}, results in the answer: {results}")
    assert (images, left, results) == (0, 1, "none"), "changed"
PYTHON
