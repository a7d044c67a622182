"""The tasks of the Celery worker in `celery_jobs.py`; broker and results are in our server."""

import os

import celery

URL = f"redis://127.0.0.1:{os.environ['REDIS_PORT']}"
app = celery.Celery("celery_app", broker=f"{URL}/0", backend=f"{URL}/1")
app.conf.update(
    # A message is acknowledged when its task is done; one that is not in time is delivered again.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_transport_options={
        "visibility_timeout": 3, "unacked_restore_interval": 1, "unacked_restore_throttle": 1,
    },
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_connection_timeout=1,
    result_backend_always_retry=True,
    result_backend_max_sleep_between_retries_ms=200,
    redis_retry_on_timeout=True,
    redis_socket_connect_timeout=2,
)


@app.task
def square(n):
    return n * n


@app.task
def total(numbers):
    return sum(numbers)


@app.task(bind=True, max_retries=3, default_retry_delay=0.05)
def third_time_lucky(self):
    if self.request.retries < 2:
        raise self.retry()
    return self.request.retries
