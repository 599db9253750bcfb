// Calls that must be refused, each beside one that is allowed and differs from it in what is said: so none of them is
// refused for another reason, such as a name that is spelled wrong here.
"use strict";

const { allows } = require("./judge.js");
const { list, rolesOnly } = require("./record.js");
const { table } = require("./refusals_table.js");

// What the table needs to know of the deployed stack.
function names({ roles }, account, stack) {
  const resources = [...roles.values()].flatMap(({ deployed }) => deployed.flatMap((one) => list(one.Statement)))
    .flatMap((one) => list(one.Resource));
  const find = (pattern) => resources.map((arn) => pattern.exec(arn)?.[1]).find(Boolean);
  const roleArn = (role) => `arn:aws:iam::${account}:${roles.get(role).principal}`;
  return { account, stack, roleArn, bucket: find(/^arn:aws:s3:::([^/]+)\/orders\/\*$/), queue: find(/^(arn:aws:sqs:.+)$/),
    table: find(/:table\/([^/]+)$/) };
}

// Figures, and the rows of the table that are decided in the wrong way.
async function refusals(record, account, stack) {
  const [faults, counted] = [[], { allowed: 0, refused: 0 }];
  for (const { role, allowed, refused } of table(names(rolesOnly(record), account, stack))) {
    const { principal, deployed } = record.roles.get(role);
    const ask = (call) => allows(deployed, account, principal, call);
    counted.allowed += 1;
    if (!(await ask(allowed))) {
      faults.push(`${role} is refused ${said(allowed)}, beside which others are to be refused`);
    }
    for (const [why, change] of Object.entries(refused)) {
      const call = { ...allowed, ...change };
      counted.refused += 1;
      if (await ask(call)) {
        faults.push(`${role} is allowed ${said(call)}, and must not be: ${why}`);
      }
    }
  }
  return { faults, ...counted };
}

const said = ({ action, resource, context }) => `${action} on ${resource} with ${JSON.stringify(context)}`;

module.exports = { refusals };
