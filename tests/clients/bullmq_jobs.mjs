// A BullMQ worker finishes its jobs although the server is taken away while it works.
//
// A job is done at least once: what a client was told is in the file (`appendfsync always`) of a
// server alone, and at the replicas of a group, for which the client waits. A job whose worker lost
// the server in the middle loses its lock, counts as stalled, and is done again.

import assert from 'node:assert/strict';
import { FlowProducer, Queue, QueueEvents, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { ask, check, ioredisOptions, main, mend, sentinels, sleep, waitUntil } from './checks.mjs';

const JOBS = 200;
// A master that hangs is given up after three seconds; what waits for something new at the server,
// does so for one second at a time.
const connection = () => ioredisOptions({ maxRetriesPerRequest: null, socketTimeout: 3000 });
const done = new Map();
const events = new QueueEvents('jobs', { connection: connection(), blockingTimeout: 1000 });
const queue = new Queue('jobs', { connection: connection() });

async function work(job) {
  if (job.name === 'second time lucky' && job.attemptsMade === 0) throw new Error('not yet');
  if (job.name === 'sum') return Object.values(await job.getChildrenValues()).reduce((a, b) => a + b, 0);
  await sleep(20);
  done.set(job.data.n, (done.get(job.data.n) ?? 0) + 1);
  return job.data.n ** 2;
}

const worker = new Worker('jobs', work, {
  connection: connection(), drainDelay: 1, concurrency: 4,
  lockDuration: 1000, stalledInterval: 500, maxStalledCount: 100,
});
for (const part of [events, queue, worker]) part.on('error', () => {});

// Waits until all that was acknowledged so far is at both replicas.
async function fence() {
  const client = new Redis(connection());
  await client.set('fence', 1);
  assert.equal(await client.wait(2, 10000), 2);
  client.disconnect();
}

check('results, delays, priorities, retries and flows work', async () => {
  const plain = await queue.add('plain', { n: 3 });
  assert.equal(await plain.waitUntilFinished(events, 20000), 9);
  const late = await queue.add('late', { n: 4 }, { delay: 200 });
  assert.equal(await late.waitUntilFinished(events, 20000), 16);
  const urgent = await queue.add('urgent', { n: 5 }, { priority: 1 });
  assert.equal(await urgent.waitUntilFinished(events, 20000), 25);
  const lucky = await queue.add('second time lucky', { n: 6 }, { attempts: 3, backoff: 50 });
  assert.equal(await lucky.waitUntilFinished(events, 20000), 36);
  const flows = new FlowProducer({ connection: connection() });
  const children = [1, 2, 3].map((n) => ({ name: 'part', queueName: 'jobs', data: { n } }));
  const tree = await flows.add({ name: 'sum', queueName: 'jobs', children });
  assert.equal(await tree.job.waitUntilFinished(events, 20000), 14);
  await flows.close();
  assert.equal((await queue.getJobCounts('completed')).completed, 8);
});

check('a repeated job comes again and again', async () => {
  await queue.upsertJobScheduler('tick', { every: 100 }, { name: 'tick', data: { n: 'tick' } });
  await waitUntil('it came three times', () => (done.get('tick') ?? 0) >= 3);
  assert(await queue.removeJobScheduler('tick'));
});

check('all jobs are done although the server fails twice', async () => {
  const ids = [];
  const send = async (end) => {
    while (ids.length < end) {
      const jobs = Array.from({ length: 10 }, (_, n) => ({
        name: 'job', data: { n: 1000 + ids.length + n }, opts: { jobId: `job-${ids.length + n}` },
      }));
      // With these names a job that is sent twice is there once.
      for (let sent = false; !sent;) sent = await queue.addBulk(jobs).then(() => true, () => false);
      ids.push(...jobs.map((job) => job.opts.jobId));
    }
  };
  const finished = async () => {
    const states = await Promise.all(ids.map((id) => queue.getJobState(id)));
    return states.filter((state) => state === 'completed').length;
  };
  const second = sentinels.length ? 'stop' : 'kill';
  for (const [crashAt, word] of [[JOBS / 4, 'kill'], [JOBS / 2, second]]) {
    await send(crashAt);
    const before = done.size;
    await waitUntil('some are done', () => done.size >= before + 20);
    if (sentinels.length) await fence();
    await ask(word);
    if (word === 'kill') await mend();
  }
  await send(JOBS);
  await waitUntil('all are done', async () => (await finished()) === JOBS, 25);
  for (const id of ids) {
    const job = await queue.getJob(id);
    assert.equal(job.returnvalue, job.data.n ** 2);
    assert(done.get(job.data.n) >= 1);
  }
});

await main(async () => {});
