// Clients of an account in a Region, and what most tests do with instances.
"use strict";

const assert = require("node:assert");
const ebs = require("@aws-sdk/client-ebs");
const ec2 = require("@aws-sdk/client-ec2");
const ssm = require("@aws-sdk/client-ssm");

// Names of the waiters that were used.
const waited = new Set();
const PATIENCE = 120;
// The calls that the SDK's waiters ask, whose names do not tell.
const ASKED_BY = {
  DescribeInstances: ["InstanceExists", "InstanceRunning", "InstanceStopped", "InstanceTerminated"],
  DescribeInstanceStatus: ["InstanceStatusOk", "SystemStatusOk"],
  DescribeImages: ["ImageAvailable", "ImageExists"],
  DescribeSnapshots: ["SnapshotCompleted"],
  DescribeSubnets: ["SubnetAvailable"],
  DescribeVpcs: ["VpcAvailable", "VpcExists"],
  DescribeVolumes: ["VolumeAvailable", "VolumeDeleted", "VolumeInUse"],
  DescribeKeyPairs: ["KeyPairExists"],
  DescribeSecurityGroups: ["SecurityGroupExists"],
  GetCommandInvocation: ["CommandExecuted"],
};

class Caller {
  constructor(url, calls, region = "eu-west-1", account = "000000000000") {
    Object.assign(this, { url, calls, region, account });
    const credentials = { accessKeyId: account, secretAccessKey: "test" };
    const config = { endpoint: url, region, credentials, maxAttempts: 1 };
    this.ec2 = new ec2.EC2Client(config);
    this.ssm = new ssm.SSMClient(config);
    this.ebs = new ebs.EBSClient(config);
  }

  of({ region = this.region, account = this.account }) {
    return new Caller(this.url, this.calls, region, account);
  }

  // Sends the command of this name to the service that has it.
  call(name, input = {}) {
    const [client, service] = this.serviceOf(name);
    return client.send(new service[`${name}Command`](input));
  }

  serviceOf(name) {
    const services = [[this.ec2, ec2], [this.ssm, ssm], [this.ebs, ebs]];
    return services.find(([, service]) => `${name}Command` in service);
  }

  // Waits with a waiter of the SDK.
  async wait(name, input) {
    const service = name === "CommandExecuted" ? ssm : ec2;
    const client = name === "CommandExecuted" ? this.ssm : this.ec2;
    const times = { client, maxWaitTime: PATIENCE, minDelay: 1, maxDelay: 1 };
    const result = await service[`waitUntil${name}`](times, input);
    waited.add(name);
    return result;
  }

  async source() {
    return (await this.call("GetParameter", { Name: "/aws/service/goldsmith-local/debian-12" })).Parameter.Value;
  }

  async launch(image, more = {}) {
    const input = { ImageId: image, InstanceType: "t3.small", MinCount: 1, MaxCount: 1, ...more };
    return (await this.call("RunInstances", input)).Instances[0].InstanceId;
  }

  // Waits until an instance takes commands.
  async online(instance) {
    await this.wait("InstanceRunning", { InstanceIds: [instance] });
    const Filters = [{ Key: "InstanceIds", Values: [instance] }];
    await until("the agent", async () => {
      const { InstanceInformationList } = await this.call("DescribeInstanceInformation", { Filters });
      return InstanceInformationList.some((one) => one.PingStatus === "Online");
    });
  }

  async send(instance, ...commands) {
    const input = { DocumentName: "AWS-RunShellScript", InstanceIds: [instance], Parameters: { commands } };
    return { CommandId: (await this.call("SendCommand", input)).Command.CommandId, InstanceId: instance };
  }

  // What commands print that must succeed.
  async run(instance, ...commands) {
    const { reason } = await this.wait("CommandExecuted", await this.send(instance, ...commands));
    return reason.StandardOutputContent;
  }

  async end(...instances) {
    await this.call("TerminateInstances", { InstanceIds: instances });
    await this.wait("InstanceTerminated", { InstanceIds: instances });
  }

  async describe(image) {
    return (await this.call("DescribeImages", { ImageIds: [image] })).Images[0];
  }
}

// The waiters of calls that the endpoint knows that nobody has used.
function unused(calls) {
  return calls.flatMap((call) => ASKED_BY[call] ?? []).filter((name) => !waited.has(name));
}

async function until(what, look) {
  const end = Date.now() + PATIENCE * 1000;
  while (Date.now() < end) {
    const found = await look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert.fail(`waited in vain: ${what}`);
}

// A call that must be refused by an exception of this name; the exception.
async function refused(name, promise) {
  try {
    await promise;
  } catch (error) {
    assert.strictEqual(error.name, name, error.stack);
    assert.ok(error.message, name);
    assert.ok(error.$metadata.requestId, name);
    return error;
  }
  return assert.fail(`${name}: it is not refused`);
}

const tags = (ResourceType, tags) => ({
  ResourceType,
  Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
});

module.exports = { Caller, ebs, ec2, refused, ssm, tags, unused, until, waited };
