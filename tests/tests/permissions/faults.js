// Run by main.rs: a record in which each thing is wrong once, to see that each is found.
"use strict";

const assert = require("node:assert");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");

const { people } = require("./people.js");
const { refused, replay, unasked, uses } = require("./replay.js");

const ACCOUNT = "000000000000";
const image = "arn:aws:ec2:eu-west-1::image/ami-1";
const instance = `arn:aws:ec2:eu-west-1:${ACCOUNT}:instance/i-1`;
const policy = {
  Statement: [
    { Effect: "Allow", Action: ["ec2:StopInstances", "ec2:CreateImage"], Resource: instance,
      Condition: { StringEquals: { "aws:ResourceTag/goldsmith:stack": "one" } } },
    { Effect: "Allow", Action: "ec2:CopyImage", Resource: image },
    { Effect: "Allow", Action: "ec2:Describe*", Resource: "*" },
  ],
  Version: "2012-10-17",
};
const roles = new Map([["OneRole", { principal: "role/stack-OneRole-1", deployed: [policy], policies: new Map([["p", [policy]]]) }]]);
const call = (action, resource, context, allowed) => ({ role: "OneRole", policies: "p", action, resource, context, allowed });
const ours = { "aws:ResourceTag/goldsmith:stack": "one" };
const calls = [
  call("ec2:CreateImage", instance, ours, true),
  call("ec2:CreateImage", instance, { "aws:ResourceTag/goldsmith:stack": "two" }, true),
  call("ec2:CopyImage", image, {}, false),
  call("ec2:StopInstances", instance, ours, true),
];
const unused = [
  { roles: ["OneRole"], actions: ["ec2:StopInstances", "ec2:RunInstances"], reason: "" },
  { roles: ["OneRole"], actions: ["ec2:CreateImage"], sometimes: true, reason: "" },
  { roles: ["OtherRole"], actions: [], reason: "" },
];

async function main() {
  const decided = await replay({ roles, calls });
  assert.deepStrictEqual(decided.map((fault) => fault.split(": {")[0]), [
    `OneRole ec2:CreateImage on ${instance} was allowed, and is refused`,
    `OneRole ec2:CopyImage on ${image} was refused, and is allowed`,
  ]);
  assert.deepStrictEqual(refused({ calls }), [`OneRole called ec2:CopyImage on ${image}, which was refused to it`]);
  assert.deepStrictEqual(uses({ roles, calls }, unused).faults, [
    "OneRole has ec2:CopyImage, which nothing called",
    "OneRole has ec2:Describe*, which names no single action",
    "OneRole called ec2:StopInstances, which is named as unused",
    "OneRole has no ec2:RunInstances, which is named as unused",
    "there is no role OtherRole, which is named as unused",
  ]);
  assert.deepStrictEqual(await unasked({ calls }), ["image", "snapshot"].map((kind) =>
    `OneRole ec2:CreateImage was never checked on a resource of the kind ${kind}, as EC2 does`).concat(
    "OneRole ec2:CopyImage was never checked on a resource of the kind snapshot, as EC2 does"));
  await ofPeople();
}

// Policies of people that lack a right, have one too many, are too long; and a stack with a resource of an unknown type.
async function ofPeople() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "policies-"));
  const statement = (...actions) => ({ Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: actions, Resource: "*" }] });
  const written = {
    "user.json": statement("states:StartExecution"),
    "deployer.json": { ...statement(), Comment: "x".repeat(6144) },
    "stack.json": statement("sqs:*", "sns:Subscribe"),
  };
  Object.entries(written).forEach(([file, policy]) => fs.writeFileSync(path.join(folder, file), JSON.stringify(policy)));
  const record = {
    roles: new Map([
      ["deployer", { principal: "user/one-deployer", deployed: [statement("sqs:*", "sns:Subscribe")] }],
      ["PlanRole", { principal: "role/one-PlanRole-1" }],
    ]),
    resources: [{ type: "AWS::SQS::Queue", resource: "one-DeadLetters-1" }, { type: "AWS::Made::Up", resource: "x" }],
    calls: [],
  };
  const { faults } = await people(record, ACCOUNT, "one", folder);
  fs.rmSync(folder, { recursive: true });
  for (const expected of [
    "the stack has a AWS::Made::Up, of which cloudformation.json says nothing",
    "the stack has no AWS::IAM::Role, of which cloudformation.json speaks",
    `CloudFormation may not sns:Unsubscribe on arn:aws:sns:us-east-1:${ACCOUNT}:announcements in the name of whoever deploys`,
    "user.json has states:StartExecution, which neither the CLI nor CloudFormation calls",
    "deployer.json is longer than a managed policy may be",
    "stack.json has sqs:*, which allows more than to look",
  ]) {
    assert.ok(faults.includes(expected), `${expected}\n${faults.join("\n")}`);
  }
  assert.ok(!faults.some((fault) => fault.includes("sqs:CreateQueue") || fault.includes("sns:Subscribe on")), faults.join("\n"));
}

main();
