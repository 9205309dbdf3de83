"""What the poller publishes is what the server reads: the two rooms do not import each other, so a test holds them."""

from __future__ import annotations

from tests.server.support import NOW
from timepoint.model import Outcome, Rejects
from timepoint.poller.freshness import Freshness, Rhythm
from timepoint.poller.report import MetricStanding, RunReport
from timepoint.poller.tally import JobTally, poller_status
from timepoint.server import status
from timepoint.server.status import JobStatus, Phase, Reject, read_jobs


def test_the_status_of_a_job_is_understood() -> None:
    """Each fact that a tally tells of a run arrives on the landing page."""
    rejects = Rejects()
    rejects.add("not_a_number", "$.a: 'x'")
    tally = JobTally("pods", Rhythm(period=60_000, timeout=60_000), next_begin=NOW + 60_000)
    report = RunReport("pods", NOW - 1000, NOW - 900, rejects=rejects)
    report.standing = {"a_total": MetricStanding(7, NOW - 5000, 0.0, 7000), "b_total": MetricStanding(5, NOW, 0.0)}
    report.committed = 1
    tally.add(report.close(Outcome.PARTIAL, "rejects", "1 row could not be used"))

    job = read_jobs(poller_status([tally], version="1", started=NOW), ["pods"])[0]

    assert job == JobStatus(
        name="pods",
        known=True,
        outcome="partial",
        reason="rejects: 1 row could not be used",
        last_run=NOW - 900,
        next_run=NOW + 60_000,
        newest_data=NOW,
        series=12,
        rejects=(Reject("not_a_number", 1, ("$.a: 'x'",)),),
        failures=1,
        freshness={
            "a_total": (Phase("stale", NOW + 6000), Phase("expired", None)),
            "b_total": (Phase("stale", NOW - 1000), Phase("expired", None)),
        },
    )


def test_both_have_the_same_words_for_freshness_in_the_same_order() -> None:
    """The worst of a job's metrics is found by their order."""
    assert tuple(Freshness) == status.FRESHNESS


def test_a_job_before_its_first_run_is_not_known() -> None:
    """Readiness waits for it."""
    assert not read_jobs(poller_status([JobTally("pods")], version="1", started=NOW), ["pods"])[0].known
