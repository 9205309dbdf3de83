"""Who gets timepoints by remote write, and what waits for them.

Owns: the reading of what the poller says of its receivers, and their page. Whatever is absent or of another type reads
as unknown. Must not know: HTTP, the outbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
    entries = status.get("receivers")
    return [_read(entry) for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def receivers_page(site: Site, status: Mapping[str, Any]) -> str:
    """The page of all receivers."""
    return render("receivers.html", site, receivers=read_receivers(status))


def _read(entry: Mapping[str, Any]) -> ReceiverStatus:
    state = _text(entry.get("state"))
    age, window = _whole(entry.get("oldest_age")), _whole(entry.get("window"))
    reasons = entry.get("dead_by_reason")
    warnings = entry.get("warnings")
    return ReceiverStatus(
        name=_text(entry.get("name")),
        url=_text(entry.get("url")),
        state=state or "unknown",
        colour=_STATES.get(state, "bad" if state else "waiting"),
        why=_text(entry.get("why")),
        since=_whole(entry.get("since")),
        version=_text(entry.get("version")),
        pending=_whole(entry.get("pending")),
        parked=_whole(entry.get("parked")) or 0,
        oldest_age=age,
        window=window,
        used=min(1.0, age / window) if age is not None and window else None,
        enqueued=_whole(entry.get("enqueued")),
        acknowledged=_whole(entry.get("acknowledged")),
        sent=_whole(entry.get("sent")),
        dead=_whole(entry.get("dead")) or 0,
        late_amounts=_whole(entry.get("late_amounts")) or 0,
        dismissed=_whole(entry.get("dismissed")) or 0,
        dead_by_reason=tuple(
            sorted((reason, count) for reason, count in reasons.items() if isinstance(count, int))
            if isinstance(reasons, Mapping)
            else ()
        ),
        last_success=_whole(entry.get("last_success")),
        newest_sent=_whole(entry.get("newest_sent")),
        warnings=tuple(text for text in warnings if isinstance(text, str)) if isinstance(warnings, list) else (),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
