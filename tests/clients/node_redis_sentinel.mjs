// How node-redis, and what is built upon it, reaches the master of a group.

import { createSentinel } from 'redis';
import { masterName, protocol, sentinels, tls } from './checks.mjs';

export async function connectSentinel() {
  const socket = { connectTimeout: 1000, ...(tls && { tls: true, ...tls }) };
  const client = createSentinel({
    name: masterName,
    sentinelRootNodes: sentinels,
    RESP: protocol,
    scanInterval: 1000,
    // One connection for all commands, and others for who leases one. Without the first, commands
    // that are sent at the same time lose leases until there are none, as of this version.
    reserveClient: true,
    masterPoolSize: 4,
    maxCommandRediscovers: 100,
    // A connection at which nothing has come for so long is closed, for its master may hang; so
    // that idle ones stay open, something is asked there.
    nodeClientOptions: { socket: { ...socket, socketTimeout: 2000 }, pingInterval: 500 },
    sentinelClientOptions: { socket },
  });
  client.on('error', () => {});
  await client.connect();
  return client;
}
