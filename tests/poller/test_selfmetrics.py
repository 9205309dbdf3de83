from __future__ import annotations

from timepoint.exposition.formats import TEXT
from timepoint.exposition.render import render_families
from timepoint.model import Outcome
from timepoint.poller.cost_metrics import ProcessCost
from timepoint.poller.report import NOTHING_NEW, MetricStanding, RunReport, skipped
from timepoint.poller.self_facts import PollerFacts
from timepoint.poller.selfmetrics import ALL, FAILURES, families
from timepoint.poller.tally import JobTally
from timepoint.testing import read_samples


def _samples(tally: JobTally) -> dict[str, float]:
    facts = PollerFacts([tally], ProcessCost(1.5), now=2000, started=1000)
    return read_samples(render_families(families(facts), TEXT).decode())


def test_every_failure_is_at_zero_from_the_start() -> None:
    """A job that never ran has a counter for each way to fail, and no sample that would be made up."""
    samples = _samples(JobTally("pods"))
    for outcome in FAILURES:
        assert samples[f'timepoint_job_run_failures_total{{job_name="pods",outcome="{outcome}"}}'] == 0
    assert not [name for name in samples if "timestamp" in name and "job" in name]
    assert not [name for name in samples if "last_run" in name]


def test_facts_that_the_system_does_not_tell_are_left_out() -> None:
    """Where there is no /proc there is no memory metric, rather than a zero."""
    samples = _samples(JobTally("pods"))
    assert samples["timepoint_poller_cpu_seconds_total"] == 1.5
    assert "timepoint_poller_resident_memory_bytes" not in samples


def test_every_name_says_whose_it_is() -> None:
    """Nothing of the poller can collide with a metric of a job or of the server."""
    for metric in ALL:
        assert metric.spec.name.startswith(
            (
                *("timepoint_job_", "timepoint_poller_", "timepoint_ledger_", "timepoint_build_", "timepoint_source_"),
                *("timepoint_remote_write_", "prometheus_remote_storage_"),
                "timepoint_config_",
            )
        )


def test_failures_in_a_row_are_counted_until_a_good_run() -> None:
    """A skipped run neither adds to the row nor ends it."""
    tally = JobTally("pods")
    for outcome in (Outcome.SOURCE_ERROR, Outcome.SKIPPED, Outcome.PARTIAL):
        tally.add(RunReport("pods", 1, 1).close(outcome))
    assert tally.consecutive_failures == 2
    tally.add(RunReport("pods", 2, 7).close(Outcome.EMPTY))
    assert (tally.consecutive_failures, tally.last_success) == (0, 7)


def test_refusals_in_a_row_are_counted_over_processes() -> None:
    """An accepted run ends the row; a run that failed otherwise says nothing; ``poll --once`` goes on counting."""
    tally = JobTally("pods")
    tally.add(RunReport("pods", 1, 1, is_refused=True, refusals={"": 1}).close(Outcome.SOURCE_ERROR))
    tally.add(RunReport("pods", 2, 2).close(Outcome.SOURCE_ERROR))
    tally.add(RunReport("pods", 3, 3, committed=1, is_refused=True, refusals={"": 2}).close(Outcome.PARTIAL))
    after = JobTally("pods")
    after.take_up(tally.sums())
    assert after.refusals == {"": 2}
    after.add(RunReport("pods", 4, 4, committed=1).close(Outcome.OK))
    assert after.refusals == {}


def test_nothing_new_is_no_failure() -> None:
    """A job whose period is shorter than its step is well while it waits for the next step."""
    tally = JobTally("pods")
    tally.add(RunReport("pods", 1, 1, standing={"x": MetricStanding(3, 5, None)}).close(Outcome.OK))
    tally.add(skipped("pods", 2, 2, NOTHING_NEW, ""))
    assert (tally.runs, tally.failures) == (2, {})
    status = tally.status()
    assert (status["outcome"], status["last_run"], status["series"], status["data_timestamp"]) == ("ok", 1, 3, 5)


def test_a_run_that_should_have_taken_place_is_shown_as_skipped() -> None:
    """The status says what came of the newest fire time, and when the last real run was."""
    tally = JobTally("pods")
    tally.add(RunReport("pods", 1, 1).close(Outcome.OK))
    tally.add(skipped("pods", 2, 2, "still_running", "the run before has not ended"))
    status = tally.status()
    assert (status["outcome"], status["last_run"]) == ("skipped", 1)
    assert status["reason"] == "still_running: the run before has not ended"
