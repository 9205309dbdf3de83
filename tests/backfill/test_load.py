"""A backfill as a whole, on fakes, into files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.backfill.stage import BEGIN, GAUGE, NOW, READING, STEP, Crash, Stage, body, powers, readings, totals
from timepoint.clock import DAY, HOUR, MINUTE
from timepoint.errors import BackfillError, SourceError
from timepoint.model import Window
from timepoint.poller import desk


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A stage of its own for each test."""
    return Stage(tmp_path)


def test_every_timepoint_has_its_sample(stage: Stage) -> None:
    """Totals, readings and values of three days are what the API's own numbers make of them, each once."""
    end = BEGIN + 3 * DAY
    stage.run(stage.asked(stage.job(metrics=f"{READING}\n          {GAUGE}")))
    found = stage.samples()
    assert found == {
        (name, f"p{pod}"): truth(pod, BEGIN, end)
        for name, truth in (("x_total", totals), ("y_total", readings), ("z_watts", powers))
        for pod in range(3)
    }


def test_a_day_is_a_file(stage: Stage) -> None:
    """Each file is of one day of UTC and ends as OpenMetrics wants it; the last instant stands in the last day."""
    stage.run(stage.asked(stage.job()))
    files = stage.files()
    assert list(files) == ["2026-01-01.om", "2026-01-02.om", "2026-01-03.om"]
    assert all(text.endswith("\n# EOF\n") for text in files.values())


def test_windows_are_asked_once_oldest_first(stage: Stage) -> None:
    """A day at a time, touching, and none twice."""
    stage.run(stage.asked(stage.job()))
    assert stage.source.windows == [Window(BEGIN + day * DAY, BEGIN + (day + 1) * DAY) for day in range(3)]


def test_max_span_holds(stage: Stage) -> None:
    """No window is longer than the API takes."""
    stage.run(stage.asked(stage.job(window=", max_span: 5h"), end=BEGIN + DAY))
    assert {window.end - window.start for window in stage.source.windows} == {5 * HOUR, 4 * HOUR}
    assert stage.samples()["x_total", "p1"] == totals(1, BEGIN, BEGIN + DAY)


def test_nothing_that_is_not_settled_is_asked_for(stage: Stage) -> None:
    """An end in the future becomes the newest instant that is final by the job's delay."""
    stage.run(stage.asked(stage.job(), start=NOW - DAY, end=NOW + DAY))
    assert stage.source.windows[-1].end == NOW - 10 * MINUTE


def test_an_interrupted_call_goes_on(stage: Stage) -> None:
    """A call that ends in the middle, at whatever request, and is called again asks for nothing twice."""

    def failing(window: Window) -> object:
        if len(stage.source.windows) == 3:
            raise KeyboardInterrupt
        return body(window)

    stage.source.answer = failing
    asked = stage.asked(stage.job(), span=7 * HOUR)
    with pytest.raises(KeyboardInterrupt):
        stage.run(asked)
    stage.source.answer = body
    stage.run(asked)
    windows = stage.source.windows
    assert windows[2] == windows[3]
    assert len(set(windows)) == len(windows) - 1
    assert stage.samples()["x_total", "p2"] == totals(2, BEGIN, BEGIN + 3 * DAY)


def test_a_crash_over_an_answer_with_a_hole_leaves_nothing_of_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its watermark stays, so its samples in the spool must not be taken for those of the window before it."""
    crashes = iter([False, True])

    def failpoint(name: str) -> None:
        if name == "before_commit" and next(crashes, False):
            raise Crash

    def with_hole(window: Window) -> object:
        answer = body(window)
        if window.start > BEGIN:
            answer["pods"][0]["x"][10] = None
            answer["is_cut"] = True
        return answer

    stage.source.answer = with_hole
    asked = stage.asked(stage.job(job="expect: {partial: {equal: {$.is_cut: true}}}"))
    monkeypatch.setattr(desk, "failpoint", failpoint)
    with pytest.raises(Crash):
        stage.run(asked)
    stage.source.answer = body
    stage.run(asked)
    assert stage.samples()["x_total", "p0"] == totals(0, BEGIN, BEGIN + 3 * DAY)


def test_a_done_backfill_asks_nothing(stage: Stage) -> None:
    """Called once more, it has nothing to do and says so."""
    asked = stage.asked(stage.job())
    assert not stage.run(asked).asked.skips_failed
    count = len(stage.source.windows)
    assert stage.run(asked).is_done
    assert len(stage.source.windows) == count


def test_a_failing_source_is_tried_again(stage: Stage) -> None:
    """A request that fails four times costs time, and no sample."""
    fails = iter([True, True, True, True])

    def answer(window: Window) -> object:
        if next(fails, False):
            return SourceError("timeout", "no answer")
        return body(window)

    stage.source.answer = answer
    stage.run(stage.asked(stage.job()))
    assert stage.clock.waits == [1.0, 2.0, 4.0, 8.0]
    assert stage.samples()["x_total", "p0"] == totals(0, BEGIN, BEGIN + 3 * DAY)


def test_a_piece_that_always_fails_ends_the_call(stage: Stage) -> None:
    """After five tries the call ends, says where and why, and keeps what it has."""

    def answer(window: Window) -> object:
        return SourceError("status", "404 Not Found") if window.start == BEGIN + DAY else body(window)

    stage.source.answer = answer
    asked = stage.asked(stage.job())
    with pytest.raises(BackfillError, match=r"job pods, 2026-01-02T00:00:00Z to 2026-01-03T00:00:00Z: status: 404"):
        stage.run(asked)
    stage.source.answer = body
    stage.run(asked)
    assert stage.samples()["x_total", "p0"] == totals(0, BEGIN, BEGIN + 3 * DAY)


def test_what_fails_can_be_left_out(stage: Stage) -> None:
    """With ``skips_failed`` the rest is loaded, and what was left out is named."""

    def answer(window: Window) -> object:
        return SourceError("status", "404 Not Found") if window.start == BEGIN + DAY else body(window)

    stage.source.answer = answer
    loading = stage.run(stage.asked(stage.job(), skips_failed=True))
    assert loading.progress.passed_over == ["job pods: 2026-01-02T00:00:00Z to 2026-01-03T00:00:00Z"]
    found = stage.samples()["x_total", "p0"]
    assert [at for at in found if BEGIN + DAY < at <= BEGIN + 2 * DAY] == []
    first, last = totals(0, BEGIN, BEGIN + DAY), totals(0, BEGIN + 2 * DAY, BEGIN + 3 * DAY)
    assert found[BEGIN + 3 * DAY] == first[BEGIN + DAY] + last[BEGIN + 3 * DAY]


def test_a_pod_that_comes_and_goes(stage: Stage) -> None:
    """A series has samples for its life alone, and a 0 where its first interval begins."""
    born, dies = BEGIN + 30 * HOUR, BEGIN + 40 * HOUR

    def answer(window: Window) -> object:
        given = body(window, pods=1)
        start, end = max(born, window.start), min(dies, window.end)
        if start < end:
            slots = range(window.start // STEP, window.end // STEP)
            alive = [1 if born <= slot * STEP < dies else None for slot in slots]
            given["pods"].append({"name": "short", "x": alive})
        return given

    stage.source.answer = answer
    stage.run(stage.asked(stage.job()))
    found = stage.samples()["x_total", "short"]
    assert found == {born + place * STEP: float(place) for place in range(121)}


def test_two_jobs_share_a_day(stage: Stage) -> None:
    """A day's file holds the samples of all jobs, one family after the other."""
    stage.run(stage.asked(stage.job(), stage.second(), span=6 * HOUR))
    found = stage.samples()
    assert found["x_total", "p1"] == totals(1, BEGIN, BEGIN + 3 * DAY)
    assert found["z_watts", "p1"] == powers(1, BEGIN, BEGIN + 3 * DAY)


def test_a_chosen_metric_comes_alone(stage: Stage) -> None:
    """``--metric`` leaves out all others, also of a fan-out's books."""
    stage.run(stage.asked(stage.job(metrics=READING), metrics=("y_total",)))
    assert {name for name, _ in stage.samples()} == {"y_total"}


FANNED = "each: {zone: [A, B, C]}"


def test_lanes_are_complete_before_a_day_is(stage: Stage) -> None:
    """With a fan-out a day's file waits for its slowest lane."""
    slow = iter(range(2))

    def answer(window: Window, zone: str) -> object:
        if zone == "B" and next(slow, None) is not None:
            return SourceError("timeout", "no answer")
        given = body(window, pods=1)
        given["pods"][0]["name"] = f"p-{zone}"
        return given

    stage.source.answer = answer
    stage.run(stage.asked(stage.job(job=FANNED)))
    found = stage.samples()
    assert {pod for _, pod in found} == {"p-A", "p-B", "p-C"}
    assert all(samples == totals(0, BEGIN, BEGIN + 3 * DAY) for samples in found.values())


def test_a_dead_lane_can_be_left_out(stage: Stage) -> None:
    """One of three lanes that never answers costs its own samples."""

    def answer(window: Window, zone: str) -> object:
        if zone == "B":
            return SourceError("status", "410 Gone")
        given = body(window, pods=1)
        given["pods"][0]["name"] = f"p-{zone}"
        return given

    stage.source.answer = answer
    loading = stage.run(stage.asked(stage.job(job=FANNED), skips_failed=True))
    assert {pod for _, pod in stage.samples()} == {"p-A", "p-C"}
    assert loading.progress.passed == 3


def test_labels_of_a_scrape_are_added(stage: Stage) -> None:
    """``job`` and ``instance`` stand at each series, and a label that it has itself stays."""
    stage.run(stage.asked(stage.job(), labels={"job": "timepoint", "instance": "e:8080", "pod": "other"}))
    line = stage.files()["2026-01-01.om"].splitlines()[2]
    assert line.startswith('x_total{instance="e:8080",job="timepoint",pod="p0"} 0.0 1767225600')


def test_another_order_is_refused(stage: Stage) -> None:
    """A directory that holds a backfill of another range is not mixed with it."""
    stage.run(stage.asked(stage.job()))
    with pytest.raises(BackfillError, match=r"holds another backfill \(start 1767225600000, not 1767312000000\)"):
        stage.run(stage.asked(stage.job(), start=BEGIN + DAY))


def test_files_of_another_backfill_are_in_the_way(stage: Stage) -> None:
    """A directory whose state is gone and whose files are not is not written into."""
    asked = stage.asked(stage.job())
    stage.run(asked)
    shutil.rmtree(stage.path / "out" / ".backfill")
    with pytest.raises(BackfillError, match="holds files of another backfill"):
        stage.run(asked)
