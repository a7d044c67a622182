// Jedis finds the new master through Sentinel, after a crash and after a master that hangs.

import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import redis.clients.jedis.AbstractTransaction;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.JedisPubSub;
import redis.clients.jedis.JedisSentinelPool;
import redis.clients.jedis.Pipeline;
import redis.clients.jedis.RedisProtocol;
import redis.clients.jedis.RedisSentinelClient;
import redis.clients.jedis.Response;
import redis.clients.jedis.SslOptions;
import redis.clients.jedis.SslVerifyMode;
import redis.clients.jedis.exceptions.JedisDataException;
import redis.clients.jedis.exceptions.JedisException;
import redis.clients.jedis.util.Delay;

class JedisFailover extends Failover {
    static SslOptions secret;

    static Set<HostAndPort> addresses(List<List<String>> told) {
        Set<HostAndPort> found = new HashSet<>();
        told.forEach(one -> found.add(new HostAndPort(one.get(0), Integer.parseInt(one.get(1)))));
        return found;
    }

    /** Java takes an authority out of a store, so the certificate is put into one. */
    static SslOptions trustIn(String certificate) throws IOException, GeneralSecurityException {
        char[] password = "trusted".toCharArray();
        KeyStore trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        try (FileInputStream file = new FileInputStream(certificate)) {
            CertificateFactory factory = CertificateFactory.getInstance("X.509");
            trusted.setCertificateEntry("ca", factory.generateCertificate(file));
        }
        File store = new File("trusted.p12");
        try (FileOutputStream file = new FileOutputStream(store)) {
            trusted.store(file, password);
        }
        return SslOptions.builder().truststore(store, password).trustStoreType("PKCS12")
            .sslVerifyMode(SslVerifyMode.FULL).build();
    }

    /** How servers and Sentinels are reached; none is waited for longer than a second. */
    static DefaultJedisClientConfig.Builder config() {
        DefaultJedisClientConfig.Builder config = DefaultJedisClientConfig.builder()
            .timeoutMillis(1000)
            .protocol(FACTS.protocol == 3 ? RedisProtocol.RESP3 : RedisProtocol.RESP2);
        return secret == null ? config : config.sslOptions(secret);
    }

    /** The client that Jedis recommends, which many threads use at the same time. */
    static RedisSentinelClient connect() {
        return RedisSentinelClient.builder().masterName(FACTS.master_name)
            .sentinels(addresses(FACTS.sentinels))
            // A subscription that hears nothing for so long ends: its master may hang.
            .clientConfig(config().blockingSocketTimeoutMillis(3000).build())
            .sentinelClientConfig(config().build())
            .sentinelReconnectDelay(Delay.constant(Duration.ofMillis(200)))
            .build();
    }

    /** The older way, with a pool that lends connections of RESP2. */
    static JedisSentinelPool pool() {
        DefaultJedisClientConfig config = config().protocol(RedisProtocol.RESP2).build();
        return new JedisSentinelPool(FACTS.master_name, addresses(FACTS.sentinels), config, config);
    }

    static Ledger writerWith(RedisSentinelClient client, String prefix) {
        return new Ledger(prefix, JedisException.class) {
            @Override
            long write(String key) {
                // In one pipeline, for WAIT speaks of what its own connection has written.
                try (Pipeline pipeline = client.pipelined()) {
                    Response<String> set = pipeline.set(key, "1");
                    Response<Long> replicas = pipeline.waitReplicas(2, 300);
                    pipeline.sync();
                    demand("OK".equals(set.get()), "SET is answered with OK");
                    return replicas.get();
                }
            }
        };
    }

    static Ledger writerWith(JedisSentinelPool pool, String prefix) {
        return new Ledger(prefix, JedisException.class) {
            @Override
            long write(String key) {
                try (Jedis lent = pool.getResource()) {
                    lent.set(key, "1");
                    return lent.waitReplicas(2, 300);
                }
            }
        };
    }

    /** Hears messages, and subscribes again whenever that ends. */
    static class Listener extends JedisPubSub implements Runnable {
        final RedisSentinelClient client;
        final List<String> got = new ArrayList<>();
        volatile boolean ended;

        Listener(RedisSentinelClient client) {
            this.client = client;
            Thread thread = new Thread(this);
            thread.setDaemon(true);
            thread.start();
        }

        @Override
        public void run() {
            while (!ended) {
                try {
                    client.subscribe(this, "news");
                } catch (JedisException end) {
                    Thread.yield();
                }
            }
        }

        @Override
        public synchronized void onMessage(String channel, String message) {
            got.add(message);
        }

        synchronized boolean heard(String message) {
            return got.contains(message);
        }
    }

    static long addUp(RedisSentinelClient client, String key) {
        return (Long) client.eval(ADD_UP, List.of(key), List.of("1"));
    }

    static void hear(RedisSentinelClient client, Listener listener, String message)
        throws Exception {
        waitUntil(message + " is heard", () -> {
            client.publish("news", message);
            return listener.heard(message);
        });
    }

    /** Takes the master away while two threads write, and another hears messages. */
    static String liveThrough(RedisSentinelClient client, String word) throws Exception {
        try (JedisSentinelPool pool = pool()) {
            List<Ledger> ledgers = List.of(
                writerWith(client, word + ":client:"), writerWith(pool, word + ":pool:"));
            Listener listener = new Listener(client);
            hear(client, listener, "before");
            HostAndPort before = client.getCurrentMaster();
            demand(addUp(client, "sum:" + word) == 1, "a script");
            for (Ledger ledger : ledgers) {
                ledger.start();
            }
            for (Ledger ledger : ledgers) {
                waitUntil("enough is confirmed", () -> ledger.confirmations() >= 100);
            }
            ask(word);
            for (Ledger ledger : ledgers) {
                int answers = ledger.answers();
                waitUntil("it writes on", () -> ledger.answers() >= answers + 5);
                ledger.ended = true;
            }
            for (Ledger ledger : ledgers) {
                ledger.join(20_000);
            }
            demand(!client.getCurrentMaster().equals(before), "there is another master");
            demand(!pool.getCurrentHostMaster().equals(before), "there is another master");
            hear(client, listener, "after");
            listener.ended = true;
            listener.unsubscribe();
            demand(addUp(client, "sum:" + word) == 2, "a script");
            Set<String> kept = client.keys(word + ":*");
            return ledgers.get(0).sumUp(kept) + "; with a pool: " + ledgers.get(1).sumUp(kept);
        }
    }

    static String findAll(RedisSentinelClient client) {
        for (HostAndPort address : addresses(FACTS.sentinels)) {
            try (Jedis sentinel = new Jedis(address, config().build())) {
                List<String> master = sentinel.sentinelGetMasterAddrByName(FACTS.master_name);
                demand(Integer.parseInt(master.get(1)) == FACTS.port, "the master is named");
                demand(sentinel.sentinelReplicas(FACTS.master_name).size() == 2, "two replicas");
            }
        }
        try (Pipeline pipeline = client.pipelined()) {
            pipeline.set("seen", "everywhere");
            Response<Long> replicas = pipeline.waitReplicas(2, 10_000);
            pipeline.sync();
            demand(replicas.get() == 2, "both replicas have it");
        }
        for (HostAndPort address : addresses(FACTS.servers)) {
            if (address.getPort() == FACTS.port) {
                continue;
            }
            try (Jedis replica = new Jedis(address, config().build())) {
                demand("everywhere".equals(replica.get("seen")), "a replica has it");
                demand("slave".equals(replica.role().get(0)), "it calls itself a replica");
                replica.set("seen", "no");
                throw new AssertionError("a replica took a write");
            } catch (JedisDataException refusal) {
                demand(refusal.getMessage().startsWith("READONLY"), refusal.getMessage());
            }
        }
        return "";
    }

    static String workAsBefore(RedisSentinelClient client) {
        try (AbstractTransaction transaction = client.multi()) {
            transaction.set("a", "1");
            transaction.incr("a");
            demand(List.of("OK", 2L).equals(transaction.exec()), "a transaction");
        }
        client.del("list");
        demand(client.blpop(0.1, "list") == null, "BLPOP waits in vain");
        client.rpush("list", "one", "two");
        demand(List.of("list", "one").equals(client.blpop(1, "list")), "BLPOP finds something");
        try (JedisSentinelPool pool = pool(); Jedis lent = pool.getResource()) {
            demand("master".equals(lent.role().get(0)), "the pool leads to the master");
            demand("2".equals(lent.get("a")), "it has what was written");
        }
        return "";
    }

    public static void main(String[] arguments) throws Exception {
        secret = FACTS.tls == null ? null : trustIn(FACTS.tls.get("ca"));
        RedisSentinelClient client = connect();
        check("the master and its replicas are found", () -> findAll(client));
        check("it lives through a crash of the master", () -> liveThrough(client, "kill"));
        check("it lives through a master that hangs", () -> {
            ask("mend");
            return liveThrough(client, "stop");
        });
        check("it works as before", () -> workAsBefore(client));
        System.exit(failed ? 1 : 0);
    }
}
