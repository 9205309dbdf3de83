"""Panels for the exporter itself.

Owns: which of its own metrics are shown, and how. Must not know: Grafana's JSON, the metrics of the jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from timepoint.observe.board import Kind, Panel, Query, Row, State
from timepoint.observe.facts import Watched
from timepoint.observe.flows import Flow
from timepoint.observe.metric_panels import SCRAPED
from timepoint.observe.promql import selector, single_unit

_GOOD, _ODD, _BAD, _WORST = "green", "yellow", "orange", "red"
_NEVER = State(0, "never", "gray")  # all words are 0 before the first accepted run
_FRESHNESS = (
    State(1, "fresh", _GOOD),
    State(2, "late", _ODD),
    State(3, "stale", _BAD),
    State(4, "expired", _WORST),
)
_RUNNING = (State(0, "down", _WORST), State(1, "up", _GOOD))
_LEDGER = (State(0, "unusable", _WORST), State(1, "ok", _GOOD))
_TROUBLE = ((1.0, _WORST),)
_USED_UP = ((0.5, _ODD), (0.7, _WORST))  # of a receiver's window; the alert begins at 0.7
_SENDING = (
    State(1, "idle", _GOOD),
    State(2, "sending", _GOOD),
    State(3, "retrying", _BAD),
    State(4, "held", _WORST),
    State(5, "clock", _WORST),
    State(6, "ledger", _WORST),
)


def health_rows(watched: Watched, scrape_interval: int) -> Iterator[Row]:
    """The rows about the exporter: a glance, data and runs, sources, processes; lanes and receivers if there are."""
    # Runs of several jobs are shown together, so the shortest period decides how fine the picture is.
    flow = Flow.scraped(min(job.period for job in watched.jobs), scrape_interval)
    yield Row("Exporter at a glance", tuple(_glance()))
    yield Row("Runs and data", tuple(_runs(flow)))
    if any(job.has_lanes for job in watched.jobs):
        yield Row("Fan-out", tuple(_lanes()))
    if watched.sources:
        yield Row("Sources", tuple(_sources(watched, flow)))
    if watched.receivers:
        yield Row("Remote write", tuple(_receivers(flow)))
    yield Row("Processes", tuple(_processes(scrape_interval)))


def _own(metric: str, *more: str) -> str:
    return selector(metric, *SCRAPED, *more)


def _of_job(metric: str, *more: str) -> str:
    return _own(metric, 'job_name=~"$job_name"', *more)


def _state(state: State) -> str:
    return f'state="{state.word}"'


def _worst(states: tuple[State, ...], select: Callable[..., str], metric: str, by: str) -> str:
    """The largest value of the states that hold, over all exporters; 0 where none holds."""
    words = (f"{state.value} * {select(metric, _state(state))}" for state in states)
    return f"max by ({by}) (\n  " + "\n  or ".join(words) + "\n)"


def _stat(title: str, description: str, expr: str, states: tuple[State, ...] = (), **settings: object) -> Panel:
    query = Query(expr, is_instant=True)
    return Panel(
        title,
        description,
        Kind.STAT,
        (query,),
        width=4,
        height=4,
        states=states,
        **settings,  # type: ignore[arg-type]  # by name
    )


def _glance() -> Iterator[Panel]:
    yield _stat("Exporter", "Whether Prometheus could scrape it.", f"min({_own('up')})", _RUNNING)
    yield _stat("Poller", "Whether its heartbeats come.", f"min({_own('timepoint_poller_up')})", _RUNNING)
    yield _stat("Ledger", "Whether runs can be kept.", f"min({_own('timepoint_ledger_ok')})", _LEDGER)
    failing = f"sum(max by (job_name) ({_own('timepoint_job_consecutive_failures')} > bool 0))"
    yield _stat("Failing jobs", "Jobs whose newest run failed.", failing, alarms=_TROUBLE)
    unfresh = f"1 - min by (job_name, metric) ({_own('timepoint_job_freshness', _state(_FRESHNESS[0]))})"
    yield _stat(
        "Not fresh", "Metrics that are late, stale or expired, or never were there.", f"sum({unfresh})", alarms=_TROUBLE
    )
    yield _stat("Series", "On the page, of all jobs.", f"sum({_own('timepoint_job_series')})")


def _runs(flow: Flow) -> Iterator[Panel]:
    freshness = _worst(_FRESHNESS, _of_job, "timepoint_job_freshness", "job_name, metric")
    yield Panel(
        "Freshness",
        "late: a run or data are overdue; stale: runs fail and older values are shown; expired: max_age has passed. "
        "Of several exporters the worst.",
        Kind.TIMELINE,
        (Query(freshness, "{{job_name}} {{metric}}"),),
        width=24,
        states=(_NEVER, *_FRESHNESS),
    )
    data, success = "timepoint_job_data_timestamp_seconds", "timepoint_job_last_success_timestamp_seconds"
    yield Panel(
        "Age of the data",
        "How long ago the newest timepoint of each metric was. Of several exporters the oldest.",
        Kind.TIMESERIES,
        (Query(f"time() - min by (job_name, metric) ({_of_job(data)})", "{{job_name}} {{metric}}"),),
        unit="s",
        is_from_zero=True,
    )
    yield Panel(
        "Time since the last good run",
        "How long ago it began. Of several exporters the longest.",
        Kind.TIMESERIES,
        (Query(f"time() - min by (job_name) ({_of_job(success)})", "{{job_name}}"),),
        unit="s",
        is_from_zero=True,
    )
    failures = _of_job("timepoint_job_consecutive_failures")
    yield _lines("Failed runs in a row", "Since the last good one.", f"max by (job_name) ({failures})", "{{job_name}}")
    stages = f"sum by (stage) ({_of_job('timepoint_job_last_run_stage_duration_seconds')})"
    yield Panel(
        "Stages of the newest runs",
        "How long each stage of the newest run took, added up over the jobs that are chosen.",
        Kind.TIMESERIES,
        (Query(stages, "{{stage}}"),),
        unit="s",
        is_stacked=True,
        is_from_zero=True,
    )
    yield _points(flow)
    yield _per_hour(
        "Rejects per hour", "What could not be used.", "timepoint_job_rejects_total", "job_name, reason", flow
    )
    yield _per_hour(
        "Failed runs per hour",
        "By their closing word.",
        "timepoint_job_run_failures_total",
        "job_name, outcome",
        flow,
        is_rare=True,
    )
    yield _budget()


def _budget() -> Panel:
    shown, kept = _of_job("timepoint_job_series"), _of_job("timepoint_job_kept_series")
    share = f"max by (job_name) (sum without (metric) ({shown} + {kept}) / {_of_job('timepoint_job_max_series')})"
    return Panel(
        "Share of max_series that is used",
        "Series on the page, and those that left it and are not forgotten.",
        Kind.TIMESERIES,
        (Query(share, "{{job_name}}"),),
        unit="percentunit",
        is_from_zero=True,
    )


def _points(flow: Flow) -> Panel:
    kinds = ("new", "late", "revised")
    queries = tuple(
        Query(
            f"{flow.per_second('by (job_name)', _of_job(f'timepoint_job_{kind}_points_total'))} * 3600",
            f"{{{{job_name}}}} {kind}",
        )
        for kind in kinds
    )
    return Panel(
        "Counted points per hour",
        "new: counted; late: before what was settled; revised: came again with another value.",
        Kind.TIMESERIES,
        queries,
        min_step=flow.step,
        is_from_zero=True,
    )


def _lines(title: str, description: str, expr: str, legend: str) -> Panel:
    return Panel(title, description, Kind.TIMESERIES, (Query(expr, legend),), is_from_zero=True)


def _per_hour(title: str, description: str, counter: str, by: str, flow: Flow, *, is_rare: bool = False) -> Panel:
    """A counter by some labels. ``is_rare``: only what there was, since most of its reasons are those of nobody."""
    labels = [label.strip() for label in by.split(",")]
    select = _of_job(counter) if "job_name" in by else _own(counter)
    expr = f"{flow.per_second(f'by ({by})', select)} * 3600"
    if is_rare:
        there = f"max_over_time({select}[{single_unit(flow.range)}]) > 0"
        none = f'label_replace(0 * max({select}), "{labels[-1]}", "none", "", "")'
        expr = f"{expr}\nand on ({by}) {there}\nor on () {none}"
    query = Query(expr, " ".join(f"{{{{{label}}}}}" for label in labels))
    return Panel(title, description, Kind.TIMESERIES, (query,), min_step=flow.step, is_from_zero=True, is_stacked=True)


def _lanes() -> Iterator[Panel]:
    lanes, failing = _of_job("timepoint_job_lanes"), _of_job("timepoint_job_failing_lanes")
    yield Panel(
        "Lanes",
        "One for each value of the fan-out.",
        Kind.TIMESERIES,
        (
            Query(f"max by (job_name) ({lanes})", "{{job_name}}"),
            Query(f"max by (job_name) ({failing})", "{{job_name}} failing"),
        ),
        is_from_zero=True,
    )
    oldest = _of_job("timepoint_job_oldest_lane_timestamp_seconds")
    yield Panel(
        "How far the last lane is behind",
        "The age of what the lane that is furthest behind has been asked for.",
        Kind.TIMESERIES,
        (Query(f"time() - min by (job_name) ({oldest})", "{{job_name}}"),),
        unit="s",
        is_from_zero=True,
    )


def _sources(watched: Watched, flow: Flow) -> Iterator[Panel]:
    yield _per_hour("Requests per hour", "Attempts included.", "timepoint_source_requests_total", "source", flow)
    yield _per_hour("Answers per hour", "By status.", "timepoint_source_responses_total", "source, code", flow)
    yield _per_hour(
        "Failed requests per hour",
        "No usable answer.",
        "timepoint_source_request_failures_total",
        "source, reason",
        flow,
        is_rare=True,
    )
    yield _per_hour(
        "Requests held back per hour",
        "What limits, quotas and the circuit breaker did not let out.",
        "timepoint_source_held_back_total",
        "source, reason",
        flow,
        is_rare=True,
    )
    received = flow.per_second("by (source)", _own("timepoint_source_response_bytes_total"))
    yield Panel(
        "Received",
        "Bytes of answers over the wire.",
        Kind.TIMESERIES,
        (Query(received, "{{source}}"),),
        unit="Bps",
        min_step=flow.step,
        is_from_zero=True,
    )
    flying, waiting = _own("timepoint_source_requests_in_flight"), _own("timepoint_source_requests_waiting")
    yield Panel(
        "Requests under way and waiting",
        "At the moments of the scrapes.",
        Kind.TIMESERIES,
        (
            Query(f"sum by (source) ({flying})", "{{source}}"),
            Query(f"sum by (source) ({waiting})", "{{source}} waiting"),
        ),
        is_from_zero=True,
    )
    if any(source.quotas for source in watched.sources):
        used, limit = _own("timepoint_source_quota_used"), _own("timepoint_source_quota_limit")
        yield Panel(
            "Used of the quotas",
            "In the period of each.",
            Kind.TIMESERIES,
            (Query(f"max by (source, period) ({used} / {limit})", "{{source}} per {{period}}"),),
            unit="percentunit",
            is_from_zero=True,
        )


def _sent() -> Iterator[Panel]:
    """What is to be seen of the receivers at a glance: the troubles first."""
    write = "timepoint_remote_write"
    held = _own(f"{write}_state", 'state=~"held|clock"')
    yield _stat(
        "Held receivers",
        "Nothing is sent until somebody mends the URL, the credentials or a clock.",
        f"sum(max by (remote_name) ({held}))",
        alarms=_TROUBLE,
    )
    yield _stat(
        "Dead letters",
        "Samples that were given up, and neither sent after all nor dismissed.",
        f"sum({_own(f'{write}_dead')})",
        alarms=_TROUBLE,
    )
    yield _stat(
        "Set aside",
        "Samples over which alone a receiver fails.",
        f"sum({_own(f'{write}_parked')})",
        alarms=((1.0, _ODD),),
    )
    oldest, window = _own(f"{write}_oldest_pending_timestamp_seconds"), _own(f"{write}_receiver_window_seconds")
    yield _stat(
        "Window used",
        "By the oldest sample that waits, of the age that its receiver takes; at 100 % it is a dead letter.",
        f"max((time() - {oldest}) / ({window} > 0)) or 0 * max({window})",
        unit="percentunit",
        alarms=_USED_UP,
    )
    yield _stat("Samples that wait", "For all receivers.", f"sum({_own('prometheus_remote_storage_samples_pending')})")
    yield _stat(
        "Not stored",
        "Acknowledged, and by the receivers' own word not written.",
        f"sum({_own(f'{write}_unwritten_total')})",
        alarms=((1.0, _ODD),),
    )


def _receivers(flow: Flow) -> Iterator[Panel]:
    yield from _sent()
    sending = _worst(_SENDING, _own, "timepoint_remote_write_state", "remote_name")
    yield Panel(
        "What each sender does",
        "retrying: the receiver fails; held: somebody must mend something; clock: the clocks differ; ledger: it cannot "
        "be used. Of several exporters the worst.",
        Kind.TIMELINE,
        (Query(sending, "{{remote_name}}"),),
        width=24,
        states=(State(0, "unknown", "gray"), *_SENDING),
    )
    pending = _own("prometheus_remote_storage_samples_pending")
    yield _lines("Samples that wait", "For each receiver.", f"max by (remote_name) ({pending})", "{{remote_name}}")
    oldest, window = "timepoint_remote_write_oldest_pending_timestamp_seconds", "timepoint_remote_write_receiver_window"
    yield Panel(
        "Age of the oldest sample that waits",
        "And from when on it becomes a dead letter.",
        Kind.TIMESERIES,
        (
            Query(f"time() - min by (remote_name) ({_own(oldest)})", "{{remote_name}}"),
            Query(f"max by (remote_name) ({_own(f'{window}_seconds')}) > 0", "{{remote_name}} at most"),
        ),
        unit="s",
        is_from_zero=True,
    )
    yield _per_hour(
        "Samples sent per hour",
        "Acknowledged by each receiver.",
        "timepoint_remote_write_acknowledged_total",
        "remote_name",
        flow,
    )
    yield _per_hour(
        "Samples given up per hour",
        "Before they were sent, by reason.",
        "prometheus_remote_storage_samples_dropped_total",
        "remote_name, reason",
        flow,
        is_rare=True,
    )
    yield _per_hour(
        "Samples refused per hour",
        "And given up, since the receiver will not take them.",
        "prometheus_remote_storage_samples_failed_total",
        "remote_name",
        flow,
    )
    yield _per_hour(
        "Late amounts per hour",
        "Of counters: they came behind what was sent, so the next total brings them. Nothing is lost by it.",
        "timepoint_remote_write_late_amounts_total",
        "remote_name",
        flow,
    )


def _processes(scrape_interval: int) -> Iterator[Panel]:
    flow = Flow.scraped(scrape_interval, scrape_interval)
    metrics = (
        ("CPU", "Of one core.", "cpu_seconds_total", "percentunit"),
        ("Memory", "Resident.", "resident_memory_bytes", "bytes"),
        ("Open files", "And sockets.", "open_fds", "short"),
    )
    for title, description, metric, unit in metrics:
        queries = []
        for prefix, who in (("process", "server"), ("timepoint_poller", "poller")):
            own = _own(f"{prefix}_{metric}")
            is_counter = metric.endswith("_total")
            expr = flow.per_second("by (instance)", own) if is_counter else f"sum by (instance) ({own})"
            queries.append(Query(expr, f"{{{{instance}}}} {who}"))
        yield Panel(
            title,
            description,
            Kind.TIMESERIES,
            tuple(queries),
            unit=unit,
            is_from_zero=True,
            min_step=flow.step,
            width=8,
        )
