"""History beside an exporter: where it ends, what stands at the seam, and how limits are shared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.backfill.stage import BEGIN, GAUGE, READING, Stage, body, powers, readings, totals
from timepoint.backfill.load import opened
from timepoint.backfill.sharing import Exporter, SharedNotes, shared_source
from timepoint.clock import DAY, HOUR, MINUTE
from timepoint.datadir import DataDirectory
from timepoint.errors import BackfillError
from timepoint.ledger.beginnings import read_beginnings
from timepoint.ledger.memory import MemoryStore
from timepoint.ledger.store import open_store
from timepoint.model import Window
from timepoint.request.politeness.spec import QuotaSpec, RateSpec
from timepoint.request.spec import SourceSpec

SEAM = BEGIN + 31 * HOUR


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A stage on which live polling began at ``SEAM``, and does not run."""
    stage = Stage(tmp_path)
    with exporter(stage):
        pass
    return stage


@contextmanager
def exporter(stage: Stage) -> Iterator[None]:
    """An exporter that runs, as far as its data directory tells."""
    with DataDirectory(stage.path / "data") as data, closing(open_store(data.layout.ledger)) as store:
        store.note_attempt("pods", "", SEAM + HOUR, SEAM)
        yield


def test_the_seam_of_a_counter(stage: Stage) -> None:
    """Totals go up to a millisecond before the seam; at the seam stands the 0 from which live polling counts."""
    stage.run(stage.asked(stage.job(), end=None))
    truth = totals(1, BEGIN, SEAM)
    truth[SEAM - 1], truth[SEAM] = truth[SEAM], 0.0
    assert stage.samples()["x_total", "p1"] == truth


def test_the_seam_of_readings_and_gauges(stage: Stage) -> None:
    """A reading and a value of a gauge stand at the seam as they are: the next one follows them."""
    stage.run(stage.asked(stage.job(metrics=f"{READING}\n          {GAUGE}"), end=None))
    assert stage.samples()["y_total", "p1"] == readings(1, BEGIN, SEAM)
    assert stage.samples()["z_watts", "p1"] == powers(1, BEGIN, SEAM)


def test_a_series_that_is_gone_has_no_seam(stage: Stage) -> None:
    """A pod that was not in the last piece gets no 0 at the seam: nothing follows it."""

    def answer(window: Window) -> object:
        return body(window, pods=2 if window.start < BEGIN + DAY else 1)

    stage.source.answer = answer
    stage.run(stage.asked(stage.job(), end=None))
    assert stage.samples()["x_total", "p1"] == totals(1, BEGIN, BEGIN + DAY)


def test_without_live_polling_there_is_no_seam(tmp_path: Path) -> None:
    """History that ends where somebody said goes up to there."""
    stage = Stage(tmp_path)
    stage.run(stage.asked(stage.job(), end=SEAM))
    assert stage.samples()["x_total", "p1"] == totals(1, BEGIN, SEAM)


def test_the_end_stays_when_live_polling_begins_meanwhile(tmp_path: Path) -> None:
    """A backfill that was interrupted ends where it was to end, whatever a ledger says by then."""
    stage = Stage(tmp_path)
    asked = stage.asked(stage.job())
    stage.source.answer = lambda window: 1 / 0 if window.start > BEGIN else body(window)
    with pytest.raises(BackfillError):
        stage.run(asked)
    with exporter(stage):
        stage.source.answer = body
        stage.run(asked)
    assert stage.samples()["x_total", "p1"] == totals(1, BEGIN, BEGIN + 3 * DAY)


def test_beside_an_exporter_half_of_the_limits_are_used(stage: Stage) -> None:
    """While the exporter runs, the backfill takes half; alone it takes all."""
    asked = stage.asked(stage.job(), end=None)
    with opened(asked, is_dry=True) as loading:
        assert (loading.runs_beside, loading.share) == (False, 1.0)
    with exporter(stage), opened(asked, is_dry=True) as loading:
        assert (loading.runs_beside, loading.share) == (True, 0.5)


def test_a_share_of_each_limit() -> None:
    """Rate, quotas and concurrency are halved, pauses doubled, and the reserve is left to others."""
    source = SourceSpec(
        "api",
        "https://api.example",
        min_interval=1000,
        concurrency=4,
        rate=RateSpec(10, 1000, burst=4),
        quotas=(QuotaSpec(1000, "day", reserve=100),),
    )
    shared = shared_source(source, 0.5)
    assert (shared.min_interval, shared.concurrency) == (2000, 2)
    assert shared.rate == RateSpec(10, 2000, burst=2)
    assert shared.quotas == (QuotaSpec(450, "day"),)


def test_requests_are_noted_where_the_exporter_finds_them(stage: Stage) -> None:
    """While no exporter runs, what is spent stands in its ledger: whoever starts next goes on from there."""
    notes = SharedNotes(MemoryStore(), Exporter(stage.path / "data"))
    assert notes.spend("api", "day UTC", BEGIN, 7) == 7
    notes.note_request("api", BEGIN + 5)
    with closing(open_store(stage.path / "data" / "ledger.sqlite")) as store:
        assert store.spend("api", "day UTC", BEGIN, 0) == 7
        assert store.last_request("api") == BEGIN + 5


def test_what_the_exporter_spends_counts(stage: Stage) -> None:
    """While it runs, its ledger is read and not written, and both sides' requests are one sum."""
    notes = SharedNotes(MemoryStore(), Exporter(stage.path / "data"))
    with DataDirectory(stage.path / "data") as data, closing(open_store(data.layout.ledger)) as store:
        store.spend("api", "day UTC", BEGIN, 100)
        store.note_request("api", BEGIN + 9)
        assert notes.spend("api", "day UTC", BEGIN, 7) == 107
        assert notes.last_request("api") == BEGIN + 9
        assert store.spend("api", "day UTC", BEGIN, 0) == 100
    assert notes.spend("api", "day UTC", BEGIN, 1) == 108


def test_a_quota_is_waited_for(tmp_path: Path) -> None:
    """A quota that is used up costs time, as long as it takes, and no sample."""
    stage = Stage(tmp_path)
    stage.run(stage.asked(stage.job(source=", quota: {requests: 2, per: hour}"), span=12 * HOUR))
    assert len(stage.source.windows) == 6
    assert stage.clock.now() > BEGIN + 10 * DAY + 90 * MINUTE
    assert stage.samples()["x_total", "p0"] == totals(0, BEGIN, BEGIN + 3 * DAY)


def test_where_counting_began_is_the_earliest_of_all_lanes(tmp_path: Path) -> None:
    """Of a fan-out no lane's amount may count twice; a ledger of before does not know."""
    with closing(open_store(tmp_path / "ledger.sqlite")) as store:
        store.note_attempts("fanned", {"zone=A": SEAM, "zone=B": SEAM - HOUR}, SEAM)
        store.note_attempt("old", "", SEAM)
    path = tmp_path / "ledger.sqlite"
    assert read_beginnings(path, in_use=False) == {"fanned": SEAM - HOUR}


def test_a_receiver_is_not_in_the_way(stage: Stage) -> None:
    """A metric that goes out by remote write is loaded into files like any other."""
    job = stage.job()
    spec = job.metrics["x_total"]
    from timepoint.model import Receiver

    job = replace(job, metrics={"x_total": replace(spec, receivers=(Receiver("central"),))})
    stage.run(stage.asked(job, end=BEGIN + DAY))
    assert stage.samples()["x_total", "p2"] == totals(2, BEGIN, BEGIN + DAY)
