// Visitors of an Express site keep their sessions when the master is killed.
//
// The sessions are kept by connect-redis, over a Sentinel client of node-redis.

import assert from 'node:assert/strict';
import { RedisStore } from 'connect-redis';
import express from 'express';
import session from 'express-session';
import { ask, check, main, mend, waitUntil } from './checks.mjs';
import { connectSentinel } from './node_redis_sentinel.mjs';

const client = await connectSentinel();
const store = new RedisStore({ client, prefix: 'session:' });
const app = express();
app.use(session({ store, secret: 'none', resave: false, saveUninitialized: false, cookie: { maxAge: 600000 } }));
app.get('/', (request, response) => {
  request.session.visits = (request.session.visits ?? 0) + 1;
  response.send(String(request.session.visits));
});
app.get('/leave', (request, response) => request.session.destroy(() => response.send('bye')));
app.use((error, request, response, next) => response.status(503).send(String(error)));
const server = app.listen(0, '127.0.0.1');
await new Promise((resolve) => server.once('listening', resolve));
const site = `http://127.0.0.1:${server.address().port}`;

// A visitor, who keeps the cookie.
class Visitor {
  cookie = '';

  async get(path = '/') {
    const response = await fetch(site + path, { headers: { cookie: this.cookie } });
    const given = response.headers.get('set-cookie');
    if (given) [this.cookie] = given.split(';');
    return response.ok ? response.text() : `failed: ${await response.text()}`;
  }
}

const visitors = Array.from({ length: 20 }, () => new Visitor());
const visits = () => Promise.all(visitors.map((visitor) => visitor.get()));
const all = (number) => visitors.map(() => String(number));

async function fence() {
  const lease = await client.acquire();
  await lease.set('fence', '1');
  assert.equal(await lease.wait(2, 10000), 2);
  lease.release();
}

check('visits are counted, and a session can end', async () => {
  assert.deepEqual(await visits(), all(1));
  assert.deepEqual(await visits(), all(2));
  const guest = new Visitor();
  assert.equal(await guest.get(), '1');
  assert.equal(await guest.get('/leave'), 'bye');
  assert.equal(await guest.get(), '1');
});

async function liveThrough(word, number) {
  await fence();
  await ask(word);
  const guest = new Visitor();
  await waitUntil('the site serves', async () => !(await guest.get()).startsWith('failed'));
  assert.deepEqual(await visits(), all(number));
}

check('all sessions live through a crash of the master', () => liveThrough('kill', 3));

check('and through a master that hangs', async () => {
  await mend();
  await liveThrough('stop', 4);
});

check('it works as before', async () => {
  assert.deepEqual(await visits(), all(5));
  await Promise.all(visitors.map((visitor) => visitor.get('/leave')));
  assert.deepEqual(await visits(), all(1));
});

await main(async () => {});
