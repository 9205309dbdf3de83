"""What every page has around it.

Owns: what is said on top of each page, and the links between pages. Must not know: what any single page shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from timepoint.server.status import JobStatus

STYLE_PATH = "/-/style.css"

WORDS = {"waiting": "waiting", "restored": "restored", "good": "well", "mild": "attention", "bad": "failing"}
"""What the state of a job is called."""

_LONGEST_LINK = 4000  # characters of a query: a line of a request has 8 KiB


@dataclass(frozen=True, slots=True)
class Site:
    """What all pages know. ``now`` in milliseconds; ``problems`` are sentences about contradictions between jobs.

    ``ledger_trouble`` is why the poller cannot use its ledger, ``config_trouble`` why a changed config is not in force;
    empty if all is well. ``has_pages``: there are more pages than the one at ``/``. ``has_receivers``: something is
    sent by remote write.
    """

    telemetry_path: str
    jobs: Sequence[JobStatus]
    poller_up: bool
    poller_required: bool
    now: int
    problems: Sequence[str] = ()
    ledger_trouble: str = ""
    config_trouble: str = ""
    has_pages: bool = True
    has_receivers: bool = False

    def job(self, name: str) -> JobStatus | None:
        """The status of a configured job; None if there is no such job."""
        return next((job for job in self.jobs if job.name == name), None)


def job_link(name: str) -> str:
    """The page of a job."""
    return f"/jobs/{quote(name, safe='')}"


def run_link(name: str, began: int) -> str:
    """The page of a run, which is named by when it began (ms)."""
    return f"{job_link(name)}/runs/{began}"


def lanes_link(name: str, **query: object) -> str:
    """The lanes of a job."""
    return _with(f"{job_link(name)}/lanes", query)


def series_link(job: str, metric: str, **query: object) -> str:
    """The series of a metric of a job."""
    return _with("/series", {"job": job, "metric": metric, **query})


def one_link(job: str, metric: str, text: str) -> str:
    """The page of one series; "" for a text that no request line could hold."""
    link = _with("/series/one", {"job": job, "metric": metric, "series": text})
    return link if len(link) <= _LONGEST_LINK else ""


def _with(path: str, query: dict[str, object]) -> str:
    given = {name: str(value) for name, value in query.items() if value not in ("", None)}
    return f"{path}?{urlencode(given, quote_via=quote, errors='replace')}" if given else path
