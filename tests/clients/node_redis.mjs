// The everyday work of node-redis, in the protocol that the environment names.

import assert from 'node:assert/strict';
import { createClient, createClientPool, createCluster, defineScript } from 'redis';
import { check, crashServer, main, port, protocol, since72, sleep, tls, waitUntil } from './checks.mjs';

const open = [];
const addUp = defineScript({
  SCRIPT: "return redis.call('INCRBY', KEYS[1], ARGV[1])",
  NUMBER_OF_KEYS: 1,
  parseCommand(parser, key, by) {
    parser.pushKey(key);
    parser.push(String(by));
  },
  transformReply: (reply) => reply,
});

const secret = tls && { tls: true, ...tls };
const options = () => ({ socket: { port, reconnectStrategy: 50, ...secret }, RESP: protocol });

async function connect(more = {}) {
  const client = createClient({ ...options(), scripts: { addUp }, ...more });
  client.on('error', () => {});
  open.push(client);
  await client.connect();
  return client;
}

async function fresh() {
  open.splice(0).forEach((client) => client.destroy());
  const client = await connect();
  await client.flushAll();
  return client;
}

check('values of every type come back', async (client) => {
  assert.equal(await client.set('s', 'v', { expiration: { type: 'EX', value: 100 }, condition: 'NX' }), 'OK');
  assert.deepEqual(await client.mGet(['s', 'none']), ['v', null]);
  await client.hSet('h', { a: 1, b: 'two' });
  assert.deepEqual({ ...(await client.hGetAll('h')) }, { a: '1', b: 'two' });
  await client.zAdd('z', [{ score: 1, value: 'a' }, { score: 2.5, value: 'b' }]);
  assert.deepEqual(await client.zRangeWithScores('z', 0, -1),
    [{ value: 'a', score: 1 }, { value: 'b', score: 2.5 }]);
  assert.equal(await client.zScore('z', 'b'), 2.5);
  await client.sAdd('set', ['x', 'y']);
  assert.deepEqual([...(await client.sMembers('set'))].sort(), ['x', 'y']);
  await client.rPush('l', ['1', '2', '3']);
  assert.deepEqual(await client.lRange('l', 0, -1), ['1', '2', '3']);
  await assert.rejects(client.incr('s'), /not an integer/);
  assert.equal(await client.incrByFloat('f', 1.25), '1.25');
  assert.equal((await client.configGet('maxmemory'))['maxmemory'], '0');
});

check('pipelines and transactions answer in order', async (client) => {
  const replies = await Promise.all(Array.from({ length: 500 }, () => client.incr('n')));
  assert.deepEqual(replies, Array.from({ length: 500 }, (_, n) => n + 1));
  assert.deepEqual(await client.multi().set('a', '1').incr('a').get('a').exec(), ['OK', 2, '2']);
  await client.watch('a');
  await (await connect()).set('a', 'other');
  await assert.rejects(client.multi().set('a', 'mine').exec(), /watched/i);
  assert.deepEqual(await client.multi().set('b', '1').get('b').execAsPipeline(), ['OK', '1']);
});

check('a pool serves many at once', async (client) => {
  const pool = createClientPool(options(), { maximum: 10 });
  await pool.connect();
  await Promise.all(Array.from({ length: 500 }, () => pool.incr('n')));
  assert.equal(await client.get('n'), '500');
  pool.destroy();
});

check('published messages arrive', async (client) => {
  const heard = await connect();
  const got = [];
  await heard.subscribe('news', (message, channel) => got.push([channel, message]));
  await heard.pSubscribe('w*', (message, channel) => got.push([channel, message]));
  await heard.sSubscribe('shard', (message, channel) => got.push([channel, message]));
  assert.equal(await client.publish('news', 'one'), 1);
  await client.publish('weather', 'two');
  await client.sPublish('shard', 'three');
  await waitUntil('all are heard', () => got.length === 3);
  assert.deepEqual(got, [['news', 'one'], ['weather', 'two'], ['shard', 'three']]);
  // With RESP3 a subscriber runs commands, too.
  if (protocol === 3) assert.equal(await heard.get('none'), null);
  await heard.unsubscribe();
  await heard.pUnsubscribe();
  await heard.sUnsubscribe();
  assert.equal(await heard.get('none'), null);
});

check('scripts run, and come back after SCRIPT FLUSH', async (client) => {
  assert.equal(await client.addUp('n', 5), 5);
  await client.scriptFlush();
  assert.equal(await client.addUp('n', 5), 10);
  assert.deepEqual(await client.multi().addUp('n', 1).addUp('n', 1).exec(), [11, 12]);
  assert.deepEqual(await client.eval('return {1, ARGV[1], {KEYS[1]}}', { keys: ['k'], arguments: ['a'] }),
    [1, 'a', ['k']]);
});

check('consumer groups share a stream, and a read waits', async (client) => {
  const ids = [];
  for (let n = 0; n < 10; n += 1) ids.push(await client.xAdd('jobs', '*', { n: String(n) }));
  await client.xGroupCreate('jobs', 'workers', '0');
  const read = async (name) =>
    (await client.xReadGroup('workers', name, { key: 'jobs', id: '>' }, { COUNT: 5 }))[0].messages;
  const got = [...(await read('ann')), ...(await read('bob'))];
  assert.deepEqual(got.map((entry) => entry.id), ids);
  assert.equal(got[9].message.n, '9');
  assert.equal(await client.xAck('jobs', 'workers', ids.slice(0, 5)), 5);
  assert.equal((await client.xPending('jobs', 'workers')).pending, 5);
  const taken = await client.xAutoClaim('jobs', 'workers', 'ann', 0, '0');
  assert.deepEqual(taken.messages.map((entry) => entry.id), ids.slice(5));
  assert.equal((await client.xInfoGroups('jobs'))[0].pending, 5);
  const reader = await connect();
  const waiting = reader.xRead({ key: 'jobs', id: '$' }, { BLOCK: 5000 });
  await waitUntil('it waits', async () => /blocked_clients:1/.test(await client.info('clients')));
  await client.xAdd('jobs', '*', { late: '1' });
  assert.equal((await waiting)[0].messages[0].message.late, '1');
});

check('scan iterators see everything once', async (client) => {
  await client.mSet(Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`k${n}`, String(n)])));
  const seen = new Set();
  for await (const keys of client.scanIterator({ MATCH: 'k*', COUNT: 100 })) keys.forEach((key) => seen.add(key));
  assert.equal(seen.size, 1000);
});

if (protocol === 3) {
  check('a cached value is dropped when it changes', async (client) => {
    const reader = await connect({ clientSideCache: { ttl: 0, maxEntries: 100, evictPolicy: 'LRU' } });
    await client.set('k', 'one');
    const hits = async () => Number(/cmdstat_get:calls=(\d+)/.exec(await client.info('commandstats'))[1]);
    assert.equal(await reader.get('k'), 'one');
    const before = await hits();
    assert.equal(await reader.get('k'), 'one');
    assert.equal(await hits(), before);
    await client.set('k', 'two');
    await waitUntil('the old value is dropped', async () => (await reader.get('k')) === 'two');
  });
}

check('a cluster client is told that this is no cluster', async () => {
  const cluster = createCluster({ rootNodes: [options()] });
  cluster.on('error', () => {});
  await assert.rejects(cluster.connect());
});

check('a client lives through a restart, with its subscriptions', async (client) => {
  const heard = await connect();
  const got = [];
  await heard.subscribe('news', (message) => got.push(message));
  await client.set('kept', 'yes');
  if (since72) await client.sendCommand(['WAITAOF', '1', '0', '2000']);
  else await sleep(2000);
  await crashServer();
  // What was on the wire when the connection broke is told to the caller, who asks again.
  await waitUntil('it is connected again', () => client.get('kept').then((kept) => kept === 'yes', () => false));
  await waitUntil('a message is heard', async () => {
    await client.publish('news', 'again');
    await sleep(20);
    return got.includes('again');
  });
});

await main(fresh);
