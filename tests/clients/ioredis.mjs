// The everyday work of ioredis, in the protocol that the environment names.

import assert from 'node:assert/strict';
import { Redis, Cluster } from 'ioredis';
import { check, crashServer, main, port, protocol, since72, sleep, tls, waitUntil } from './checks.mjs';

const open = [];

function connect(options = {}) {
  const client = new Redis({ port, protocol, tls, ...options });
  client.on('error', () => {});
  open.push(client);
  return client;
}

async function fresh() {
  open.splice(0).forEach((client) => client.disconnect());
  const client = connect();
  await client.flushall();
  return client;
}

check('values of every type come back', async (client) => {
  assert.equal(await client.set('s', 'v', 'EX', 100, 'NX'), 'OK');
  assert.equal(await client.set('s', 'w', 'NX'), null);
  assert.deepEqual(await client.mget('s', 'none'), ['v', null]);
  assert.equal(await client.rpush('l', 1, 2, 3), 3);
  assert.deepEqual(await client.lrange('l', 0, -1), ['1', '2', '3']);
  await client.hset('h', { a: 1, b: 'two' });
  assert.deepEqual(await client.hgetall('h'), { a: '1', b: 'two' });
  await client.zadd('z', 1, 'a', 2.5, 'b');
  assert.deepEqual(await client.zrange('z', 0, -1, 'WITHSCORES'), ['a', '1', 'b', '2.5']);
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, n) => n));
  await client.set('bytes', bytes);
  assert.deepEqual(await client.getBuffer('bytes'), bytes);
  await assert.rejects(client.incr('s'), /not an integer/);
});

check('pipelines answer in order', async (client) => {
  const pipeline = client.pipeline();
  for (let n = 0; n < 500; n += 1) pipeline.set(`k${n}`, n).get(`k${n}`);
  const replies = await pipeline.exec();
  assert.deepEqual(replies.filter((_, n) => n % 2).map(([, value]) => Number(value)),
    Array.from({ length: 500 }, (_, n) => n));
  const mixed = await client.pipeline().lpush('k0', 1).get('k0').exec();
  assert.match(mixed[0][0].message, /WRONGTYPE/);
  assert.equal(mixed[1][1], '0');
  const automatic = connect({ enableAutoPipelining: true });
  const many = await Promise.all(Array.from({ length: 200 }, () => automatic.incr('n')));
  assert.equal(Math.max(...many), 200);
});

check('transactions are whole, and a broken watch is told', async (client) => {
  const replies = await client.multi().set('a', 1).incr('a').exec();
  assert.deepEqual(replies, [[null, 'OK'], [null, 2]]);
  await client.watch('a');
  await connect().set('a', 'other');
  assert.equal(await client.multi().set('a', 'mine').exec(), null);
  await assert.rejects(client.multi().set('a').exec(), /EXECABORT/);
});

check('published messages arrive', async (client) => {
  const heard = connect();
  const got = [];
  heard.on('message', (channel, message) => got.push([channel, message]));
  heard.on('pmessage', (pattern, channel, message) => got.push([pattern, channel, message]));
  heard.on('smessage', (channel, message) => got.push(['shard', channel, message]));
  assert.equal(await heard.subscribe('news', 'more'), 2);
  assert.equal(await heard.psubscribe('w*'), 3);
  await heard.ssubscribe('shard');
  assert.equal(await client.publish('news', 'one'), 1);
  await client.publish('weather', 'two');
  await client.spublish('shard', 'three');
  await waitUntil('all are heard', () => got.length === 3);
  assert.deepEqual(got, [['news', 'one'], ['w*', 'weather', 'two'], ['shard', 'shard', 'three']]);
  await heard.unsubscribe('news', 'more');
  await heard.punsubscribe('w*');
  await heard.sunsubscribe('shard');
  assert.equal(await heard.get('none'), null);
});

check('defined commands run, and come back after SCRIPT FLUSH', async (client) => {
  client.defineCommand('addUp', {
    numberOfKeys: 1, lua: "return {KEYS[1], redis.call('INCRBY', KEYS[1], ARGV[1])}",
  });
  assert.deepEqual(await client.addUp('n', 5), ['n', 5]);
  await client.script('FLUSH');
  assert.deepEqual(await client.addUp('n', 5), ['n', 10]);
  await client.script('FLUSH');
  const replies = await client.pipeline().addUp('n', 1).addUp('n', 1).exec();
  assert.deepEqual(replies.map(([, value]) => value[1]), [11, 12]);
  assert.deepEqual(await client.multi().addUp('n', 1).exec(), [[null, ['n', 13]]]);
});

check('consumer groups share a stream, and a read waits', async (client) => {
  const ids = [];
  for (let n = 0; n < 10; n += 1) ids.push(await client.xadd('jobs', '*', 'n', n));
  await client.xgroup('CREATE', 'jobs', 'workers', 0);
  const read = async (name) =>
    (await client.xreadgroup('GROUP', 'workers', name, 'COUNT', 5, 'STREAMS', 'jobs', '>'))[0][1];
  const first = await read('ann');
  const second = await read('bob');
  assert.deepEqual([...first, ...second].map(([id]) => id), ids);
  assert.equal(await client.xack('jobs', 'workers', ...ids.slice(0, 5)), 5);
  const [, taken] = await client.xautoclaim('jobs', 'workers', 'ann', 0, 0);
  assert.deepEqual(taken.map(([id]) => id), ids.slice(5));
  const waiting = connect().xread('BLOCK', 5000, 'STREAMS', 'jobs', '$');
  await waitUntil('it waits', async () => /blocked_clients:1/.test(await client.info('clients')));
  await client.xadd('jobs', '*', 'late', 1);
  assert.deepEqual((await waiting)[0][1][0][1], ['late', '1']);
});

check('scan streams see everything once', async (client) => {
  await client.mset(Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`k${n}`, n])));
  const seen = new Set();
  for await (const keys of client.scanStream({ match: 'k*', count: 100 })) keys.forEach((key) => seen.add(key));
  assert.equal(seen.size, 1000);
});

check('a monitor sees commands', async (client) => {
  const monitor = await client.monitor();
  const seen = [];
  monitor.on('monitor', (_, words) => seen.push(words.join(' ')));
  await client.set('seen', 'yes');
  await waitUntil('the SET is told', () => seen.some((words) => /^set seen yes$/i.test(words)));
  monitor.disconnect();
});

check('a cluster client is told that this is no cluster', async () => {
  const options = { clusterRetryStrategy: () => null, lazyConnect: true, redisOptions: { tls } };
  const cluster = new Cluster([{ port }], options);
  cluster.on('error', () => {});
  let told = '';
  cluster.on('node error', (error) => { told = error.message; });
  await assert.rejects(cluster.connect());
  assert.match(told, /cluster support disabled/);
  cluster.disconnect();
});

check('a client lives through a restart, with its subscriptions', async (client) => {
  const heard = connect();
  const got = [];
  heard.on('message', (channel, message) => got.push(message));
  await heard.subscribe('news');
  await client.set('kept', 'yes');
  if (since72) assert.deepEqual(await client.call('WAITAOF', 1, 0, 2000), [1, 0]);
  else await sleep(2000);
  await crashServer();
  assert.equal(await client.get('kept'), 'yes');
  await waitUntil('a message is heard', async () => {
    await client.publish('news', 'again');
    return got.includes('again');
  });
});

await main(fresh);
