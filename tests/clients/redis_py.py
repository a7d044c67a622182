"""The everyday work of redis-py, in the protocol that the environment names."""

import threading

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

import checks
from checks import check, wait_until


def connect(**options):
    return checks.master(decode_responses=True, **options)


def fresh():
    client = connect()
    client.flushall()
    return client


def fails(kind, words, function, *arguments):
    try:
        function(*arguments)
    except kind as error:
        assert words in str(error), error
        return
    raise AssertionError(f"{function} was to fail")


@check
def values_of_every_type_come_back(client):
    assert client.set("s", "v", ex=100, nx=True) and client.set("s", "w", nx=True) is None
    assert client.get("s") == "v" and 90 < client.ttl("s") <= 100
    assert client.mget("s", "none") == ["v", None]
    assert client.incrbyfloat("f", 1.25) == 1.25
    client.rpush("l", 1, 2, 3)
    assert client.lrange("l", 0, -1) == ["1", "2", "3"] and client.lpop("l", 2) == ["1", "2"]
    client.hset("h", mapping={"a": 1, "b": "two"})
    assert client.hgetall("h") == {"a": "1", "b": "two"}
    client.sadd("set", "x", "y")
    assert set(client.smembers("set")) == {"x", "y"}
    client.zadd("z", {"a": 1, "b": 2.5})
    assert [tuple(pair) for pair in client.zrange("z", 0, -1, withscores=True)] == [("a", 1.0), ("b", 2.5)]
    assert client.zscore("z", "b") == 2.5 and client.zrank("z", "b") == 1
    client.geoadd("g", [13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"])
    assert round(client.geodist("g", "Palermo", "Catania", unit="km")) == 166
    client.pfadd("hll", *range(100))
    assert 98 <= client.pfcount("hll") <= 102
    client.setbit("bits", 7, 1)
    assert client.bitcount("bits") == 1 and client.bitfield("bits").get("u8", 0).execute() == [1]


@check
def errors_are_raised_as_their_kinds(client):
    client.set("s", "v")
    fails(redis.ResponseError, "WRONGTYPE", client.lpush, "s", 1)
    fails(redis.ResponseError, "not an integer", client.incr, "s")
    fails(redis.ResponseError, "unknown command", client.execute_command, "NOSUCH")
    fails(redis.exceptions.NoScriptError, "No matching script", client.evalsha, "f" * 40, 0)
    fails(redis.AuthenticationError, "", lambda: connect(username="no", password="one").ping())
    client.acl_setuser("narrow", enabled=True, passwords=["+secret"], commands=["+get"], keys=["a*"])
    narrow = connect(username="narrow", password="secret")
    assert narrow.get("a1") is None
    fails(redis.exceptions.NoPermissionError, "", narrow.get, "b1")
    client.acl_deluser("narrow")


@check
def pipelines_answer_in_order(client):
    with client.pipeline(transaction=False) as pipe:
        for n in range(500):
            pipe.set(f"k{n}", n).get(f"k{n}")
        replies = pipe.execute()
    assert replies[1::2] == [str(n) for n in range(500)]
    with client.pipeline(transaction=False) as pipe:
        replies = pipe.set("s", "v").lpush("s", 1).get("s").execute(raise_on_error=False)
    assert replies[0] and isinstance(replies[1], redis.ResponseError) and replies[2] == "v"


@check
def transactions_and_watch_keep_a_counter_right(client):
    client.set("count", 0)

    def add_twenty():
        mine = connect()
        for _ in range(20):
            mine.transaction(lambda pipe: bump(pipe), "count")

    def bump(pipe):
        now = int(pipe.get("count"))
        pipe.multi()
        pipe.set("count", now + 1)

    threads = [threading.Thread(target=add_twenty) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get("count") == "80"


@check
def a_broken_watch_is_told(client):
    with client.pipeline() as pipe:
        pipe.watch("k")
        client.set("k", "other")
        pipe.multi()
        pipe.set("k", "mine")
        fails(redis.WatchError, "", pipe.execute)
    assert client.get("k") == "other"


@check
def published_messages_arrive(client):
    with client.pubsub() as heard:
        heard.subscribe("news")
        heard.psubscribe("w*")
        heard.ssubscribe("shard")
        kinds = [heard.get_message(timeout=5)["type"] for _ in range(3)]
        assert kinds == ["subscribe", "psubscribe", "ssubscribe"], kinds
        assert client.publish("news", "one") == 1 and client.publish("weather", "two") == 1
        assert client.spublish("shard", "three") == 1
        got = [heard.get_message(timeout=5) for _ in range(3)]
        assert [message["data"] for message in got] == ["one", "two", "three"], got
        assert client.pubsub_numsub("news") == [("news", 1)] and client.pubsub_numpat() == 1
    messages = []
    with client.pubsub(ignore_subscribe_messages=True) as heard:
        heard.subscribe(news=messages.append)
        thread = heard.run_in_thread(sleep_time=0.01)
        wait_until("the thread hears it", lambda: client.publish("news", "x") and messages)
        thread.stop()
        thread.join()


@check
def keyspace_events_arrive(client):
    client.config_set("notify-keyspace-events", "KEA")
    with client.pubsub(ignore_subscribe_messages=True) as heard:
        heard.psubscribe("__keyevent@0__:*")
        heard.get_message(timeout=5)
        client.set("k", "v", px=10)
        kinds = []
        wait_until("it expires", lambda: kinds.append(heard.get_message(timeout=1)) or "expired" in
                   [message["channel"].split(":")[1] for message in kinds if message])
    client.config_set("notify-keyspace-events", "")


@check
def a_lock_is_held_by_one(client):
    with client.lock("lock", timeout=10) as held:
        other = connect().lock("lock", timeout=10, blocking=False)
        assert not other.acquire() and held.owned() and held.extend(5)
    assert other.acquire()
    client.delete("lock")
    fails(redis.exceptions.LockError, "", other.release)
    total = []

    def work():
        with connect().lock("lock", timeout=10, sleep=0.01):
            total.append(len(total))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total == list(range(8))


@check
def registered_scripts_run_and_come_back_after_a_flush(client):
    script = client.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    assert script(keys=["n"], args=[5]) == 5
    client.script_flush()
    assert script(keys=["n"], args=[5]) == 10
    with client.pipeline() as pipe:
        script(keys=["n"], args=[1], client=pipe)
        script(keys=["n"], args=[1], client=pipe)
        assert pipe.execute() == [11, 12]
    assert client.script_exists(script.sha, "f" * 40) == [True, False]
    assert client.eval("return {1, 'two', {3}, false}", 0) == [1, "two", [3], None]


@check
def consumer_groups_share_a_stream(client):
    ids = [client.xadd("jobs", {"n": n}) for n in range(10)]
    client.xgroup_create("jobs", "workers", id="0")
    fails(redis.ResponseError, "BUSYGROUP", client.xgroup_create, "jobs", "workers")

    def read(consumer, count, after=">"):
        reply = client.xreadgroup("workers", consumer, {"jobs": after}, count=count)
        streams = dict(reply) if isinstance(reply, dict) else {name: [found] for name, found in reply}
        return [entry for part in streams["jobs"] for entry in part]

    first, second = read("ann", 6), read("bob", 6)
    assert [entry[0] for entry in first + second] == ids and first[0][1] == {"n": "0"}
    assert client.xack("jobs", "workers", *ids[:5]) == 5
    assert client.xpending("jobs", "workers")["pending"] == 5
    pending = client.xpending_range("jobs", "workers", "-", "+", 10)
    assert [entry["consumer"] for entry in pending] == ["ann"] + ["bob"] * 4
    taken = client.xautoclaim("jobs", "workers", "bob", 0)
    assert [entry[0] for entry in taken[1]] == ids[5:]
    assert client.xinfo_groups("jobs")[0]["pending"] == 5
    assert len(client.xinfo_consumers("jobs", "workers")) == 2
    assert client.xinfo_stream("jobs", full=True)["length"] == 10
    assert client.xtrim("jobs", maxlen=3, approximate=False) == 7 and len(client.xrange("jobs")) == 3
    thread = threading.Timer(0.05, lambda: connect().xadd("jobs", {"late": 1}))
    thread.start()
    assert client.xread({"jobs": "$"}, block=5000)
    thread.join()


@check
def blocking_pops_wait_for_what_is_pushed(client):
    def later(*words):
        other = connect()
        wait_until("somebody waits", lambda: other.info("clients")["blocked_clients"] == 1)
        other.execute_command(*words)

    for words, pop, popped in [
        (("RPUSH", "q", "v"), lambda: client.blpop("q", 5), ("q", "v")),
        (("RPUSH", "q", "v"), lambda: client.blmove("q", "done", 5), "v"),
        (("ZADD", "z", "1", "m"), lambda: client.bzpopmin("z", 5), ("z", "m", 1.0)),
    ]:
        thread = threading.Thread(target=later, args=words)
        thread.start()
        got = pop()
        assert (got if isinstance(got, str) else tuple(got)) == popped, got
        thread.join()
    assert client.blpop("q", 0.05) is None


@check
def scan_iterators_see_everything_once(client):
    keys = {f"key:{n}" for n in range(1000)}
    client.mset({key: 1 for key in keys})
    assert set(client.scan_iter(match="key:*", count=50)) == keys
    assert list(client.scan_iter(_type="hash")) == []
    client.hset("h", mapping={str(n): n for n in range(700)})
    client.sadd("s", *range(700))
    client.zadd("z", {str(n): n for n in range(700)})
    assert len(dict(client.hscan_iter("h"))) == 700
    assert len(set(client.sscan_iter("s"))) == 700
    assert len(dict(client.zscan_iter("z"))) == 700


@check
def what_the_server_tells_is_understood(client):
    assert client.info()["redis_version"] == client.info("server")["redis_version"]
    assert client.config_get("maxmemory*")["maxmemory-policy"] == "noeviction"
    assert client.client_setname("me") and client.client_getname() == "me"
    me = client.client_info()
    assert me["name"] == "me" and int(me["resp"]) == checks.PROTOCOL
    assert not checks.SINCE_7_2 or me["lib-name"].startswith("redis-py")
    assert any(row["name"] == "me" for row in client.client_list())
    assert client.command_count() > 200 and "get" in client.command()
    assert client.command_getkeys("MSET", "a", "1", "b", "2") == ["a", "b"]
    client.config_set("slowlog-log-slower-than", 0)
    client.get("slow")
    assert b"GET slow" in [entry["command"] for entry in client.slowlog_get()]
    client.config_set("slowlog-log-slower-than", 10000)
    assert client.object("encoding", "none") is None
    assert client.acl_whoami() == "default" and client.latency_doctor is not None
    assert client.memory_usage("none") is None and client.time()[0] > 0
    assert client.role()[0] == "master" and client.dbsize() == 0


@check
def a_monitor_sees_commands(client):
    with client.monitor() as monitor:
        connect().set("seen", "yes")
        commands = iter(monitor.listen())
        wait_until("the SET is told", lambda: next(commands)["command"] == "SET seen yes")


@check
def a_shared_pool_serves_many_threads(client):
    shared = connect(max_connections=30)

    def work():
        for _ in range(50):
            shared.incr("n")

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get("n") == "1000"
    assert int(connect(db=3).client_info()["db"]) == 3
    shared.connection_pool.disconnect()


def a_cached_value_is_dropped_when_it_changes(client):
    with connect(client_name="listener").pubsub(ignore_subscribe_messages=True) as heard:
        heard.subscribe("__redis__:invalidate")
        heard.get_message(timeout=5)
        listener = [row["id"] for row in client.client_list() if row["name"] == "listener"]
        reader = connect(single_connection_client=True)
        reader.client_tracking_on(clientid=listener[0])
        client.set("k", "one")
        assert reader.get("k") == "one"
        client.set("k", "two")
        told = heard.get_message(timeout=5)
        assert told["data"] == ["k"], told
        assert reader.get("k") == "two"


# With RESP3 the library tracks only servers that call themselves 7.4 or later.
if checks.PROTOCOL == 2:
    check(a_cached_value_is_dropped_when_it_changes)


@check
def bytes_that_are_no_text_come_back(client):
    raw = checks.master()
    every_byte = bytes(range(256)) * 5000
    raw.set(b"\x00\xff", every_byte)
    assert raw.get(b"\x00\xff") == every_byte
    copy = raw.dump(b"\x00\xff")
    raw.restore("copy", 0, copy)
    assert raw.get("copy") == every_byte


@check
def a_client_that_retries_lives_through_a_restart(client):
    patient = connect(retry=Retry(ConstantBackoff(0.05), 100))
    patient.set("kept", "yes")
    heard = patient.pubsub()
    heard.subscribe("news")
    heard.get_message(timeout=5)
    checks.keep(patient)
    checks.take_away()
    assert patient.get("kept") == "yes"
    # The subscription is made again by the library.
    got = []

    def heard_again():
        patient.publish("news", "again")
        got.append(heard.get_message(timeout=0.1))
        return any(message and message["data"] == "again" for message in got)

    wait_until("a message is heard", heard_again)


checks.main(fresh)
