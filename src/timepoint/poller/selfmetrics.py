"""The poller's own metrics.

Owns: their names, types, labels and help, in one place from which the documentation is generated; how tallies become
families. Must not know: where tallies come from, how facts are read, rendering. Pure.

A failure counter exists for every outcome from the start, at 0, so that ``increase()`` sees the first failure. Facts
about the process have names of their own: ``process_*`` on the page is the server, which answers the scrape.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable

from timepoint.exposition.family import FamilySnapshot, SampleBatch
from timepoint.model import FamilySpec, MetricType, Outcome, series_text
from timepoint.poller.cost_metrics import OF_PROCESS
from timepoint.poller.freshness import Freshness
from timepoint.poller.self_facts import (
    PollerFacts,
    Sample,
    SelfMetric,
    by_word,
    of_jobs,
    of_lanes,
    of_poller,
    of_process,
    of_receivers,
    of_sources,
    seconds,
)
from timepoint.poller.source_metrics import OF_SOURCES
from timepoint.poller.tally import JobTally
from timepoint.remote_write.facts import OF_RECEIVERS
from timepoint.version import __version__

FAILURES = (
    Outcome.PARTIAL,
    Outcome.SOURCE_ERROR,
    Outcome.MAPPING_ERROR,
    Outcome.STORE_ERROR,
    Outcome.SKIPPED,
)


def _outcomes(tally: JobTally) -> dict[str, float]:
    closing = tally.skip or tally.last
    return {outcome.value: float(outcome is closing.outcome) for outcome in Outcome} if closing else {}


def _freshness(facts: PollerFacts) -> Iterable[Sample]:
    """Each word from when on it holds: the samples change by the server's clock, with a dead poller too.

    All words are 0 before the first accepted run, so that an alert on what is not fresh sees a job that never worked.
    """
    for tally in facts.tallies:
        for metric, ahead in tally.freshness().items():
            start = None
            for word, until in ahead or ((None, None),):
                for state in Freshness:
                    yield Sample((tally.name, metric, state.value), float(state is word), start, until)
                start = until


_GAUGE, _COUNTER = MetricType.GAUGE, MetricType.COUNTER
_JOB, _JOB_METRIC = ("job_name",), ("job_name", "metric")

DECLARED: tuple[SelfMetric, ...] = (
    SelfMetric(
        FamilySpec("timepoint_build_info", MetricType.INFO, "The release of timepoint and the Python that runs it."),
        ("version", "pythonversion"),
        lambda _: [Sample((__version__, platform.python_version()), 1.0)],
    ),
    SelfMetric(
        FamilySpec(
            "timepoint_poller_heartbeat_timestamp_seconds",
            _GAUGE,
            "When the poller last wrote its heartbeat.",
            unit="seconds",
        ),
        (),
        of_poller(lambda facts: facts.now / 1000),
    ),
    SelfMetric(
        FamilySpec(
            "timepoint_ledger_ok",
            _GAUGE,
            "1 while runs can be kept in the ledger, else 0: it cannot be opened, and nothing is polled, or the newest "
            "run of a job failed at it. The log and the landing page say why.",
        ),
        (),
        of_poller(lambda facts: float(facts.ledger_ok)),
    ),
    SelfMetric(
        FamilySpec(
            "timepoint_config_last_reload_successful",
            _GAUGE,
            "1 if the config could be used when it was last reloaded, or at the start; 0: the one before is in force.",
        ),
        (),
        of_poller(lambda facts: float(not facts.config.trouble)),
    ),
    SelfMetric(
        FamilySpec(
            "timepoint_config_last_reload_success_timestamp_seconds",
            _GAUGE,
            "When the config that is in force was taken up.",
            unit="seconds",
        ),
        (),
        of_poller(lambda facts: facts.config.at / 1000),
    ),
    SelfMetric(
        FamilySpec("timepoint_poller_start_time_seconds", _GAUGE, "When the poller's process started.", unit="seconds"),
        (),
        of_poller(lambda facts: facts.started / 1000),
    ),
    *(SelfMetric(spec, (), of_process(read)) for spec, read in OF_PROCESS),
    SelfMetric(
        FamilySpec("timepoint_job_runs_total", _COUNTER, "Runs of the job that ended or were skipped."),
        _JOB,
        of_jobs(lambda tally: tally.runs),
    ),
    SelfMetric(
        FamilySpec(
            "timepoint_job_run_failures_total",
            _COUNTER,
            "Runs of the job that ended otherwise than ok or empty, or should have taken place and did not.",
        ),
        ("job_name", "outcome"),
        by_word(lambda tally: {outcome.value: tally.failures.get(outcome, 0) for outcome in FAILURES}),
    ),
    SelfMetric(
        FamilySpec(
            "timepoint_job_last_run_outcome",
            _GAUGE,
            "1 for the closing word of the job's newest run, 0 for the others.",
        ),
        ("job_name", "outcome"),
        by_word(_outcomes),
    ),
    SelfMetric(
        FamilySpec("timepoint_job_consecutive_failures", _GAUGE, "Failed runs of the job since its last good one."),
        _JOB,
        of_jobs(lambda tally: tally.consecutive_failures),
    ),
    SelfMetric(
        FamilySpec(
            "timepoint_job_last_run_duration_seconds", _GAUGE, "How long the job's newest run took.", unit="seconds"
        ),
        _JOB,
        of_jobs(lambda tally: tally.last.duration if tally.last else None),
    ),
    SelfMetric(
        FamilySpec(
            "timepoint_job_last_run_stage_duration_seconds",
            _GAUGE,
            "How long each stage of the job's newest run took.",
            unit="seconds",
        ),
        ("job_name", "stage"),
        by_word(lambda tally: tally.last.stages if tally.last else {}),
    ),
    SelfMetric(
        FamilySpec(
            "timepoint_job_last_run_attempts",
            _GAUGE,
            "HTTP exchanges, or calls of a function, in the job's newest run.",
        ),
        _JOB,
        of_jobs(lambda tally: tally.last.attempts if tally.last else None),
    ),
    SelfMetric(
        FamilySpec(
            "timepoint_job_last_success_timestamp_seconds",
            _GAUGE,
            "When the job's newest good run began, over restarts.",
            unit="seconds",
        ),
        _JOB,
        of_jobs(lambda tally: seconds(tally.last_success)),
    ),
    SelfMetric(
        FamilySpec(
            "timepoint_job_next_run_timestamp_seconds", _GAUGE, "When the job's next run begins.", unit="seconds"
        ),
        _JOB,
        of_jobs(lambda tally: seconds(tally.next_begin)),
    ),
    SelfMetric(
        FamilySpec(
            "timepoint_job_data_timestamp_seconds",
            _GAUGE,
            "The newest timepoint that the metric holds: its age is the age of the data.",
            unit="seconds",
        ),
        _JOB_METRIC,
        by_word(
            lambda tally: {
                name: metric.newest / 1000 for name, metric in tally.standing.items() if metric.newest is not None
            }
        ),
    ),
    SelfMetric(
        FamilySpec(
            "timepoint_job_freshness",
            _GAUGE,
            "1 for how fresh the metric is, else 0: fresh, late (a run or data are overdue), stale (runs fail, older "
            "values are shown), expired (max_age has passed). True when it is scraped, with a dead poller too.",
        ),
        ("job_name", "metric", "state"),
        _freshness,
    ),
    SelfMetric(
        FamilySpec("timepoint_job_lanes", _GAUGE, "Lanes of the job's fan-out: one for each of its values."),
        _JOB,
        of_lanes(lambda lanes: lanes.listed),
    ),
    SelfMetric(
        FamilySpec("timepoint_job_failing_lanes", _GAUGE, "Lanes whose newest attempt came to nothing."),
        _JOB,
        of_lanes(lambda lanes: lanes.failing),
    ),
    SelfMetric(
        FamilySpec(
            "timepoint_job_oldest_lane_timestamp_seconds",
            _GAUGE,
            "Up to when the lane that is furthest behind has been asked for, of those that ever had an answer.",
            unit="seconds",
        ),
        _JOB,
        of_lanes(lambda lanes: seconds(lanes.watermark)),
    ),
    SelfMetric(
        FamilySpec(
            "timepoint_job_lanes_listed_timestamp_seconds",
            _GAUGE,
            "When the values of the fan-out were last listed, by a discovery or a file; the oldest of several lists.",
            unit="seconds",
        ),
        _JOB,
        of_lanes(lambda lanes: seconds(lanes.listed_at)),
    ),
    SelfMetric(
        FamilySpec("timepoint_job_series", _GAUGE, "Series of the metric on the page."),
        _JOB_METRIC,
        by_word(lambda tally: {name: metric.series for name, metric in tally.standing.items()}),
    ),
    SelfMetric(
        FamilySpec(
            "timepoint_job_kept_series", _GAUGE, "Series of the metric that left the page and are not forgotten yet."
        ),
        _JOB_METRIC,
        by_word(lambda tally: {name: metric.kept for name, metric in tally.standing.items()}),
    ),
    SelfMetric(
        FamilySpec(
            "timepoint_job_max_series",
            _GAUGE,
            "How many series of the job may be shown and kept; new ones are rejects.",
        ),
        _JOB,
        of_jobs(lambda tally: tally.max_series),
    ),
    SelfMetric(
        FamilySpec(
            "timepoint_job_debt",
            _GAUGE,
            "What downward revisions still owe the counters of the metric; later increments pay it first.",
        ),
        _JOB_METRIC,
        by_word(
            lambda tally: {name: metric.debt for name, metric in tally.standing.items() if metric.debt is not None}
        ),
    ),
    SelfMetric(
        FamilySpec(
            "timepoint_job_rejects_total", _COUNTER, "Rows, values and points that could not be used, by reason."
        ),
        ("job_name", "reason"),
        by_word(lambda tally: tally.rejects.counts),
    ),
    SelfMetric(
        FamilySpec(
            "timepoint_job_clock_corrections_total",
            _COUNTER,
            "How often the ledger told of a time that had not come, since the clock had been ahead, and was corrected.",
        ),
        _JOB,
        of_jobs(lambda tally: tally.clock_corrections),
    ),
    SelfMetric(
        FamilySpec("timepoint_job_points_total", _COUNTER, "Points in accepted answers, those read again included."),
        _JOB,
        of_jobs(lambda tally: tally.points),
    ),
    SelfMetric(
        FamilySpec("timepoint_job_new_points_total", _COUNTER, "Points that a counter counted."),
        _JOB,
        of_jobs(lambda tally: tally.counts.new),
    ),
    SelfMetric(
        FamilySpec(
            "timepoint_job_late_points_total", _COUNTER, "Counted points that lie before what was already settled."
        ),
        _JOB,
        of_jobs(lambda tally: tally.counts.late),
    ),
    SelfMetric(
        FamilySpec(
            "timepoint_job_given_up_seconds_total",
            _COUNTER,
            "Data time that will never be asked for, since it was further back than catch_up when the job ran again.",
        ),
        _JOB,
        of_jobs(lambda tally: tally.counts.given_up / 1000),
    ),
    SelfMetric(
        FamilySpec(
            "timepoint_job_revised_points_total", _COUNTER, "Counted points that came again with another value."
        ),
        _JOB,
        of_jobs(lambda tally: tally.counts.revised),
    ),
    SelfMetric(
        FamilySpec(
            "timepoint_job_response_bytes_total",
            _COUNTER,
            "Bytes of answers as they came over the wire.",
            unit="bytes",
        ),
        _JOB,
        of_jobs(lambda tally: tally.response_bytes),
    ),
)


ALL: tuple[SelfMetric, ...] = (
    *DECLARED,
    *(SelfMetric(spec, ("source", *labels), of_sources(read)) for spec, labels, read in OF_SOURCES),
    *(SelfMetric(spec, ("remote_name", *labels), of_receivers(read)) for spec, labels, read in OF_RECEIVERS),
)
"""Those of the poller and its jobs, then those of the sources, and of the receivers."""


def families(facts: PollerFacts) -> list[FamilySnapshot]:
    """All families of the poller, in the order of their declaration."""
    return [_family(metric, facts) for metric in ALL]


def _family(metric: SelfMetric, facts: PollerFacts) -> FamilySnapshot:
    batches: dict[tuple[int | None, int | None], dict[str, float]] = {}
    for sample in metric.read(facts):
        text = series_text(dict(zip(metric.labels, sample.labels, strict=True)))
        batches.setdefault((sample.visible_from, sample.visible_until), {})[text] = float(sample.value)
    return FamilySnapshot(
        metric.spec,
        [SampleBatch(list(samples), list(samples.values()), *when) for when, samples in batches.items()],
    )
