#!/bin/sh
# moto 5.2.5 takes RegisterImage with a snapshot for the root device, and registers an image of another snapshot.
#
# Guess: the image that RegisterImage makes has the root device name and the block device mapping of the call. EC2 makes the root
#   volumes of its instances from that snapshot.
# Behaviour: the mapping of the call is dropped in silence. The image says that its root device is /dev/sda1, on a snapshot that
#   moto has made for it, of 15 GiB. A test that follows an image to its snapshot follows it to the wrong one.
# Seen: root device: /dev/sda1, its snapshot is the one of the call: no, size: 15
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
    volume = ec2.create_volume(AvailabilityZone="eu-west-1a", Size=4)["VolumeId"]
    snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    image = ec2.register_image(
        Name="web-server 1.0.0",
        RootDeviceName="/dev/xvda",
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot}}],
    )["ImageId"]
    (made,) = ec2.describe_images(ImageIds=[image])["Images"]
    (mapping,) = made["BlockDeviceMappings"]
    same = "yes" if mapping["Ebs"]["SnapshotId"] == snapshot else "no"
    root, size = made["RootDeviceName"], mapping["Ebs"]["VolumeSize"]
    print(f"root device: {root}, its snapshot is the one of the call: {same}, size: {size}")
    assert (root, same, size) == ("/dev/sda1", "no", 15), "changed"
PYTHON
