"""Django's cache and its sessions work on when the master is killed.

Two caches: that of django-redis, which knows of Sentinel, and Django's own, which does not, but
takes a pool of connections that does. The sessions are in the first, as of a site whose visitors
are counted.
"""

import django
import redis
from django.conf import settings
from django.core.cache import caches
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from redis.sentinel import SentinelConnectionPool

import checks
from checks import check, wait_until

RETRIED = (redis.ConnectionError, redis.TimeoutError, redis.exceptions.ReadOnlyError)
PATIENCE = {"socket_timeout": 1, "socket_connect_timeout": 1}


class MasterPool(SentinelConnectionPool):
    """What Django's own cache needs in the place of a pool for an address: a few lines."""

    @classmethod
    def from_url(cls, url, **options):
        # The parser is chosen by the connections; Django passes one on for all pools.
        options.pop("parser_class", None)
        return cls(checks.MASTER_NAME, checks.sentinel(), **checks.SECRET, **PATIENCE, **options)


def visit(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse(str(request.session["visits"]))


urlpatterns = [path("", visit)]
settings.configure(
    ROOT_URLCONF=__name__,
    SECRET_KEY="none",
    ALLOWED_HOSTS=["testserver"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    DJANGO_REDIS_CONNECTION_FACTORY="django_redis.pool.SentinelConnectionFactory",
    CACHES={
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            # Not `rediss`, for that makes connections which do not ask Sentinels; see below.
            "LOCATION": f"redis://{checks.MASTER_NAME}/0",
            "OPTIONS": {
                "CLIENT_CLASS": "django_redis.client.SentinelClient",
                "SENTINELS": checks.SENTINELS,
                "SENTINEL_KWARGS": {**checks.SECRET, **PATIENCE},
                # With `ssl` among them over TLS.
                "CONNECTION_POOL_KWARGS": {**checks.SECRET, **PATIENCE},
            },
        },
        "plain": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://the-pool-knows-where",
            "OPTIONS": {"pool_class": f"{__name__}.MasterPool"},
        },
    },
)
django.setup()
visitor = Client()


def attempt(function, *arguments):
    """What it returns, or None while no master can be reached."""
    try:
        return function(*arguments)
    except RETRIED:
        return None


def count_visit():
    return int(visitor.get("/").content)


def work(name):
    """What a site does with a cache."""
    cache = caches[name]
    cache.set("a", {"of": ["any", "kind"]}, 60)
    cache.set_many({"b": 1, "c": 2}, 60)
    checks.fence(client)
    # Reads go to replicas with django-redis, hence the fence.
    assert cache.get("a") == {"of": ["any", "kind"]} and cache.get_many(["b", "c"]) == {"b": 1, "c": 2}
    assert cache.incr("b", 5) == 6
    assert cache.add("d", 1, 60) and not cache.add("d", 2, 60)
    assert cache.touch("d", 100) and cache.delete("d")
    assert cache.get_or_set("e", lambda: "made", 60) == "made"


@check
def both_caches_do_their_work(_):
    for name in ["default", "plain"]:
        work(name)
        caches[name].clear()
    assert caches["default"].lock("lock", timeout=5).acquire()


def live_through(word):
    """Takes the master away from a site that is asked on meanwhile."""
    for name in ["default", "plain"]:
        caches[name].set(f"kept {name}", name, None)
    counted = count_visit()
    checks.fence(client)
    counted = count_visit()
    checks.fence(client)
    checks.begin(word)
    for _ in range(5):
        attempt(caches["plain"].set, "asked", 1)
    checks.await_up()
    wait_until("the master takes writes", lambda: attempt(caches["default"].set, "after", 1, None))
    wait_until("the other cache as well", lambda: attempt(caches["plain"].get, "kept plain") == "plain")
    wait_until("what was kept is read", lambda: attempt(caches["default"].get, "kept default") == "default")
    # Nobody was logged out: the session goes on to count.
    wait_until("the session goes on", lambda: attempt(count_visit) == counted + 1)


@check
def caches_and_sessions_live_through_a_crash_of_the_master(_):
    live_through("kill")


@check
def and_through_a_master_that_hangs(_):
    checks.mend()
    live_through("stop")
    checks.mend()


@check
def both_caches_work_as_before(_):
    for name in ["default", "plain"]:
        caches[name].clear()
        work(name)


client = checks.master()
checks.main(lambda: None)
