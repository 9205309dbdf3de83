"""What one run came to.

Owns: the report that the pipeline fills in and that log, self-metrics and status are made of.
Must not know: how a run works, how a report is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite

from timepoint.journal.told import REQUESTS
from timepoint.ledger.change import Counts
from timepoint.model import Outcome, Rejects, Window
from timepoint.poller.edits import Anew
from timepoint.request.shown import ShownRequest

NOTHING_NEW = "nothing_new"
"""The reason of a skipped run whose window would have been empty."""

NOT_SETTLED = "not_settled"
"""The reason of a run whose answer says of itself that nothing of the window is final yet."""

PARTIAL_DATA = "partial_data"
"""The reason of a run whose answer says of itself that something is missing in it."""

NO_FAILURES = frozenset({NOTHING_NEW, NOT_SETTLED})

TIMEOUT = "timeout"
"""The reason of a run whose time was over before all was asked for."""


@dataclass(frozen=True, slots=True)
class MetricStanding:
    """What a job shows of one metric: its series on the page and its newest timepoint (ms).

    ``debt`` is what its counters still owe, None if the metric does not count. ``max_age`` is the metric's;
    ``is_forecast`` says that its timepoints lie ahead, so that the newest says nothing about its age. ``kept`` counts
    the series that left the page and are not forgotten yet.
    """

    series: int
    newest: int | None
    debt: float | None
    max_age: int = 0
    is_forecast: bool = False
    kept: int = 0
    oldest: int | None = None


@dataclass(frozen=True, slots=True)
class LanesStanding:
    """How the lanes of a fan-out stand. Instants in ms.

    ``failing`` are lanes whose newest attempt came to nothing. ``accepted`` says, by the fire time of their newest
    accepted run, of how many lanes that is and how many of them are failing. ``watermark`` is the oldest of all,
    ``listed_at`` when the oldest of the lists was read that others tell (None if none is).
    """

    listed: int
    failing: int
    accepted: Mapping[int, tuple[int, int]]
    watermark: int | None = None
    listed_at: int | None = None


@dataclass(slots=True)
class LanesReport:
    """The lanes of one run of a fan-out.

    ``ok`` lanes have got all that was asked for, ``idle`` ones had nothing to ask for, ``unreached`` ones no turn, or
    not for all their windows. ``reasons`` counts the failed by outcome and reason; ``examples`` tells of the first few.
    ``trouble`` says why the list is one of before, empty if it is not.
    """

    listed: int = 0
    ok: int = 0
    idle: int = 0
    failed: int = 0
    unreached: int = 0
    reasons: dict[tuple[Outcome, str], int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)
    trouble: str = ""

    KEEP = 5

    def fail(self, lane: str, outcome: Outcome, reason: str, error: str) -> None:
        self.failed += 1
        self.reasons[outcome, reason] = self.reasons.get((outcome, reason), 0) + 1
        if len(self.examples) < LanesReport.KEEP:
            self.examples.append(f"{lane} ({reason}: {error})")


@dataclass(frozen=True, slots=True)
class RequestReport:
    """One request of a run and what came of it. ``status`` 0: no answer came; ``error`` empty: the answer was taken."""

    asked: ShownRequest
    window: Window
    lane: str
    status: int = 0
    content_type: str = ""
    wire_bytes: int = 0
    body_bytes: int = 0
    attempts: int = 0
    error: str = ""


@dataclass(slots=True)
class RunReport:
    """One run of one job: its closing word, why, and in numbers what it did.

    ``reason`` is a short word from a closed set per outcome, fit for a label; ``error`` is a sentence for a person.
    ``windows`` are those that were asked for, of which ``committed`` are durable. ``attempts`` counts HTTP exchanges,
    or calls of a function. ``rows``, ``points``, ``counts`` and ``rejects`` are sums over the windows; of a window
    whose answer could not be used only the rejects count. ``stages`` holds seconds by stage, ``duration`` those of the
    whole run. ``standing`` is the job's after the run, None if it is not known. ``bug`` is an error that nobody
    foresaw. ``refusals`` is how many answers in a row held too few series to be believed, by lane, after the run;
    ``is_refused`` says that one of this run did. ``brought_back`` says how the lane was brought back from a time that
    had not come, empty if it was not. ``begun_anew`` names counters whose labels have changed altogether. ``lanes`` and
    ``lanes_standing`` tell of a fan-out, None without one; its windows are shown as one, from the oldest start to the
    newest end. ``requests`` are some of the ``request_count`` requests,
    the failed ones before others. ``settled_until`` is up to when its answers said that their data are final, the
    earliest of them (ms), None if none said it. ``doubts`` are sentences about what somebody should look at though the
    run went well, by what they are about: a metric, or "paging".
    """

    job_name: str
    fire_time: int
    began: int
    outcome: Outcome = Outcome.OK
    reason: str = ""
    error: str = ""
    windows: list[Window] = field(default_factory=list)
    settled_until: int | None = None
    committed: int = 0
    attempts: int = 0
    rows: int = 0
    dropped: int = 0
    points: int = 0
    counts: Counts = field(default_factory=Counts)
    rejects: Rejects = field(default_factory=Rejects)
    response_bytes: int = 0
    stages: dict[str, float] = field(default_factory=dict)
    duration: float = 0.0
    standing: Mapping[str, MetricStanding] | None = None
    bug: BaseException | None = None
    is_refused: bool = False
    refusals: dict[str, int] = field(default_factory=dict)
    brought_back: str = ""
    begun_anew: list[Anew] = field(default_factory=list)
    doubts: dict[str, str] = field(default_factory=dict)
    lanes: LanesReport | None = None
    lanes_standing: LanesStanding | None = None
    requests: list[RequestReport] = field(default_factory=list)
    request_count: int = 0

    @property
    def failed(self) -> bool:
        """A run without anything new is no failure: a period may be shorter than a step, or than what settles."""
        return self.outcome not in (Outcome.OK, Outcome.EMPTY) and self.reason not in NO_FAILURES

    def asks(self, window: Window) -> None:
        """Notes a window that is asked for."""
        if self.lanes is None or not self.windows:
            self.windows.append(window)
        else:
            [hull] = self.windows
            self.windows = [Window(min(hull.start, window.start), max(hull.end, window.end))]

    def note_settled(self, boundary: float | None) -> None:
        """Takes what an answer said of its data; one that says that nothing is final names no instant."""
        if boundary is not None and isfinite(boundary):
            known = self.settled_until
            self.settled_until = int(boundary) if known is None else min(known, int(boundary))

    def note_request(self, request: RequestReport) -> None:
        """Keeps a request, or a failed one in the place of one that went well."""
        self.request_count += 1
        if len(self.requests) < REQUESTS:
            self.requests.append(request)
        elif request.error:
            place = next((place for place, kept in enumerate(self.requests) if not kept.error), None)
            if place is not None:
                del self.requests[place]
                self.requests.append(request)

    def close(self, outcome: Outcome, reason: str = "", error: str = "") -> RunReport:
        """Sets the closing word; gives the report itself."""
        self.outcome, self.reason, self.error = outcome, reason, error
        return self


def skipped(job_name: str, fire_time: int, now: int, reason: str, error: str) -> RunReport:
    """The report of a run that did not take place."""
    return RunReport(job_name, fire_time, now).close(Outcome.SKIPPED, reason, error)
