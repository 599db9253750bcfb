// The policies of people, in infra/policies: they allow each call of the CLI (as `replay.js` has it), and all that CloudFormation
// does in the name of whoever deploys; and they allow nothing that neither of the two needs.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

const { allows } = require("./judge.js");
const { actionsOf } = require("./record.js");
// What CloudFormation calls to make, read, change, tag and remove a resource of each type. From the handlers that each type's
// schema in CloudFormation's registry names (`aws cloudformation describe-type`), where it does, and from the type's pages
// elsewhere; without what only properties need that the template does not have.
const cloudformation = require("./cloudformation.json");

// The most characters of a managed policy, white space not counted (IAM user guide, "IAM and AWS STS quotas"), and the longest
// name of a stack.
const [LONGEST, LONGEST_NAME] = [6144, "a".repeat(50)];
// What the suite does not see called, and why it is there.
const UNSEEN = {
  "ec2:CancelSpotInstanceRequests": "`retire` cancels the spot request of an instance that it ends. No case retires a build on spot.",
  "ec2:DeleteVolume": "`retire` removes volumes that instances have left. No case leaves one to it.",
  "lambda:GetAccountSettings": "`doctor` asks for the concurrency of the account. The emulator asks no policy about it.",
  "s3:CreateBucket": "The first deployment makes the bucket of artifacts. The suite's is made before there are any people.",
  "servicequotas:GetServiceQuota": "`doctor` asks for the vCPUs. The emulator has no Service Quotas; the launcher's asks no policy.",
};
// Resources of types that the suite's stack has none of.
const UNMADE = { "AWS::SNS::Subscription": ({ account }) => `arn:aws:sns:us-east-1:${account}:announcements` };
// Resources that an action is asked on, where it is not the type's own.
const ELSEWHERE = {
  "s3:GetObject": (names) => [`arn:aws:s3:::goldsmith-artifacts-${names.account}-${names.region}/0123abcd.zip`],
  "scheduler:DeleteSchedule": (names) => [`arn:aws:scheduler:${names.region}:${names.account}:schedule/${names.stack}/one`],
  // These three list what is in the Region, and are asked on no resource of it.
  "logs:DescribeIndexPolicies": () => ["*"],
  "logs:DescribeLogGroups": () => ["*"],
  "logs:DescribeResourcePolicies": () => ["*"],
  "ec2:CreateSecurityGroup": (names, own) => [own, `arn:aws:ec2:${names.region}:${names.account}:vpc/vpc-0123456789abcdef0`],
};
// Who is to take a role, for each type that has one.
const SERVICE = {
  "AWS::IAM::InstanceProfile": "ec2.amazonaws.com",
  "AWS::Lambda::Function": "lambda.amazonaws.com",
  "AWS::StepFunctions::StateMachine": "states.amazonaws.com",
};
// How a resource's name becomes its ARN.
const ARN = {
  "AWS::CloudWatch::Alarm": (name, { region, account }) => `arn:aws:cloudwatch:${region}:${account}:alarm:${name}`,
  "AWS::CloudWatch::Dashboard": (name, { account }) => `arn:aws:cloudwatch::${account}:dashboard/${name}`,
  "AWS::DynamoDB::Table": (name, { region, account }) => `arn:aws:dynamodb:${region}:${account}:table/${name}`,
  "AWS::EC2::SecurityGroup": (name, { region, account }) => `arn:aws:ec2:${region}:${account}:security-group/${name}`,
  "AWS::Events::Rule": (name, { region, account }) => `arn:aws:events:${region}:${account}:rule/${name}`,
  "AWS::IAM::InstanceProfile": (name, { account }) => `arn:aws:iam::${account}:instance-profile/${name}`,
  "AWS::IAM::Role": (name, { account }) => `arn:aws:iam::${account}:role/${name}`,
  "AWS::Lambda::EventInvokeConfig": (name, { region, account, stack }) => `arn:aws:lambda:${region}:${account}:function:${stack}-reap`,
  "AWS::Lambda::Function": (name, { region, account }) => `arn:aws:lambda:${region}:${account}:function:${name}`,
  "AWS::Lambda::Permission": (name, { region, account, stack }) => `arn:aws:lambda:${region}:${account}:function:${stack}-reap`,
  "AWS::Logs::LogGroup": (name, { region, account }) => `arn:aws:logs:${region}:${account}:log-group:${name}`,
  "AWS::S3::Bucket": (name) => `arn:aws:s3:::${name}`,
  "AWS::SQS::Queue": (name, { region, account }) => `arn:aws:sqs:${region}:${account}:${name.split("/").pop()}`,
  "AWS::SSM::Parameter": (name, { region, account }) => `arn:aws:ssm:${region}:${account}:parameter/${name.replace(/^\//, "")}`,
  "AWS::Scheduler::ScheduleGroup": (name, { region, account }) => `arn:aws:scheduler:${region}:${account}:schedule-group/${name}`,
};
const arnOf = (type, name, names) => (name.startsWith("arn:") ? name : ARN[type](name, names));

// Calls that CloudFormation would make in the name of whoever deploys the recorded stack.
function demanded({ roles, resources }, names) {
  const [faults, calls] = [[], []];
  const made = [...resources, ...Object.entries(UNMADE).map(([type, arn]) => ({ type, resource: arn(names) }))];
  for (const { type, resource } of made) {
    if (!cloudformation[type]) {
      faults.push(`the stack has a ${type}, of which cloudformation.json says nothing`);
      continue;
    }
    const own = type === "AWS::S3::BucketPolicy" ? `arn:aws:s3:::${resource}` : arnOf(type, resource, names);
    for (const action of cloudformation[type]) {
      const role = `arn:aws:iam::${names.account}:${roles.get("PlanRole").principal}`;
      const [on, context] = action === "iam:PassRole" ? [[role], { "iam:PassedToService": SERVICE[type] }] : [[own], {}];
      for (const one of ELSEWHERE[action]?.(names, own) ?? roleOfPolicy(type, action, role) ?? on) {
        calls.push({ action, resource: one, context: { ...context, "aws:RequestedRegion": names.region } });
      }
    }
  }
  // A parameter of the template has its value from one of AWS's own, and the template's transform is a resource too.
  calls.push({ action: "ssm:GetParameters", resource: `arn:aws:ssm:${names.region}::parameter/aws/service/ami`, context: {} });
  const transform = `arn:aws:cloudformation:${names.region}:aws:transform/Serverless-2016-10-31`;
  calls.push({ action: "cloudformation:CreateChangeSet", resource: transform, context: {} });
  const absent = Object.keys(cloudformation).filter((type) => !made.some((one) => one.type === type));
  return { calls, faults: [...faults, ...absent.map((type) => `the stack has no ${type}, of which cloudformation.json speaks`)] };
}

// A managed policy is attached to a role, and the right to that is asked on the role.
const roleOfPolicy = (type, action, role) =>
  (type === "AWS::IAM::ManagedPolicy" && /(Attach|Detach)RolePolicy$/.test(action) ? [role] : undefined);

// Faults of what CloudFormation needs, and of rights that nobody used; and figures of each file.
async function people(record, account, stack, folder) {
  const names = { account, stack, region: "eu-west-1" };
  const { calls, faults } = demanded(record, names);
  const { principal, deployed } = record.roles.get("deployer");
  for (const call of calls) {
    if (!(await allows(deployed, account, principal, call))) {
      faults.push(`CloudFormation may not ${call.action} on ${call.resource} in the name of whoever deploys`);
    }
  }
  const called = (names) => record.calls.filter((call) => call.allowed && names.includes(call.role)).map((call) => call.action);
  const needed = {
    "user.json": called(["user", "deployer"]),
    "deployer.json": [...called(["deployer"]), ...calls.map((call) => call.action)],
    "stack.json": [...called(["deployer"]), ...calls.map((call) => call.action)],
  };
  const figures = [];
  for (const [file, uses] of Object.entries(needed)) {
    const text = fs.readFileSync(path.join(folder, file), "utf8");
    if (text.replaceAll("STACK", LONGEST_NAME).replace(/\s/g, "").length > LONGEST) {
      faults.push(`${file} is longer than a managed policy may be`);
    }
    const actions = actionsOf([JSON.parse(text)]);
    for (const action of actions) {
      const is = new RegExp(`^${action.replaceAll("*", ".*")}$`);
      const isSeen = uses.some((one) => is.test(one));
      if (isSeen && UNSEEN[action] && !calls.some((call) => call.action === action)) {
        faults.push(`${action} is called, which is named as unseen`);
      } else if (!isSeen && !UNSEEN[action]) {
        faults.push(`${file} has ${action}, which neither the CLI nor CloudFormation calls`);
      } else if (/\*/.test(action) && !/^[a-z0-9-]+:(Describe|Get|List)/.test(action)) {
        faults.push(`${file} has ${action}, which allows more than to look`);
      }
    }
    figures.push({ file, actions: actions.size });
  }
  return { faults, figures, asked: calls.length };
}

module.exports = { people };
