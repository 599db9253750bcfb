// A life: an instance, an image of it, copies, other accounts, and nothing that is left.
"use strict";

const assert = require("node:assert");
const { refused, tags, until } = require("./caller");

const FRIEND = "111122223333";
const DATA = Buffer.from("#!/bin/sh\necho from user data | tee /etc/from-user-data\n").toString("base64");

async function aLife(aws) {
  const source = await aws.source();
  const asked = {
    UserData: DATA,
    ClientToken: "javascript",
    TagSpecifications: [tags("instance", { role: "builder" }), tags("volume", { role: "disk" })],
  };
  const builder = await aws.launch(source, asked);
  assert.strictEqual(await aws.launch(source, asked), builder);
  await refused("IdempotentParameterMismatch", aws.launch(source, { ...asked, InstanceType: "t3.large" }));
  await aws.wait("InstanceExists", { InstanceIds: [builder] });
  await aws.online(builder);
  await aws.wait("InstanceStatusOk", { InstanceIds: [builder] });
  await aws.wait("SystemStatusOk", { InstanceIds: [builder] });
  const { Reservations } = await aws.call("DescribeInstances", { InstanceIds: [builder] });
  assert.deepStrictEqual(Reservations[0].Instances[0].Tags, [{ Key: "role", Value: "builder" }]);
  await until("user data", async () => {
    const { Output } = await aws.call("GetConsoleOutput", { InstanceId: builder });
    return Buffer.from(Output ?? "", "base64").toString().includes("from user data");
  });
  assert.strictEqual(await aws.run(builder, "cat /etc/from-user-data"), "from user data\n");
  await refused("InvalidDocument", aws.call("SendCommand", { DocumentName: "AWS-Other", InstanceIds: [builder] }));
  await assert.rejects(aws.wait("CommandExecuted", await aws.send(builder, "exit 3")), /"state":"FAILURE"/);

  await aws.call("StopInstances", { InstanceIds: [builder] });
  await aws.wait("InstanceStopped", { InstanceIds: [builder] });
  const TagSpecifications = [tags("image", { role: "web" }), tags("snapshot", { role: "web" })];
  const { ImageId } = await aws.call("CreateImage", { InstanceId: builder, Name: "javascript", TagSpecifications });
  await aws.wait("ImageExists", { ImageIds: [ImageId] });
  await aws.wait("ImageAvailable", { ImageIds: [ImageId] });
  const snapshot = (await aws.describe(ImageId)).BlockDeviceMappings[0].Ebs.SnapshotId;
  await aws.wait("SnapshotCompleted", { SnapshotIds: [snapshot] });
  await aws.end(builder);

  await copyElsewhere(aws, ImageId);
  await share(aws, ImageId);
  await refused("InvalidSnapshot.InUse", aws.call("DeleteSnapshot", { SnapshotId: snapshot }));
  await aws.call("DeregisterImage", { ImageId });
  await aws.call("DeleteSnapshot", { SnapshotId: snapshot });
  await refused("InvalidAMIID.NotFound", aws.describe(ImageId));
  assert.deepStrictEqual((await aws.call("DescribeImages", { Owners: ["self"] })).Images, []);
}

async function copyElsewhere(aws, image) {
  const there = aws.of({ region: "us-east-1" });
  const asked = {
    SourceRegion: aws.region, SourceImageId: image, Name: "javascript", ClientToken: "copy", Encrypted: true,
    CopyImageTags: true,
  };
  const { ImageId } = await there.call("CopyImage", asked);
  assert.strictEqual((await there.call("CopyImage", asked)).ImageId, ImageId);
  await refused("IdempotentParameterMismatch", there.call("CopyImage", { ...asked, Name: "other" }));
  await there.wait("ImageAvailable", { ImageIds: [ImageId] });
  assert.deepStrictEqual((await there.describe(ImageId)).Tags, [{ Key: "role", Value: "web" }]);
  const offspring = await there.launch(ImageId);
  await there.online(offspring);
  assert.strictEqual(await there.run(offspring, "cat /etc/from-user-data"), "from user data\n");
  await there.end(offspring);
  await there.call("DeregisterImage", { ImageId, DeleteAssociatedSnapshots: true });
}

async function share(aws, ImageId) {
  const friend = aws.of({ account: FRIEND });
  await refused("InvalidAMIID.NotFound", friend.describe(ImageId));
  await aws.call("ModifyImageAttribute", { ImageId, LaunchPermission: { Add: [{ UserId: FRIEND }] } });
  const { LaunchPermissions } = await aws.call("DescribeImageAttribute", { ImageId, Attribute: "launchPermission" });
  assert.deepStrictEqual(LaunchPermissions, [{ UserId: FRIEND }]);
  const borrowed = await friend.launch(ImageId);
  await friend.online(borrowed);
  assert.strictEqual(await friend.run(borrowed, "cat /etc/from-user-data"), "from user data\n");
  await friend.end(borrowed);
  await aws.call("ResetImageAttribute", { ImageId, Attribute: "launchPermission" });
  await refused("InvalidAMIID.NotFound", friend.describe(ImageId));
}

async function aVolumeOutlivesItsInstance(aws) {
  const BlockDeviceMappings = [{ DeviceName: "/dev/xvda", Ebs: { DeleteOnTermination: false } }];
  const instance = await aws.launch(await aws.source(), { BlockDeviceMappings });
  const Filters = [{ Name: "attachment.instance-id", Values: [instance] }];
  const { VolumeId } = (await aws.call("DescribeVolumes", { Filters })).Volumes[0];
  await aws.wait("VolumeInUse", { VolumeIds: [VolumeId] });
  await refused("VolumeInUse", aws.call("DeleteVolume", { VolumeId }));
  await aws.end(instance);
  await aws.wait("VolumeAvailable", { VolumeIds: [VolumeId] });
  await aws.call("DeleteVolume", { VolumeId });
  await aws.wait("VolumeDeleted", { VolumeIds: [VolumeId] });
}

async function networksAndKeys(aws) {
  const Filters = [{ Name: "is-default", Values: ["true"] }];
  const VpcIds = (await aws.call("DescribeVpcs", { Filters })).Vpcs.map((vpc) => vpc.VpcId);
  await aws.wait("VpcExists", { VpcIds });
  await aws.wait("VpcAvailable", { VpcIds });
  const { Subnets } = await aws.call("DescribeSubnets", { Filters: [{ Name: "vpc-id", Values: VpcIds }] });
  await aws.wait("SubnetAvailable", { SubnetIds: Subnets.map((subnet) => subnet.SubnetId) });
  const { KeyMaterial } = await aws.call("CreateKeyPair", { KeyName: "javascript", KeyType: "ed25519" });
  assert.match(KeyMaterial, /^-----BEGIN/);
  await aws.wait("KeyPairExists", { KeyNames: ["javascript"] });
  const { GroupId } = await aws.call("CreateSecurityGroup", { GroupName: "javascript", Description: "javascript" });
  await aws.wait("SecurityGroupExists", { GroupIds: [GroupId] });
  const instance = await aws.launch(await aws.source(), { KeyName: "javascript", SecurityGroupIds: [GroupId] });
  await refused("DependencyViolation", aws.call("DeleteSecurityGroup", { GroupId }));
  await aws.end(instance);
  await aws.call("DeleteSecurityGroup", { GroupId });
  await aws.call("DeleteKeyPair", { KeyName: "javascript" });
}

exports.tests = { aLife, aVolumeOutlivesItsInstance, networksAndKeys };
