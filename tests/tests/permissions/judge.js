// Asks the simulator about one call of a role or a user. The simulator is another program than all that made the call, and knows from
// AWS's service authorization reference which resources and condition keys an action has.
"use strict";

const { isWildcardOnlyAction, runSimulation, runUnsafeSimulation } = require("@cloud-copilot/iam-simulate");

// What Step Functions checks on the state machine, as its own refusals say ("not authorized to perform:
// states:SendTaskFailure on resource: arn:aws:states:…:stateMachine:…"). The reference lists no resource for these.
const ON_THE_MACHINE = new Set(["states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"]);
// Names of Systems Manager without an account, which AWS's own documents and public parameters have, and of CloudFormation's own
// transforms, which a change set takes the right to as well ("not authorized to perform: cloudformation:CreateChangeSet on
// resource: arn:aws:cloudformation:…:aws:transform/Serverless-2016-10-31"). The reference lists only names with an account.
const OF_AWS = /^arn:aws:(ssm:[a-z0-9-]+::(document|parameter)|cloudformation:[a-z0-9-]+:aws:transform)\//;
// AWS's reference lists this key with a placeholder, `kms:EncryptionContext:${EncryptionContextKey}`, and the simulator drops
// keys that fill it in. So another key of the same type, which no policy here has, stands for it in the call and the policies.
const [OF_VOLUME, STANDS_FOR_IT] = ["kms:EncryptionContext:aws:ebs:id", "kms:EncryptionAlgorithm"];
const known = (value) => JSON.parse(JSON.stringify(value).replaceAll(OF_VOLUME, STANDS_FOR_IT));
// Nobody may use a key whose own policy does not let the account decide.
const KEY_POLICY = (account) => ({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: "kms:*", Resource: "*" }],
});

// Nobody may assume a role of another account that does not trust them.
const TRUST_POLICY = (principal) => ({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: { AWS: principal }, Action: "sts:AssumeRole" }],
});

// Whether these policies allow the call; a principal is `role/NAME` or `user/NAME`.
async function allows(policies, account, principal, { action, resource, context }) {
  const [service, name] = action.split(":");
  const unlisted = ON_THE_MACHINE.has(action) || OF_AWS.test(resource);
  const simulation = {
    request: {
      principal: arnOf(principal, account),
      action,
      resource: {
        resource: !unlisted && (await isWildcardOnlyAction(service, name)) ? "*" : named(resource),
        accountId: accountOf(resource) || account,
      },
      contextVariables: known(context),
    },
    identityPolicies: policies.map((policy, number) => ({ name: `${number}`, policy: known(policy) })),
    serviceControlPolicies: [],
    resourceControlPolicies: [],
    ...(action === "sts:AssumeRole" && accountOf(resource) !== account && { resourcePolicy: TRUST_POLICY(arnOf(principal, account)) }),
    ...(service === "kms" && { resourcePolicy: KEY_POLICY(accountOf(resource)) }),
  };
  if (unlisted) {
    return runUnsafeSimulation(simulation, {}) === "Allowed";
  }
  const answer = await runSimulation(simulation, {});
  if (answer.resultType === "error") {
    throw new Error(`the simulator cannot answer ${action} on ${resource}: ${JSON.stringify(answer.errors)}`);
  }
  return answer.overallResult === "Allowed";
}

// What is only being made has no id yet: the simulator would ask whether any name at all is allowed. An alias of a key stands
// for the key (KMS developer guide, "Using aliases to control access to KMS keys").
const named = (resource) => resource.replace(/\/\*$/, "/new-0123456789abcdef0").replace(/:alias\/.+$/, ":key/behind-an-alias");

const arnOf = (principal, account) => (principal.startsWith("user/")
  ? `arn:aws:iam::${account}:${principal}`
  : `arn:aws:sts::${account}:assumed-${principal}/session`);

const accountOf = (arn) => /^\d+$/.exec(arn.split(":")[4])?.[0];

module.exports = { allows };
