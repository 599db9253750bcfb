// Run by main.rs: `suite.js CALLS STACK`. Prints the figures, and what is wrong; fails when anything is.
"use strict";

const { accountOf, refused, replay, unasked, uses } = require("./replay.js");
const { read } = require("./record.js");
const { refusals } = require("./refusals.js");
const unused = require("./unused.json");

async function main(file, stack) {
  const record = read(file, stack);
  const denied = await refusals(record, accountOf(record.calls), stack);
  const { faults, figures } = uses(record, unused);
  const all = [...(await replay(record)), ...refused(record), ...(await unasked(record)), ...faults, ...denied.faults];
  const columns = ["role", "calls", "refused", "actions", "unused"];
  for (const row of [columns, ...figures.map((one) => columns.map((column) => one[column]))]) {
    console.log(row.map((cell, at) => `${cell}`[at ? "padStart" : "padEnd"](at ? 9 : 22)).join(""));
  }
  const sum = (column) => figures.reduce((before, one) => before + one[column], 0);
  console.log(`${sum("calls")} calls replayed, ${sum("actions")} actions of ${figures.length} roles, ${sum("unused")} of them `
    + `named as unused; ${denied.refused} calls refused beside ${denied.allowed} like them that are allowed`);
  if (all.length > 0) {
    console.error(`${all.length} faults:\n${all.join("\n")}`);
    process.exitCode = 1;
  }
}

main(...process.argv.slice(2));
