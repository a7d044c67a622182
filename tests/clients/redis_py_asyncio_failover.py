"""redis-py's asyncio half finds the new master through Sentinel after a crash, and when it hangs."""

import asyncio

import redis.asyncio as redis
from redis.asyncio.sentinel import Sentinel
from redis.exceptions import ConnectionError, ReadOnlyError, TimeoutError

import checks
from checks import check

RETRIED = (ConnectionError, TimeoutError, ReadOnlyError)
PATIENCE = {"socket_timeout": 1, "socket_connect_timeout": 1}


async def connect() -> redis.Redis:
    sentinel = Sentinel(
        checks.SENTINELS, sentinel_kwargs={**checks.SECRET, **PATIENCE}, **checks.SECRET, **PATIENCE
    )
    return sentinel.master_for(checks.MASTER_NAME, protocol=checks.PROTOCOL, decode_responses=True)


async def keep_writing(client, ledger):
    while not ledger.ended:
        key = ledger.key()
        try:
            # In one pipeline, for WAIT speaks of what its own connection has written.
            async with client.pipeline(transaction=False) as pipe:
                replicas = (await pipe.set(key, 1).wait(2, 300).execute())[1]
            ledger.note(key, replicas)
        except RETRIED:
            ledger.refused += 1
            await asyncio.sleep(0.01)


async def until(what, condition, seconds=30):
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


async def live_through(client, word):
    """Takes the master away while ten tasks write."""
    ledger = checks.Ledger()
    writers = [asyncio.create_task(keep_writing(client, ledger)) for _ in range(10)]

    async def enough():
        return len(ledger.confirmed) >= 200

    await until("enough is confirmed", enough)
    checks.begin(word)
    await asyncio.to_thread(checks.await_up)
    answered = len(ledger.answered)

    async def writes_on():
        return len(ledger.answered) >= answered + 20

    await until("it writes on", writes_on)
    ledger.ended = True
    await asyncio.gather(*writers)
    return ledger.sum_up({key async for key in client.scan_iter("ledger:*", count=1000)})


@check
async def it_lives_through_a_crash_of_the_master(client):
    return await live_through(client, "kill")


@check
async def it_lives_through_a_master_that_hangs(client):
    await client.delete(*[key async for key in client.scan_iter("ledger:*", count=1000)])
    await asyncio.to_thread(checks.mend)
    return await live_through(client, "stop")


@check
async def it_works_as_before(client):
    async with client.pipeline(transaction=True) as pipe:
        assert await pipe.set("a", 1).incr("a").get("a").execute() == [True, 2, "2"]
    assert (await client.role())[0] == "master"


checks.main(connect)
