// ioredis finds the new master through Sentinel, after a crash and after a master that hangs.

import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import { Ledger, ask, attempt, check, ioredisOptions, main, mend, port, protocol, waitUntil } from './checks.mjs';

const open = [];

function connect(options = {}) {
  // Without a limit for the socket a master that hangs is waited for, though the Sentinels have
  // named another. (The library's `failoverDetector` would see it too, but a client that is just
  // connecting when a Sentinel tells of the failover ends for good then, as of this version.)
  const client = new Redis(ioredisOptions({ protocol, socketTimeout: 1500, ...options }));
  client.on('error', () => {});
  client.defineCommand('addUp', { numberOfKeys: 1, lua: "return redis.call('INCRBY', KEYS[1], ARGV[1])" });
  open.push(client);
  return client;
}

async function fresh() {
  open.splice(0).forEach((client) => client.disconnect());
  return connect();
}

const runId = async (client) => /run_id:(\w+)/.exec(await client.info('server'))[1];

async function keys(client) {
  const found = [];
  for await (const part of client.scanStream({ match: 'ledger:*', count: 1000 })) found.push(...part);
  return found;
}

// Takes the master away while one client writes, and another hears messages.
async function liveThrough(client, word) {
  const ledger = new Ledger();
  const heard = connect();
  const got = [];
  heard.on('message', (_, message) => got.push(message));
  await heard.subscribe('news');
  assert.equal(await client.addUp(`sum:${word}`, 1), 1);
  const before = await runId(client);
  const writing = ledger.keepWriting(async (key) => {
    const { stream } = client;
    await client.set(key, 1);
    const replicas = await client.wait(2, 300);
    // WAIT speaks of what its own connection has written.
    return stream === client.stream ? replicas : 0;
  });
  await waitUntil('enough is confirmed', () => ledger.confirmed.size >= 100);
  await ask(word);
  const answered = ledger.answered.size;
  await waitUntil('it writes on', () => ledger.answered.size >= answered + 5);
  ledger.ended = true;
  await writing;
  assert.notEqual(await runId(client), before);
  // The new master may not know the script; the library sends it again.
  assert.equal(await client.addUp(`sum:${word}`, 1), 2);
  // A subscription has no command whose answer is late, so that limit does not help it. When the
  // old master goes on, the Sentinels make it a replica and have it close its connections.
  if (word === 'stop') await mend();
  await waitUntil('a message is heard again', async () => {
    await attempt(client.publish('news', 'again'));
    return got.includes('again');
  });
  return ledger.sumUp(await keys(client));
}

check('the master and its replicas are found', async (client) => {
  await client.set('seen', 'everywhere');
  assert.equal(await client.wait(2, 10000), 2);
  const replica = connect({ role: 'slave' });
  assert.equal(await replica.get('seen'), 'everywhere');
  assert.equal((await replica.role())[0], 'slave');
  assert.equal((await client.config('GET', 'port', 'tls-port')).includes(String(port)), true);
  await assert.rejects(replica.set('seen', 'no'), /READONLY/);
});

check('it lives through a crash of the master', (client) => liveThrough(client, 'kill'));

check('it lives through a master that hangs', async (client) => {
  await client.del(await keys(client));
  await mend();
  return liveThrough(client, 'stop');
});

check('it works as before', async (client) => {
  assert.deepEqual(await client.multi().set('a', 1).incr('a').exec(), [[null, 'OK'], [null, 2]]);
  assert.equal((await client.role())[0], 'master');
});

await main(fresh);
