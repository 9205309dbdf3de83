"""What an API does wrong, and what a network does to it, from the request to the page: one case for each fault.

U1   5xx for an hour                          U8    items that arrive late
U2   429 with Retry-After: tests/request/politeness/test_polite_api.py, tests/request/paging/test_faults.py
U3   401 and 403 after a rotation, U4 a login page: tests/request/auth/test_credential_faults.py
U5   an error in a 200: test_paging.py        U9    a value that is revised
U6   pages that never end, U11 a cursor that expires: tests/request/paging/test_faults.py
U7   overlapping pages: test_paging.py        U10   a meter that begins anew
U12  a schema that changes                    U13   one source of fifty hangs
U14  newest first

N1   connection refused, N2 no answer to a connection, N3 silence, N4 a byte at a time, N5 a reset, N6 a body that
breaks off, N8 names, N9 a first address that is dead: tests/request/test_fetch_faults.py; here, that N5 and N6
count nothing
N7   a slow line. Loss of packets is not made here: the system sends them again, which is what a slow line is
N10  certificates, N12 a proxy that asks: tests/request/auth/test_credential_faults.py
N11  a kept connection that the other side has closed
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.poller.bench import Bench
from tests.poller.jobs import STEP, TOTAL, http_job, ones
from tests.poller.stage import Stage
from tests.poller.test_payload_faults import DELTA, GOOD, Case, T, answer, case, row
from tests.request.test_fetch_faults import BROKEN
from tests.request.wire import WINDOW, Client
from tests.request.wire import reply as said
from timepoint.clock import MINUTE
from timepoint.errors import SourceError, StatusError
from timepoint.job import HttpPolling, Job
from timepoint.model import Outcome, Window
from timepoint.poller.origin import Fetcher
from timepoint.request.fetch import HttpFetcher
from timepoint.request.politeness.gate import Gate
from timepoint.request.spec import RequestSpec, SourceSpec
from timepoint.testing import FakeClock, FakeSource

__all__ = ["case"]  # the fixture


@dataclass(slots=True)
class Apis(FakeSource):
    """One good API for all sources but one."""

    bad: str = ""
    does: Any = None

    def open(self, source: SourceSpec, gate: Gate) -> AbstractAsyncContextManager[Fetcher]:
        return FakeSource(self.does if source.name == self.bad else self.answer).open(source, gate)


def at(job: Job, name: str) -> Job:
    """The job at a source of that name."""
    assert isinstance(job.polling, HttpPolling)
    return replace(job, polling=replace(job.polling, source=replace(job.polling.source, name=name)))


async def test_u1_an_hour_of_5xx(stage: Stage, tmp_path: Path) -> None:
    """No counter moves, the source is shown as down, and the data of another source go on."""
    down = {"is": False}

    def bad(window: Window) -> Any:
        return StatusError(502, "status 502") if down["is"] else ones(window)

    def good(window: Window) -> Any:
        return [{**found, "pod": "b"} for found in ones(window)]

    stage.source = Apis(good, bad="one", does=bad)
    jobs = [at(http_job(tmp_path, name), name) for name in ("one", "two")]
    async with stage.running(*jobs) as runner:
        await stage.clock.advance(minutes=30)
        before = stage.samples()[TOTAL]
        down["is"] = True
        await stage.clock.advance(hours=1)
        assert stage.samples()[TOTAL] == before
        assert stage.samples()[TOTAL.replace('"a"', '"b"')] == before + 12
        assert runner.tallies["one"].consecutive_failures == 2
        assert runner.tallies["two"].consecutive_failures == 0
        await runner._beat()
        up = {name: value for name, value in stage.samples().items() if name.startswith("timepoint_source_up")}
        assert up == {'timepoint_source_up{source="one"}': 0, 'timepoint_source_up{source="two"}': 1}
        down["is"] = False
        await stage.clock.advance(minutes=30)
        assert stage.samples()[TOTAL] == before + 18, "three windows at once"


async def test_u8_items_that_arrive_late(tmp_path: Path) -> None:
    """What was not there when its window was asked for is counted once, by the overlap, and told as late."""
    job = http_job(tmp_path)
    b = Bench(tmp_path, replace(job, window=replace(job.window, overlap=30 * MINUTE)), lambda window: ones(window)[:-1])
    assert (await b.run()).counts.late == 0
    b.source.answer = ones
    for late in (1, 0):
        await b.clock.advance(minutes=30)
        report = await b.run()
        assert (report.outcome, report.counts.late) == (Outcome.OK, late)
    assert b.samples()[TOTAL] == 18


async def test_u9_a_value_that_is_revised(tmp_path: Path) -> None:
    """A rise is added, a fall becomes a debt that later amounts pay, and both are told as revisions."""
    job = http_job(tmp_path)
    b = Bench(tmp_path, replace(job, window=replace(job.window, overlap=30 * MINUTE)), ones)
    await b.run()
    totals = []
    for value in (3.0, 1.0, 1.0):
        await b.clock.advance(minutes=30)
        b.source.answer = lambda window, v=value: [{**found, "v": v} for found in ones(window)]
        report = await b.run()
        totals.append((b.samples()[TOTAL], report.counts.revised))
    assert totals == [(36, 6), (36, 6), (36, 0)]


async def test_u10_a_meter_that_begins_anew(case: Case) -> None:
    """A reading that falls is a new life of the meter: its reading is added to what the earlier one came to."""
    case.config["metric"] = "temporality: cumulative"
    readings = [(0, 100), (30, 130), (60, 5)]
    shown = []
    for minutes, reading in readings:
        await case.poll(answer(row(str(reading), "meter", str(T + minutes * MINUTE))))
        shown.append(case.pods()["meter"])
    assert shown == [100, 130, 135]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [('{"pod":"bad","t":%d}' % T, None), (row('"n/a"'), "not_a_number"), (row('{"kwh": 1}'), "not_a_number")],  # noqa: UP031 - braces
)
async def test_u12_a_schema_that_changes(case: Case, bad: str, reason: str | None) -> None:
    """A field that is gone, or has become a text or an object, costs its own row; the others count."""
    assert await case.rows(GOOD, bad) == {"good": 1}
    assert case.rejects() == ({reason: 1} if reason else {})


async def test_u13_one_source_of_fifty_hangs(stage: Stage, tmp_path: Path) -> None:
    """Its run ends at its own deadline, and the runs of the others begin at their times."""

    async def hang(_: Window) -> Any:
        await asyncio.Event().wait()

    stage.source = Apis(ones, bad="source-0", does=hang)
    shape = http_job(tmp_path)
    jobs = [at(replace(shape, name=f"job-{n}"), f"source-{n}") for n in range(50)]
    stage.clock = FakeClock("2026-01-01T10:29:30Z")
    async with stage.running(*jobs) as runner:
        await stage.clock.advance(seconds=31)
        others = [tally.last for name, tally in runner.tallies.items() if name != "job-0"]
        assert {report.began % (30 * MINUTE) for report in others if report is not None} == {0}
        assert {report.outcome for report in others if report is not None} == {Outcome.OK}
        assert None not in others
        await stage.clock.advance(minutes=5)
        hanging = runner.tallies["job-0"].last
        assert hanging is not None
        assert (hanging.outcome, hanging.reason) == (Outcome.SOURCE_ERROR, "timeout")
        assert hanging.duration == pytest.approx(shape.timeout / 1000, abs=1)


async def test_u14_newest_first(case: Case) -> None:
    """The order of an answer changes nothing: what counts is the time of each point."""
    rows = [row("1", "good", str(T + n * STEP)) for n in range(12)]
    assert await case.rows(*reversed(rows[:6])) == {"good": 6}
    assert await case.rows(*reversed(rows[6:])) == {"good": 12}


@pytest.mark.parametrize("name", ["reset in the body", "body shorter than its length", "chunk longer than its size"])
async def test_n5_n6_an_answer_that_breaks_off_counts_nothing(case: Case, name: str) -> None:
    """The run fails, the page stays, and the next run asks for the same window and counts it once."""
    assert case.config["metric"] == DELTA
    await case.rows(GOOD)
    later = row("2", "good", str(T + 30 * MINUTE))
    assert await case.poll(BROKEN[name]) == [Outcome.SOURCE_ERROR]  # type: ignore[arg-type] # bytes or a behaviour
    assert case.pods() == {"good": 1}
    assert await case.rows(GOOD, later) == {"good": 3}


async def test_n7_a_slow_line(case: Case) -> None:
    """An answer that comes late and in pieces of a few bytes is slower, and exactly the same."""
    whole = answer(*(row("1", f"pod-{n}") for n in range(50)))

    async def slowly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for begin in range(0, len(whole), 97):
            writer.write(whole[begin : begin + 97])
            await writer.drain()
            await asyncio.sleep(0.001)

    assert await case.poll(slowly) == [Outcome.OK]
    assert case.pods() == {f"pod-{n}": 1 for n in range(50)}


class Closing:
    """A server that keeps a connection for one answer, and closes it when the next request has come."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for number in range(2):
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.asked.append(head.split(" ")[0])
                if number == 0:
                    writer.write(said().replace(b"Connection: close\r\n", b""))
                    await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        writer.close()


@pytest.mark.parametrize(("method", "asked"), [("GET", 3), ("POST", 2)])
async def test_n11_a_kept_connection_that_is_closed(method: str, asked: int) -> None:
    """A GET is sent once more over a new connection, within its attempt; a POST may have been read, and is not."""
    closing = Closing()
    server = await asyncio.start_server(closing.serve, "127.0.0.1", 0)
    client = Client(SourceSpec("s", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", attempts=1))
    request = RequestSpec(method=method)
    async with server, HttpFetcher(client.source, client.clock) as fetcher:
        deadline = client.clock.monotonic() + 60
        await fetcher.fetch(request, WINDOW, deadline)
        if method == "GET":
            [again] = await fetcher.fetch(request, WINDOW, deadline)
            assert again.attempts == 1
        else:
            with pytest.raises(SourceError, match="closed before the answer began"):
                await fetcher.fetch(request, WINDOW, deadline)
    assert closing.asked == [method] * asked
