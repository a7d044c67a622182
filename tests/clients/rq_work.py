"""What the RQ worker of `rq_jobs.py` does, and how it is started."""

import sys

import rq
from rq.worker import Worker

import checks


def connect():
    return checks.master()


def square(n):
    return n * n


def fail():
    raise ValueError("as it was told to")


if __name__ == "__main__":
    connection = connect()
    # A worker waits for jobs, and for a master that hangs, for some minutes unless its life is short.
    options = {"maintenance_interval": 1, "worker_ttl": 16}
    worker = Worker([rq.Queue("jobs", connection=connection)], connection=connection, **options)
    worker.max_connection_wait_time = 0.2
    sys.exit(not worker.work(with_scheduler=False, logging_level="WARNING"))
