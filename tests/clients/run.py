"""Real client libraries and real applications against our server, alone and in a failover.

Each suite below is a program of a client. One that asks for a server alone gets a fresh one; when
it prints `kill` the driver kills the server with SIGKILL, starts it again on the same port and
folder, and says `up`. One that asks for a group gets a master, two replicas and three Sentinels,
of our make all; when it prints `kill` or `stop` the driver takes the master away with SIGKILL or
SIGSTOP, and says `up` when the Sentinels name another; and upon `mend` it brings back what is
missing. So the programs see what a client sees, and can work on while it happens. What a program
needs to know is in `REDIS_FACTS`, as JSON; it prints `ok NAME` for each thing that works.

Every suite runs over plain TCP, and again over TLS where the server speaks it. What is needed of
other people's programs is of exactly the versions that `requirements.txt`, `package-lock.json`,
`pom.xml` and `go.mod` name, or comes from Debian's packages; where it cannot be had, the driver
says which suites it left out and why.

With names as arguments it runs only the suites whose names contain one of them; `--server` names
another server, for telling a fault of ours from one of a suite.
"""

import argparse
import dataclasses
import functools
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import packages
import servers
from packages import Skip

SERVER = os.environ.get("TANIST_TEST_SERVER", packages.CACHE.parent / "debug" / "redis-server")
# For all suites together, with what they install; what is not done by then has failed.
RUN_SECONDS_MAX = 690


@dataclasses.dataclass(frozen=True)
class Suite:
    """A program, and what it wants of the driver."""

    name: str
    program: str
    # Finds the command that runs the program.
    tool: callable = packages.python
    protocol: int = 2
    # Lines of the servers' file of settings.
    settings: tuple = ()
    seconds: int = 60
    group: bool = False
    # Why it is not run over TLS, where it is not.
    only_plain: str = ""


KEEPS = ("appendonly yes", "appendfsync everysec")
# What a server that was killed had acknowledged must be there again: hence `always`.
KEEPS_ALL = ("appendonly yes", "appendfsync always")
in_a_group = functools.partial(Suite, group=True, seconds=120)
NO_NUGET = "there is no suite: it comes from NuGet's repository, of which nothing is taken here"
NO_TLS_IN_GO_5 = "this version of go-redis cannot reach a master over TLS through Sentinel"
GO = "go_redis_failover.go"
SUITES = [
    Suite("redis-py, RESP2", "redis_py.py", settings=KEEPS),
    Suite("redis-py, RESP3", "redis_py.py", protocol=3, settings=KEEPS),
    Suite("redis-py asyncio, RESP2", "redis_py_asyncio.py"),
    Suite("redis-py asyncio, RESP3", "redis_py_asyncio.py", protocol=3),
    Suite("ioredis, RESP2", "ioredis.mjs", packages.node, settings=KEEPS),
    Suite("ioredis, RESP3", "ioredis.mjs", packages.node, protocol=3, settings=KEEPS),
    Suite("node-redis, RESP2", "node_redis.mjs", packages.node, settings=KEEPS),
    Suite("node-redis, RESP3", "node_redis.mjs", packages.node, protocol=3, settings=KEEPS),
    Suite("Celery", "celery_jobs.py", settings=KEEPS_ALL, seconds=150),
    Suite("RQ", "rq_jobs.py", protocol=3, settings=KEEPS_ALL, seconds=90),
    Suite("BullMQ", "bullmq_jobs.mjs", packages.node, settings=KEEPS_ALL, seconds=90),
    in_a_group("redis-py, failover", "redis_py_failover.py", protocol=3),
    in_a_group("redis-py asyncio, failover", "redis_py_asyncio_failover.py", protocol=3),
    in_a_group("ioredis, failover", "ioredis_failover.mjs", packages.node),
    in_a_group("node-redis, failover", "node_redis_failover.mjs", packages.node, protocol=3),
    in_a_group("go-redis 5, failover", f"{GO} go_redis_5.go", packages.go, only_plain=NO_TLS_IN_GO_5),
    in_a_group("go-redis 9, failover", f"{GO} go_redis_9.go", packages.go_modules, protocol=3),
    in_a_group("Jedis, failover", "failover.java jedis_failover.java", packages.java, protocol=3),
    in_a_group("Lettuce, failover", "failover.java lettuce_failover.java", packages.java, protocol=3),
    in_a_group("StackExchange.Redis", "", packages.nowhere(NO_NUGET)),
    in_a_group("Celery, failover", "celery_jobs.py", seconds=150),
    in_a_group("RQ, failover", "rq_jobs.py"),
    in_a_group("BullMQ, failover", "bullmq_jobs.mjs", packages.node),
    in_a_group("Sidekiq, failover", "sidekiq_jobs.rb", packages.ruby),
    in_a_group("Django's cache and sessions, failover", "django_cache.py"),
    in_a_group("express-session, failover", "express_session.mjs", packages.node, protocol=3),
    in_a_group("limits, failover", "limits_failover.py"),
    in_a_group("rate-limiter-flexible, failover", "rate_limiter.mjs", packages.node),
    in_a_group("redis_exporter, failover", "exporter.py", packages.exporter),
]


def serve_requests(program, group, lines):
    """Prints what a program reports, and does to the servers what it asks for."""
    for line in program.stdout:
        line = line.rstrip("\n")
        if line not in ["kill", "stop", "mend"]:
            lines.append(line)
            continue
        try:
            group.obey(line)
            print("up", file=program.stdin, flush=True)
        except (RuntimeError, OSError) as error:
            lines.append(f"{line}: {error}")
            servers.stop_group(program)


def run(command, group, facts, seconds):
    """Runs a program to its end; its lines, and whether all is well."""
    environment = dict(os.environ, REDIS_FACTS=json.dumps({**facts, **group.facts()}))
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    program = servers.spawn(
        command, cwd=group.folder, env=environment, text=True, errors="replace",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    lines = []
    reader = threading.Thread(target=serve_requests, args=(program, group, lines), daemon=True)
    reader.start()
    try:
        well = program.wait(timeout=max(seconds, 1)) == 0
    except subprocess.TimeoutExpired:
        lines.append(f"not done after {seconds:.0f} seconds")
        well = False
    servers.stop_group(program)
    reader.join(5)
    return lines, well


def run_suite(suite, site, facts, seconds):
    """How many checks passed, whether the suite did, and what is to be said about it."""
    command = suite.tool()(suite.program)
    group = (servers.Group if suite.group else servers.Alone)(site, suite.settings)
    began = time.monotonic()
    try:
        group.start()
        facts = {**facts, "protocol": suite.protocol, "master_name": servers.MASTER_NAME}
        lines, well = run(command, group, facts, min(seconds, suite.seconds))
        passed = [line for line in lines if line.startswith("ok ")]
        well = well and bool(passed) and group.is_well()
        told = passed if well else [*lines[-100:], group.log()]
    except RuntimeError as error:
        passed, well, told = [], False, [str(error), group.log()]
    finally:
        group.remove()
    said = f"{'passed' if well else 'FAILED'} in {time.monotonic() - began:.1f} s"
    return len(passed), well, said, told


def work(jobs, results, facts, end):
    """Runs suites until there are none left."""
    while True:
        try:
            name, suite, site = jobs.get_nowait()
        except queue.Empty:
            return
        try:
            tls = site.certificates and site.certificates.facts()
            outcome = run_suite(suite, site, {**facts, "tls": tls}, end - time.monotonic())
        except Skip as reason:
            outcome = reason
        # Whatever else goes wrong is told, or the sum would wait for it for ever.
        except Exception as error:
            outcome = 0, False, "FAILED", [repr(error)]
        results.put((name, outcome))


def sites(program, folder, tls):
    """The ways of reaching the server that it knows, of those that are wanted."""
    if tls != "yes":
        yield "", servers.Site(program, folder)
    if tls == "no":
        return
    if not shutil.which("openssl"):
        print("skipped: everything over TLS: there is no openssl on this machine")
        return
    site = servers.Site(program, folder, servers.Certificates(folder))
    refused = servers.refusal_of_tls(site)
    if refused:
        print(f"skipped: everything over TLS: the server does not speak it: {refused}")
    else:
        yield ", TLS", site


def plan(arguments, folder):
    """The suites to run, each with its full name and its site."""
    for suffix, site in sites(str(arguments.server), folder, arguments.tls):
        for suite in SUITES:
            name = suite.name + suffix
            if arguments.suites and not any(word in name for word in arguments.suites):
                continue
            if site.certificates and suite.only_plain:
                suite = dataclasses.replace(suite, tool=packages.nowhere(suite.only_plain))
            yield name, suite, site


def run_all(arguments, folder):
    """Whether all is well."""
    jobs, results = queue.Queue(), queue.Queue()
    for job in plan(arguments, folder):
        jobs.put(job)
    wanted = jobs.qsize()
    facts = {"version": servers.version(servers.Site(str(arguments.server), folder))}
    end = time.monotonic() + RUN_SECONDS_MAX
    for _ in range(arguments.jobs):
        threading.Thread(target=work, args=(jobs, results, facts, end), daemon=True).start()
    passed, failed, skipped = 0, 0, 0
    # The same reason is the same object where a function keeps it.
    reasons = set()
    for _ in range(wanted):
        name, outcome = results.get()
        if isinstance(outcome, Skip):
            print(f"skipped: {name}: {'as above' if outcome in reasons else outcome}", flush=True)
            reasons.add(outcome)
            skipped += 1
            continue
        checks, well, said, told = outcome
        passed += checks
        failed += not well
        print("\n    ".join([f"{name}: {said}", *told]), flush=True)
    if passed + failed == 0:
        print("skipped: no client could be run here")
    else:
        print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return failed == 0


def main():
    parser = argparse.ArgumentParser(description="Real clients and applications against a server.")
    parser.add_argument("suites", nargs="*", help="words of the names of suites")
    parser.add_argument("--server", default=SERVER, help="the redis-server to run against")
    parser.add_argument("--tls", choices=["yes", "no", "both"], default="both")
    parser.add_argument("--jobs", type=int, default=2, help="how many suites run at a time")
    arguments = parser.parse_args()
    # An end by a signal is an end like any other: what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = tempfile.mkdtemp(prefix="clients-")
    try:
        sys.exit(not run_all(arguments, folder))
    finally:
        servers.stop_all()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
