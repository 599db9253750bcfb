#!/bin/sh
# aws-local-stepfunctions 3.0.0 accepts a definition in JSONata and runs it without its expressions, and says nothing.
#
# Guess: an engine that does not know `QueryLanguage: JSONata` refuses the definition, since its validation is on and it does refuse
#   some fields that it does not know.
# Behaviour: the definition is valid, `Output` of a Pass state is dropped, and the execution succeeds with its own input as the
#   result. So a test of a machine in JSONata passes whatever its expressions say.
# Seen: result: {"count":1}, where Step Functions gives {"count":2}
#
# It installs the engine in a temporary folder, runs it with Node, fails when the behaviour has changed, and cleans up.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >npm.log
npm install --silent --no-audit --no-fund --ignore-scripts aws-local-stepfunctions@3.0.0 >npm.log 2>&1
cat >run.js <<'JAVASCRIPT'
const { StateMachine } = require("aws-local-stepfunctions");

(async () => {
  const machine = new StateMachine({
    QueryLanguage: "JSONata",
    StartAt: "Add",
    States: { Add: { Type: "Pass", Output: { count: "{% $states.input.count + 1 %}" }, End: true } },
  });
  const result = JSON.stringify(await machine.run({ count: 1 }).result);
  console.log(`result: ${result}, where Step Functions gives {"count":2}`);
  if (result !== '{"count":1}') throw new Error("changed");
})();
JAVASCRIPT
node run.js
