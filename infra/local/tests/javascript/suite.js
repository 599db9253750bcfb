// Runs every test of the modules against the endpoint at the address given. Prints a line for each test; ends with 1 when
// something is wrong.
//
//     suite.js URL [CALL...]    the calls that the endpoint knows: their waiters must have been used
"use strict";

const { Caller, unused } = require("./caller");

async function main(url, ...calls) {
  const wrong = [];
  for (const name of ["life", "blocks", "refusals", "pages"]) {
    for (const [title, test] of Object.entries(require(`./${name}`).tests)) {
      const start = Date.now();
      try {
        await test(new Caller(url, calls));
        console.log(`${name}: ${title} ok in ${(Date.now() - start) / 1000} s`);
      } catch (error) {
        wrong.push(`${name}: ${title}\n${error.stack.slice(0, 3000)}`);
      }
    }
  }
  if (!wrong.length) wrong.push(...unused(calls).map((waiter) => `${waiter} is not used`));
  console.log(wrong.join("\n"));
  process.exitCode = wrong.length ? 1 : 0;
}

main(...process.argv.slice(2));
