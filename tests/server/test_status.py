from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint.server.status import JobStatus, Phase, health, read_jobs, read_ledger_trouble, readiness

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.just("jobs"), JSON | st.dictionaries(st.just("a"), JSON, max_size=1)))
@settings(max_examples=150)
def test_any_status_can_be_read(status: dict[str, Any]) -> None:
    """A status of a poller of another release, or no status, never raises and names every configured job."""
    assert [job.name for job in read_jobs(status, ["a", "b"])] == ["a", "b"]


def test_health_is_lost_when_the_poller_is_silent_for_the_deadline() -> None:
    """At the deadline itself the verdict is bad, and its sentence says how long the silence is."""
    assert health(119.9, 120).good
    verdict = health(120, 120)
    assert not verdict.good
    assert "120 s" in verdict.sentence


def test_ready_when_every_job_is_known() -> None:
    """Each configured job has ended a first run, whatever its outcome."""
    jobs = [JobStatus("a", known=True, outcome="source_error"), JobStatus("b", known=True)]

    assert readiness(jobs, poller_spoke=True).good


def test_not_ready_names_the_number_of_missing_jobs() -> None:
    """The sentence tells how many of how many jobs have nothing to show yet."""
    verdict = readiness([JobStatus("a"), JobStatus("b", known=True), JobStatus("c")], poller_spoke=True)

    assert not verdict.good
    assert "2 of 3 jobs" in verdict.sentence


def test_not_ready_while_the_status_is_of_an_earlier_poller() -> None:
    """What a poller said before a restart does not make this one ready."""
    assert not readiness([JobStatus("a", known=True)], poller_spoke=False).good


def test_not_ready_without_a_ledger_says_why() -> None:
    """Whatever is known of the jobs: nothing is polled, and what could be done stands in the poller's own words."""
    trouble = read_ledger_trouble({"ledger_trouble": "ledger.sqlite: it is damaged"})
    verdict = readiness([JobStatus("a", known=True)], poller_spoke=True, ledger_trouble=trouble)
    assert not verdict.good
    assert verdict.sentence.endswith("nothing is polled. ledger.sqlite: it is damaged")


def test_a_poller_that_says_nothing_of_its_ledger_has_no_trouble() -> None:
    """Neither an older release nor a value of another type breaks readiness."""
    assert read_ledger_trouble({}) == read_ledger_trouble({"ledger_trouble": None}) == ""


PHASES = (Phase("fresh", 100), Phase("late", 200), Phase("expired", None))


@pytest.mark.parametrize(("now", "state"), [(99, "fresh"), (100, "late"), (199, "late"), (200, "expired")])
def test_the_word_of_a_moment_is_read_from_the_phases(now: int, state: str) -> None:
    """A phase ends before the instant at which the next one begins."""
    assert JobStatus("a", freshness={"x": PHASES}).fresh(now) == state


def test_a_job_is_as_fresh_as_its_worst_metric() -> None:
    """A word of a later release counts for nothing, and a job without any has none."""
    of = {"x": PHASES, "y": (Phase("stale", None),), "z": (Phase("unheard", None),)}
    assert JobStatus("a", freshness=of).fresh(0) == "stale"
    assert JobStatus("a", freshness={"z": of["z"]}).fresh(0) is None


def test_readiness_that_requires_freshness_names_who_is_not() -> None:
    """Every job must be fresh, and one that was never accepted is not."""
    jobs = [JobStatus("a", known=True, freshness={"x": PHASES}), JobStatus("b", known=True)]
    assert readiness(jobs, poller_spoke=True).good
    assert readiness(jobs[:1], poller_spoke=True, fresh_at=0).good
    verdict = readiness(jobs, poller_spoke=True, fresh_at=150)
    assert (verdict.good, verdict.sentence) == (False, "timepoint is not ready: a is late, b is waiting.")


def test_readiness_names_some_of_many() -> None:
    """An answer of five hundred jobs stays readable."""
    jobs = [JobStatus(f"job{number}", known=True) for number in range(7)]
    assert readiness(jobs, poller_spoke=True, fresh_at=0).sentence.endswith("job4 is waiting and 2 more.")


def test_a_restored_job_is_not_said_to_wait() -> None:
    """It has something to show before its first run of this start."""
    assert JobStatus("a", known=True).state == "restored"


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (None, "waiting"),
        ("ok", "good"),
        ("empty", "good"),
        ("partial", "mild"),
        ("skipped", "mild"),
        ("source_error", "bad"),
        ("mapping_error", "bad"),
        ("store_error", "bad"),
        ("an outcome of a later release", "bad"),
    ],
)
def test_each_outcome_has_a_state(outcome: str | None, state: str) -> None:
    """The word for a person follows from the outcome alone."""
    assert JobStatus("a", outcome=outcome).state == state
