"""redis-py finds the new master through Sentinel, after a crash and after a master that hangs."""

import threading
import time

import redis

import checks
from checks import check, wait_until

RETRIED = (redis.ConnectionError, redis.TimeoutError, redis.exceptions.ReadOnlyError)


def connect():
    return checks.master(decode_responses=True)


def keep_writing(client, ledger):
    """Writes until told to end; what is refused is written under another name later."""
    while not ledger.ended:
        key = ledger.key()
        try:
            # In one pipeline, for WAIT speaks of what its own connection has written.
            with client.pipeline(transaction=False) as pipe:
                replies = pipe.set(key, 1).wait(2, 300).execute()
            ledger.note(key, replies[1])
        except RETRIED:
            ledger.refused += 1
            time.sleep(0.01)


def live_through(client, word):
    """Takes the master away while a thread writes, and another hears messages."""
    ledger, got = checks.Ledger(), []
    writer = threading.Thread(target=keep_writing, args=(connect(), ledger), daemon=True)
    writer.start()
    heard = client.pubsub(ignore_subscribe_messages=True)
    heard.subscribe(news=lambda message: got.append(message["data"]))
    before = client.info("server")["run_id"]
    double = client.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    assert double(keys=[f"sum:{word}"], args=[1]) == 1
    checks.fence(client)
    wait_until("enough is confirmed", lambda: len(ledger.confirmed) >= 100)
    checks.begin(word)
    checks.await_up()
    answered = len(ledger.answered)
    wait_until("it writes on", lambda: len(ledger.answered) >= answered + 5)
    ledger.ended = True
    writer.join(20)
    wait_until("the new master answers", lambda: attempt(lambda: client.info("server")["run_id"]) != before)
    # The new master may not know the script; the library loads it again.
    assert double(keys=[f"sum:{word}"], args=[1]) == 2

    if word == "stop":
        # The library does not see that the master it has subscribed at hangs. When that goes on,
        # the Sentinels make it a replica and have it close its connections.
        checks.mend()

    def heard_again():
        attempt(lambda: client.publish("news", "again"))
        attempt(lambda: heard.get_message(timeout=0.1))
        return "again" in got

    wait_until("a message is heard again", heard_again)
    heard.close()
    return ledger.sum_up(set(client.scan_iter("ledger:*", count=1000)))


def attempt(function):
    try:
        return function()
    except RETRIED:
        return None


@check
def the_master_and_its_replicas_are_found(client):
    known = checks.sentinel()
    assert known.discover_master(checks.MASTER_NAME) == (checks.HOST, checks.PORT)
    assert len(known.discover_slaves(checks.MASTER_NAME)) == 2
    client.set("seen", "everywhere")
    checks.fence(client)
    replica = known.slave_for(checks.MASTER_NAME, decode_responses=True)
    assert replica.get("seen") == "everywhere" and replica.role()[0] == "slave"
    try:
        replica.set("seen", "no")
        raise AssertionError("a replica took a write")
    except redis.exceptions.ReadOnlyError:
        pass


@check
def it_lives_through_a_crash_of_the_master(client):
    return live_through(client, "kill")


@check
def it_lives_through_a_master_that_hangs(client):
    client.delete(*client.scan_iter("ledger:*", count=1000))
    checks.mend()
    return live_through(client, "stop")


@check
def it_works_as_before(client):
    client.set("seen", "after")
    assert client.get("seen") == "after" and client.role()[0] == "master"
    assert client.transaction(lambda pipe: pipe.incr("n")) == [1]


checks.main(connect)
