// What the end-to-end suite has left: calls, what each role and user could do when it made them, and what the stack consists
// of.
"use strict";

const fs = require("node:fs");

// Calls, and roles by their name in the template, users by what they do. Each has an ARN in the account, its policies by
// their digest, and those that it was given first.
function read(file, stack) {
  const lines = fs.readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line));
  const [roles, calls, resources] = [new Map(), [], lines.filter((line) => line.type)];
  for (const line of lines.filter((line) => line.principal)) {
    const role = nameOf(line.principal, stack);
    if (!role) {
      continue; // a role of another stack
    }
    if (line.documents) {
      const known = roles.get(role) ?? { principal: line.principal, policies: new Map() };
      known.policies.set(line.policies, line.documents);
      // The first is how the stack was deployed: what cases add to it and take away again stands in later ones.
      known.deployed ??= line.documents;
      roles.set(role, known);
    } else {
      calls.push({ ...line, role });
    }
  }
  return { roles, calls, resources };
}

// Users are of any stack: the one who deploys works with stacks that are retired again.
function nameOf(principal, stack) {
  return new RegExp(`^role/${stack}-([A-Za-z]+Role)-`).exec(principal)?.[1] ?? /^user\/.+-(deployer|user)$/.exec(principal)?.[1];
}

const list = (value) => (Array.isArray(value) ? value : [value]);

// Every action that these policies allow something of.
function actionsOf(documents) {
  const allowing = documents.flatMap((one) => list(one.Statement)).filter((one) => one.Effect === "Allow");
  return new Set(allowing.flatMap((one) => list(one.Action)));
}

// The roles of the functions and of the instances, without the people.
function rolesOnly({ roles, calls }) {
  const isRole = (name) => name.endsWith("Role");
  return { roles: new Map([...roles].filter(([name]) => isRole(name))), calls: calls.filter(({ role }) => isRole(role)) };
}

module.exports = { actionsOf, list, read, rolesOnly };
