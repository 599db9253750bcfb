// Asks the simulator about one call of a role. The simulator is another program than all that made the call, and knows from
// AWS's service authorization reference which resources and condition keys an action has.
"use strict";

const { isWildcardOnlyAction, runSimulation, runUnsafeSimulation } = require("@cloud-copilot/iam-simulate");

// What Step Functions checks on the state machine, as its own refusals say ("not authorized to perform:
// states:SendTaskFailure on resource: arn:aws:states:…:stateMachine:…"). The reference lists no resource for these.
const ON_THE_MACHINE = new Set(["states:SendTaskSuccess", "states:SendTaskFailure"]);
// Names of Systems Manager without an account, which AWS's own documents and public parameters have. The reference lists
// only names with one.
const OF_AWS = /^arn:aws:ssm:[a-z0-9-]+::(document|parameter)\//;
// Nobody may use a key whose own policy does not let the account decide.
const KEY_POLICY = (account) => ({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: "kms:*", Resource: "*" }],
});

// Whether these policies allow the call.
async function allows(policies, account, role, { action, resource, context }) {
  const [service, name] = action.split(":");
  const unlisted = ON_THE_MACHINE.has(action) || OF_AWS.test(resource);
  const simulation = {
    request: {
      principal: `arn:aws:sts::${account}:assumed-role/${role}/session`,
      action,
      resource: {
        resource: !unlisted && (await isWildcardOnlyAction(service, name)) ? "*" : aNew(resource),
        accountId: accountOf(resource) || account,
      },
      contextVariables: context,
    },
    identityPolicies: policies.map((policy, number) => ({ name: `${number}`, policy })),
    serviceControlPolicies: [],
    resourceControlPolicies: [],
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

// What is only being made has no id yet. The simulator would ask whether any name at all is allowed.
const aNew = (resource) => (resource.endsWith("/*") ? resource.replace(/\*$/, "new-0123456789abcdef0") : resource);

const accountOf = (arn) => arn.split(":")[4];

module.exports = { allows };
