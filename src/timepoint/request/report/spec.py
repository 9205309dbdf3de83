"""What a job's report says: how it is waited for and where it is fetched.

Owns: these value objects. Must not know: YAML, how a report is run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from timepoint.clock import SECOND

REPORT_ID = "{report.id}"
ACCEPTED = 202


@dataclass(frozen=True, slots=True)
class PlaceSpec:
    """Where a request goes: to a path of the source, or to a URL in the body or in a header of the answer before.

    At most one is set; none is the request of the job itself. ``path`` may hold templates and ``{report.id}``.
    """

    path: str = ""
    url: str = ""
    header: str = ""


@dataclass(frozen=True, slots=True)
class ReportSpec:
    """A report that the request of the job orders.

    ``id`` is the path to the report's id in the answer to the order. ``poll`` is asked, every ``pause`` milliseconds at
    first, as long as its status is one of ``pending_status``, or until each path of ``done`` has one of its values. One
    of the values of a path of ``failed`` ends it. ``download`` is where the report is then, None if the last answer
    holds it. ``hosts`` are other hosts that a download may go to, a leading ``*.`` for all below; no credentials go
    there.
    """

    poll: PlaceSpec
    download: PlaceSpec | None = None
    id: str = ""
    pause: int = 5 * SECOND
    pending_status: tuple[int, ...] = (ACCEPTED,)
    done: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    failed: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    hosts: tuple[str, ...] = ()
