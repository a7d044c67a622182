"""What the programs of Python clients share: a list of checks, and the way to a failover."""

import asyncio
import inspect
import json
import os
import subprocess
import sys
import threading
import time
import traceback

import redis
from redis.sentinel import Sentinel

FACTS = json.loads(os.environ["REDIS_FACTS"])
HOST = "127.0.0.1"
PORT = FACTS["port"]
PROTOCOL = FACTS["protocol"]
TLS = FACTS["tls"]
SENTINELS = [tuple(address) for address in FACTS["sentinels"]]
MASTER_NAME = FACTS["master_name"]
# Whether the server has what came with Redis 7.2, as stock servers of some distributions have not.
SINCE_7_2 = FACTS["version"] >= [7, 2]
# How redis-py reaches a server or a Sentinel over TLS; the certificate of a client is not asked
# for, but used where it is given.
SECRET = {
    "ssl": True, "ssl_ca_certs": TLS["ca"], "ssl_certfile": TLS["cert"], "ssl_keyfile": TLS["key"],
} if TLS else {}
CHECKS = []


def check(function):
    """Registers a function; its name says what works when it returns."""
    CHECKS.append(function)
    return function


def begin(word):
    """Asks the driver to `kill`, `stop` or `mend`; `await_up` tells when that is done."""
    print(word, flush=True)


def await_up():
    assert sys.stdin.readline() == "up\n"


def take_away(word="kill"):
    """Has the server killed; it is back, or another is in its place, when this returns.

    In a group it may be told to `stop` instead: the master hangs, and its connections stay open.
    """
    begin(word)
    await_up()


def mend():
    """Has what was taken away come back as a replica, where there is a group."""
    if SENTINELS:
        begin("mend")
        await_up()


def sentinel(**options):
    """Asks the Sentinels; its clients give up on a server that does not answer."""
    patience = {"socket_timeout": 1, "socket_connect_timeout": 1}
    return Sentinel(SENTINELS, sentinel_kwargs={**SECRET, **patience}, **SECRET, **patience, **options)


def master(**options):
    """A client of the one server, or of whichever the Sentinels say is master."""
    options = {"protocol": PROTOCOL, **options}
    if SENTINELS:
        return sentinel().master_for(MASTER_NAME, **options)
    return redis.Redis(port=PORT, **SECRET, **options)


def fence(client):
    """Waits until all that was acknowledged so far is on both replicas, where there are any."""
    if not SENTINELS:
        return
    with client.pipeline(transaction=False) as pipe:
        assert pipe.set("fence", 1).wait(2, 10_000).execute()[1] == 2, "the replicas do not keep up"


def keep(client):
    """Waits until all that a server alone was told is in its file."""
    if SINCE_7_2:
        assert client.waitaof(1, 0, 2000)[0] == 1
    else:
        # What is written every second is written by then.
        time.sleep(2)


def wait_until(what, condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.02)


class Supervisor:
    """Starts a worker, and again whenever it ends."""

    def __init__(self, command):
        self.command = command
        self.process = None
        threading.Thread(target=self.keep_running, daemon=True).start()

    def keep_running(self):
        environment = dict(os.environ, PYTHONPATH=os.path.dirname(__file__))
        while True:
            self.process = subprocess.Popen(self.command, env=environment, stdin=subprocess.DEVNULL)
            self.process.wait()
            time.sleep(0.1)

    def restart_worker(self):
        self.process.kill()


class Ledger:
    """The writes of a client: those that were answered, and those that two replicas confirmed.

    A write that was only answered may be lost in a failover, for replication does not wait. One
    that `WAIT 2` confirmed is on both replicas, so whichever is promoted has it.
    """

    def __init__(self):
        self.answered, self.confirmed = set(), set()
        self.refused = 0
        self.count = 0
        self.ended = False

    def key(self):
        self.count += 1
        return f"ledger:{self.count}"

    def note(self, key, replicas):
        self.answered.add(key)
        if replicas >= 2:
            self.confirmed.add(key)

    def sum_up(self, kept):
        """What is to be said, given the keys that the new master has."""
        lost = self.confirmed - kept
        assert not lost, f"confirmed but lost: {sorted(lost)[:5]} and others, {len(lost)} in all"
        assert len(self.confirmed) >= 50, f"only {len(self.confirmed)} were confirmed"
        return (f"{len(self.answered)} writes answered, {len(self.answered - kept)} of them lost; "
                f"{len(self.confirmed)} confirmed, none lost; {self.refused} refused")


def main(prepare):
    """Runs all checks, each with what `prepare` makes for it."""
    failed = 0
    for function in CHECKS:
        try:
            if inspect.iscoroutinefunction(function):
                said = asyncio.run(asyncio.wait_for(run_async(function, prepare), 60))
            else:
                said = function(prepare())
            name = function.__name__.replace("_", " ")
            print("ok", f"{name} ({said})" if said else name, flush=True)
        except Exception:
            failed += 1
            print("FAILED", function.__name__)
            traceback.print_exc(limit=-6, chain=False, file=sys.stdout)
    sys.stdout.flush()
    # Without waiting for threads that may still talk to a server.
    os._exit(failed > 0)


async def run_async(function, prepare):
    client = await prepare()
    try:
        return await function(client)
    finally:
        await client.aclose()
