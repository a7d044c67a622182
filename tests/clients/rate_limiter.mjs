// rate-limiter-flexible goes on to count what it had counted when the master is killed.

import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import { RateLimiterMemory, RateLimiterRedis } from 'rate-limiter-flexible';
import { ask, attempt, check, ioredisOptions, main, mend, waitUntil } from './checks.mjs';

// Commands are refused at once while there is no master, so that the limiter can do without.
const client = new Redis(ioredisOptions({ enableOfflineQueue: false, socketTimeout: 1500 }));
client.on('error', () => {});
const limits = { storeClient: client, points: 10, duration: 3600 };
const limiter = new RateLimiterRedis({ ...limits, keyPrefix: 'limit' });
const insured = new RateLimiterRedis({
  ...limits, keyPrefix: 'insured', insuranceLimiter: new RateLimiterMemory({ points: 1000, duration: 3600 }),
});

// How many of so many requests pass.
async function passed(limiter, who, count) {
  let allowed = 0;
  for (let n = 0; n < count; n += 1) {
    // What is refused is thrown too, but is no error.
    allowed += await limiter.consume(who).then(() => 1, (reason) => {
      if (reason instanceof Error) throw reason;
      return 0;
    });
  }
  return allowed;
}

check('it refuses what is too much', async () => {
  await waitUntil('it is connected', () => client.status === 'ready');
  assert.equal(await passed(limiter, 'before', 12), 10);
  await limiter.block('somebody', 60);
  assert.equal(await passed(limiter, 'somebody', 1), 0);
  await limiter.penalty('other', 4);
  assert.equal((await limiter.get('other')).remainingPoints, 6);
});

async function liveThrough(word) {
  assert.equal(await passed(limiter, word, 7), 7);
  assert.equal(await client.wait(2, 10000), 2);
  const failover = ask(word);
  let lost = false;
  client.once('close', () => { lost = true; });
  // A connection at which nothing is asked does not find out that its master hangs.
  await waitUntil('the connection is lost', () => lost || void attempt(client.ping()));
  // While there is no master one limiter tells so, and the other counts by itself.
  await assert.rejects(limiter.consume(word), Error);
  assert.equal(await passed(insured, word, 5), 5);
  await failover;
  await waitUntil('the new master is reached', () => attempt(client.ping()));
  assert.equal(await passed(limiter, word, 5), 3);
}

check('what was counted counts after a crash of the master', () => liveThrough('kill'));

check('and after it hung', async () => {
  await mend();
  await liveThrough('stop');
});

check('it works as before', async () => {
  assert.equal(await passed(limiter, 'after', 12), 10);
  assert(await limiter.delete('after'));
  assert.equal(await passed(limiter, 'after', 1), 1);
});

await main(async () => {});
