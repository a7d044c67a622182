// Lettuce finds the new master through Sentinel, after a crash and after a master that hangs.

import io.lettuce.core.ClientOptions;
import io.lettuce.core.LettuceFutures;
import io.lettuce.core.ReadFrom;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.RedisException;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.RedisURI;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.SocketOptions;
import io.lettuce.core.SslOptions;
import io.lettuce.core.TimeoutOptions;
import io.lettuce.core.TransactionResult;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.async.RedisAsyncCommands;
import io.lettuce.core.codec.StringCodec;
import io.lettuce.core.masterreplica.MasterReplica;
import io.lettuce.core.masterreplica.StatefulRedisMasterReplicaConnection;
import io.lettuce.core.protocol.ProtocolVersion;
import io.lettuce.core.pubsub.RedisPubSubAdapter;
import io.lettuce.core.pubsub.StatefulRedisPubSubConnection;
import io.lettuce.core.sentinel.api.StatefulRedisSentinelConnection;
import io.lettuce.core.sentinel.api.sync.RedisSentinelCommands;
import java.io.File;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

class LettuceFailover extends Failover {
    static final Duration PATIENCE = Duration.ofSeconds(1);

    static RedisURI uri() {
        RedisURI.Builder uri = RedisURI.builder().withSentinelMasterId(FACTS.master_name);
        FACTS.sentinels.forEach(one -> uri.withSentinel(one.get(0), Integer.parseInt(one.get(1))));
        // After the Sentinels, for it is set for those that are known by then.
        return uri.withSsl(FACTS.tls != null).withTimeout(PATIENCE).build();
    }

    static RedisClient client() {
        ClientOptions.Builder options = ClientOptions.builder()
            .protocolVersion(FACTS.protocol == 3 ? ProtocolVersion.RESP3 : ProtocolVersion.RESP2)
            .socketOptions(SocketOptions.builder().connectTimeout(PATIENCE).build())
            .timeoutOptions(TimeoutOptions.enabled(PATIENCE))
            // Otherwise what was sent but not answered is sent again, to another server: that one
            // would confirm with WAIT what it never got.
            .disconnectedBehavior(ClientOptions.DisconnectedBehavior.REJECT_COMMANDS);
        if (FACTS.tls != null) {
            File authority = new File(FACTS.tls.get("ca"));
            options.sslOptions(SslOptions.builder().trustManager(authority).build());
        }
        RedisClient client = RedisClient.create();
        client.setOptions(options.build());
        return client;
    }

    /** A connection that asks Sentinels who is master, and hears from them when that changes. */
    static StatefulRedisMasterReplicaConnection<String, String> follow(RedisClient client) {
        return MasterReplica.connect(client, StringCodec.UTF8, uri());
    }

    static Ledger writerWith(StatefulRedisConnection<String, String> connection, String prefix) {
        RedisAsyncCommands<String, String> commands = connection.async();
        return new Ledger(prefix, RedisException.class) {
            @Override
            long write(String key) {
                // Both at once, for WAIT speaks of what its own connection has written.
                RedisFuture<String> set = commands.set(key, "1");
                RedisFuture<Long> replicas = commands.waitForReplication(2, 300);
                demand("OK".equals(await(set)), "SET is answered with OK");
                return await(replicas);
            }
        };
    }

    static <T> T await(RedisFuture<T> answer) {
        return LettuceFutures.awaitOrCancel(answer, 2, TimeUnit.SECONDS);
    }

    static long addUp(StatefulRedisConnection<String, String> connection, String key) {
        String[] keys = {key};
        return connection.sync().<Long>eval(ADD_UP, ScriptOutputType.INTEGER, keys, "1");
    }

    static String runId(StatefulRedisConnection<String, String> connection) {
        return connection.sync().info("server").lines()
            .filter(line -> line.startsWith("run_id:")).findFirst().orElseThrow();
    }

    static void hear(
        StatefulRedisConnection<String, String> client, Set<String> got, String message)
        throws Exception {
        waitUntil(message + " is heard", () -> {
            client.sync().publish("news", message);
            return got.contains(message);
        });
    }

    /**
     * Takes the master away while two threads write, and another connection hears messages.
     *
     * Only a connection of `MasterReplica` leaves a master that hangs. The others ask Sentinels who
     * is master when they connect, and are closed when that one goes on and becomes a replica.
     */
    static String liveThrough(RedisClient client, String word) throws Exception {
        try (StatefulRedisConnection<String, String> following = follow(client);
                StatefulRedisConnection<String, String> plain = client.connect(uri());
                StatefulRedisPubSubConnection<String, String> heard = client.connectPubSub(uri())) {
            Set<String> got = ConcurrentHashMap.newKeySet();
            heard.addListener(new RedisPubSubAdapter<>() {
                @Override
                public void message(String channel, String message) {
                    got.add(message);
                }
            });
            heard.sync().subscribe("news");
            hear(following, got, "before");
            demand(addUp(following, "sum:" + word) == 1, "a script");
            String before = runId(following);
            Ledger ledger = writerWith(following, word + ":following:");
            Ledger other = writerWith(plain, word + ":plain:");
            ledger.start();
            other.start();
            waitUntil("enough is confirmed", () -> ledger.confirmations() >= 100);
            waitUntil("enough is confirmed", () -> other.confirmations() >= 100);
            ask(word);
            awaitMore(ledger);
            demand(!runId(following).equals(before), "it is another master");
            if (word.equals("stop")) {
                ask("mend");
            }
            awaitMore(other);
            for (Ledger one : List.of(ledger, other)) {
                one.ended = true;
                one.join(20_000);
            }
            demand(!runId(plain).equals(before), "it is another master");
            hear(following, got, "after");
            demand(addUp(following, "sum:" + word) == 2, "a script");
            Set<String> kept = new HashSet<>(following.sync().keys(word + ":*"));
            return ledger.sumUp(kept) + "; with a plain connection: " + other.sumUp(kept);
        }
    }

    static void awaitMore(Ledger ledger) throws Exception {
        int answers = ledger.answers();
        waitUntil("it writes on", () -> ledger.answers() >= answers + 5);
    }

    static String findAll(RedisClient client) {
        try (StatefulRedisSentinelConnection<String, String> one = client.connectSentinel(uri());
                StatefulRedisMasterReplicaConnection<String, String> any = follow(client)) {
            RedisSentinelCommands<String, String> sentinel = one.sync();
            SocketAddress master = sentinel.getMasterAddrByName(FACTS.master_name);
            demand(((InetSocketAddress) master).getPort() == FACTS.port, "the master is named");
            demand(sentinel.replicas(FACTS.master_name).size() == 2, "two replicas");
            any.sync().set("seen", "everywhere");
            demand(any.sync().waitForReplication(2, 900) == 2, "both replicas have it");
            any.setReadFrom(ReadFrom.REPLICA);
            demand("everywhere".equals(any.sync().get("seen")), "a replica has it");
        }
        return "";
    }

    static String workAsBefore(RedisClient client) {
        try (StatefulRedisConnection<String, String> plain = client.connect(uri())) {
            plain.sync().multi();
            plain.sync().set("a", "1");
            plain.sync().incr("a");
            TransactionResult done = plain.sync().exec();
            demand(List.of("OK", 2L).equals(done.stream().toList()), "a transaction");
            demand("master".equals(plain.sync().role().get(0)), "it is connected to the master");
            try {
                plain.sync().lpush("a", "none");
                throw new AssertionError("a string took an element");
            } catch (RedisCommandExecutionException refusal) {
                demand(refusal.getMessage().startsWith("WRONGTYPE"), refusal.getMessage());
            }
        }
        return "";
    }

    public static void main(String[] arguments) {
        RedisClient client = client();
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
