"""Snapshots by blocks."""

import base64
import datetime
import hashlib

from caller import refused, same

BLOCK = 512 * 1024
NO_SNAPSHOT = "snap-0123456789abcdef0"


def checksum(data):
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def put(aws, snapshot, index, letter, **other):
    data = letter * BLOCK
    asked = {"SnapshotId": snapshot, "BlockIndex": index, "BlockData": data, "DataLength": BLOCK,
             "Checksum": checksum(data), "ChecksumAlgorithm": "SHA256"}
    answer = aws.ebs.put_snapshot_block(**{**asked, **other})
    same((answer["Checksum"], answer["ResponseMetadata"]["HTTPStatusCode"]), (checksum(data), 201))


def complete(aws, snapshot, letters):
    """Completes a snapshot of blocks of these letters, in their order."""
    digests = [hashlib.sha256(letter * BLOCK).digest() for letter in letters]
    answer = aws.ebs.complete_snapshot(
        SnapshotId=snapshot, ChangedBlocksCount=len(letters), Checksum=checksum(b"".join(digests)),
        ChecksumAlgorithm="SHA256", ChecksumAggregationMethod="LINEAR")
    assert answer["Status"] in ("pending", "completed"), answer
    aws.wait("snapshot_completed", SnapshotIds=[snapshot])


def listed(call, name, **what):
    """All of a list, page by page: the SDK has no paginators for it."""
    found, token = [], {}
    while True:
        page = call(MaxResults=100, **what, **token)
        found += page[name]
        if not page.get("NextToken"):
            return found
        token = {"NextToken": page["NextToken"]}


def data(aws, snapshot, block, token="BlockToken"):
    got = aws.ebs.get_snapshot_block(SnapshotId=snapshot, BlockIndex=block["BlockIndex"], BlockToken=block[token])
    body = got["BlockData"].read()
    same((got["DataLength"], got["Checksum"], got["ChecksumAlgorithm"]), (BLOCK, checksum(body), "SHA256"))
    same(body, body[:1] * BLOCK)
    return body[:1]


def test_a_disk_and_its_next_version(aws):
    asked = {"VolumeSize": 1, "Description": "disk", "Tags": [{"Key": "role", "Value": "disk"}], "ClientToken": "disk"}
    started = aws.ebs.start_snapshot(**asked)
    first = started["SnapshotId"]
    same((started["Status"], started["BlockSize"], started["OwnerId"], started["Tags"]),
         ("pending", BLOCK, aws.account, asked["Tags"]))
    assert abs(started["StartTime"] - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(hours=1)
    same(aws.ebs.start_snapshot(**asked)["SnapshotId"], first)
    refused("ConflictException", aws.ebs.start_snapshot, **{**asked, "VolumeSize": 2})
    letters = [bytes([97 + number % 26]) for number in range(102)]
    for index, letter in enumerate(letters):
        put(aws, first, 2 * index, letter)
    pending = aws.resource.Snapshot(first)
    same((pending.state, pending.description, pending.volume_size), ("pending", "disk", 1))
    complete(aws, first, letters)
    blocks = listed(aws.ebs.list_snapshot_blocks, "Blocks", SnapshotId=first)
    same([block["BlockIndex"] for block in blocks], list(range(0, 204, 2)))
    same([data(aws, first, block) for block in blocks[:3]], letters[:3])
    page = aws.ebs.list_snapshot_blocks(SnapshotId=first, StartingBlockIndex=201)
    same(([one["BlockIndex"] for one in page["Blocks"]], page["BlockSize"], page["VolumeSize"]), ([202], BLOCK, 1))
    assert page["ExpiryTime"] > datetime.datetime.now(datetime.timezone.utc), page

    second = aws.ebs.start_snapshot(VolumeSize=1, ParentSnapshotId=first)["SnapshotId"]
    put(aws, second, 2, b"Z", Progress=50)
    put(aws, second, 5, b"Y", Progress=100)
    complete(aws, second, [b"Z", b"Y"])
    changed = listed(aws.ebs.list_changed_blocks, "ChangedBlocks", FirstSnapshotId=first, SecondSnapshotId=second)
    same([one["BlockIndex"] for one in changed], [2, 5])
    same((data(aws, first, changed[0], "FirstBlockToken"), data(aws, second, changed[0], "SecondBlockToken")), (b"b", b"Z"))
    same("FirstBlockToken" in changed[1], False)
    aws.resource.Snapshot(first).delete()
    blocks = listed(aws.ebs.list_snapshot_blocks, "Blocks", SnapshotId=second)
    same(len(blocks), 103)
    same(data(aws, second, blocks[0]), b"a")
    register(aws, second)


def register(aws, snapshot):
    """It becomes an image, which instances here cannot start from."""
    root = [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot}}]
    image = aws.resource.register_image(Name="disk", RootDeviceName="/dev/xvda", BlockDeviceMappings=root)
    aws.wait("image_available", ImageIds=[image.id])
    error = refused("UnsupportedOperation", aws.resource.create_instances, ImageId=image.id, InstanceType="t3.small",
                    MinCount=1, MaxCount=1)
    assert "written by blocks" in error.response["Error"]["Message"], error
    refused("InvalidSnapshot.InUse", aws.ec2.delete_snapshot, SnapshotId=snapshot)
    aws.ec2.deregister_image(ImageId=image.id, DeleteAssociatedSnapshots=True)
    refused("ResourceNotFoundException", aws.ebs.list_snapshot_blocks, SnapshotId=snapshot)


def invalid(aws, reason, call, **what):
    error = refused("ValidationException", call, **what)
    assert isinstance(error, aws.ebs.exceptions.ValidationException), type(error)
    same(error.response["Reason"], reason)


def test_what_is_refused(aws):
    ebs = aws.ebs
    same(any(ebs.can_paginate(name) for name in ("list_snapshot_blocks", "list_changed_blocks")), False)
    error = refused("ResourceNotFoundException", ebs.list_snapshot_blocks, SnapshotId=NO_SNAPSHOT)
    assert isinstance(error, ebs.exceptions.ResourceNotFoundException), type(error)
    same(error.response["Reason"], "SNAPSHOT_NOT_FOUND")
    invalid(aws, "INVALID_VOLUME_SIZE", ebs.start_snapshot, VolumeSize=65537)
    invalid(aws, "INVALID_TAG", ebs.start_snapshot, VolumeSize=1, Tags=[{"Key": "aws:a", "Value": ""}])
    one, other = [ebs.start_snapshot(VolumeSize=1)["SnapshotId"] for _ in range(2)]
    wrong = {"SnapshotId": one, "BlockData": b"a" * BLOCK, "DataLength": BLOCK, "Checksum": checksum(b"b"),
             "ChecksumAlgorithm": "SHA256"}
    invalid(aws, "INVALID_BLOCK", ebs.put_snapshot_block, BlockIndex=0, **wrong)
    invalid(aws, "INVALID_BLOCK", ebs.put_snapshot_block, BlockIndex=2048, **wrong)
    put(aws, one, 0, b"a")
    invalid(aws, "INVALID_PARAMETER_VALUE", ebs.complete_snapshot, SnapshotId=one, ChangedBlocksCount=2)
    invalid(aws, "INVALID_SNAPSHOT_ID", ebs.list_snapshot_blocks, SnapshotId=one)
    complete(aws, one, [b"a"])
    complete(aws, other, [])
    invalid(aws, "INVALID_SNAPSHOT_ID", ebs.put_snapshot_block, **{**wrong, "Checksum": checksum(b"a" * BLOCK)}, BlockIndex=1)
    same(ebs.list_snapshot_blocks(SnapshotId=other)["Blocks"], [])
    invalid(aws, "UNRELATED_SNAPSHOTS", ebs.list_changed_blocks, FirstSnapshotId=one, SecondSnapshotId=other)
    token = ebs.list_snapshot_blocks(SnapshotId=one)["Blocks"][0]["BlockToken"]
    invalid(aws, "INVALID_BLOCK_TOKEN", ebs.get_snapshot_block, SnapshotId=other, BlockIndex=0, BlockToken=token)
    invalid(aws, "INVALID_PARAMETER_VALUE", ebs.start_snapshot, VolumeSize=1, ParentSnapshotId=one, Encrypted=True)
    friend = aws.of(account="111122223333")
    aws.resource.Snapshot(one).modify_attribute(
        Attribute="createVolumePermission", OperationType="add", UserIds=[friend.account])
    same(len(friend.ebs.list_snapshot_blocks(SnapshotId=one)["Blocks"]), 1)
    refused("AccessDeniedException", friend.ebs.complete_snapshot, SnapshotId=one, ChangedBlocksCount=1)
    for snapshot in (one, other):
        aws.ec2.delete_snapshot(SnapshotId=snapshot)
