from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint.clock import DAY, HOUR, MINUTE, SECOND, format_instant
from timepoint.job import ScheduleSpec
from timepoint.poller.schedule import begin_of, due, jitter, last_fire, next_fire, period

HALF_HOURLY = ScheduleSpec(every=30 * MINUTE, jitter=0)
BERLIN = ZoneInfo("Europe/Berlin")


def _at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def _local(year: int, month: int, day: int, hour: int, minute: int, *, fold: int = 0) -> int:
    moment = datetime(year, month, day, hour, minute, tzinfo=BERLIN, fold=fold)
    return int(moment.timestamp()) * 1000


def _fires(spec: ScheduleSpec, start: int, end: int) -> list[str]:
    found = []
    fire = next_fire(spec, "job", start)
    while fire < end:
        found.append(datetime.fromtimestamp(fire / 1000, UTC).astimezone(BERLIN).strftime("%d %H:%M %z"))
        fire = next_fire(spec, "job", fire)
    return found


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("2026-01-01T10:00:00Z", "2026-01-01T10:30:00Z"),
        ("2026-01-01T09:59:59Z", "2026-01-01T10:00:00Z"),
        ("2026-01-01T10:17:03Z", "2026-01-01T10:30:00Z"),
    ],
)
def test_a_half_hourly_job_fires_on_the_half_hours(after: str, expected: str) -> None:
    """The grid is counted from the epoch and next_fire is strictly after its argument."""
    assert format_instant(next_fire(HALF_HOURLY, "job", _at(after))) == expected


def test_last_fire_includes_its_argument() -> None:
    """A fire time that begins at this very moment is the last one."""
    moment = _at("2026-01-01T10:30:00Z")
    assert last_fire(HALF_HOURLY, "job", moment) == moment
    assert last_fire(HALF_HOURLY, "job", moment - 1) == moment - 30 * MINUTE


def test_jitter_is_stable_and_bounded() -> None:
    """The jitter of a job is always the same, and at most a tenth of the period and a minute (C9)."""
    spec = ScheduleSpec(every=5 * MINUTE)
    names = [f"job-{i}" for i in range(200)]
    offsets = [jitter(spec, name) for name in names]
    assert offsets == [jitter(spec, name) for name in names]
    assert all(0 <= offset <= 30 * SECOND for offset in offsets)
    assert max(jitter(ScheduleSpec(every=DAY), name) for name in names) <= MINUTE
    assert len(set(offsets)) > 150


def test_jitter_is_pinned() -> None:
    """The jitter does not change between releases: a changed hash would move every schedule."""
    assert jitter(ScheduleSpec(), "pod_energy") == 46364


def test_the_jitter_of_the_spec_is_the_limit() -> None:
    """A configured jitter replaces the default limit, and zero means none."""
    assert jitter(ScheduleSpec(jitter=0), "job") == 0
    assert 0 <= jitter(ScheduleSpec(jitter=10 * MINUTE), "job") <= 10 * MINUTE


def test_fire_times_stand_on_the_grid_whatever_the_jitter() -> None:
    """The jitter moves the beginning of a run and never its fire time."""
    spec = ScheduleSpec(every=30 * MINUTE)
    fire = next_fire(spec, "pod_energy", _at("2026-01-01T10:00:00Z"))
    assert format_instant(fire) == "2026-01-01T10:00:00Z"
    assert begin_of(spec, "pod_energy", fire) == fire + jitter(spec, "pod_energy")
    assert next_fire(spec, "pod_energy", begin_of(spec, "pod_energy", fire)) == fire + 30 * MINUTE


def test_cron_fires_in_its_zone() -> None:
    """A cron expression means the wall clock of its zone."""
    spec = ScheduleSpec(cron="15 6 * * *", timezone="Europe/Berlin")
    assert format_instant(next_fire(spec, "job", _at("2026-01-15T00:00:00Z"))) == "2026-01-15T05:15:00Z"
    assert format_instant(next_fire(spec, "job", _at("2026-07-15T00:00:00Z"))) == "2026-07-15T04:15:00Z"


def test_cron_runs_once_in_the_hour_that_occurs_twice() -> None:
    """When the clock goes back, a job at a fixed time in the repeated hour runs the first time only (K5)."""
    spec = ScheduleSpec(cron="30 2 * * *", timezone="Europe/Berlin")
    found = _fires(spec, _local(2026, 10, 24, 12, 0), _local(2026, 10, 26, 12, 0))
    assert found == ["25 02:30 +0200", "26 02:30 +0100"]


def test_cron_runs_once_after_the_hour_that_does_not_occur() -> None:
    """When the clock goes forward, a job at a fixed time in the missing hour runs right after it (K5)."""
    spec = ScheduleSpec(cron="30 2 * * *", timezone="Europe/Berlin")
    found = _fires(spec, _local(2026, 3, 28, 12, 0), _local(2026, 3, 30, 12, 0))
    assert found == ["29 03:00 +0200", "30 02:30 +0200"]


def test_cron_with_wildcards_follows_real_time() -> None:
    """An hourly job runs in both passes of the repeated hour (K5)."""
    spec = ScheduleSpec(cron="0 * * * *", timezone="Europe/Berlin")
    found = _fires(spec, _local(2026, 10, 25, 1, 30), _local(2026, 10, 25, 3, 30))
    assert found == ["25 02:00 +0200", "25 02:00 +0100", "25 03:00 +0100"]


def test_the_29th_of_february_is_found_years_back() -> None:
    """The last fire of a yearly or rarer job is found."""
    spec = ScheduleSpec(cron="0 0 29 2 *")
    assert format_instant(last_fire(spec, "job", _at("2027-06-01T00:00:00Z"))) == "2024-02-29T00:00:00Z"
    sundays = ScheduleSpec(cron="0 0 29 2 */7")
    assert format_instant(last_fire(sundays, "job", _at("2027-06-01T00:00:00Z"))) == "2004-02-29T00:00:00Z"


def test_the_period_of_cron_is_the_distance_to_the_fire_before() -> None:
    """A job for working days has a longer period on Monday."""
    spec = ScheduleSpec(cron="0 6 * * 1-5")
    assert period(spec, _at("2026-01-05T06:00:00Z")) == 3 * DAY
    assert period(spec, _at("2026-01-06T06:00:00Z")) == DAY
    assert period(HALF_HOURLY, _at("2026-01-06T06:00:00Z")) == 30 * MINUTE


def test_a_job_that_never_ran_is_due_at_once() -> None:
    """Without any earlier attempt the newest fire time runs now."""
    plan = due(HALF_HOURLY, "job", None, _at("2026-01-01T10:17:00Z"))
    assert plan.fire_time == _at("2026-01-01T10:00:00Z")
    assert plan.missed is None
    assert plan.next_begin == _at("2026-01-01T10:30:00Z")


def test_a_restart_does_not_run_again_what_was_tried() -> None:
    """After an attempt for the newest fire time nothing is due until the next one."""
    plan = due(HALF_HOURLY, "job", _at("2026-01-01T10:00:03Z"), _at("2026-01-01T10:17:00Z"))
    assert plan.fire_time is None
    assert plan.next_begin == _at("2026-01-01T10:30:00Z")


def test_a_machine_that_slept_runs_a_job_once() -> None:
    """Of many fire times that went by, the newest runs and the others are named as missed (K4)."""
    plan = due(HALF_HOURLY, "job", _at("2026-01-01T10:00:03Z"), _at("2026-01-01T12:07:00Z"))
    assert plan.fire_time == _at("2026-01-01T12:00:00Z")
    assert plan.missed == (_at("2026-01-01T10:30:00Z"), _at("2026-01-01T11:30:00Z"))


def test_a_small_step_back_of_the_clock_doubles_nothing() -> None:
    """A fire time that ran does not run again when the clock passes it a second time (K6)."""
    begun = _at("2026-01-01T10:30:00Z")
    back = due(HALF_HOURLY, "job", begun, begun - 500)
    assert back.fire_time is None
    assert back.next_begin == _at("2026-01-01T11:00:00Z")
    assert due(HALF_HOURLY, "job", begun, begun + 10).fire_time is None


def test_a_clock_set_back_by_a_day_does_not_stop_a_job() -> None:
    """An attempt far in the future is not believed: the newest fire time of the new clock runs at once, and once.

    Faults: K1.
    """
    begun, now = _at("2026-01-02T10:30:00Z"), _at("2026-01-01T10:31:00Z")
    plan = due(HALF_HOURLY, "job", begun, now)
    assert (plan.fire_time, plan.missed) == (_at("2026-01-01T10:30:00Z"), None)
    assert due(HALF_HOURLY, "job", plan.last_begin, now + 1).fire_time is None


SPECS = st.sampled_from(
    [
        ScheduleSpec(every=7 * MINUTE),
        ScheduleSpec(every=DAY, jitter=HOUR),
        ScheduleSpec(cron="*/20 1-3 * * *", timezone="Europe/Berlin"),
        ScheduleSpec(cron="30 2 * * *", timezone="Europe/Berlin"),
        ScheduleSpec(cron="0,30 2,3 * * *", timezone="America/New_York", jitter=MINUTE),
        ScheduleSpec(cron="5 4 * * sun", timezone="Australia/Lord_Howe"),
        ScheduleSpec(cron="45 1,2 * * *", timezone="Australia/Lord_Howe"),
    ]
)
# Around both changes of the clock in the zones above, in 2026.
MOMENTS = st.one_of(
    *(
        st.integers(_at(day) - 2 * DAY, _at(day) + 2 * DAY)
        for day in ("2026-03-08", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25", "2026-11-01")
    )
)


@settings(max_examples=150, deadline=None)
@given(spec=SPECS, moment=MOMENTS)
def test_next_and_last_agree(spec: ScheduleSpec, moment: int) -> None:
    """The next fire is after the moment, the last one is not, and nothing fires between them."""
    before, after = last_fire(spec, "job", moment), next_fire(spec, "job", moment)
    assert begin_of(spec, "job", before) <= moment < begin_of(spec, "job", after)
    assert next_fire(spec, "job", begin_of(spec, "job", before)) == after
    assert last_fire(spec, "job", begin_of(spec, "job", after) - 1) == before


@settings(max_examples=60, deadline=None)
@given(spec=SPECS, moment=MOMENTS, steps=st.lists(st.integers(1, 6 * HOUR), max_size=12))
def test_each_fire_time_runs_once_or_is_missed_once(spec: ScheduleSpec, moment: int, steps: list[int]) -> None:
    """However seldom one looks, runs and missed fire times together are all fire times, each once, in order."""
    begun: int | None = moment
    handled: list[int] = []
    for step in steps:
        moment += step
        plan = due(spec, "job", begun, moment)
        assert plan.next_begin > moment
        if plan.fire_time is not None:
            if plan.missed:
                handled.extend(sorted(set(plan.missed)))
            handled.append(plan.fire_time)
        begun = plan.last_begin
    assert handled == sorted(set(handled))
