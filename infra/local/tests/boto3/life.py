"""A life with resources and waiters: an instance, an image of it, copies, other accounts, and nothing that is left."""

import botocore.exceptions
from caller import OFTEN, refused, same, tags, until, waited

FRIEND = "111122223333"
DATA = "#!/bin/sh\necho from user data | tee /etc/from-user-data\n"


def launch(aws, image, **more):
    """An instance, as a resource."""
    return aws.resource.create_instances(ImageId=image, InstanceType="t3.small", MinCount=1, MaxCount=1, **more)[0]


def test_a_life(aws):
    asked = {"UserData": DATA, "ClientToken": "life", "TagSpecifications": [
        tags("instance", role="builder"), tags("volume", role="disk")]}
    builder = launch(aws, aws.source(), **asked)
    same(launch(aws, aws.source(), **asked).id, builder.id)
    refused("IdempotentParameterMismatch", launch, aws=aws, image=aws.source(), **{**asked, "UserData": "other"})
    builder.wait_until_exists(WaiterConfig=OFTEN)
    waited.add("instance_exists")
    builder.wait_until_running(WaiterConfig=OFTEN)
    aws.wait("instance_status_ok", InstanceIds=[builder.id])
    aws.wait("system_status_ok", InstanceIds=[builder.id])
    builder.reload()
    same((builder.state, builder.tags), ({"Code": 16, "Name": "running"}, [{"Key": "role", "Value": "builder"}]))
    same(builder.image.id, aws.source())
    same([volume.tags[0]["Value"] for volume in builder.volumes.all()], ["disk"])
    same(builder.vpc.is_default, True)
    aws.online(builder.id)
    until("user data", lambda: "from user data" in builder.console_output().get("Output", ""))
    same(aws.run(builder.id, "cat /etc/from-user-data"), "from user data\n")
    failing_command(aws, builder.id)
    refused("InvalidDocument", aws.ssm.send_command, DocumentName="AWS-Other", InstanceIds=[builder.id])

    builder.stop()
    builder.wait_until_stopped(WaiterConfig=OFTEN)
    waited.add("instance_stopped")
    image = builder.create_image(Name="golden", TagSpecifications=[tags("image", role="web"), tags("snapshot", role="web")])
    image.wait_until_exists(WaiterConfig=OFTEN, Filters=[{"Name": "state", "Values": ["available", "pending"]}])
    waited.add("image_exists")
    aws.wait("image_available", ImageIds=[image.id])
    image.reload()
    snapshot = aws.resource.Snapshot(image.block_device_mappings[0]["Ebs"]["SnapshotId"])
    snapshot.wait_until_completed(WaiterConfig=OFTEN)
    waited.add("snapshot_completed")
    same(snapshot.tags, [{"Key": "role", "Value": "web"}])
    end(aws, builder)

    copy_elsewhere(aws, image)
    share(aws, image)
    refused("InvalidSnapshot.InUse", snapshot.delete)
    image.deregister()
    snapshot.delete()
    refused("InvalidAMIID.NotFound", aws.ec2.describe_images, ImageIds=[image.id])
    same(list(aws.resource.images.filter(Owners=["self"])), [])
    same(list(aws.resource.snapshots.filter(OwnerIds=["self"], Filters=[{"Name": "tag:role", "Values": ["web"]}])), [])


def failing_command(aws, instance):
    """The waiter gives up as soon as a command has failed."""
    failed = aws.send(instance, "exit 3")
    try:
        aws.ssm.get_waiter("command_executed").wait(WaiterConfig=OFTEN, **failed)
    except botocore.exceptions.WaiterError as error:
        same((error.last_response["Status"], error.last_response["ResponseCode"]), ("Failed", 3))
    else:
        raise AssertionError("the waiter takes a failed command for a good one")


def copy_elsewhere(aws, image):
    there = aws.of(region="us-east-1")
    asked = {"SourceRegion": aws.region, "SourceImageId": image.id, "Name": "golden", "ClientToken": "copy",
             "Encrypted": True, "CopyImageTags": True}
    copy = there.ec2.copy_image(**asked)["ImageId"]
    same(there.ec2.copy_image(**asked)["ImageId"], copy)
    refused("IdempotentParameterMismatch", there.ec2.copy_image, **{**asked, "Name": "other"})
    there.wait("image_available", ImageIds=[copy])
    same([one.id for one in there.resource.images.filter(Filters=[{"Name": "tag:role", "Values": ["web"]}])], [copy])
    offspring = launch(there, copy)
    there.online(offspring.id)
    same(there.run(offspring.id, "cat /etc/from-user-data"), "from user data\n")
    end(there, offspring)
    there.ec2.deregister_image(ImageId=copy, DeleteAssociatedSnapshots=True)


def share(aws, image):
    friend = aws.of(account=FRIEND)
    refused("InvalidAMIID.NotFound", friend.ec2.describe_images, ImageIds=[image.id])
    image.modify_attribute(LaunchPermission={"Add": [{"UserId": FRIEND}]})
    same(image.describe_attribute(Attribute="launchPermission")["LaunchPermissions"], [{"UserId": FRIEND}])
    borrowed = launch(friend, image.id)
    friend.online(borrowed.id)
    same(friend.run(borrowed.id, "cat /etc/from-user-data"), "from user data\n")
    end(friend, borrowed)
    image.reset_attribute(Attribute="launchPermission")
    refused("InvalidAMIID.NotFound", friend.ec2.describe_images, ImageIds=[image.id])


def end(aws, instance):
    """Ends what a filter finds, with the action of a collection."""
    found = aws.resource.instances.filter(InstanceIds=[instance.id])
    same([one["CurrentState"]["Name"] for answer in found.terminate() for one in answer["TerminatingInstances"]],
         ["shutting-down"])
    instance.wait_until_terminated(WaiterConfig=OFTEN)
    waited.add("instance_terminated")


def test_a_volume_outlives_its_instance(aws):
    kept = [{"DeviceName": "/dev/xvda", "Ebs": {"DeleteOnTermination": False}}]
    instance = launch(aws, aws.source(), BlockDeviceMappings=kept)
    instance.wait_until_running(WaiterConfig=OFTEN)
    volume = list(instance.volumes.all())[0]
    aws.wait("volume_in_use", VolumeIds=[volume.id])
    refused("VolumeInUse", volume.delete)
    end(aws, instance)
    aws.wait("volume_available", VolumeIds=[volume.id])
    volume.delete()
    aws.wait("volume_deleted", VolumeIds=[volume.id])


def test_networks_and_keys(aws):
    vpc = list(aws.resource.vpcs.filter(Filters=[{"Name": "is-default", "Values": ["true"]}]))[0]
    aws.wait("vpc_exists", VpcIds=[vpc.id])
    aws.wait("vpc_available", VpcIds=[vpc.id])
    aws.wait("subnet_available", SubnetIds=[subnet.id for subnet in vpc.subnets.all()])
    pair = aws.resource.create_key_pair(KeyName="boto3", KeyType="ed25519")
    aws.wait("key_pair_exists", KeyNames=[pair.name])
    assert pair.key_material.startswith("-----BEGIN"), pair.key_material
    same([one.name for one in aws.resource.key_pairs.all()], ["boto3"])
    group = aws.resource.create_security_group(GroupName="boto3", Description="boto3")
    aws.wait("security_group_exists", GroupIds=[group.id])
    group.authorize_ingress(IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="10.0.0.0/8")
    group.reload()
    same(group.ip_permissions[0]["IpRanges"], [{"CidrIp": "10.0.0.0/8"}])
    instance = launch(aws, aws.source(), KeyName="boto3", SecurityGroupIds=[group.id])
    same([one["GroupId"] for one in instance.security_groups], [group.id])
    refused("DependencyViolation", group.delete)
    end(aws, instance)
    group.delete()
    pair.delete()
    same(list(aws.resource.key_pairs.all()), [])


def test_a_spot_request(aws):
    instance = launch(aws, aws.source(), InstanceMarketOptions={"MarketType": "spot"})
    aws.wait("spot_instance_request_fulfilled", SpotInstanceRequestIds=[instance.spot_instance_request_id])
    end(aws, instance)
