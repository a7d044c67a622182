// What the programs of Node clients share: a list of checks, and the way to a crash.

import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';

export const port = Number(process.env.REDIS_PORT);
export const protocol = Number(process.env.REDIS_PROTOCOL);
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const checks = [];
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

// Registers a check; its name says what works when it returns.
export function check(name, run) {
  checks.push([name, run]);
}

// Has the server killed, and started again with what it had kept.
export async function crashServer() {
  console.log('kill');
  assert.equal((await answers.next()).value, 'up');
}

export async function waitUntil(what, condition, seconds = 30) {
  const end = Date.now() + seconds * 1000;
  while (!(await condition())) {
    assert(Date.now() < end, `never: ${what}`);
    await sleep(20);
  }
}

// Runs all checks, each with what `prepare` makes for it.
export async function main(prepare) {
  let failed = 0;
  for (const [name, run] of checks) {
    const timer = setTimeout(() => { console.log(`FAILED ${name}: it hangs`); process.exit(1); }, 30000);
    try {
      await run(await prepare());
      console.log(`ok ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED ${name}: ${error.stack}`);
    }
    clearTimeout(timer);
  }
  process.exit(failed > 0 ? 1 : 0);
}
