"""What is told on the status pages.

Owns: the value objects that the poller writes and the server reads, and the bounds of each. Must not know: how they
come about, files, HTML. Instants and lengths of data time are in milliseconds, durations of work in seconds. Every text
is fit to be shown: credentials are masked before it comes here.
"""

from __future__ import annotations

import msgspec

RUNS = 20
"""The newest runs that are told of a job."""

FAILED_RUNS = 5
"""And the newest failed ones that are older: what went wrong at night is not pushed out by what went well since."""

REQUESTS = 10
"""The requests that are told of a run; those that failed come first."""

WINDOWS = 10
"""The windows that are told of a run."""

LANES = 1000
"""The lanes that are told of a job: those that fail, then those that are furthest behind."""

SERIES = 10_000
"""The series of a job whose recent timepoints are told."""

SERIES_IN_ALL = 100_000
"""The same over all jobs."""

POINTS = 96
"""The timepoints that are told of a series: eight hours of 5 minutes, two days of half hours."""

TEXT = 2000
"""The characters of one sentence; a body or a URL may be longer."""


class RequestTold(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request of a run. Without an ``error`` its answer was taken; ``status`` 0 means that none came.

    ``headers`` are names and what may be shown of their values. ``wire_bytes`` came over the network, ``body_bytes``
    were in it. ``attempts`` 0 means that the request was never sent.
    """

    method: str
    url: str
    window: tuple[int, int] | None = None
    lane: str = ""
    headers: list[tuple[str, str]] = []
    body: str = ""
    status: int = 0
    content_type: str = ""
    wire_bytes: int = 0
    body_bytes: int = 0
    attempts: int = 0
    error: str = ""


class RejectTold(msgspec.Struct, frozen=True):
    """Rows or values that could not be used, for one reason, and the JSON paths of the first few."""

    reason: str
    count: int
    examples: list[str]


class LanesTold(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the lanes of one run ended; ``reasons`` are outcome, reason and how many."""

    listed: int = 0
    ok: int = 0
    idle: int = 0
    failed: int = 0
    unreached: int = 0
    reasons: list[tuple[str, str, int]] = []
    examples: list[str] = []
    trouble: str = ""


class RunTold(msgspec.Struct, frozen=True, omit_defaults=True):
    """One run, stage by stage. ``began`` names it. ``window_count`` counts all its windows, ``windows`` has the first.

    ``request_count`` counts all answers and failures, ``requests`` has some. ``stages`` are seconds by stage.
    ``counts`` is what happened to points and series, by the ledger's words. ``notes`` are sentences about what is out
    of the usual. ``again`` counts runs right before it that were skipped for the same reason.
    """

    fire_time: int
    began: int
    outcome: str
    failed: bool = False
    reason: str = ""
    error: str = ""
    duration: float = 0.0
    windows: list[tuple[int, int]] = []
    window_count: int = 0
    committed: int = 0
    attempts: int = 0
    response_bytes: int = 0
    requests: list[RequestTold] = []
    request_count: int = 0
    rows: int = 0
    dropped: int = 0
    points: int = 0
    rejects: list[RejectTold] = []
    counts: dict[str, int] = {}
    stages: dict[str, float] = {}
    series: int | None = None
    lanes: LanesTold | None = None
    notes: list[str] = []
    again: int = 0


class LaneTold(msgspec.Struct, frozen=True, array_like=True):
    """How one lane stands."""

    name: str
    watermark: int | None
    last_attempt: int | None
    last_accepted: int | None
    fails: bool


class MetricTold(msgspec.Struct, frozen=True, omit_defaults=True):
    """A metric as the config declares it, and what is shown of it. ``receivers`` get it instead of the page.

    ``is_amounts``: each timepoint is an amount of its own interval, and not how something stands.
    """

    name: str
    type: str
    help: str = ""
    unit: str = ""
    how: str = ""
    max_age: int = 0
    series: int = 0
    kept: int = 0
    newest: int | None = None
    debt: float | None = None
    receivers: list[str] = []
    is_amounts: bool = False


class JobTold(msgspec.Struct, frozen=True, omit_defaults=True):
    """One job. ``facts`` are sections of terms and texts, from the config; ``runs`` has the newest first."""

    job_name: str
    told_at: int
    facts: list[tuple[str, list[tuple[str, str]]]] = []
    metrics: list[MetricTold] = []
    runs: list[RunTold] = []
    lanes: list[LaneTold] = []
    lane_count: int = 0
    watermark: int | None = None


class GridTold(msgspec.Struct, frozen=True, array_like=True):
    """The intervals of some timepoints: packed int64 of their starts and of their ends, ascending by the end."""

    starts: bytes
    ends: bytes


class SeriesTold(msgspec.Struct, frozen=True, array_like=True):
    """The recent timepoints of the series of one metric, in few large pieces.

    ``texts`` are the series' texts, a line each. Of series i, ``grids[i]`` (packed int32) is the number of its grid,
    and ``begins[i]`` (packed int64) where its values begin in ``values`` (packed float64), as many as its grid has
    intervals.

    In one object per series, a page of 30,000 series kept the interpreter for 90 ms, and a scrape waiting.
    """

    texts: str
    grids: bytes
    begins: bytes
    values: bytes


class RecentTold(msgspec.Struct, frozen=True, omit_defaults=True):
    """The recent timepoints of a job's series, by metric. ``left_out`` counts series for which there was no room."""

    job_name: str
    told_at: int
    grids: list[GridTold] = []
    series: dict[str, SeriesTold] = {}
    left_out: int = 0


class ConfigTold(msgspec.Struct, frozen=True):
    """The config that the poller runs, as it may be shown."""

    told_at: int
    text: str
