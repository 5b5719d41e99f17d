// Reads one simulation per line on stdin, answers one verdict per line on stdout.
// Argument: a folder whose node_modules hold @cloud-copilot/iam-simulate (AGPL-3.0, test only, separate process).
const { createRequire } = require('node:module');
const path = require('node:path');
const readline = require('node:readline');

const load = createRequire(path.join(path.resolve(process.argv[2]), 'oracle.cjs'));
const { runUnsafeSimulation } = load('@cloud-copilot/iam-simulate');
const { loadPolicy } = load('@cloud-copilot/iam-policy');

// Version 0.1.173 asks a resource policy for a name that its own entry point never gives it.
const policy = Object.getPrototypeOf(loadPolicy({ Version: '2012-10-17', Statement: [] }));
const metadata = policy.metadata;
policy.metadata = function () {
  return metadata.call(this) ?? { name: 'resource' };
};

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    let answer;
    try {
      answer = runUnsafeSimulation(JSON.parse(line), { simulationMode: 'Strict' });
    } catch (error) {
      answer = `error: ${error.message}`;
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}

main();
