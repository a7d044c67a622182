"""RQ workers finish their jobs although the server is taken away while they work.

A job is done at least once: what a client was told is in the file (`appendfsync always`) of a
server alone, and at the replicas of a group, for which the client waits. A job whose worker lost
the server in the middle counts as abandoned after its time, and is put into the queue again
because it may be retried. One that a worker had only just taken is looked after by RQ a minute
later; who does not want to wait for that sends it again. Workers that end with the server are
started again.
"""

import sys
import time

import redis
import rq

import checks
import rq_work
from checks import check, wait_until

JOBS = 60
WORKERS = 2
# What has no result this long after the last one is sent again.
SEND_AGAIN_SECONDS = 5


def fresh():
    return rq.Queue("jobs", connection=rq_work.connect(), default_timeout=2)


def send(queue, n):
    """Sends until the server has taken it."""
    while True:
        try:
            return queue.enqueue(rq_work.square, n, job_id=f"job-{n}", retry=rq.Retry(max=20), result_ttl=500)
        except (redis.ConnectionError, redis.TimeoutError):
            time.sleep(0.02)


def done(jobs):
    try:
        return sum(job.get_status(refresh=True) == rq.job.JobStatus.FINISHED for job in jobs)
    except (redis.ConnectionError, redis.TimeoutError):
        return 0


def wait_all_done(queue, jobs):
    """Waits for all results, and sends again what has none when none come."""
    end = time.monotonic() + 60
    so_far, sent_at = -1, 0
    while so_far < len(jobs):
        assert time.monotonic() < end, f"only {so_far} of {len(jobs)} are done"
        if done(jobs) > so_far:
            so_far, sent_at = done(jobs), time.monotonic()
        if time.monotonic() > sent_at + SEND_AGAIN_SECONDS:
            sent_at = time.monotonic()
            for n, job in enumerate(jobs):
                if not done([job]):
                    jobs[n] = send(queue, n)
        time.sleep(0.02)


@check
def results_failures_and_dependencies_are_told(queue):
    first = queue.enqueue(rq_work.square, 3)
    second = queue.enqueue(rq_work.square, 4, depends_on=first)
    failing = queue.enqueue(rq_work.fail)
    wait_until("all have ended", lambda: second.get_status() == "finished" and failing.get_status() == "failed")
    assert first.latest_result().return_value == 9 and second.latest_result().return_value == 16
    assert "as it was told to" in failing.latest_result().exc_string
    assert failing.id in queue.failed_job_registry


@check
def all_jobs_are_done_although_the_server_fails_twice(queue):
    jobs = []
    second = "stop" if checks.SENTINELS else "kill"
    for crash_at, word in [(JOBS // 3, "kill"), (2 * JOBS // 3, second)]:
        jobs += [send(queue, n) for n in range(len(jobs), crash_at)]
        wait_until("some are done", lambda: done(jobs) >= crash_at // 2)
        checks.fence(queue.connection)
        checks.take_away(word)
        if word == "kill":
            checks.mend()
    jobs += [send(queue, n) for n in range(len(jobs), JOBS)]
    wait_all_done(queue, jobs)
    assert [job.latest_result().return_value for job in jobs] == [n * n for n in range(JOBS)]


for _ in range(WORKERS):
    checks.Supervisor([sys.executable, rq_work.__file__])
checks.main(fresh)
