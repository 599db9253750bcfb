// The table: a role's call that is allowed, and what is changed in it for each call that must be refused, with the reason.
"use strict";

const [HOME, ELSEWHERE, STRANGER] = ["eu-west-1", "us-east-1", "111122223333"];

function table({ account, stack, roleArn, bucket, queue, table: records }) {
  const arn = (service, resource, region = HOME, owner = account) => `arn:aws:${service}:${region}:${owner}:${resource}`;
  const ec2 = (kind, region = HOME, owner = account) => arn("ec2", `${kind}/${kind}-0123456789abcdef0`, region, owner);
  const owned = (kind, region = HOME) => ec2(kind, region, ""); // images and snapshots have no account in their names
  const [tag, asked] = ["aws:ResourceTag/goldsmith:stack", "aws:RequestTag/goldsmith:stack"];
  const [home, askedHome] = ["aws:ResourceTag/goldsmith:home", "aws:RequestTag/goldsmith:home"];
  const [ours, theirs, untagged] = [{ [tag]: stack, [home]: HOME }, { [tag]: "another", [home]: HOME }, {}];
  const namesake = { [tag]: stack, [home]: ELSEWHERE };
  const [marked, mismarked] = [{ [asked]: stack, [askedHome]: HOME }, { [asked]: "another", [askedHome]: HOME }];
  const tokens = { "ec2:MetadataHttpTokens": "required" };
  const made = (action) => ({ "ec2:CreateAction": action });
  const parameter = (path, region = HOME, owner = account) => arn("ssm", `parameter/${path}`, region, owner);
  const machine = (name, region = HOME, owner = account) => arn("states", `stateMachine:${name}`, region, owner);
  const lambda = (name, region = HOME, owner = account) => arn("lambda", `function:${name}`, region, owner);
  const logs = (group, region = HOME, stream = "one") => arn("logs", `log-group:/goldsmith/${group}:log-stream:${stream}`, region);
  const said = "0123abcd-0123-4567-89ab-0123456789ab/i-0123456789abcdef0/aws-runShellScript/stdout";
  const dynamodb = (name, region = HOME, owner = account) => arn("dynamodb", `table/${name}`, region, owner);
  const exporter = `arn:aws:iam::${account}:role/vmimport`;
  const key = (owner = account) => arn("kms", "key/0123abcd-0123-4567-89ab-0123456789ab", HOME, owner);
  const license = (owner = account) => arn("license-manager", "license-configuration:lic-0123456789abcdef0123456789abcdef", HOME, owner);
  const topic = (name, owner = account) => arn("sns", name, ELSEWHERE, owner);
  const via = (service) => ({ "kms:ViaService": `${service}.${HOME}.amazonaws.com` });
  const grant = { "kms:GrantIsForAWSResource": "true" };
  const allow = (role, action, resource, context, refused) => ({ role, allowed: { action, resource, context }, refused });

  // What several roles have alike.
  const foreign = {
    "another stack's": { context: theirs },
    "the stack's of the same name in another Region": { context: namesake },
    "nobody's": { context: untagged },
  };
  const ends = (role) => allow(role, "ec2:TerminateInstances", ec2("instance"), ours, {
    ...foreign,
    "another account's": { resource: ec2("instance", HOME, STRANGER) },
    "it ends instances, it reboots none": { action: "ec2:RebootInstances" },
  });
  const cancels = (role) => allow(role, "ec2:CancelSpotInstanceRequests", ec2("spot-instances-request"), ours, {
    ...foreign,
    "another account's": { resource: ec2("spot-instances-request", HOME, STRANGER) },
    "it cancels requests, it makes none": { action: "ec2:RequestSpotInstances" },
  });
  const reports = (role) => allow(role, "sqs:SendMessage", queue, {}, {
    "another queue": { resource: `${queue}-of-another` },
    "what was given up stays": { action: "sqs:PurgeQueue" },
    "it reports, it reads none": { action: "sqs:ReceiveMessage" },
  });
  const partition = (key) => ({ "dynamodb:LeadingKeys": [key] });
  const keeps = (role) => allow(role, "dynamodb:UpdateItem", dynamodb(records), partition("BUILD#one"), {
    ...Object.fromEntries(["COMPONENT#c", "RECIPE#r", "INFRA#i", "DISTRIBUTION#d", "PIPELINES"].map((key) => (
      [`what people have defined, at ${key}`, { context: partition(key) }]))),
    "a component in place of another": { action: "dynamodb:PutItem", context: partition("COMPONENT#c") },
    "a component that pipelines use": { action: "dynamodb:DeleteItem", context: partition("COMPONENT#c") },
    "another table": { resource: dynamodb("another-Table-1") },
    "the table of another Region": { resource: dynamodb(records, ELSEWHERE) },
    "it reads by key, never all": { action: "dynamodb:Scan" },
    "the table itself is not its": { action: "dynamodb:DeleteTable" },
  });
  const target = (name) => `arn:aws:iam::${STRANGER}:role/${name}`;
  const enters = (role) => allow(role, "sts:AssumeRole", target(`${stack}-target-${HOME}`), {}, {
    "the role of another stack": { resource: target(`another-target-${HOME}`) },
    "the role of the stack of the same name in another Region": { resource: target(`${stack}-target-${ELSEWHERE}`) },
    "any other role of that account": { resource: target("Admin") },
  });
  const keys = (...all) => ({ "aws:TagKeys": all });
  const sources = (...all) => ({ "events:source": all });
  const tells = (role) => allow(role, "events:PutEvents", arn("events", "event-bus/default"), sources("goldsmith"), {
    "what somebody else would say": { context: sources("team.app") },
    "something else among its own": { context: sources("goldsmith", "team.app") },
    "another bus": { resource: arn("events", "event-bus/another") },
    "another Region's bus": { resource: arn("events", "event-bus/default", ELSEWHERE) },
  });
  const removes = (role) => [
    allow(role, "ec2:DeregisterImage", owned("image", ELSEWHERE), ours, foreign),
    allow(role, "ec2:DeleteSnapshot", owned("snapshot", ELSEWHERE), ours, foreign),
    allow(role, "ec2:DeleteVolume", ec2("volume"), ours, foreign),
    allow(role, "ec2:CreateTags", owned("image", ELSEWHERE), { ...ours, ...keys("goldsmith:expires") }, {
      ...foreign,
      "a tag that says whose it is": { context: { ...ours, ...keys("goldsmith:stack") } },
      "its end and another tag": { context: { ...ours, ...keys("goldsmith:expires", "goldsmith:build") } },
      "it marks what is kept, which no volume is": { resource: ec2("volume") },
    }),
    allow(role, "ec2:CreateTags", owned("snapshot", ELSEWHERE), { ...ours, ...keys("goldsmith:status") }, foreign),
    allow(role, "ec2:CreateTags", ec2("instance"), { ...ours, ...keys("goldsmith:expires") }, {
      "an instance of another stack": { context: { ...theirs, ...keys("goldsmith:expires") } },
      "a tag that says whose instance it is": { context: { ...ours, ...keys("goldsmith:stack") } },
    }),
    allow(role, "ssm:PutParameter", parameter("images/web"), {}, {
      "a parameter beside the images": { resource: parameter("images-of-another/web") },
      "what documents read": { resource: parameter(`goldsmith/build/${stack}/web`) },
    }),
    allow(role, "ec2:EnableImageDeregistrationProtection", owned("image", ELSEWHERE), ours, {
      ...foreign,
      "it protects, it ends no protection": { action: "ec2:DisableImageDeregistrationProtection" },
    }),
    allow(role, "ec2:ModifyLaunchTemplate", ec2("launch-template", ELSEWHERE), ours, {
      ...foreign,
      "it takes versions back, it adds none": { action: "ec2:CreateLaunchTemplateVersion" },
    }),
    allow(role, "ec2:DeleteLaunchTemplateVersions", ec2("launch-template", ELSEWHERE), ours, {
      ...foreign,
      "the template itself": { action: "ec2:DeleteLaunchTemplate" },
    }),
    tells(role),
    allow(role, "states:DescribeExecution", arn("states", `execution:${stack}-image-build:one`), {}, {
      "another stack's execution": { resource: arn("states", "execution:another-image-build:one") },
      "it looks at builds, it stops none": { action: "states:StopExecution" },
    }),
    ends(role),
    cancels(role),
    keeps(role),
  ];
  const starts = (role) => allow(role, "states:StartExecution", machine(`${stack}-image-build`), {}, {
    "another stack's builds": { resource: machine("another-image-build") },
    "builds of another Region's stack": { resource: machine(`${stack}-image-build`, ELSEWHERE) },
  });
  const answers = (role) => allow(role, "states:SendTaskSuccess", machine(`${stack}-image-build`), {}, {
    "another stack's tokens": { resource: machine("another-image-build") },
    "another account's tokens": { resource: machine(`${stack}-image-build`, HOME, STRANGER) },
  });
  const commands = (role) => [
    allow(role, "ssm:SendCommand", ec2("instance"), ours, {
      ...foreign,
      "an instance of another Region": { resource: ec2("instance", ELSEWHERE) },
      "another account's instance": { resource: ec2("instance", HOME, STRANGER) },
    }),
    allow(role, "ssm:SendCommand", parameterless("document/AWS-RunShellScript"), {}, {
      "another document of AWS's": { resource: parameterless("document/AWS-RunRemoteScript") },
      "a document of the account": { resource: arn("ssm", "document/AWS-RunShellScript") },
      "another Region's": { resource: parameterless("document/AWS-RunShellScript", ELSEWHERE) },
    }),
    allow(role, "s3:PutObject", `arn:aws:s3:::${bucket}/orders/one`, {}, {
      "another bucket": { resource: "arn:aws:s3:::another-bucket/orders/one" },
      "it puts, it deletes none": { action: "s3:DeleteObject" },
      "the advisories": { resource: `arn:aws:s3:::${bucket}/advisories/one` },
      "a judgement": { resource: `arn:aws:s3:::${bucket}/judgements/one` },
    }),
    allow(role, "s3:ListBucket", `arn:aws:s3:::${bucket}`, {}, {
      "another bucket's list": { resource: "arn:aws:s3:::another-bucket" },
      "the bucket's policy": { action: "s3:PutBucketPolicy" },
    }),
    answers(role),
    keeps(role),
  ];
  const parameterless = (name, region = HOME) => arn("ssm", name, region, ""); // AWS's own have no account
  const encrypts = (role) => [
    allow(role, "kms:Decrypt", key(), via("ec2"), {
      "by itself, not by EC2": { context: {} },
      "by another service": { context: via("s3") },
      "another account's key": { resource: key(STRANGER) },
    }),
    allow(role, "kms:CreateGrant", key(), { ...via("ec2"), ...grant }, {
      "a grant for somebody else than AWS": { context: { ...via("ec2"), "kms:GrantIsForAWSResource": "false" } },
      "a grant by itself": { context: grant },
      "the key's end": { action: "kms:ScheduleKeyDeletion" },
    }),
  ];
  const writes = (role) => allow(role, "logs:PutLogEvents", logs(`${stack}/functions`), {}, {
    "what builds said": { resource: logs(`${stack}/builds`) },
    "another stack's log": { resource: logs("another/functions") },
  });

  return [
    ...["PlanRole", "DistributeRole", "PublishRole", "FinishRole", "ReapRole"].map(enters),
    ...["LaunchRole", "AttestRole", "DistributeRole"].map(tells),
    allow("LaunchRole", "ec2:RunInstances", ec2("instance"), { ...marked, ...tokens }, {
      "an instance of nobody's": { context: tokens },
      "one that counts as another stack's": { context: { ...mismarked, ...tokens } },
      "one that would be the stack's of the same name in another Region": { context: { ...marked, ...tokens, [askedHome]: ELSEWHERE } },
      "one whose metadata anybody may read": { context: { ...marked, "ec2:MetadataHttpTokens": "optional" } },
      "one that leaves it to the account": { context: marked },
      "another tag of this value": { context: { ...tokens, "aws:RequestTag/stack": stack, [askedHome]: HOME } },
      "one in another Region": { resource: ec2("instance", ELSEWHERE) },
    }),
    allow("LaunchRole", "ec2:RunInstances", ec2("volume"), marked, {
      "a volume of nobody's": { context: {} },
      "a volume that counts as another stack's": { context: mismarked },
    }),
    allow("LaunchRole", "ec2:RunInstances", arn("ec2", "spot-instances-request/*"), marked, {
      "a spot request of nobody's": { context: {} },
      "a spot request that counts as another stack's": { context: mismarked },
    }),
    allow("LaunchRole", "ec2:RunInstances", ec2("subnet"), {}, {
      "a key pair that the stack does not list, by which somebody could log in": { resource: arn("ec2", "key-pair/one") },
      "a launch template, which could say anything": { resource: arn("ec2", "launch-template/lt-0123456789abcdef0") },
      "a subnet of another Region": { resource: ec2("subnet", ELSEWHERE) },
    }),
    allow("LaunchRole", "ec2:RunInstances", license(), {}, {
      "a license that the stack does not list": { resource: license(STRANGER) },
      "it launches, it associates no image": { action: "license-manager:UpdateLicenseSpecificationsForResource" },
    }),
    allow("LaunchRole", "ec2:RunInstances", arn("resource-groups", "group/hosts"), {}, {
      "a group of hosts in another Region": { resource: arn("resource-groups", "group/hosts", ELSEWHERE) },
    }),
    allow("LaunchRole", "ec2:CreateTags", ec2("instance"), { ...marked, ...made("RunInstances") }, {
      "tags of what is there": { context: marked },
      "tags of another call's": { context: { ...marked, ...made("StartInstances") } },
      "an image's tags": { resource: owned("image") },
      "a subnet's tags": { resource: ec2("subnet") },
      "tags in another Region": { resource: ec2("instance", ELSEWHERE) },
    }),
    ...["BuildRole", "TestInstanceRole"].map((role) => allow("LaunchRole", "iam:PassRole", roleArn(role), { "iam:PassedToService": "ec2.amazonaws.com" }, {
      "its own role": { resource: roleArn("LaunchRole") },
      "a role that is not the stack's": { resource: `arn:aws:iam::${account}:role/administrator` },
      "to another service": { context: { "iam:PassedToService": "lambda.amazonaws.com" } },
      "to a service that is not named": { context: {} },
    })),
    allow("LaunchRole", "ec2:GetConsoleOutput", ec2("instance"), ours, foreign),
    ends("LaunchRole"),
    cancels("LaunchRole"),
    answers("LaunchRole"),
    keeps("LaunchRole"),
    writes("LaunchRole"),
    ...encrypts("LaunchRole"),

    ...commands("ExecutePhaseRole"),
    writes("ExecutePhaseRole"),

    ...commands("SnapshotRole"),
    ...encrypts("SnapshotRole"),
    ends("SnapshotRole"),
    cancels("SnapshotRole"),
    allow("SnapshotRole", "ec2:DeregisterImage", owned("image"), ours, foreign),
    allow("SnapshotRole", "ec2:DeleteSnapshot", owned("snapshot"), ours, foreign),
    allow("SnapshotRole", "ec2:StopInstances", ec2("instance"), ours, {
      ...foreign,
      "an instance of another Region": { resource: ec2("instance", ELSEWHERE) },
    }),
    allow("SnapshotRole", "ec2:StartInstances", ec2("instance"), ours, {
      ...foreign,
      "an instance of another Region": { resource: ec2("instance", ELSEWHERE) },
    }),
    allow("SnapshotRole", "ec2:StartInstances", arn("resource-groups", "group/hosts"), {}, {
      "a group of hosts in another Region": { resource: arn("resource-groups", "group/hosts", ELSEWHERE) },
    }),
    allow("SnapshotRole", "ec2:StartInstances", license(), {}, {
      "a license that the stack does not list": { resource: license(STRANGER) },
    }),
    allow("SnapshotRole", "ec2:CreateImage", ec2("instance"), ours, foreign),
    allow("SnapshotRole", "ec2:CreateImage", owned("image"), marked, {
      "an image of nobody's": { context: {} },
      "an image that counts as another stack's": { context: mismarked },
      "an image in another Region": { resource: owned("image", ELSEWHERE) },
    }),
    allow("SnapshotRole", "ec2:CreateImage", owned("snapshot"), marked, {
      "a snapshot of nobody's": { context: {} },
      "a snapshot that counts as another stack's": { context: mismarked },
    }),
    allow("SnapshotRole", "ec2:RegisterImage", owned("image"), marked, {
      "an image of nobody's": { context: {} },
      "an image that counts as another stack's": { context: mismarked },
      "an image in another Region": { resource: owned("image", ELSEWHERE) },
    }),
    allow("SnapshotRole", "ec2:RegisterImage", owned("snapshot"), ours, {
      ...foreign,
      "a snapshot of somebody else for an image with the stack's tags": { context: marked },
    }),
    allow("SnapshotRole", "ec2:DescribeImageAttribute", owned("image"), ours, foreign),
    allow("SnapshotRole", "ec2:CreateTags", owned("image"), { ...marked, ...made("RegisterImage") }, {
      "tags of what is there": { context: marked },
    }),
    allow("SnapshotRole", "ec2:CreateTags", owned("snapshot"), { ...marked, ...made("CreateImage") }, {
      "tags of what is there": { context: marked },
      "tags of a copy": { context: { ...marked, ...made("CopyImage") } },
      "an instance's tags": { resource: ec2("instance") },
    }),

    ends("TestRole"),
    keeps("TestRole"),
    allow("TestRole", "s3:GetObject", `arn:aws:s3:::${bucket}/advisories/one`, {}, {
      "an order": { resource: `arn:aws:s3:::${bucket}/orders/one` },
      "another bucket": { resource: "arn:aws:s3:::another-bucket/advisories/one" },
      "it reads advisories, it writes none": { action: "s3:PutObject" },
    }),
    allow("TestRole", "s3:PutObject", `arn:aws:s3:::${bucket}/judgements/one`, {}, {
      "the contents that it judges": { resource: `arn:aws:s3:::${bucket}/contents/one` },
      "it keeps judgements, it deletes none": { action: "s3:DeleteObject" },
    }),

    answers("AttestRole"),
    keeps("AttestRole"),
    writes("AttestRole"),
    allow("AttestRole", "ebs:GetSnapshotBlock", owned("snapshot"), ours, {
      ...foreign,
      "a snapshot in another Region": { resource: owned("snapshot", ELSEWHERE) },
      "it reads blocks, it writes none": { action: "ebs:PutSnapshotBlock" },
    }),
    allow("AttestRole", "kms:Sign", key(), { [tag]: stack }, {
      "another stack's key": { context: { [tag]: "another" } },
      "a key that nobody has tagged": { context: {} },
      "another account's key": { resource: key(STRANGER) },
      "the key's end": { action: "kms:ScheduleKeyDeletion" },
    }),
    allow("AttestRole", "kms:Decrypt", key(), { ...via("ec2"), "kms:EncryptionContext:aws:ebs:id": "snap-0123456789abcdef0" }, {
      "by itself, not by EC2": { context: { "kms:EncryptionContext:aws:ebs:id": "snap-0123456789abcdef0" } },
      "something else than a volume": { context: via("ec2") },
    }),
    allow("AttestRole", "s3:PutObject", `arn:aws:s3:::${bucket}/provenance/one`, {}, {
      "the contents of an image": { resource: `arn:aws:s3:::${bucket}/contents/one` },
      "it keeps what was signed, it deletes none": { action: "s3:DeleteObject" },
    }),

    allow("DistributeRole", "ec2:CopyImage", owned("image", ELSEWHERE), {}, {
      "it copies images, it makes none": { action: "ec2:RegisterImage" },
      "the end of an image that nobody has tagged": { action: "ec2:DeregisterImage" },
    }),
    allow("DistributeRole", "ec2:DeregisterImage", owned("image", ELSEWHERE), ours, foreign),
    allow("DistributeRole", "ec2:DeleteSnapshot", owned("snapshot", ELSEWHERE), ours, foreign),
    allow("DistributeRole", "ec2:CreateTags", owned("image", ELSEWHERE), { ...marked, ...made("CopyImage") }, {
      "tags of what is there": { context: marked },
      "tags of an image that it did not copy": { context: { ...marked, ...made("CreateImage") } },
      "an instance's tags": { resource: ec2("instance", ELSEWHERE) },
    }),
    allow("DistributeRole", "ec2:ModifyImageAttribute", owned("image", ELSEWHERE), ours, {
      ...foreign,
      "it disables no image": { action: "ec2:DisableImage" },
    }),
    allow("DistributeRole", "ec2:DescribeImageAttribute", owned("image", ELSEWHERE), ours, foreign),
    allow("DistributeRole", "ec2:EnableImageDeprecation", owned("image", ELSEWHERE), ours, foreign),
    allow("DistributeRole", "ec2:ModifySnapshotAttribute", owned("snapshot", ELSEWHERE), ours, {
      "a snapshot of nobody's": { context: {} },
      "a snapshot that counts as another stack's": { context: mismarked },
    }),
    answers("DistributeRole"),
    ...encrypts("DistributeRole"),

    allow("DistributeRole", "ec2:ExportImage", owned("image", ELSEWHERE), ours, foreign),
    allow("DistributeRole", "ec2:ExportImage", ec2("export-image-task", ELSEWHERE), marked, {
      "an export of nobody's": { context: {} },
      "an export that counts as another stack's": { context: mismarked },
      "another account's": { resource: ec2("export-image-task", ELSEWHERE, STRANGER) },
    }),
    allow("DistributeRole", "ec2:CreateTags", ec2("export-image-task", ELSEWHERE), { ...marked, ...made("ExportImage") }, {
      "tags of what is there": { context: marked },
    }),
    allow("DistributeRole", "iam:PassRole", exporter, { "iam:PassedToService": "vmie.amazonaws.com" }, {
      "a role for an instance": { context: { "iam:PassedToService": "ec2.amazonaws.com" } },
      "another account's role": { resource: exporter.replace(account, STRANGER) },
      "a role that the stack does not list": { resource: exporter.replace("vmimport", "administrator") },
      "it passes roles, it assumes none": { action: "sts:AssumeRole" },
    }),
    ...["DistributeRole", "FinishRole", "ReapRole"].map((role) => (
      allow(role, "ec2:CancelExportTask", ec2("export-image-task", ELSEWHERE), ours, foreign))),
    allow("PlanRole", "iam:GetRole", exporter, {}, {
      "another account's role": { resource: exporter.replace(account, STRANGER) },
      "a role that the stack does not list": { resource: exporter.replace("vmimport", "administrator") },
      "a plan passes no role": { action: "iam:PassRole" },
    }),
    allow("PlanRole", "s3:GetBucketLocation", "arn:aws:s3:::exports", {}, {
      "a plan lists no bucket": { action: "s3:ListBucket" },
      "a plan reads no object": { action: "s3:GetObject", resource: "arn:aws:s3:::exports/one" },
    }),
    allow("PlanRole", "s3:ListBucket", `arn:aws:s3:::${bucket}`, {}, {
      "a plan reads no advisory": { action: "s3:GetObject", resource: `arn:aws:s3:::${bucket}/advisories/one` },
    }),

    allow("DistributeRole", "license-manager:UpdateLicenseSpecificationsForResource", license(), {}, {
      "a license that the stack does not list": { resource: license(STRANGER) },
      "it uses licenses, it changes none": { action: "license-manager:UpdateLicenseConfiguration" },
      "the end of a license": { action: "license-manager:DeleteLicenseConfiguration" },
    }),
    allow("PlanRole", "license-manager:GetLicenseConfiguration", license(), {}, {
      "a license that the stack does not list": { resource: license(STRANGER) },
      "a plan associates no image": { action: "license-manager:UpdateLicenseSpecificationsForResource" },
    }),

    ...["FinishRole", "ReapRole"].map((role) => (
      allow(role, "sns:Publish", topic("images"), {}, {
        "a topic that the stack does not list": { resource: topic("images", STRANGER) },
        "it sends messages, and reads no topic": { action: "sns:GetTopicAttributes" },
        "another policy of a topic": { action: "sns:SetTopicAttributes" },
        "another receiver": { action: "sns:Subscribe" },
        "the end of a topic": { action: "sns:DeleteTopic" },
      })
    )),
    allow("PlanRole", "sns:GetTopicAttributes", topic("images"), {}, {
      "a topic that the stack does not list": { resource: topic("images", STRANGER) },
      "a plan tells nobody": { action: "sns:Publish" },
    }),

    allow("PublishRole", "ssm:PutParameter", parameter("images/web", ELSEWHERE), {}, {
      "a parameter beside the images": { resource: parameter("images-of-another/web", ELSEWHERE) },
      "what documents read": { resource: parameter(`goldsmith/build/${stack}/web`) },
      "the stack's own configuration": { resource: parameter(`goldsmith/${stack}/config`) },
      "another account's": { resource: parameter("images/web", ELSEWHERE, STRANGER) },
    }),
    allow("PublishRole", "ssm:DeleteParameter", parameter("images/web"), {}, {
      "the end of another parameter": { resource: parameter("team/web") },
    }),

    ...["CreateLaunchTemplateVersion", "ModifyLaunchTemplate", "DeleteLaunchTemplateVersions"].map((name) => (
      allow("PublishRole", `ec2:${name}`, ec2("launch-template", ELSEWHERE), ours, {
        ...foreign,
        "another account's": { resource: ec2("launch-template", ELSEWHERE, STRANGER) },
        "a template of its own": { action: "ec2:CreateLaunchTemplate" },
        "the end of the template": { action: "ec2:DeleteLaunchTemplate" },
        "a tag that makes a template the stack's": { action: "ec2:CreateTags", context: { ...untagged, ...keys("goldsmith:stack") } },
      }))),

    allow("PublishRole", "ec2:ModifyImageAttribute", owned("image", ELSEWHERE), ours, {
      ...foreign,
      "it disables no image": { action: "ec2:DisableImage" },
    }),
    allow("PublishRole", "ec2:ModifySnapshotAttribute", owned("snapshot", ELSEWHERE), ours, {
      "a snapshot of nobody's": { context: {} },
      "a snapshot that counts as another stack's": { context: mismarked },
    }),
    allow("PublishRole", "ec2:EnableImageDeregistrationProtection", owned("image", ELSEWHERE), ours, {
      ...foreign,
      "it protects, it ends no protection": { action: "ec2:DisableImageDeregistrationProtection" },
    }),
    allow("PublishRole", "ec2:CreateTags", owned("image", ELSEWHERE), { ...ours, ...keys("goldsmith:status") }, {
      ...foreign,
      "a tag that says whose it is": { context: { ...ours, ...keys("goldsmith:stack") } },
      "it publishes, it keeps nothing for a while": { context: { ...ours, ...keys("goldsmith:expires") } },
      "it publishes images, no instances": { resource: ec2("instance") },
    }),
    allow("ReapRole", "ec2:CreateTags", ec2("volume", ELSEWHERE), { ...ours, ...keys("goldsmith:leftover-since") }, {
      ...foreign,
      "a tag that says whose it is": { context: { ...ours, ...keys("goldsmith:build") } },
      "when it was found and another tag": { context: { ...ours, ...keys("goldsmith:leftover-since", "goldsmith:home") } },
      "it marks what is there, no subnet": { resource: ec2("subnet", ELSEWHERE) },
    }),
    allow("ReapRole", "ec2:DisableImage", owned("image", ELSEWHERE), ours, {
      ...foreign,
      "a person switches its protection off": { action: "ec2:DisableImageDeregistrationProtection" },
      "a person enables it again": { action: "ec2:EnableImage" },
    }),
    allow("ReapRole", "ssm:GetParameter", parameter("goldsmith/examples/source"), {}, {
      "another Region's": { resource: parameter("goldsmith/examples/source", ELSEWHERE) },
      "what builds read": { resource: parameter(`goldsmith/build/${stack}/web`) },
      "it reads them, it sets none": { action: "ssm:PutParameter" },
    }),
    allow("ReapRole", "ec2:DescribeImageAttribute", owned("image", ELSEWHERE), untagged, {
      "it reads who may launch it, and changes nothing": { action: "ec2:ModifyImageAttribute" },
    }),
    ...removes("FinishRole"),
    allow("FinishRole", "states:SendTaskHeartbeat", machine(`${stack}-image-build`), {}, {
      "another stack's tokens": { resource: machine("another-image-build") },
      "it asks, it answers none": { action: "states:SendTaskSuccess" },
    }),
    ...removes("ReapRole"),
    ...["FinishRole", "ReapRole", "SignalRole", "TriggerRole"].map(reports),
    starts("ReapRole"),

    allow("SignalRole", "dynamodb:Query", dynamodb(`${records}/index/open`), {}, {
      "it reads waits, it writes none": { action: "dynamodb:PutItem", resource: dynamodb(records) },
      "another table": { resource: dynamodb("another-Table-1/index/open") },
    }),
    allow("SignalRole", "lambda:InvokeFunction", lambda(`${stack}-launch`), {}, {
      "a function that owns no waits": { resource: lambda(`${stack}-publish`) },
      "another stack's": { resource: lambda("another-launch") },
      "it wakes functions, it changes none": { action: "lambda:UpdateFunctionCode" },
    }),

    starts("TriggerRole"),
    allow("TriggerRole", "ssm:GetParameter", parameter("images/web"), {}, {
      "what documents read": { resource: parameter(`goldsmith/build/${stack}/web`) },
      "another Region's, where no pipeline looks": { resource: parameter("images/web", ELSEWHERE) },
      "it reads sources, it writes none": { action: "ssm:PutParameter" },
    }),
    allow("TriggerRole", "lambda:InvokeFunction", lambda(`${stack}-trigger`), {}, {
      "another function of the stack": { resource: lambda(`${stack}-launch`) },
      "another stack's": { resource: lambda("another-trigger") },
    }),

    allow("PlanRole", "ssm:GetParameter", parameter("images/web", ELSEWHERE), {}, {
      "what documents read": { resource: parameter(`goldsmith/build/${stack}/web`) },
      "another account's": { resource: parameter("images/web", HOME, STRANGER) },
    }),
    allow("PlanRole", "ec2:DescribeImages", "*", {}, {
      "it plans builds, it starts no instance": { action: "ec2:RunInstances", resource: ec2("instance"), context: marked },
    }),
    allow("PlanRole", "kms:GetKeyPolicy", key(), {}, {
      "another account's key": { resource: key(STRANGER) },
      "what the key has encrypted": { action: "kms:Decrypt" },
      "another policy": { action: "kms:PutKeyPolicy" },
      "a grant": { action: "kms:CreateGrant" },
    }),
    keeps("PlanRole"),

    ...["BuildRole", "TestInstanceRole"].map((role) => allow(role, "logs:PutLogEvents", logs(`${stack}/builds`, HOME, said), {}, {
      "what functions say": { resource: logs(`${stack}/functions`, HOME, said) },
      "another stack's log": { resource: logs("another/builds", HOME, said) },
      "a stream that no command has": { resource: logs(`${stack}/builds`) },
      "a stream of another plugin": { resource: logs(`${stack}/builds`, HOME, said.replace("runShellScript", "runPowerShellScript")) },
      "the log's end": { action: "logs:DeleteLogStream" },
      "the stack's records": { action: "dynamodb:GetItem", resource: dynamodb(records) },
      "the images' parameters": { action: "ssm:GetParameter", resource: parameter("images/web") },
      "a role with more rights": { action: "sts:AssumeRole", resource: roleArn("ReapRole") },
    })),
    allow("TestInstanceRole", "ssm:UpdateInstanceInformation", ec2("instance"), {}, {
      "what builds read": { action: "ssm:GetParameter", resource: parameter(`goldsmith/build/${stack}/web`) },
      "the stack's bucket": { action: "s3:GetObject", resource: `arn:aws:s3:::${bucket}/orders/one` },
    }),
    allow("BuildRole", "ssm:GetParameter", parameter(`goldsmith/build/${stack}/web`), {}, {
      "what another stack's builds read": { resource: parameter("goldsmith/build/another/web") },
      "the stack's own configuration": { resource: parameter(`goldsmith/${stack}/config`) },
      "the images' parameters": { resource: parameter("images/web") },
      "another Region's": { resource: parameter(`goldsmith/build/${stack}/web`, ELSEWHERE) },
      "writing what other builds read": { action: "ssm:PutParameter" },
      "the stack's bucket": { action: "s3:GetObject", resource: `arn:aws:s3:::${bucket}/orders/one` },
      "the stack's records": { action: "dynamodb:GetItem", resource: dynamodb(records) },
      "its own end": { action: "ec2:TerminateInstances", resource: ec2("instance"), context: ours },
      "a role with more rights": { action: "sts:AssumeRole", resource: roleArn("ReapRole") },
      "a command on another instance": { action: "ssm:SendCommand", resource: ec2("instance"), context: ours },
    }),

    allow("ScheduleRole", "lambda:InvokeFunction", lambda(`${stack}-trigger`), {}, {
      "another function of the stack": { resource: lambda(`${stack}-reap`) },
      "another stack's": { resource: lambda("another-trigger") },
    }),
    allow("ImageBuildRole", "lambda:InvokeFunction", lambda(`${stack}-plan`), {}, {
      "a function that is no state's": { resource: lambda(`${stack}-reap`) },
      "another stack's": { resource: lambda("another-plan") },
      "another account's": { resource: lambda(`${stack}-plan`, HOME, STRANGER) },
    }),
  ];
}

module.exports = { table };
