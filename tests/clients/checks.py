"""What the programs of Python clients share: a list of checks, and the way to a crash."""

import asyncio
import inspect
import os
import subprocess
import sys
import threading
import time
import traceback

PORT = int(os.environ["REDIS_PORT"])
PROTOCOL = int(os.environ["REDIS_PROTOCOL"])
CHECKS = []


def check(function):
    """Registers a function; its name says what works when it returns."""
    CHECKS.append(function)
    return function


def crash_server():
    """Has the server killed, and started again with what it had kept."""
    print("kill", flush=True)
    assert sys.stdin.readline() == "up\n"


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


def main(prepare):
    """Runs all checks, each with what `prepare` makes for it."""
    failed = 0
    for function in CHECKS:
        try:
            if inspect.iscoroutinefunction(function):
                asyncio.run(asyncio.wait_for(run_async(function, prepare), 20))
            else:
                function(prepare())
            print("ok", function.__name__.replace("_", " "), flush=True)
        except Exception:
            failed += 1
            print("FAILED", function.__name__)
            traceback.print_exc(limit=-6, chain=False, file=sys.stdout)
    sys.exit(failed > 0)


async def run_async(function, prepare):
    client = await prepare()
    try:
        await function(client)
    finally:
        await client.aclose()
