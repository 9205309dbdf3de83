"""A machine on which time runs fast: the clock of timepoint and the event loops of a process and of all that it forks.

Owns: the seam: ``timepoint.clock`` is the only reader of the clock in the product, and its waits are those of asyncio.
Must not know: what runs in it.

    TIMEPOINT_PROOF_FAST="RATE ORIGIN" python -m tests.proof.fasttime run config.yaml ...

is ``timepoint run`` with RATE seconds in each real one. ORIGIN (real milliseconds since the epoch) is when fast and
real time were equal: all processes that are given the same two numbers agree about the time to the millisecond,
whenever they were started, which libfaketime cannot offer. What is not made faster: pauses of threads (the server looks
for new pages five times in each real second), how long a client may take, and how long the end may.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import sys
import time
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, Self

from timepoint.clock import SystemClock

VARIABLE = "TIMEPOINT_PROOF_FAST"


@dataclass(frozen=True, slots=True)
class FastTime:
    """``rate`` seconds in each real one since ``origin``, real milliseconds since the epoch."""

    rate: float
    origin: int

    @classmethod
    def of_environment(cls) -> Self | None:
        """What the variable says, None without it."""
        words = os.environ.get(VARIABLE, "").split()
        return cls(float(words[0]), int(words[1])) if words else None

    def environ(self) -> dict[str, str]:
        """What a process needs to live in this time."""
        return {VARIABLE: f"{self.rate} {self.origin}"}

    def now(self) -> int:
        """The wall clock: milliseconds since the epoch."""
        real = time.time_ns() // 1_000_000
        return self.origin + round((real - self.origin) * self.rate)

    def install(self) -> None:
        """Makes the clock of timepoint and each event loop made from now on fast, in this process and its children."""
        rate = self.rate
        _replace(SystemClock, "now", lambda _: self.now())
        _replace(SystemClock, "monotonic", lambda _: time.monotonic() * rate)

        class Loop(asyncio.SelectorEventLoop):
            """Its timers fire in fast time."""

            def __init__(self) -> None:
                super().__init__(_FastSelector(rate))

            def time(self) -> float:
                return super().time() * rate

        class Policy(asyncio.DefaultEventLoopPolicy):
            _loop_factory = Loop

        asyncio.set_event_loop_policy(Policy())

    def keep_real(self) -> None:
        """Gives clients and the end as much real time as they always have: neither of them lives in fast time."""
        from timepoint import supervisor
        from timepoint.poller import runner
        from timepoint.server.settings import ServerSettings

        limits = ServerSettings().limits
        for name in ("head_deadline", "keepalive", "write_deadline", "stop_deadline"):
            object.__setattr__(limits, name, getattr(limits, name) * self.rate)  # it is frozen, and the default of all
        defaults = supervisor.supervise.__kwdefaults__
        assert defaults is not None
        defaults["stop_within"] *= self.rate
        _replace(runner, "_END", runner._END * self.rate)


class _FastSelector(selectors.DefaultSelector):
    """Waits the real time that a fast timeout takes."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self._rate = rate

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(timeout if timeout is None else timeout / self._rate)


def now() -> int:
    """Milliseconds since the epoch on the clock of this process, be it fast or not."""
    return SystemClock().now()


def http_date() -> str:
    """The ``Date`` header of this moment. Source: RFC 9110, 6.6.1."""
    return formatdate(now() / 1000, usegmt=True)


def _replace(owner: object, name: str, replacement: Any) -> None:
    setattr(owner, name, replacement)


def main() -> None:
    """``timepoint`` with the arguments of this process, in the time of its environment."""
    from timepoint.cli.main import main as timepoint

    fast = FastTime.of_environment()
    if fast is None:
        sys.exit(f"set {VARIABLE} to a rate and an origin")
    fast.install()
    fast.keep_real()
    sys.argv[0] = "timepoint"
    timepoint()


if __name__ == "__main__":
    main()
