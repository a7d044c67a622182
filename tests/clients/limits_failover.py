"""The rate limiter `limits` goes on to count what it had counted when the master is killed."""

import limits
import redis
from limits.storage import RedisSentinelStorage

import checks
from checks import check, wait_until

RETRIED = (redis.ConnectionError, redis.TimeoutError, redis.exceptions.ReadOnlyError)
PATIENCE = {"socket_timeout": 1, "socket_connect_timeout": 1}
ADDRESSES = ",".join(f"{host}:{port}" for host, port in checks.SENTINELS)
storage = RedisSentinelStorage(
    f"redis+sentinel://{ADDRESSES}/{checks.MASTER_NAME}",
    # A replica may not know yet what was counted a moment ago.
    use_replicas=False,
    sentinel_kwargs={**checks.SECRET, **PATIENCE},
    **checks.SECRET,
    **PATIENCE,
)
STRATEGIES = [
    limits.strategies.FixedWindowRateLimiter(storage),
    limits.strategies.MovingWindowRateLimiter(storage),
    limits.strategies.SlidingWindowCounterRateLimiter(storage),
]
TEN_AN_HOUR = limits.parse("10/hour")
client = checks.master()


def reached():
    try:
        return storage.check()
    except RETRIED:
        return False


@check
def each_strategy_refuses_what_is_too_much(_):
    for number, strategy in enumerate(STRATEGIES):
        hits = [strategy.hit(TEN_AN_HOUR, "before", str(number)) for _ in range(12)]
        assert hits == [True] * 10 + [False] * 2, hits


def live_through(word):
    for number, strategy in enumerate(STRATEGIES):
        assert all(strategy.hit(TEN_AN_HOUR, word, str(number)) for _ in range(7))
    checks.fence(client)
    checks.take_away(word)
    wait_until("the new master is reached", reached)
    for number, strategy in enumerate(STRATEGIES):
        hits = [strategy.hit(TEN_AN_HOUR, word, str(number)) for _ in range(5)]
        assert hits == [True] * 3 + [False] * 2, (strategy, hits)
        assert strategy.get_window_stats(TEN_AN_HOUR, word, str(number)).remaining == 0


@check
def what_was_counted_counts_after_a_crash_of_the_master(_):
    live_through("kill")


@check
def and_after_it_hung(_):
    checks.mend()
    live_through("stop")


@check
def it_works_as_before(_):
    for number, strategy in enumerate(STRATEGIES):
        assert strategy.hit(TEN_AN_HOUR, "after", str(number))
        strategy.clear(TEN_AN_HOUR, "after", str(number))
    assert storage.reset() is not None


checks.main(lambda: None)
