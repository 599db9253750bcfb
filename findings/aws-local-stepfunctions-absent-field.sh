#!/bin/sh
# aws-local-stepfunctions 3.0.0 never takes the branch `IsPresent: false` of a Choice, which is the one for a field that is not there.
#
# Guess: `{"Variable": "$.x", "IsPresent": false}` matches an input without `x`, as Amazon States Language says and Step Functions
#   does. A state machine asks so before it reads a field that people may leave out.
# Behaviour: an input without `x` falls through to Default. `{"Not": {"Variable": "$.x", "IsPresent": true}}`, which means the same,
#   matches.
# Seen: IsPresent false: default, Not IsPresent true: absent
#
# It installs the engine in a temporary folder, runs it with Node, fails when the behaviour has changed, and cleans up.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >npm.log
npm install --silent --no-audit --no-fund --ignore-scripts aws-local-stepfunctions@3.0.0 >npm.log 2>&1
cat >ask.js <<'JAVASCRIPT'
const { StateMachine } = require("aws-local-stepfunctions");

async function taken(rule) {
  const machine = new StateMachine({
    StartAt: "Ask",
    States: {
      Ask: { Type: "Choice", Choices: [{ ...rule, Next: "Absent" }], Default: "Otherwise" },
      Absent: { Type: "Pass", Result: "absent", End: true },
      Otherwise: { Type: "Pass", Result: "default", End: true },
    },
  });
  return machine.run({ other: 1 }).result;
}

(async () => {
  const asked = await taken({ Variable: "$.x", IsPresent: false });
  const negated = await taken({ Not: { Variable: "$.x", IsPresent: true } });
  console.log(`IsPresent false: ${asked}, Not IsPresent true: ${negated}`);
  if (asked !== "default" || negated !== "absent") throw new Error("changed");
})();
JAVASCRIPT
node ask.js
