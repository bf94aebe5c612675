"""What fails again and again is left alone for a growing while."""

from __future__ import annotations

from agent.breaker import Breaker


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def breaker(clock: Clock) -> Breaker:
    return Breaker(failures=2, seconds=20, longest_seconds=60, clock=clock)


def test_one_failure_is_forgiven_and_a_success_forgets_it() -> None:
    some = breaker(Clock())
    some.failed("a")
    assert (some.failures("a"), some.resting_seconds("a")) == (1, 0)
    some.succeeded("a")
    some.failed("a")
    assert some.resting_seconds("a") == 0


def test_after_two_failures_it_rests_and_each_further_one_doubles_the_rest_up_to_a_limit() -> None:
    clock = Clock()
    some = breaker(clock)
    some.failed("a")
    rests = []
    for _ in range(4):
        some.failed("a")
        rests.append(some.resting_seconds("a"))
        clock.now += rests[-1]
    assert rests == [20, 40, 60, 60]


def test_others_are_not_touched() -> None:
    some = breaker(Clock())
    some.failed("a")
    some.failed("a")
    assert some.resting_seconds("b") == 0


def test_after_a_rest_one_may_try_it_and_others_wait_for_what_comes_of_that() -> None:
    clock = Clock()
    some = breaker(clock)
    some.failed("a")
    some.failed("a")
    clock.now += 20
    assert some.resting_seconds("a") == 0
    some.begin("a")
    assert some.resting_seconds("a") > 0
    some.succeeded("a")
    assert (some.failures("a"), some.resting_seconds("a")) == (0, 0)


def test_a_trial_that_was_cancelled_leaves_it_open_for_the_next() -> None:
    clock = Clock()
    some = breaker(clock)
    some.failed("a")
    some.failed("a")
    clock.now += 20
    some.begin("a")
    some.let_go("a")
    assert some.resting_seconds("a") == 0
