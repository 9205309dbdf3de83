"""The page at ``/``: links, and a row per job.

Owns: what the page shows and in which words. The HTML is a Jinja2 template with autoescape, the style a file beside it;
both are read once, when the first page is asked for. Must not know: HTTP, where the status comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from timepoint.clock import DAY, HOUR, MINUTE, SECOND, format_instant
from timepoint.server.status import JobStatus
from timepoint.version import __version__

if TYPE_CHECKING:
    import jinja2

STYLE_PATH = "/-/style.css"

_WORDS = {"waiting": "waiting", "restored": "restored", "good": "well", "mild": "attention", "bad": "failing"}
_IN_ALL = {**_WORDS, "mild": "in need of attention"}


@dataclass(frozen=True, slots=True)
class LandingView:
    """What the page tells. ``now`` in milliseconds; ``problems`` are sentences about contradictions between jobs.

    ``ledger_trouble`` is why the poller cannot use its ledger, empty if it can.
    """

    telemetry_path: str
    jobs: Sequence[JobStatus]
    poller_up: bool
    poller_required: bool
    now: int
    problems: Sequence[str] = ()
    ledger_trouble: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant as a person reads it: from now, and on the clock in UTC; and as a machine does."""

    words: str
    clock: str
    stamp: str


def render(view: LandingView) -> str:
    """The page as HTML."""
    return _template().render(
        view=view,
        version=__version__,
        style_path=STYLE_PATH,
        words=_WORDS,
        now=view.now,
        moment=lambda at: None if at is None else moment(at, view.now),
        counts={word: sum(job.state == state for job in view.jobs) for state, word in _IN_ALL.items()},
    )


@cache
def style() -> bytes:
    """The style sheet."""
    return _read("style.css").encode()


def moment(at: int, now: int) -> Moment:
    """An instant in all its forms; of today (UTC) the clock shows no date."""
    stamp = format_instant(at // SECOND * SECOND)
    date, _, time = stamp.removesuffix("Z").partition("T")
    today = format_instant(now).partition("T")[0]
    return Moment(distance(at, now), f"{time} UTC" if date == today else f"{date} {time} UTC", stamp)


def distance(at: int, now: int) -> str:
    """How far an instant is from now, in words: ``3 min ago``, ``in 12 s``."""
    ahead = at > now
    length = abs(at - now)
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s")):
        if length >= unit:
            amount = f"{length // unit} {name}"
            return f"in {amount}" if ahead else f"{amount} ago"
    return "now"


@cache
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["grouped"] = lambda number: f"{number:,}".replace(",", "\u202f")
    return environment.from_string(_read("landing.html"))


def _read(name: str) -> str:
    return (resources.files("timepoint.server") / "templates" / name).read_text("utf-8")
