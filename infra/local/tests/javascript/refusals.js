// Exceptions by their name, dry runs, and lists that are empty.
"use strict";

const assert = require("node:assert");
const { refused, ssm } = require("./caller");

const NO_INSTANCE = "i-0123456789abcdef0";

async function names(aws) {
  const launch = { ImageId: await aws.source(), InstanceType: "t3.small", MinCount: 1, MaxCount: 1 };
  const script = { DocumentName: "AWS-RunShellScript", InstanceIds: [NO_INSTANCE], Parameters: { commands: ["true"] } };
  const cases = [
    ["InvalidAMIID.NotFound", "RunInstances", { ...launch, ImageId: "ami-0123456789abcdef0" }],
    ["InvalidAMIID.Malformed", "RunInstances", { ...launch, ImageId: "ami-x" }],
    ["InvalidParameterValue", "RunInstances", { ...launch, InstanceType: "x9.huge" }],
    ["InvalidSubnetID.NotFound", "RunInstances", { ...launch, SubnetId: "subnet-0123456789abcdef0" }],
    ["InvalidInstanceID.NotFound", "DescribeInstances", { InstanceIds: [NO_INSTANCE] }],
    ["InvalidInstanceID.Malformed", "TerminateInstances", { InstanceIds: ["i-x"] }],
    ["InvalidSnapshot.NotFound", "DeleteSnapshot", { SnapshotId: "snap-0123456789abcdef0" }],
    ["InvalidVolume.NotFound", "DescribeVolumes", { VolumeIds: ["vol-0123456789abcdef0"] }],
    ["InvalidKeyPair.NotFound", "DescribeKeyPairs", { KeyNames: ["none"] }],
    ["InvalidInstanceId", "SendCommand", script],
    ["InvocationDoesNotExist", "GetCommandInvocation", { CommandId: "0".repeat(36), InstanceId: NO_INSTANCE }],
    ["InvalidCommandId", "CancelCommand", { CommandId: "0".repeat(36) }],
  ];
  for (const [name, call, input] of cases) await refused(name, aws.call(call, input));
  // Systems Manager's exceptions are classes, EC2's are not.
  const error = await refused("ParameterNotFound", aws.call("GetParameter", { Name: "/aws/service/none" }));
  assert.ok(error instanceof ssm.ParameterNotFound, error.stack);
}

async function dryRuns(aws) {
  const nobody = aws.of({ account: "444444444444" });
  const error = await refused("DryRunOperation", nobody.launch(await aws.source(), { DryRun: true }));
  assert.strictEqual(error.$metadata.httpStatusCode, 412);
  await refused("DryRunOperation", nobody.call("DescribeInstances", { DryRun: true }));
}

async function emptyLists(aws) {
  const nobody = aws.of({ account: "444444444444" });
  const cases = [
    ["DescribeInstances", "Reservations", {}],
    ["DescribeInstanceStatus", "InstanceStatuses", {}],
    ["DescribeImages", "Images", { Owners: ["self"] }],
    ["DescribeSnapshots", "Snapshots", { OwnerIds: ["self"] }],
    ["DescribeVolumes", "Volumes", {}],
    ["DescribeKeyPairs", "KeyPairs", {}],
    ["DescribeTags", "Tags", {}],
    ["ListCommands", "Commands", {}],
    ["DescribeInstanceInformation", "InstanceInformationList", {}],
  ];
  for (const [call, key, input] of cases) assert.deepStrictEqual((await nobody.call(call, input))[key], [], call);
}

exports.tests = { names, dryRuns, emptyLists };
