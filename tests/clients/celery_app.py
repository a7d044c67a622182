"""The tasks of the Celery worker in `celery_jobs.py`; broker and results are in our server."""

import ssl

import celery

import checks


def url(database):
    if checks.SENTINELS:
        return ";".join(f"sentinel://{host}:{port}/{database}" for host, port in checks.SENTINELS)
    return f"{'rediss' if checks.TLS else 'redis'}://{checks.HOST}:{checks.PORT}/{database}"


app = celery.Celery("celery_app", broker=url(0), backend=url(1))
# What Celery needs to know to ask Sentinels, who speak TLS where the servers do. Everywhere a
# socket's time is limited, so that a master which hangs is given up.
by_sentinel = {
    "master_name": checks.MASTER_NAME,
    "sentinel_kwargs": {**checks.SECRET, "socket_timeout": 1, "socket_connect_timeout": 1},
} if checks.SENTINELS else {}
secret = {
    "ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_ca_certs": checks.TLS["ca"],
    "ssl_certfile": checks.TLS["cert"], "ssl_keyfile": checks.TLS["key"],
} if checks.TLS else None
app.conf.update(
    broker_use_ssl=secret,
    redis_backend_use_ssl=secret,
    result_backend_transport_options=by_sentinel,
    # A message is acknowledged when its task is done; one that is not in time is delivered again.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_transport_options={
        "visibility_timeout": 3, "unacked_restore_interval": 1, "unacked_restore_throttle": 1,
        "socket_timeout": 3, "socket_connect_timeout": 2, **by_sentinel,
    },
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_connection_timeout=1,
    result_backend_always_retry=True,
    result_backend_max_sleep_between_retries_ms=200,
    redis_retry_on_timeout=True,
    redis_socket_connect_timeout=2,
    redis_socket_timeout=3,
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
