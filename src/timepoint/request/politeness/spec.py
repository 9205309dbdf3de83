"""The limits that a config sets for a source.

Owns: these value objects. Must not know: clocks, requests. Durations in milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from timepoint.clock import MINUTE, SECOND


@dataclass(frozen=True, slots=True)
class RateSpec:
    """At most ``requests`` in every ``per`` in the long run, and never more than ``burst`` beyond that at once."""

    requests: int
    per: int = SECOND
    burst: int = 1


@dataclass(frozen=True, slots=True)
class QuotaSpec:
    """At most ``requests`` in each ``hour``, ``day``, ``week`` or ``month`` of a zone.

    ``reserve`` of them are left to others who use the same account.
    """

    requests: int
    per: str
    timezone: str = "UTC"
    reserve: int = 0

    @property
    def usable(self) -> int:
        """How many this exporter may make in a period."""
        return self.requests - self.reserve

    @property
    def key(self) -> str:
        """Names the period in the ledger: another zone is another period."""
        return f"{self.per} {self.timezone}"


@dataclass(frozen=True, slots=True)
class BreakerSpec:
    """After ``failures`` failed exchanges in a row a source is left alone for ``pause``; 0 failures means never."""

    failures: int = 20
    pause: int = MINUTE
