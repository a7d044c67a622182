// What the programs of Node clients share: a list of checks, and the way to a failover.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const facts = JSON.parse(process.env.REDIS_FACTS);
export const { port, protocol } = facts;
export const host = '127.0.0.1';
export const masterName = facts.master_name;
export const sentinels = facts.sentinels.map(([host, port]) => ({ host, port }));
// What came with Redis 7.2 is not in the stock servers of some distributions.
export const since72 = facts.version[0] > 7 || (facts.version[0] === 7 && facts.version[1] >= 2);
// What Node needs to know for TLS; nothing where the server speaks none.
export const tls = facts.tls ? { ca: readFileSync(facts.tls.ca) } : undefined;
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const checks = [];
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

// How ioredis, and what is built upon it, reaches the one server or the master of a group.
export function ioredisOptions(more = {}) {
  if (!sentinels.length) return { host, port, tls, retryStrategy: () => 50, ...more };
  return {
    sentinels,
    name: masterName,
    tls,
    sentinelTLS: tls,
    enableTLSForSentinelMode: Boolean(tls),
    sentinelRetryStrategy: () => 100,
    connectTimeout: 1000,
    retryStrategy: () => 50,
    ...more,
  };
}

// Registers a check; its name says what works when it returns.
export function check(name, run) {
  checks.push([name, run]);
}

// Asks the driver to `kill`, `stop` or `mend`, and waits until that is done.
export async function ask(word) {
  console.log(word);
  assert.equal((await answers.next()).value, 'up');
}

// Has the server killed; it is back when this returns.
export const crashServer = () => ask('kill');

// Has what was taken away come back as a replica, where there is a group.
export const mend = async () => (sentinels.length ? ask('mend') : undefined);

export async function waitUntil(what, condition, seconds = 30) {
  const end = Date.now() + seconds * 1000;
  while (!(await condition())) {
    assert(Date.now() < end, `never: ${what}`);
    await sleep(20);
  }
}

// What a promise came to, or nothing when it failed.
export const attempt = (promise) => promise.then((value) => value, () => undefined);

// The writes of a client: those that were answered, and those that two replicas confirmed.
//
// A write that was only answered may be lost in a failover, for replication does not wait. One
// that `WAIT 2` confirmed is on both replicas, so whichever is promoted has it.
export class Ledger {
  answered = new Set();
  confirmed = new Set();
  refused = 0;
  count = 0;
  ended = false;

  // Writes until told to end: `write` gives the number of replicas that confirmed a key.
  async keepWriting(write) {
    while (!this.ended) {
      const key = `ledger:${this.count += 1}`;
      try {
        const replicas = await write(key);
        this.answered.add(key);
        if (replicas >= 2) this.confirmed.add(key);
      } catch {
        this.refused += 1;
        await sleep(10);
      }
    }
  }

  // What is to be said, given the keys that the new master has.
  sumUp(keys) {
    const kept = new Set(keys);
    const lost = (wanted) => [...wanted].filter((key) => !kept.has(key));
    assert.deepEqual(lost(this.confirmed), []);
    assert(this.confirmed.size >= 50, `only ${this.confirmed.size} were confirmed`);
    return `${this.answered.size} writes answered, ${lost(this.answered).length} of them lost; `
      + `${this.confirmed.size} confirmed, none lost; ${this.refused} refused`;
  }
}

// Runs all checks, each with what `prepare` makes for it; in a group they may take longer.
export async function main(prepare) {
  let failed = 0;
  for (const [name, run] of checks) {
    const timer = setTimeout(
      () => { console.log(`FAILED ${name}: it hangs`); process.exit(1); },
      sentinels.length ? 90000 : 30000,
    );
    try {
      const said = await run(await prepare());
      console.log(`ok ${name}${said ? ` (${said})` : ''}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED ${name}: ${error.stack}`);
    }
    clearTimeout(timer);
  }
  process.exit(failed > 0 ? 1 : 0);
}
