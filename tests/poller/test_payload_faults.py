"""What comes over the wire and is not what was promised, from a real server to the page, one case for each fault.

    P1   a gzip bomb                              P9    odd characters in labels: test_limits.py
    P2   a body without end                       P10   more label values than anybody wants
    P3   nested too deep                          P11   texts that Python takes for numbers
    P4   NaN, Infinity, 1e999                     P12   stamps in seconds, milliseconds, of the year 0
    P5   integers beyond float64                  P13   an hour that comes twice, and one that does not come
    P6   a key that stands twice                  P14   totals that fall, amounts below zero
    P7   half a surrogate pair                    P15   true, false, null and "" where a number is expected
    P8   UTF-16, a byte order mark, no UTF-8      P16   42 MB while others scrape: tests/system/test_delays.py

What each decoder and each reader of a cell does with them is tested in their rooms; here it is that one row costs one
row, one answer one poll, and that the page stays as it was.
"""

from __future__ import annotations

import asyncio
import codecs
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.poller.jobs import STEP
from tests.poller.stage import Stage
from tests.request.test_fetch_faults import bomb
from tests.request.wire import Reply, reply, serving
from timepoint.config import load_config
from timepoint.job import Workload
from timepoint.model import Outcome
from timepoint.poller.runner import Runner
from timepoint.request.fetch import HttpFetcher
from timepoint.request.politeness.gate import Gate
from timepoint.request.spec import SourceSpec
from timepoint.testing import FakeClock, fake_surroundings

MIB = 1 << 20
CONFIG = """
sources:
  api: {{url: "{url}", attempts: 1, max_body: 16MB, max_memory: 512MB}}
jobs:
  pods:
    source: api
    every: 30m
    jitter: 0s
    request:
      get: /pods
      params: {{start: "{{window.start}}", end: "{{window.end}}"}}
    window: {{step: 5m, delay: 10m, initial: 12h}}
    rows: {{r: "$.data[*]"}}
    time: {time}
    labels: {{pod: $r.pod}}
    {job}
    metrics:
      energy_joules_total: {{type: counter, help: Energy., value: $r.v, zero_first: 0s, {metric}}}
"""
DELTA = "temporality: delta"
TIME = "{at: $r.t, interval: 5m, format: unix_ms}"
T = 1_767_259_200_000  # 2026-01-01T09:20:00Z, in the window of the first run
DEEP = 900 if sys.version_info < (3, 12) else 1_200
"""Decoders in C go as deep as Python code may until 3.11, then as deep as the stack of C is thought to be."""
GOOD = f'{{"pod":"good","t":{T},"v":1}}'


class Case:
    """One job of one stage, asked again and again."""

    def __init__(self, stage: Stage, directory: Path) -> None:
        self.stage = stage
        self.directory = directory
        self.config = {"time": TIME, "metric": DELTA, "job": ""}

    async def poll(self, *replies: Reply) -> list[str]:
        """A run for each reply, half an hour apart; gives the outcomes."""
        outcomes = []
        for given in replies:
            async with serving(given) as wire:
                path = self.directory / "payload.yaml"
                path.write_text(CONFIG.format(url=wire.url, **self.config))
                [job] = load_config(path, {}).jobs
                around = fake_surroundings(self.stage.published, self.stage.clock, store=self.stage.store)

                def opening(source: SourceSpec, gate: Gate) -> HttpFetcher:
                    return HttpFetcher(source, self.stage.clock, sleep=self.stage.clock.sleep, gate=gate)

                await Runner(Workload((job,)), replace(around, open_fetcher=opening)).run_once(force=True)
            outcomes.append(str(self.stage.status()["outcome"]))
            await self.stage.clock.advance(minutes=30)
        return outcomes

    async def rows(self, *rows: str) -> dict[str, float]:
        """What the page shows after an answer with these rows, by pod."""
        assert await self.poll(answer(*rows)) == [Outcome.OK]
        return self.pods()

    def pods(self) -> dict[str, float]:
        """The totals of the page, by pod."""
        found = self.stage.samples().items()
        return {name.split('"')[1]: value for name, value in found if name.startswith("energy_joules_total{")}

    def rejects(self) -> dict[str, int]:
        """The rejects of the last run, by reason."""
        counts: dict[str, int] = self.stage.status()["rejects"]["counts"]
        return counts

    def reason(self) -> str:
        """Why the last run failed."""
        return str(self.stage.status()["reason"])


@pytest.fixture
def case(stage: Stage, tmp_path: Path) -> Case:
    """The job of these tests."""
    return Case(stage, tmp_path)


def answer(*rows: str, encode: Callable[[str], bytes] = str.encode, content_type: str = "application/json") -> bytes:
    """An answer with rows as they are written."""
    return reply(body=encode(f'{{"data":[{",".join(rows)}]}}'), content_type=content_type)


def row(value: str, pod: str = "bad", time: str = str(T)) -> str:
    """A row whose value is written like that."""
    return f'{{"pod":"{pod}","t":{time},"v":{value}}}'


async def test_p1_a_gzip_bomb(case: Case) -> None:
    """2 MB that hold 2 GiB cost their poll, little memory, and nothing of the page."""
    body = bomb(2048)
    await case.poll(answer(GOOD))
    tracemalloc.start()
    try:
        outcomes = await case.poll(reply(body=body, headers={"Content-Encoding": "gzip"}))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert outcomes == [Outcome.SOURCE_ERROR]
    assert case.reason().startswith("too_large: ")
    assert peak < 48 * MIB  # thrice the limit
    assert case.pods() == {"good": 1}


async def test_p2_a_body_that_would_become_large(case: Case) -> None:
    """What would take more than ``max_memory`` once it is decoded fails its run, and costs nothing else."""
    assert await case.poll(answer(GOOD), answer(GOOD, *["0"] * 6_000_000)) == [Outcome.OK, Outcome.SOURCE_ERROR]
    assert "decoded, the answer may take 526MB of memory, more than 512MB (max_memory)" in case.reason()
    assert case.pods() == {"good": 1}


async def test_p2_a_body_without_end(case: Case) -> None:
    """A body that does not say how long it is ends at the limit."""
    sent = 0

    async def endless(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"data":["')
        while sent < 200 * MIB:
            writer.write(b"x" * 65536)
            sent += 65536
            await writer.drain()

    assert await case.poll(answer(GOOD), endless) == [Outcome.OK, Outcome.SOURCE_ERROR]
    assert "larger than 16777216 bytes (max_body)" in case.reason()
    assert sent < 64 * MIB
    assert case.pods() == {"good": 1}


async def test_p3_a_row_that_is_nested_too_deep(case: Case) -> None:
    """A row that is deep beyond reason is a reject, and its neighbour counts."""
    assert await case.rows(row("[" * DEEP + "]" * DEEP), GOOD) == {"good": 1}
    assert sum(case.rejects().values()) == 1


async def test_p3_a_row_that_no_decoder_goes_into(case: Case) -> None:
    """Deeper than any decoder goes, the end of a row cannot be found: that answer is refused in words."""
    deep = answer(row("[" * 2_000_000 + "]" * 2_000_000), GOOD)  # Python 3.14 goes 100,000 deep
    assert await case.poll(answer(GOOD), deep) == [Outcome.OK, Outcome.SOURCE_ERROR]
    assert case.reason().startswith("not_a_document: ")
    assert "nested too deep" in case.reason()
    assert case.pods() == {"good": 1}


async def test_p3_a_document_that_is_nested_too_deep(case: Case) -> None:
    """A body that is nothing but depth is no document."""
    deep = reply(body=b"[" * 2_000_000 + b"]" * 2_000_000)
    assert await case.poll(answer(GOOD), deep) == [Outcome.OK, Outcome.SOURCE_ERROR]
    assert case.reason().startswith("not_a_document: ")
    assert case.pods() == {"good": 1}


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
async def test_p4_tokens_that_are_no_numbers_of_json(case: Case, token: str) -> None:
    """What JSON does not have is a reject, and the rows around it count."""
    before, after = row("2", "before"), row("3", "after")
    assert await case.rows(before, row(token), after) == {"before": 2, "after": 3}
    assert sum(case.rejects().values()) == 1


async def test_p5_integers_beyond_float64(case: Case) -> None:
    """A long id stays as it is written, a long value is the nearest number, one of 5,000 digits a reject."""
    long_id = f'{{"pod":{2**53 + 1},"t":{T},"v":1}}'
    assert await case.rows(long_id, row(str(2**64), "large"), row("9" * 5000)) == {str(2**53 + 1): 1, "large": 2.0**64}
    assert sum(case.rejects().values()) == 1


async def test_p6_a_key_that_stands_twice(case: Case) -> None:
    """Neither the first value nor the last one counts."""
    assert await case.rows(f'{{"pod":"bad","t":{T},"v":1,"v":2}}', GOOD) == {"good": 1}
    assert case.rejects() == {"duplicate_key": 1}


async def test_p7_half_a_surrogate_pair(case: Case) -> None:
    """A text that no page can hold is mended, and the page is whole."""
    assert await case.rows(row("1", "a\\ud800b"), GOOD) == {"a\ufffdb": 1, "good": 1}


@pytest.mark.parametrize(
    ("encode", "content_type"),
    [
        (lambda text: codecs.BOM_UTF8 + text.encode(), "application/json"),
        (lambda text: text.encode("utf-16"), "application/json"),
        (lambda text: text.encode("utf-16-be"), "application/json; charset=utf-16"),
        (lambda text: text.encode("utf-32-le"), "application/json"),
    ],
)
async def test_p8_other_encodings(case: Case, encode: Callable[[str], bytes], content_type: str) -> None:
    """A byte order mark is passed over, and UTF-16 and UTF-32 are read as what they are."""
    given = answer(row("1", "Zürich"), encode=encode, content_type=content_type)
    assert await case.poll(given) == [Outcome.OK]
    assert case.pods() == {"Zürich": 1}


async def test_p8_bytes_that_are_no_utf_8(case: Case) -> None:
    """One row with a broken text costs one row."""
    given = answer(row("1", "a\udcffb"), GOOD, encode=lambda text: text.encode("utf-8", "surrogateescape"))
    assert await case.poll(given) == [Outcome.OK]
    assert case.pods() == {"good": 1}
    assert case.rejects() == {"undecodable": 1}


async def test_p10_more_label_values_than_anybody_wants(case: Case) -> None:
    """What is beyond the budget of series is counted and adds up in one series; the page stays small."""
    case.config["job"] = "max_series: 100\n    overflow: aggregate"
    shown = await case.rows(*(row("1", f"pod-{number}") for number in range(50_000)))
    assert len(shown) == 101
    assert sum(shown.values()) == 50_000


@pytest.mark.parametrize("text", ["1_000", "\u0661\u0662", "0x10", "1,5", "1e", "--1", "1 2", "five"])
async def test_p11_texts_that_are_no_numbers(case: Case, text: str) -> None:
    """The grammar of numbers is Prometheus' own, whatever Python's ``float`` takes."""
    assert await case.rows(row(f'"{text}"'), GOOD) == {"good": 1}
    assert case.rejects() == {"not_a_number": 1}


async def test_p11_a_text_that_is_a_number(case: Case) -> None:
    """Blanks around a number are no harm."""
    assert await case.rows(row('" 12 "')) == {"bad": 12}


@pytest.mark.parametrize(
    ("time", "stamp", "counts"),
    [
        ("$r.t", str(T // 1000), True),
        ("$r.t", '"2026-01-01T09:20:00Z"', True),
        ("$r.t", '"2026-01-01T10:20:00+01:00"', True),
        ("$r.t", '"2026-01-01 09:20"', True),
        ("$r.t", '"2026-01-01T09:19:60Z"', True),
        ("$r.t", str(T), False),
        ("$r.t", '"0000-01-01T00:00:00Z"', False),
        ("$r.t", '"9999-12-31T23:59:59Z"', False),
        ("$r.t", "2026", False),
        ("{at: $r.t, format: unix_ms}", str(T), True),
        ("{at: $r.t, format: unix_us}", str(T * 1000), True),
        ("{at: $r.t, format: unix_ns}", str(T * 1_000_000), True),
        ("{at: $r.t, format: unix}", str(T), False),
    ],
)
async def test_p12_stamps(case: Case, time: str, stamp: str, *, counts: bool) -> None:
    """A stamp is read in the unit that the config says, and one that cannot be meant is not used."""
    at = time if time.startswith("{") else f"{{at: {time}}}"
    case.config["time"] = at.replace("}", ", interval: 5m}")
    outcomes = await case.poll(answer(row("1", "one", stamp), row("1", "good", stamp)))
    assert (outcomes == [Outcome.OK]) is counts
    assert case.pods() == ({"one": 1, "good": 1} if counts else {})


async def test_p13_an_hour_that_comes_twice(stage: Stage, tmp_path: Path) -> None:
    """Local stamps of the night in which the clock is put back are two timepoints, in their order."""
    stage.clock = FakeClock("2026-10-25T03:37:00Z")
    case = Case(stage, tmp_path)
    case.config["time"] = "{at: $r.t, timezone: Europe/Zurich, interval: 30m}"
    local = ["01:30", "02:00", "02:30", "02:00", "02:30", "03:00"]
    assert await case.rows(*(row("1", "good", f'"2026-10-25T{at}"') for at in local)) == {"good": 6}


async def test_p13_an_hour_that_does_not_come(stage: Stage, tmp_path: Path) -> None:
    """A local stamp that the clock never showed is a reject."""
    stage.clock = FakeClock("2026-03-29T03:37:00Z")
    case = Case(stage, tmp_path)
    case.config["time"] = "{at: $r.t, timezone: Europe/Zurich, interval: 30m}"
    local = ["01:30", "02:30", "03:00"]
    assert await case.rows(*(row("1", "good", f'"2026-03-29T{at}"') for at in local)) == {"good": 2}
    assert case.rejects() == {"no_such_local_time": 1}


async def test_p14_an_amount_below_zero(case: Case) -> None:
    """A counter takes no amount below zero."""
    assert await case.rows(row("-1"), GOOD) == {"good": 1}
    assert sum(case.rejects().values()) == 1


async def test_p14_a_total_that_falls(case: Case) -> None:
    """A meter that begins anew is counted on from there, and the counter never goes back."""
    case.config |= {"metric": "temporality: cumulative", "time": "{at: $r.t, format: unix_ms}"}
    seen = []
    for number, value in enumerate((100, 130, 5, 9)):
        await case.poll(answer(row(str(value), "meter", str(T + 5 * STEP + number * 6 * STEP))))
        seen.append(case.pods()["meter"])
    assert seen == sorted(seen)
    assert seen[-1] - seen[0] == 30 + 5 + 4


@pytest.mark.parametrize(
    ("value", "reject"),
    [("null", False), ('""', True), ("{}", True), ("[[]]", True), ('"true"', True)],
)
async def test_p15_what_is_no_number(case: Case, value: str, *, reject: bool) -> None:
    """Null gives no sample and never 0; what is something else is a reject."""
    assert await case.rows(row(value), GOOD) == {"good": 1}
    assert bool(case.rejects()) is reject


async def test_p15_truth_is_one_and_zero(case: Case) -> None:
    """The language says that true is 1 and false is 0, as R14 has it."""
    assert await case.rows(row("true", "yes"), row("false", "no")) == {"yes": 1, "no": 0}
