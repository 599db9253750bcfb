"""Images: what they keep, where they go, who may use them."""

import datetime

from machines import available, in_state, launch, run, source

from cli import same, until


def test_an_image_keeps_what_its_instance_wrote(aws):
    builder = launch(aws, source(aws))
    run(aws, builder, "echo baked > /etc/baked")
    aws("ec2 stop-instances --instance-ids", builder)
    in_state(aws, builder, "stopped")
    image = aws("ec2 create-image --name golden --instance-id", builder, tag_specifications=[
        {"ResourceType": kind, "Tags": [{"Key": "role", "Value": "web"}]} for kind in ("image", "snapshot")])["ImageId"]
    same(aws.error("ec2 create-image --name other --instance-id", builder, tag_specifications=[
        {"ResourceType": "instance", "Tags": [{"Key": "role", "Value": "web"}]}]), "InvalidParameterValue")
    same(aws.error("ec2 create-image --name golden --instance-id", builder), "InvalidAMIName.Duplicate")
    available(aws, image)
    aws("ec2 terminate-instances --instance-ids", builder)

    there = aws.of(region="us-east-1")
    words = ["--source-region", "eu-west-1", "--source-image-id", image, "--name", "golden", "--encrypted",
             "--copy-image-tags", "--client-token", "copy"]
    copy = there("ec2 copy-image", *words)["ImageId"]
    same(there("ec2 copy-image", *words)["ImageId"], copy)
    same(there.error("ec2 copy-image", *words, "--description", "other"), "IdempotentParameterMismatch")
    available(there, copy)
    described = there("ec2 describe-images --owners self --filters Name=tag:role,Values=web")["Images"]
    same([one["ImageId"] for one in described], [copy])
    same(described[0]["BlockDeviceMappings"][0]["Ebs"]["Encrypted"], True)
    offspring, sibling = launch(there, copy), launch(there, source(there))
    same(run(there, offspring, "cat /etc/baked"), "baked\n")
    same(run(there, sibling, "ls /etc/baked 2>/dev/null; echo $?"), "2\n")
    there("ec2 terminate-instances --instance-ids", offspring, sibling)

    friend = aws.of(account="111122223333")
    same(friend.error("ec2 describe-images --image-ids", image), "InvalidAMIID.NotFound")
    aws("ec2 modify-image-attribute --image-id", image, launch_permission={"Add": [
        {"UserId": "111122223333"}, {"OrganizationArn": "arn:aws:organizations::000000000000:organization/o-1"}]})
    same(friend("ec2 describe-images --executable-users self --image-ids", image)["Images"][0]["OwnerId"], "0" * 12)
    borrowed = launch(friend, image)
    same(run(friend, borrowed, "cat /etc/baked"), "baked\n")
    friend("ec2 terminate-instances --instance-ids", borrowed)
    aws("ec2 reset-image-attribute --attribute launchPermission --image-id", image)
    same(aws("ec2 describe-image-attribute --attribute launchPermission --image-id", image)["LaunchPermissions"], [])

    snapshot = aws("ec2 describe-images --image-ids", image)["Images"][0]["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    same(aws.error("ec2 delete-snapshot --snapshot-id", snapshot), "InvalidSnapshot.InUse")
    same(aws("ec2 describe-snapshots --snapshot-ids", snapshot)["Snapshots"][0]["Tags"], [{"Key": "role", "Value": "web"}])
    aws("ec2 deregister-image --image-id", image)
    same(aws.error("ec2 describe-images --image-ids", image), "InvalidAMIID.NotFound")
    again = aws("ec2 register-image --name again --architecture x86_64 --root-device-name /dev/xvda",
                block_device_mappings=[{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot}}])["ImageId"]
    reborn = launch(aws, again)
    same(run(aws, reborn, "cat /etc/baked"), "baked\n")
    aws("ec2 terminate-instances --instance-ids", reborn)
    gone = aws("ec2 deregister-image --delete-associated-snapshots --image-id", again)
    same(gone["DeleteSnapshotResults"], [{"SnapshotId": snapshot, "ReturnCode": "success"}])
    same(aws.error("ec2 delete-snapshot --snapshot-id", snapshot), "InvalidSnapshot.NotFound")


def copy_of_source(aws, name):
    words = ["--source-region", aws.region, "--source-image-id", source(aws), "--name", name]
    image = aws("ec2 copy-image", *words)["ImageId"]
    available(aws, image)
    return image


def test_what_is_switched_on_and_off(aws):
    image = copy_of_source(aws, "switches")
    aws("ec2 disable-image --image-id", image)
    same(aws.error("ec2 run-instances --instance-type t3.small --image-id", image), "InvalidAMIID.Unavailable")
    def listed(*more):
        return [one["ImageId"] for one in aws("ec2 describe-images --owners self", *more)["Images"]]
    same((image in listed(), image in listed("--include-disabled")), (False, True))
    aws("ec2 enable-image --image-id", image)
    same(image in listed(), True)

    next_year = datetime.date.today().year + 1
    aws(f"ec2 enable-image-deprecation --deprecate-at {next_year}-06-01T00:00:00Z --image-id", image)
    assert aws("ec2 describe-images --image-ids", image)["Images"][0]["DeprecationTime"].startswith(str(next_year))
    for wrong in ["2001", str(next_year + 11)]:
        same(aws.error(f"ec2 enable-image-deprecation --deprecate-at {wrong}-01-01T00:00:00Z --image-id", image),
             "InvalidParameterValue")
    aws("ec2 disable-image-deprecation --image-id", image)

    aws("ec2 enable-image-deregistration-protection --image-id", image)
    same(aws.error("ec2 deregister-image --image-id", image), "OperationNotPermitted")
    aws("ec2 disable-image-deregistration-protection --image-id", image)
    aws("ec2 modify-image-attribute --imds-support v2.0 --image-id", image)
    same(aws("ec2 describe-image-attribute --attribute imdsSupport --image-id", image)["ImdsSupport"]["Value"], "v2.0")
    made = aws("ec2 run-instances --instance-type t3.small --image-id", image)["Instances"][0]
    same(made["MetadataOptions"]["HttpTokens"], "required")
    aws("ec2 modify-instance-metadata-options --http-tokens optional --instance-id", made["InstanceId"])
    aws("ec2 terminate-instances --instance-ids", made["InstanceId"])
    aws("ec2 deregister-image --image-id", image)


def test_snapshots_are_shared(aws):
    image = copy_of_source(aws, "shared snapshot")
    found = aws("ec2 describe-snapshots --owner-ids self --filters Name=status,Values=completed")["Snapshots"]
    snapshot = [one["SnapshotId"] for one in found if image in one["Description"]][0]
    friend = aws.of(account="111122223333")
    same(friend.error("ec2 describe-snapshots --snapshot-ids", snapshot), "InvalidSnapshot.NotFound")
    aws("ec2 modify-snapshot-attribute --attribute createVolumePermission --operation-type add",
        "--user-ids", "111122223333", "--snapshot-id", snapshot)
    same(friend("ec2 describe-snapshots --snapshot-ids", snapshot)["Snapshots"][0]["OwnerId"], "0" * 12)
    shared = aws("ec2 describe-snapshot-attribute --attribute createVolumePermission --snapshot-id", snapshot)
    same(shared["CreateVolumePermissions"], [{"UserId": "111122223333"}])
    aws("ec2 reset-snapshot-attribute --attribute createVolumePermission --snapshot-id", snapshot)
    same(friend.error("ec2 describe-snapshots --snapshot-ids", snapshot), "InvalidSnapshot.NotFound")
    aws("ec2 deregister-image --image-id", image)
    aws("ec2 delete-snapshot --snapshot-id", snapshot)
    same(aws.error("ec2 delete-snapshot --snapshot-id", snapshot), "InvalidSnapshot.NotFound")


def test_an_export_ends_where_there_is_no_s3(aws):
    image = copy_of_source(aws, "exported")
    words = ["--image-id", image, "--disk-image-format", "VHD", "--role-name", "vmimport", "--description", "golden",
             "--s3-export-location", "S3Bucket=images,S3Prefix=golden/", "--client-token", "export"]
    tags = [{"ResourceType": "export-image-task", "Tags": [{"Key": "role", "Value": "web"}]}]
    made = aws("ec2 export-image", *words, tag_specifications=tags)
    task = made["ExportImageTaskId"]
    same((made["Status"], made["ImageId"], made["DiskImageFormat"]), ("active", image, "VHD"))
    same(aws("ec2 export-image", *words, tag_specifications=tags)["ExportImageTaskId"], task)
    def ended():
        found = aws("ec2 describe-export-image-tasks --export-image-task-ids", task)["ExportImageTasks"][0]
        return found if found["Status"] == "deleted" else None
    same(until("the end of the export", ended)["StatusMessage"], "ClientError: This endpoint has no S3.")
    same(aws("ec2 describe-export-image-tasks --filters Name=task-state,Values=active")["ExportImageTasks"], [])
    same(aws.error("ec2 cancel-export-task --export-task-id", task), "IncorrectState")
    again = aws("ec2 export-image --disk-image-format RAW --s3-export-location S3Bucket=images --image-id", image)
    same(again["RoleName"], "vmimport")
    aws("ec2 deregister-image --image-id", image)
