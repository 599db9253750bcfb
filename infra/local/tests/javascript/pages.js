// Paginators: of every call that the endpoint knows and the SDK has one for.
"use strict";

const assert = require("node:assert");

// Values of parameters that a call cannot be without.
const NEEDED = {
  DescribeLaunchTemplateVersions: { LaunchTemplateName: "page-0" },
  GetParametersByPath: { Path: "/aws/service/goldsmith-local" },
};
// The smallest page, where it is not 5.
const SMALLEST = {
  ListCommands: 1, ListCommandInvocations: 1, GetParametersByPath: 1, DescribeLaunchTemplates: 1,
  DescribeLaunchTemplateVersions: 1,
};

// How many pages there are, and what they list, in their order.
async function items([client, service], call, pageSize) {
  const found = [];
  let pages = 0;
  for await (const page of service[`paginate${call}`]({ client, pageSize }, NEEDED[call] ?? {})) {
    const lists = Object.values(page).filter(Array.isArray);
    // An agent is heard of between two looks.
    found.push(...lists.flat().map((one) => JSON.stringify({ ...one, LastPingDateTime: undefined })));
    pages += 1;
  }
  return [pages, found];
}

// More than a page of what may be made.
async function fill(aws, source) {
  const instances = [];
  for (let number = 0; number < 6; number += 1) {
    const name = `page-${number}`;
    instances.push(await aws.launch(source));
    await aws.call("CreateSecurityGroup", { GroupName: name, Description: "page" });
    const LaunchTemplateData = { InstanceType: "t3.small" };
    await aws.call("CreateLaunchTemplate", { LaunchTemplateName: name, LaunchTemplateData });
    await aws.call("CreateLaunchTemplateVersion", { LaunchTemplateName: "page-0", LaunchTemplateData });
    const { ImageId } = await aws.call("CopyImage", { SourceRegion: aws.region, SourceImageId: source, Name: name });
    await aws.wait("ImageAvailable", { ImageIds: [ImageId] });
    await aws.call("CreateTags", { Resources: [instances[number], ImageId], Tags: [{ Key: "page", Value: name }] });
  }
  return instances;
}

async function everyItemComesOnce(caller) {
  const aws = caller.of({ account: "666666666666" });
  const instances = await fill(aws, await aws.source());
  for (const instance of instances) await aws.online(instance);
  for (let count = 0; count < 3; count += 1) await aws.run(instances[0], "true");
  const several = new Set();
  const paginated = aws.calls.filter((call) => `paginate${call}` in aws.serviceOf(call)[1]);
  for (const call of paginated) {
    const service = aws.serviceOf(call);
    const [, whole] = await items(service, call, undefined);
    const [pages, found] = await items(service, call, SMALLEST[call] ?? 5);
    assert.deepStrictEqual(found, whole, call);
    assert.strictEqual(new Set(found).size, found.length, call);
    if (pages > 1) several.add(call);
  }
  const wanted = [
    "DescribeInstances", "DescribeInstanceStatus", "DescribeImages", "DescribeSnapshots", "DescribeVolumes", "DescribeTags",
    "DescribeSecurityGroups", "DescribeLaunchTemplates", "DescribeLaunchTemplateVersions", "DescribeInstanceTypes",
    "ListCommands", "ListCommandInvocations", "DescribeInstanceInformation", "GetParametersByPath",
  ];
  assert.deepStrictEqual(wanted.filter((call) => !several.has(call)), []);
  await aws.end(...instances);
}

exports.tests = { everyItemComesOnce };
