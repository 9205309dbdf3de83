"""Alerting rules, and the values in them that follow from each job.

Owns: which alerts there are, their expressions, how long each waits, what they tell a person to do. Must not know: how
a file of rules is written. Durations in milliseconds.

A rule for many jobs is written once for each value that its jobs need, so a config whose jobs are alike has as many
rules as there are alerts. Gauges are looked at over ``STEADY``: one failed scrape must not set an alert's wait back.
A text says what is wrong and how bad that is in its summary, and where, what is lost and what to look at first below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from timepoint.clock import DAY, HOUR, MINUTE
from timepoint.observe.facts import JobFacts, SourceFacts, Watched
from timepoint.observe.promql import by_value, duration, one_of, quoted, selector

STEADY = "5m"
PAGE = "operations.md"

_QUOTA_LEFT = {"hour": 15 * MINUTE, "day": HOUR, "week": 12 * HOUR, "month": DAY}


@dataclass(frozen=True, slots=True)
class Alert:
    """One alerting rule. ``see`` is the heading of the operations page that says what to do.

    ``group`` is a label that tells rules of one name apart, "" where there is one: promtool complains of rules with the
    same name and labels.
    """

    name: str
    expr: str
    severity: str
    summary: str
    description: str
    see: str
    wait: int = 0
    group: str = ""


@dataclass(frozen=True, slots=True)
class _Selecting:
    """Makes selectors of the series of some jobs, or sources. ``names`` is a matcher, "" if it is all of them."""

    scrape_job: str
    names: str = ""
    group: str = ""

    def __call__(self, metric: str, *matchers: str) -> str:
        return selector(metric, f"job={quoted(self.scrape_job)}", *matchers, self.names)


@dataclass(frozen=True, slots=True)
class _Scope:
    """The alerts of one scrape job: ``select`` makes a selector of its series."""

    scrape_job: str
    watched: Watched

    @property
    def select(self) -> _Selecting:
        return _Selecting(self.scrape_job)

    def groups(
        self, jobs: Sequence[JobFacts], value: Callable[[JobFacts], int], word: Callable[[int], str] = duration
    ) -> Iterator[tuple[int, _Selecting]]:
        """Per value of some jobs what selects them; it names jobs and group only where there are several values."""
        return self._selecting("job_name", by_value(jobs, value), word)

    def source_groups(
        self, sources: Sequence[SourceFacts], value: Callable[[SourceFacts], int]
    ) -> Iterator[tuple[int, _Selecting]]:
        return self._selecting("source", by_value(sources, value), duration)

    def _selecting(
        self,
        label: str,
        groups: Sequence[tuple[int, Sequence[JobFacts] | Sequence[SourceFacts]]],
        word: Callable[[int], str],
    ) -> Iterator[tuple[int, _Selecting]]:
        for value, members in groups:
            if len(groups) > 1:
                names = label + one_of([member.name for member in members])
                yield value, _Selecting(self.scrape_job, names, word(value))
            else:
                yield value, self.select


def alerts(watched: Watched, scrape_job: str) -> list[Alert]:
    """All alerts of a config whose page Prometheus scrapes under this job."""
    scope = _Scope(scrape_job, watched)
    parts: Iterable[Iterable[Alert]] = (
        _target(scope),
        _processes(scope),
        _served(scope),
        _ledger(scope),
        _runs(scope),
        _freshness(scope),
        _content(scope),
        _lanes(scope),
        _sources(scope),
        _receivers(scope),
    )
    return [alert for part in parts for alert in part]


def _target(scope: _Scope) -> Iterator[Alert]:
    up = scope.select("up")
    yield Alert(
        "TimepointDown",
        f"{up} == 0",
        "critical",
        "Prometheus cannot scrape timepoint.",
        "The target {{ $labels.instance }} does not answer; all its series are stale. If it still polls, its counters "
        "lose nothing by it. Look at the target's error in Prometheus, then whether the process runs.",
        "prometheus-cannot-scrape-it",
        5 * MINUTE,
    )
    yield Alert(
        "TimepointMissing",
        f"absent({up})",
        "critical",
        "Prometheus knows no target of timepoint.",
        "There is no target of the scrape job: its discovery finds nothing, or the job has another name. Look at the "
        "targets and the service discovery of Prometheus.",
        "prometheus-cannot-scrape-it",
        10 * MINUTE,
    )


def _processes(scope: _Scope) -> Iterator[Alert]:
    started = scope.select("timepoint_poller_start_time_seconds")
    alive = scope.select("timepoint_poller_up")
    hung = scope.select("timepoint_child_ends_total", 'how="hung"')
    yield Alert(
        "TimepointPollerDown",
        f"max_over_time({alive}[2m]) == 0",
        "critical",
        "The poller of timepoint writes no heartbeat; values leave the page at their max_age.",
        "Nothing is polled at {{ $labels.instance }}; once it is, what was missed is caught up, as far as catch_up and "
        "the API reach. Look for child_died and child_hangs in the log.",
        "values-do-not-move",
        2 * MINUTE,
    )
    yield Alert(
        "TimepointPollerRestarts",
        f"changes({started}[1h]) >= 3",
        "warning",
        "The poller of timepoint was started three times or more within an hour.",
        "Unless somebody restarted {{ $labels.instance }} so often, it dies: child_died in the log, or the last state "
        "of its container, says how. SIGKILL and OOMKilled mean that memory was short. Runs are late; nothing is lost.",
        "a-process-that-dies",
    )
    yield Alert(
        "TimepointProcessHung",
        f"increase({hung}[1h]) > 0",
        "warning",
        "A process of timepoint hung, was ended, and was started again.",
        "The {{ $labels.child }} of {{ $labels.instance }} gave no sign of life for --hang-deadline; it runs again. "
        "child_died in the log has the stacks of its threads, which mostly tell the job that it worked on.",
        "a-process-that-hangs",
    )


def _served(scope: _Scope) -> Iterator[Alert]:
    problems, unread = scope.select("timepoint_page_problems"), scope.select("timepoint_snapshot_read_failures_total")
    reloaded = scope.select("timepoint_config_last_reload_successful")
    yield Alert(
        "TimepointReloadFailed",
        f"max_over_time({reloaded}[{STEADY}]) == 0",
        "warning",
        "The config of timepoint was changed and cannot be used; the one before is in force.",
        "config_unusable in the log of {{ $labels.instance }} names every problem. Mend the file, timepoint check it, "
        "and reload. Until then do not restart: it would not come up with that file.",
        "reload-the-config",
        5 * MINUTE,
    )
    yield Alert(
        "TimepointPageIncomplete",
        # A release that writes snapshots in another form finds those of before unusable, once, right after its start.
        f"max_over_time({problems}[{STEADY}]) > 0\nor\n"
        f"(increase({unread}[15m]) > 0 unless changes({scope.select('process_start_time_seconds')}[15m]) > 0)",
        "warning",
        "Something was left off the page of timepoint; all else is on it.",
        "At {{ $labels.instance }}: jobs_contradict in the log names two jobs that show the same series, "
        "snapshot_unusable a file that was damaged.",
        "the-log",
    )


def _ledger(scope: _Scope) -> Iterator[Alert]:
    ledger = scope.select("timepoint_ledger_ok")
    clock = scope.select("timepoint_job_clock_corrections_total")
    yield Alert(
        "TimepointLedgerUnusable",
        f"max_over_time({ledger}[2m]) == 0",
        "critical",
        "The ledger of timepoint cannot be used, so nothing is polled or kept.",
        "What was shown stays until its max_age. See first whether the disk is full; the log, the landing page and "
        "/-/ready of {{ $labels.instance }} say why and what to do. Delete nothing: counters would begin anew.",
        "the-ledger-cannot-be-used",
        2 * MINUTE,
    )
    yield Alert(
        "TimepointClockWasAhead",
        f"increase({clock}[1h]) > 0",
        "warning",
        "The clock of the machine was ahead, and what the ledger had noted by it was taken back.",
        "Job {{ $labels.job_name }}: clock_was_ahead in the log says by how much. What that passed over is asked for "
        "again. Let the machine run NTP.",
        "the-clock",
    )


def failures_that_matter(period: int) -> int:
    """How many failed runs in a row are worth an alert: three, but not half a day of silence."""
    return max(1, min(3, 12 * HOUR // period))


def span(job: JobFacts) -> int:
    """How far back an alert on counters looks: over four runs, or two if they are far apart, and 15 minutes at least.

    It never goes out between two runs that both had the trouble.
    """
    return max(15 * MINUTE, min(4 * job.period, max(2 * job.period, DAY)))


def _runs(scope: _Scope) -> Iterator[Alert]:
    for failures, select in scope.groups(scope.watched.jobs, lambda job: failures_that_matter(job.period), str):
        times = "its last run" if failures == 1 else f"{failures} times in a row"
        yield Alert(
            "TimepointJobFails",
            f"min_over_time({select('timepoint_job_consecutive_failures')}[{STEADY}]) >= {failures}",
            "warning",
            f"A job of timepoint failed {times}.",
            "Job {{ $labels.job_name }} failed at least {{ $value }} times since its last good run; the landing page "
            "says why. Once it works, what was missed is caught up, as far as catch_up and the API reach.",
            "the-page-has-no-metrics-of-my-job",
            group=select.group,
        )
    overdue = scope.select("timepoint_job_next_run_timestamp_seconds")
    yield Alert(
        "TimepointRunOverdue",
        f"time() - {_newest(overdue)} > 300",
        "warning",
        "A job of timepoint should have run five minutes ago.",
        "Job {{ $labels.job_name }}: the poller is dead, hangs or waits for a disk, or the clock jumped. loop_stalled, "
        "child_hangs or child_died in the log of {{ $labels.instance }} says which.",
        "values-do-not-move",
        2 * MINUTE,
    )
    for back, select in scope.groups(scope.watched.jobs, span):
        within = duration(back)
        skipped = select("timepoint_job_run_failures_total", 'outcome="skipped"')
        yield Alert(
            "TimepointRunsSkipped",
            f"increase({skipped}[{within}])\n/ ignoring (outcome)\n"
            f"increase({select('timepoint_job_runs_total')}[{within}])\n> 0.25",
            "warning",
            "More than a quarter of a job's runs do not take place.",
            f"Job {{{{ $labels.job_name }}}} skipped {{{{ $value | humanizePercentage }}}} of its runs in {within}: "
            "they last too long, or the limits of the source leave no room; the log line of the run names the reason.",
            "values-do-not-move",
            group=select.group,
        )
    for back, select in scope.groups(scope.watched.jobs, span):
        yield Alert(
            "TimepointDataGivenUp",
            _grew(select("timepoint_job_given_up_seconds_total"), back),
            "warning",
            "Data of an API will never be asked for, since they were further back than catch_up.",
            "Job {{ $labels.job_name }} passed over {{ $value | humanizeDuration }} of data. A longer catch_up helps "
            "the next time; what is in the API can still be read again.",
            "values-are-too-low",
            group=select.group,
        )


def _newest(gauge: str) -> str:
    """A gauge as it was last scraped: one failed scrape makes no hole in it."""
    return f"last_over_time({gauge}[{STEADY}])"


def _grew(counter: str, back: int) -> str:
    """A counter that grew, or that came to be with more than 0, which ``increase`` alone cannot see."""
    within = duration(back)
    return f"increase({counter}[{within}]) > 0\nor\n({counter} > 0 unless {counter} offset {within})"


def _freshness(scope: _Scope) -> Iterator[Alert]:
    for wait, select in scope.groups(scope.watched.jobs, lambda job: max(5 * MINUTE, min(job.period, HOUR))):
        fresh = select("timepoint_job_freshness", 'state="fresh"')
        yield Alert(
            "TimepointNotFresh",
            f"max_over_time({fresh}[{STEADY}]) == 0",
            "warning",
            "What timepoint shows of a metric is older than it should be.",
            "Metric {{ $labels.metric }} of job {{ $labels.job_name }}: runs are overdue or fail, or the API has no "
            "new data. The landing page says which.",
            "values-do-not-move",
            wait,
            group=select.group,
        )
    expired = scope.select("timepoint_job_freshness", 'state="expired"')
    yield Alert(
        "TimepointExpired",
        f"min_over_time({expired}[{STEADY}]) == 1",
        "critical",
        "A metric has left the page of timepoint, since its values are older than max_age.",
        "Metric {{ $labels.metric }} of job {{ $labels.job_name }} is not shown until a run is accepted again; the "
        "landing page says why none is. What is missed is caught up, as far as catch_up and the API reach.",
        "the-page-has-no-metrics-of-my-job",
        5 * MINUTE,
    )


def _content(scope: _Scope) -> Iterator[Alert]:
    for back, select in scope.groups(scope.watched.jobs, span):
        yield Alert(
            "TimepointRejects",
            _grew(select("timepoint_job_rejects_total"), back),
            "info",
            "timepoint could not use a part of an answer.",
            "Job {{ $labels.job_name }}: {{ $labels.reason }}; all else of its answers is used. The page of the run "
            "shows the places; the runbook says for each reason what to do.",
            "rejects",
            group=select.group,
        )
    shown, kept = scope.select("timepoint_job_series"), scope.select("timepoint_job_kept_series")
    most = scope.select("timepoint_job_max_series")
    yield Alert(
        "TimepointSeriesBudget",
        f"sum without (metric) ({_newest(shown)} + {_newest(kept)})\n/\n{_newest(most)}\n> 0.9",
        "warning",
        "A job has nearly as many series as max_series allows; beyond that new ones are rejects.",
        "Job {{ $labels.job_name }} has used {{ $value | humanizePercentage }} of them. Drop or shorten a label with "
        "relabel, or raise the limit.",
        "rejects",
        15 * MINUTE,
    )
    for wait, select in scope.groups(scope.watched.jobs, lambda job: max(DAY, 4 * job.period)):
        yield Alert(
            "TimepointDebt",
            f"min_over_time({select('timepoint_job_debt')}[{STEADY}]) > 0",
            "info",
            "An API revised counted values downward, and later increments have not paid it.",
            "Metric {{ $labels.metric }} of job {{ $labels.job_name }} owes {{ $value | humanize }}, and stands still "
            "until that is paid.",
            "values-do-not-move",
            wait,
            group=select.group,
        )


def _lanes(scope: _Scope) -> Iterator[Alert]:
    with_lanes = [job for job in scope.watched.jobs if job.has_lanes]
    for wait, select in scope.groups(with_lanes, lambda job: max(HOUR, 2 * job.period)):
        failing, lanes = select("timepoint_job_failing_lanes"), select("timepoint_job_lanes")
        yield Alert(
            "TimepointLanesFail",
            f"{_newest(failing)}\n/\n({_newest(lanes)} > 0)\n> 0.05",
            "warning",
            "More than one in twenty values of a fan-out fails.",
            "Job {{ $labels.job_name }}: {{ $value | humanizePercentage }} fail; the page of its lanes has them first, "
            "with the reason of each. The others go on.",
            "some-lanes-fail",
            wait,
            group=select.group,
        )
    listed = [job for job in with_lanes if job.list_age is not None]
    for most, select in scope.groups(listed, lambda job: max(6 * HOUR, 3 * (job.list_age or 0))):
        seconds = most // 1000
        yield Alert(
            "TimepointLanesNotListed",
            f"time() - {_newest(select('timepoint_job_lanes_listed_timestamp_seconds'))} > {seconds}",
            "warning",
            "The values of a fan-out could not be listed for long; those of before are asked for.",
            "Job {{ $labels.job_name }}: the list is {{ $value | humanizeDuration }} old, so what is new in it is not "
            "asked for. lanes_not_listed in the log says why.",
            "some-lanes-fail",
            5 * MINUTE,  # an exporter that was away for long lists them in its first run
            group=select.group,
        )


def _sources(scope: _Scope) -> Iterator[Alert]:
    sources = scope.watched.sources
    parts = []
    for per in sorted({per for source in sources for per in source.quotas}, key=list(_QUOTA_LEFT).index):
        low = scope.select("timepoint_source_quota_low", f"period={quoted(per)}")
        resets = scope.select("timepoint_source_quota_reset_timestamp_seconds", f"period={quoted(per)}")
        parts.append(f"{_newest(resets)} - time() > {_QUOTA_LEFT[per] // 1000}\nand\n{_newest(low)} == 1")
    if parts:
        yield Alert(
            "TimepointQuotaLow",
            "\nor\n".join(parts),
            "warning",
            "Less than a tenth of an API's quota is left, and much of the time that it is for.",
            "Source {{ $labels.source }}, per {{ $labels.period }}: its next period begins in "
            "{{ $value | humanizeDuration }}. Runs are skipped once it is used up, and catch up then.",
            "values-do-not-move",
        )
    breaking = [source for source in sources if source.pause is not None]
    for wait, select in scope.source_groups(breaking, lambda source: max(15 * MINUTE, 3 * (source.pause or 0))):
        closed = select("timepoint_source_circuit_state", 'state="closed"')
        yield Alert(
            "TimepointSourceLeftAlone",
            f"max_over_time({closed}[{STEADY}]) == 0",
            "warning",
            "An API does not answer, and is tried only now and then.",
            "Source {{ $labels.source }}: the API, the network or the credentials; the page of a job's newest run has "
            "what was met. It goes on by itself, and what was missed is caught up.",
            "values-do-not-move",
            wait,
            group=select.group,
        )


def _receivers(scope: _Scope) -> Iterator[Alert]:
    if not scope.watched.receivers:
        return
    takes = scope.select("timepoint_remote_write_state", 'state=~"idle|sending"')
    held = scope.select("timepoint_remote_write_state", 'state=~"held|clock"')
    yield Alert(
        "TimepointReceiverFails",
        f"max without (state) (max_over_time({takes}[{STEADY}])) == 0\nunless\n"
        f"max without (state) (min_over_time({held}[{STEADY}])) == 1",
        "warning",
        "A receiver of remote write has taken nothing for a quarter of an hour.",
        "Receiver {{ $labels.remote_name }}: it does not answer or fails. What waits is kept until it is too old for "
        "the receiver; timepoint outbox explain says why it fails, and for how long there is time.",
        "a-receiver-takes-nothing",
        10 * MINUTE,
    )
    yield Alert(
        "TimepointReceiverHeld",
        f"min_over_time({held}[{STEADY}]) == 1",
        "critical",
        "Somebody must mend something before a receiver of remote write takes samples again.",
        "Receiver {{ $labels.remote_name }} ({{ $labels.state }}): its URL, the credentials, a clock, or it refuses "
        "everything. receiver_trouble in the log says what. What waits is kept until it is too old for the receiver.",
        "a-receiver-takes-nothing",
        5 * MINUTE,
    )
    oldest = scope.select("timepoint_remote_write_oldest_pending_timestamp_seconds")
    window = scope.select("timepoint_remote_write_receiver_window_seconds")
    yield Alert(
        "TimepointReceiverWindow",
        f"(time() - {_newest(oldest)})\n/\n({_newest(window)} > 0)\n> 0.7",
        "critical",
        "Samples wait for a receiver of remote write until they are nearly too old for it.",
        "Receiver {{ $labels.remote_name }}: the oldest has used {{ $value | humanizePercentage }} of the age that the "
        "receiver takes; beyond it samples become dead letters.",
        "a-receiver-takes-nothing",
        5 * MINUTE,
    )
    yield Alert(
        "TimepointSamplesGivenUp",
        f"last_over_time({scope.select('timepoint_remote_write_dead')}[{STEADY}]) > 0",
        "warning",
        "Samples for a receiver of remote write were given up.",
        "Receiver {{ $labels.remote_name }}: {{ $value }} dead letters. timepoint outbox explain says why, and what to "
        "do. It ends once they were sent after all (retry) or somebody has dealt with them (dismiss).",
        "a-receiver-takes-nothing",
    )
