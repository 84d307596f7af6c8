import pytest

from iot_edge_anomaly.gateway.limits import RateLimits
from iot_edge_anomaly.gateway.problems import ProblemError


class Monotonic:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def taken(limits: RateLimits, name: str, tries: int) -> int:
    count = 0
    for _ in range(tries):
        try:
            limits.take(name)
        except ProblemError:
            continue
        count += 1
    return count


def test_a_burst_then_the_rate_and_never_more_than_a_burst() -> None:
    monotonic = Monotonic()
    limits = RateLimits(10, 25, monotonic)
    assert taken(limits, "plc", 100) == 25
    monotonic.now += 1
    assert taken(limits, "plc", 100) == 10
    monotonic.now += 3600
    assert taken(limits, "plc", 100) == 25


def test_principals_do_not_take_from_each_other() -> None:
    limits = RateLimits(1, 2, Monotonic())
    assert (taken(limits, "a", 5), taken(limits, "b", 5)) == (2, 2)


def test_a_refusal_says_when_to_come_again() -> None:
    monotonic = Monotonic()
    limits = RateLimits(1, 1, monotonic)
    assert limits.take("plc") == '"principal";r=0'
    with pytest.raises(ProblemError) as refused:
        limits.take("plc")
    assert refused.value.status == 429
    wait = int(refused.value.headers["Retry-After"])
    monotonic.now += wait
    limits.take("plc")


def test_asking_while_empty_does_not_put_off_the_next_token() -> None:
    monotonic = Monotonic()
    limits = RateLimits(1, 1, monotonic)
    limits.take("plc")
    for _ in range(9):
        monotonic.now += 0.1
        assert taken(limits, "plc", 1) == 0
    monotonic.now += 0.2
    assert taken(limits, "plc", 1) == 1
