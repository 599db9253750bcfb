// Run by main.rs: `suite.js CALLS STACK POLICIES`. Prints the figures, and what is wrong; fails when anything is.
"use strict";

const { people } = require("./people.js");
const { read, rolesOnly } = require("./record.js");
const { refusals } = require("./refusals.js");
const { accountOf, refused, replay, unasked, uses } = require("./replay.js");
const unused = require("./unused.json");

async function main(file, stack, policies) {
  const record = read(file, stack);
  const account = accountOf(record.calls);
  const denied = await refusals(record, account, stack);
  const { faults, figures } = uses(rolesOnly(record), unused);
  const everyone = await people(record, account, stack, policies);
  const all = [
    ...(await replay(record)), ...refused(record), ...(await unasked(record)), ...faults, ...denied.faults, ...everyone.faults,
  ];
  const columns = ["role", "calls", "refused", "actions", "unused"];
  for (const row of [columns, ...figures.map((one) => columns.map((column) => one[column]))]) {
    console.log(row.map((cell, at) => `${cell}`[at ? "padStart" : "padEnd"](at ? 9 : 22)).join(""));
  }
  const sum = (column) => figures.reduce((before, one) => before + one[column], 0);
  console.log(`${sum("calls")} calls replayed, ${sum("actions")} actions of ${figures.length} roles, ${sum("unused")} of them `
    + `named as unused; ${denied.refused} calls refused beside ${denied.allowed} like them that are allowed`);
  const cli = record.calls.length - sum("calls");
  console.log(`${cli} calls of the CLI replayed, and ${everyone.asked} of CloudFormation's asked for: `
    + everyone.figures.map(({ file: name, actions }) => `${actions} actions in ${name}`).join(", "));
  if (all.length > 0) {
    console.error(`${all.length} faults:\n${all.join("\n")}`);
    process.exitCode = 1;
  }
}

main(...process.argv.slice(2));
