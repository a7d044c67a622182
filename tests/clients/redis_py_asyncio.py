"""The everyday work of redis-py's asyncio half, in the protocol that the environment names."""

import asyncio

import redis.asyncio as redis
from redis.exceptions import WatchError

import checks
from checks import check


def connect(**options):
    options = {"port": checks.PORT, "protocol": checks.PROTOCOL, **checks.SECRET, **options}
    return redis.Redis(decode_responses=True, **options)


async def fresh():
    client = connect()
    await client.flushall()
    return client


@check
async def many_tasks_share_a_pool(client):
    secret = {"connection_class": redis.SSLConnection, **checks.SECRET} if checks.TLS else {}
    secret.pop("ssl", None)
    # Twenty handshakes at once take their time on a busy machine.
    pool = redis.BlockingConnectionPool(
        port=checks.PORT, protocol=checks.PROTOCOL, max_connections=20, socket_connect_timeout=30, **secret
    )
    shared = redis.Redis.from_pool(pool)
    await asyncio.gather(*(shared.incr("n") for _ in range(500)))
    await shared.aclose()
    assert await client.get("n") == "500"
    await client.hset("h", mapping={"a": 1})
    assert await client.hgetall("h") == {"a": "1"}


@check
async def pipelines_and_watch_work(client):
    async with client.pipeline(transaction=True) as pipe:
        assert await pipe.set("a", 1).incr("a").get("a").execute() == [True, 2, "2"]
    async with client.pipeline() as pipe:
        await pipe.watch("a")
        await client.set("a", "other")
        pipe.multi()
        pipe.set("a", "mine")
        try:
            await pipe.execute()
            raise AssertionError("the watch was to break")
        except WatchError:
            pass
    assert await client.get("a") == "other"


@check
async def published_messages_arrive(client):
    async with client.pubsub() as heard:
        await heard.subscribe("news")
        await heard.psubscribe("w*")
        for n in range(100):
            await client.publish("news" if n % 2 else "weather", n)
        got = []
        async for message in heard.listen():
            if message["type"].endswith("message"):
                got.append(int(message["data"]))
            if len(got) == 100:
                break
        assert got == list(range(100))


@check
async def locks_scripts_and_scans_work(client):
    async with client.lock("lock", timeout=5):
        assert not await connect().lock("lock", blocking=False).acquire()
    script = client.register_script("return {KEYS[1], ARGV[1]}")
    assert await script(keys=["k"], args=["a"]) == ["k", "a"]
    await client.mset({f"k{n}": n for n in range(300)})
    assert len({key async for key in client.scan_iter("k*")}) == 300


@check
async def consumers_wait_for_entries(client):
    await client.xgroup_create("jobs", "workers", id="$", mkstream=True)
    done = []

    async def work(name):
        mine = connect()
        while len(done) < 100:
            reply = await mine.xreadgroup("workers", name, {"jobs": ">"}, count=1, block=200)
            streams = reply.values() if isinstance(reply, dict) else [entries for _, entries in reply]
            for entries in streams:
                for id, fields in entries[0] if isinstance(entries[0], list) else entries:
                    done.append(fields["n"])
                    await mine.xack("jobs", "workers", id)

    workers = [asyncio.create_task(work(f"w{n}")) for n in range(4)]
    for n in range(100):
        await client.xadd("jobs", {"n": n})
    await asyncio.gather(*workers)
    assert sorted(map(int, done)) == list(range(100))


checks.main(fresh)
