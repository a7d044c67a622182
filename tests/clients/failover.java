// What the programs of Java clients share: the way to the driver, a list of writes, and checks.

import com.google.gson.Gson;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;

class Failover {
    static final Facts FACTS = new Gson().fromJson(System.getenv("REDIS_FACTS"), Facts.class);
    static final BufferedReader DRIVER = new BufferedReader(new InputStreamReader(System.in));
    static final String ADD_UP = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
    static boolean failed;

    /** What the driver tells, as JSON. */
    static class Facts {
        int port;
        int protocol;
        String master_name;
        List<List<String>> sentinels;
        List<List<String>> servers;
        Map<String, String> tls;
    }

    interface Condition {
        boolean holds() throws Exception;
    }

    static void check(String name, Callable<String> run) {
        try {
            String said = run.call();
            System.out.println("ok " + name + (said.isEmpty() ? "" : " (" + said + ")"));
        } catch (Exception | AssertionError error) {
            failed = true;
            System.out.println("FAILED " + name);
            error.printStackTrace(System.out);
        }
    }

    static void demand(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    /** Asks the driver to `kill`, `stop` or `mend`, and waits until that is done. */
    static void ask(String word) throws IOException {
        System.out.println(word);
        demand("up".equals(DRIVER.readLine()), "the driver does not say that it is up");
    }

    static void waitUntil(String what, Condition condition) throws Exception {
        long end = System.nanoTime() + Duration.ofSeconds(30).toNanos();
        while (!condition.holds()) {
            demand(System.nanoTime() < end, "never: " + what);
            Thread.sleep(20);
        }
    }

    /**
     * The writes of a client: those that were answered, and those that two replicas confirmed.
     *
     * A write that was only answered may be lost in a failover, for replication does not wait. One
     * that `WAIT 2` confirmed is on both replicas, so whichever is promoted has it.
     */
    abstract static class Ledger extends Thread {
        final Set<String> answered = new HashSet<>();
        final Set<String> confirmed = new HashSet<>();
        final String prefix;
        final Class<? extends RuntimeException> refusal;
        int refused;
        volatile boolean ended;

        Ledger(String prefix, Class<? extends RuntimeException> refusal) {
            this.prefix = prefix;
            this.refusal = refusal;
            setDaemon(true);
        }

        /** Writes a key and returns how many replicas have it. */
        abstract long write(String key);

        @Override
        public void run() {
            for (int n = 0; !ended; n++) {
                try {
                    long replicas = write(prefix + n);
                    note(prefix + n, replicas);
                } catch (RuntimeException error) {
                    if (!refusal.isInstance(error)) {
                        throw error;
                    }
                    refuse();
                }
            }
        }

        synchronized void note(String key, long replicas) {
            answered.add(key);
            if (replicas >= 2) {
                confirmed.add(key);
            }
        }

        void refuse() {
            refused++;
            try {
                Thread.sleep(10);
            } catch (InterruptedException end) {
                ended = true;
            }
        }

        synchronized int answers() {
            return answered.size();
        }

        synchronized int confirmations() {
            return confirmed.size();
        }

        synchronized String sumUp(Set<String> kept) {
            Set<String> lost = new HashSet<>(confirmed);
            lost.removeAll(kept);
            demand(lost.isEmpty(), "confirmed but lost: " + lost);
            lost.addAll(answered);
            lost.removeAll(kept);
            return answered.size() + " writes answered, " + lost.size() + " of them lost; "
                + confirmed.size() + " confirmed, none lost; " + refused + " refused";
        }
    }
}
