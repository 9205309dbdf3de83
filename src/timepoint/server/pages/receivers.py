"""Who gets timepoints by remote write, and what waits for them.

Owns: the reading of what the poller says of its receivers, and their page. Whatever is absent or of another type reads
as unknown. Must not know: HTTP, the outbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from timepoint.server import loosely
from timepoint.server.pages.render import render
from timepoint.server.pages.views import Site

_STATES = {"idle": "good", "sending": "good", "retrying": "mild"}
_ALARM = 0.7  # of the window, as the alerts have it


@dataclass(frozen=True, slots=True)
class ReceiverStatus:
    """One receiver. Instants and lengths in milliseconds, None for unknown; ``used`` is the share of its window."""

    name: str
    url: str
    state: str
    colour: str
    why: str
    since: int | None
    version: str
    pending: int | None
    parked: int
    oldest_age: int | None
    window: int | None
    used: float | None
    enqueued: int | None
    acknowledged: int | None
    sent: int | None
    dead: int
    late_amounts: int
    dismissed: int
    dead_by_reason: tuple[tuple[str, int], ...]
    last_success: int | None
    newest_sent: int | None
    warnings: tuple[str, ...]

    @property
    def is_near_its_end(self) -> bool:
        """Whether what waits will soon be too old for the receiver."""
        return self.used is not None and self.used >= _ALARM


def read_receivers(status: Mapping[str, Any]) -> list[ReceiverStatus]:
    """The receivers that the poller tells of."""
    return [_read(entry) for entry in loosely.items(status.get("receivers")) if isinstance(entry, Mapping)]


def receivers_page(site: Site, status: Mapping[str, Any]) -> str:
    """The page of all receivers."""
    return render("receivers.html", site, receivers=read_receivers(status))


def _read(entry: Mapping[str, Any]) -> ReceiverStatus:
    state = loosely.text(entry.get("state"))
    age, window = loosely.whole(entry.get("oldest_age")), loosely.whole(entry.get("window"))
    reasons, warnings = loosely.mapping(entry.get("dead_by_reason")), loosely.items(entry.get("warnings"))
    return ReceiverStatus(
        name=loosely.text(entry.get("name")),
        url=loosely.text(entry.get("url")),
        state=state or "unknown",
        colour=_STATES.get(state, "bad" if state else "waiting"),
        why=loosely.text(entry.get("why")),
        since=loosely.whole(entry.get("since")),
        version=loosely.text(entry.get("version")),
        pending=loosely.whole(entry.get("pending")),
        parked=loosely.whole(entry.get("parked")) or 0,
        oldest_age=age,
        window=window,
        used=min(1.0, age / window) if age is not None and window else None,
        enqueued=loosely.whole(entry.get("enqueued")),
        acknowledged=loosely.whole(entry.get("acknowledged")),
        sent=loosely.whole(entry.get("sent")),
        dead=loosely.whole(entry.get("dead")) or 0,
        late_amounts=loosely.whole(entry.get("late_amounts")) or 0,
        dismissed=loosely.whole(entry.get("dismissed")) or 0,
        dead_by_reason=tuple(sorted((word, count) for word, count in reasons.items() if isinstance(count, int))),
        last_success=loosely.whole(entry.get("last_success")),
        newest_sent=loosely.whole(entry.get("newest_sent")),
        warnings=tuple(warning for warning in warnings if isinstance(warning, str)),
    )
