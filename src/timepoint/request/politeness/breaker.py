"""The circuit breaker of a source: no requests to an API that answers none.

Owns: when a source is left alone, and who may try it again. Must not know: clocks, waiting, HTTP. Pure.

    closed      every request may go; ``failures`` failed exchanges in a row open the circuit
    open        no request may go until ``pause`` is over
    half open   one request may go, with all its attempts: a good answer closes the circuit, a failed one opens it again

A request is judged once, before its first attempt, and then keeps its attempts. So a job that is alone at its source
loses nothing: its runs are further apart than ``pause``, and each of them is the one that tries.

Whoever meets an open circuit fails at once, but for a run that began later than all those that saw the failures: it
waits for the next try, if that is before its deadline, since a poll shall not be lost to a source that is back. Runs
are told apart by their deadlines, which grow as time does. Instants are seconds of the monotonic clock.
"""

from __future__ import annotations

from enum import StrEnum

from timepoint.request.politeness.spec import BreakerSpec


class State(StrEnum):
    """The state of a circuit."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """One circuit."""

    def __init__(self, spec: BreakerSpec) -> None:
        self._spec = spec
        self._pause = spec.pause / 1000
        self._failures = 0
        self._open_until: float | None = None
        self._trials = 0
        self._trial: int | None = None  # the number of the request that is on its way and decides
        self._disappointed = float("-inf")  # the latest deadline of a run that has seen it fail
        self.opened = 0

    @property
    def failures(self) -> int:
        """Failed exchanges in a row."""
        return self._failures

    @property
    def open_until(self) -> float | None:
        """When it may be tried again; None if it is closed."""
        return self._open_until

    def state(self, now: float) -> State:
        if self._open_until is None:
            return State.CLOSED
        return State.OPEN if now < self._open_until and not self.is_tried else State.HALF_OPEN

    @property
    def is_tried(self) -> bool:
        """Whether a request is on its way that tries an open circuit."""
        return self._trial is not None

    @property
    def trial(self) -> int | None:
        """The number of that request."""
        return self._trial

    def would_go(self, now: float) -> bool:
        """Whether a request might go now."""
        return self._open_until is None or (not self.is_tried and now >= self._open_until)

    def may_go(self, now: float) -> bool:
        """Whether a request may go now; if it is the one that tries an open circuit, it is taken for it."""
        if self._open_until is None:
            return True
        if self.is_tried or now < self._open_until:
            return False
        self._trials += 1
        self._trial = self._trials
        return True

    def may_wait(self, deadline: float) -> bool:
        """Whether a request that may not go now may wait for the next try, or for the outcome of the one under way."""
        if deadline <= self._disappointed:
            return False
        return self.is_tried or (self._open_until is not None and self._open_until < deadline)

    def failed(self, now: float, deadline: float) -> None:
        """Notes a failed exchange of a run with that deadline."""
        self._failures += 1
        if not self._spec.failures or self._failures < self._spec.failures:
            return
        if self._open_until is None:
            self.opened += 1
        self._open_until = now + self._pause
        self._disappointed = max(self._disappointed, deadline)

    def succeeded(self) -> None:
        """Notes an exchange that the source answered: the circuit closes."""
        self._failures = 0
        self._open_until = None
        self._trial = None

    def ended(self, trial: int) -> None:
        """Notes that a request which was to try has ended, whatever it came to, or was cancelled.

        An answer to another request may have closed the circuit meanwhile, and a later one may be trying it again.
        """
        if trial == self._trial:
            self._trial = None
