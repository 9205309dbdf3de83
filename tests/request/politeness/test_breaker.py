"""The circuit breaker by itself, where requests overlap in ways that a clock does not bring about."""

from __future__ import annotations

from timepoint.request.politeness.breaker import Breaker
from timepoint.request.politeness.spec import BreakerSpec


def test_one_at_a_time_tries_an_open_circuit_whoever_ends_late() -> None:
    """A request that tried, and saw the circuit closed by another's answer, does not end the try of a later one."""
    breaker = Breaker(BreakerSpec(failures=1, pause=10_000))
    breaker.failed(0, deadline=5)
    assert breaker.may_go(10)
    first = breaker.trial
    breaker.succeeded()  # the answer to a request of before came late
    breaker.failed(11, deadline=20)
    assert breaker.may_go(21)
    second = breaker.trial
    assert first is not None
    breaker.ended(first)
    assert not breaker.may_go(21)
    assert second is not None
    breaker.ended(second)
    assert breaker.may_go(21)
