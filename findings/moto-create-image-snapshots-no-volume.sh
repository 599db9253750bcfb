#!/bin/sh
# moto 5.2.5 makes an AMI of an instance from snapshots of volumes that the instance does not have.
#
# Guess: CreateImage snapshots the volumes that are attached to the instance, and DescribeSnapshots names each of them as VolumeId. That
#   is how one waits for the snapshot of each volume, or finds the AMIs that hold an earlier state of a volume.
# Behaviour: the snapshot has a VolumeId that is not among the instance's volumes, and no volume with that id exists. Its description
#   names the instance and the AMI as on AWS. So what matches snapshots to volumes finds none, and only the description leads there.
# Seen: snapshots of the AMI: 1, of a volume of the instance: 0, volume exists: no, description names the instance: yes
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
    instance = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    described = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    volumes = {device["Ebs"]["VolumeId"] for device in described["BlockDeviceMappings"]}
    made = ec2.create_image(InstanceId=instance, Name="golden")["ImageId"]
    devices = ec2.describe_images(ImageIds=[made])["Images"][0]["BlockDeviceMappings"]
    ids = [device["Ebs"]["SnapshotId"] for device in devices]
    snapshots = ec2.describe_snapshots(SnapshotIds=ids)["Snapshots"]
    ours = [one for one in snapshots if one["VolumeId"] in volumes]
    exists = any(one["VolumeId"] == snapshots[0]["VolumeId"] for one in ec2.describe_volumes()["Volumes"])
    named = instance in snapshots[0]["Description"]
    says = {True: "yes", False: "no"}
    print(f"snapshots of the AMI: {len(snapshots)}, of a volume of the instance: {len(ours)}, volume exists: {says[exists]}, "
          f"description names the instance: {says[named]}")
    assert (len(snapshots), len(ours), exists, named) == (1, 0, False, True)
PYTHON
