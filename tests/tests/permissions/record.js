// What the end-to-end suite has left: calls, and what each role could do when it made them.
"use strict";

const fs = require("node:fs");

// Calls, and roles by their name in the template. A role has its name in the account, its policies by their digest, and
// the latest of them.
function read(file, stack) {
  const lines = fs.readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line));
  const inTemplate = (name) => new RegExp(`^${stack}-([A-Za-z]+Role)-`).exec(name)?.[1];
  const [roles, calls, strangers] = [new Map(), [], new Set()];
  for (const line of lines) {
    const role = inTemplate(line.role);
    if (!role) {
      strangers.add(line.role);
    } else if (line.documents) {
      const known = roles.get(role) ?? { name: line.role, policies: new Map() };
      known.policies.set(line.policies, line.documents);
      // The first is how the stack was deployed: what cases add to it and take away again stands in later ones.
      known.deployed ??= line.documents;
      roles.set(role, known);
    } else {
      calls.push({ ...line, role });
    }
  }
  return { roles, calls, strangers };
}

const list = (value) => (Array.isArray(value) ? value : [value]);

// Every action that these policies allow something of.
function actionsOf(documents) {
  const allowing = documents.flatMap((one) => list(one.Statement)).filter((one) => one.Effect === "Allow");
  return new Set(allowing.flatMap((one) => list(one.Action)));
}

module.exports = { actionsOf, list, read };
