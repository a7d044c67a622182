"""A Celery worker finishes its jobs although the server is taken away while it works.

What a client was told is in the file (`appendfsync always`) of a server alone, and at the replicas
of a group, for which the client waits; so a job that was accepted is there after a crash, in
which the server comes back or a replica takes its place. One that was being done is delivered
again after the visibility timeout unless its acknowledgement was kept. But Celery takes a message
from its list with one command and notes with a second that it is being done: a message that only
the reply to the first had reached when the server died is nowhere, with any server. So whoever
needs each job done at least once sends again what has no result for a while; and a worker that
ended, or no longer does anything, is started again. Some jobs are done twice so, none never.
"""

import sys
import time

import celery
import celery.exceptions

import checks
from celery_app import square, third_time_lucky, total
from checks import check

JOBS = 150
# What has no result this long after the last one is sent again, and the worker started again.
SEND_AGAIN_SECONDS = 6
RESTART_SECONDS = 14


def send(n):
    """Sends until the broker has taken it."""
    while True:
        try:
            return square.apply_async((n,), retry=False)
        except celery.exceptions.OperationalError:
            time.sleep(0.02)


def done(results):
    """How many have their results, as far as the server can say now."""
    try:
        return sum(result.ready() for result in results)
    except Exception:
        return 0


def wait_done(results, wanted):
    """Waits until so many have their results, and does something about it when none come."""
    end = time.monotonic() + 90
    so_far, sent_at = -1, 0
    patience = RESTART_SECONDS
    while so_far < wanted:
        assert time.monotonic() < end, f"only {so_far} of {wanted} are done"
        if done(results) > so_far:
            so_far = done(results)
            sent_at = progress_at = time.monotonic()
        if time.monotonic() > sent_at + SEND_AGAIN_SECONDS:
            sent_at = time.monotonic()
            for n, result in enumerate(results):
                if not done([result]):
                    results[n] = send(n)
        if time.monotonic() > progress_at + patience:
            progress_at = time.monotonic()
            supervisor.restart_worker()
            # On a busy machine a worker takes long to begin.
            patience *= 2
        time.sleep(0.02)


@check
def groups_chords_and_retries_work(_):
    group = celery.group(square.s(n) for n in range(10))()
    assert group.get(timeout=20) == [n * n for n in range(10)]
    assert celery.chord((square.s(n) for n in range(10)), total.s())().get(timeout=20) == 285
    assert (square.s(3) | square.s()).apply_async().get(timeout=20) == 81
    assert third_time_lucky.delay().get(timeout=20) == 2
    late = square.apply_async((4,), countdown=0.3)
    assert late.get(timeout=20) == 16


@check
def all_jobs_are_done_although_the_server_fails_twice(client):
    results = []
    second = "stop" if checks.SENTINELS else "kill"
    for crash_at, word in [(JOBS // 3, "kill"), (2 * JOBS // 3, second)]:
        results += [send(n) for n in range(len(results), crash_at)]
        wait_done(results, crash_at // 2)
        checks.fence(client)
        checks.take_away(word)
        if word == "kill":
            checks.mend()
    results += [send(n) for n in range(len(results), JOBS)]
    wait_done(results, JOBS)
    assert [result.get(timeout=5) for result in results] == [n * n for n in range(JOBS)]


supervisor = checks.Supervisor(
    [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "--concurrency", "2", "-l", "WARNING"]
)
checks.main(checks.master)
