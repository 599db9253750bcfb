"""Volumes that outlive their instance, encryption by default, and blocked public access."""

from images import copy_of_source
from machines import in_state, source

from cli import same


def test_a_volume_outlives_its_instance(aws):
    kept = [{"DeviceName": "/dev/xvda", "Ebs": {"DeleteOnTermination": False, "Encrypted": True, "KmsKeyId": "alias/golden"}}]
    made = aws("ec2 run-instances --instance-type t3.small --image-id", source(aws), block_device_mappings=kept,
               tag_specifications=[{"ResourceType": "volume", "Tags": [{"Key": "kept", "Value": "yes"}]}])["Instances"][0]
    def listed():
        return aws("ec2 describe-volumes --filters Name=tag:kept,Values=yes")["Volumes"]
    volume = listed()[0]["VolumeId"]
    same(aws.error("ec2 delete-volume --volume-id", volume), "VolumeInUse")
    aws("ec2 terminate-instances --instance-ids", made["InstanceId"])
    in_state(aws, made["InstanceId"], "terminated")
    same([(one["VolumeId"], one["State"], one["Attachments"]) for one in listed()], [(volume, "available", [])])
    aws("ec2 delete-volume --volume-id", volume)
    same(listed(), [])


def test_encryption_by_default(aws):
    aws = aws.of(account="333333333333")
    same(aws("ec2 get-ebs-encryption-by-default"), {"EbsEncryptionByDefault": False, "SseType": "none"})
    same(aws("ec2 enable-ebs-encryption-by-default")["EbsEncryptionByDefault"], True)
    same(aws("ec2 get-ebs-encryption-by-default")["SseType"], "sse-kms")
    same(aws("ec2 get-ebs-default-kms-key-id")["KmsKeyId"], "alias/aws/ebs")
    golden = aws("ec2 modify-ebs-default-kms-key-id --kms-key-id alias/golden")["KmsKeyId"]
    same(aws("ec2 get-ebs-default-kms-key-id")["KmsKeyId"], golden)
    same(aws("ec2 reset-ebs-default-kms-key-id")["KmsKeyId"] == golden, False)
    same(aws("ec2 get-ebs-default-kms-key-id")["KmsKeyId"], "alias/aws/ebs")
    image = copy_of_source(aws, "encrypted by default")
    same(aws.error("ec2 modify-image-attribute --image-id", image, launch_permission={"Add": [{"UserId": "1" * 12}]}),
         "InvalidParameter")
    same(aws("ec2 disable-ebs-encryption-by-default")["EbsEncryptionByDefault"], False)
    aws("ec2 deregister-image --delete-associated-snapshots --image-id", image)


def test_public_access_is_blocked(aws):
    aws = aws.of(account="444444444444")
    image = copy_of_source(aws, "public")
    aws("ec2 enable-image-block-public-access --image-block-public-access-state block-new-sharing")
    same(aws("ec2 get-image-block-public-access-state")["ImageBlockPublicAccessState"], "block-new-sharing")
    share = ["--image-id", image, "--launch-permission", "Add=[{Group=all}]"]
    same(aws.error("ec2 modify-image-attribute", *share), "OperationNotPermitted")
    same(aws("ec2 disable-image-block-public-access")["ImageBlockPublicAccessState"], "unblocked")
    aws("ec2 modify-image-attribute", *share)
    same(aws("ec2 enable-snapshot-block-public-access --state block-new-sharing")["State"], "block-new-sharing")
    same(aws("ec2 get-snapshot-block-public-access-state")["State"], "block-new-sharing")
    same(aws("ec2 disable-snapshot-block-public-access")["State"], "unblocked")
    aws("ec2 deregister-image --delete-associated-snapshots --image-id", image)
