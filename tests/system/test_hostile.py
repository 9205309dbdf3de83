"""Bodies of bad will: each ends as counted rejects or as a failed run, while the last good state is served."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from tests.system import hostile
from tests.system.hostile import (
    Answer,
    Asked,
    HostileApi,
    Pieces,
    body,
    depth,
    good,
    gzip_bomb,
    gzipped,
    http,
    large,
    of_good,
    path_of,
    with_name,
    with_pod,
    with_value,
)
from tests.system.support import PATIENCE, Exporter, get, milliseconds, parse, wait_for
from timepoint.datadir import Layout
from timepoint.ledger.store import open_store
from timepoint.model import split_series_text

pytestmark = pytest.mark.system

MIB = 1 << 20
COUNTER = "hostile_joules_total"
RATIO = "hostile_cpu_ratio"
GOOD_POD = "cart-1"
LIMIT = 64 * MIB

CONFIG = """
sources:
  hostile: {{url: "{url}", attempts: 1, timeout: 10m, max_body: {max_body}}}
jobs:
{jobs}
"""

JOB = """
  {name}:
    source: hostile
    every: 1s
    jitter: 0s
    timeout: 10m
    request: {{get: {path}, params: {{start: "{{window.start}}", end: "{{window.end}}"}}}}
    window: {{step: 1s}}
    rows: {{pod: "$.{{cluster}}.{{app}}.{{namespace}}[*]"}}
    labels: {{pod_name: $pod.name, case: {name}}}
    max_age: 1h
    zero_first: 0s
    metrics:
      hostile_joules_total:
        type: counter
        temporality: delta
        help: Energy used.
        value: $pod.energy
        time: {{start: "{{window.start}}", step: 1s}}
      hostile_cpu_ratio: {{type: gauge, help: Share of CPUs., value: $pod.cpu}}
      hostile_level_ratio: {{type: gauge, help: A stamped level., value: $pod.level, time: $pod.at}}
"""


@dataclass(frozen=True)
class Case:
    """A hostile answer, and how its run must end: refused for a reason, or used with these rejects.

    ``is_empty`` says that it is used and holds nothing.
    """

    answer: Answer
    refused: str = ""
    rejects: frozenset[str] = frozenset()
    is_empty: bool = False


def refused(answer: Answer, reason: str) -> Case:
    """The run fails, and nothing of the answer is used."""
    return Case(answer, refused=reason)


def used(answer: Answer, *rejects: str) -> Case:
    """The answer is used, but for what is rejected for these reasons."""
    return Case(answer, rejects=frozenset(rejects))


def empty(raw: bytes) -> Case:
    """The answer is accepted and says that there is nothing."""
    return Case(body(raw), is_empty=True)


def fill(text: str) -> Answer:
    """An answer from a template; VALUES is a list with one joule per step of the window."""

    def answer(asked: Asked) -> Pieces:
        return http(text.replace("VALUES", json.dumps([1] * asked.steps)).encode())

    return answer


GOOD = '{"name":"cart-1","energy":VALUES,"cpu":0.5,"level":null}'

STAMPS = (
    *("1e999", "-1", "0", "99999999999999999999", "253402300801", "1e308", "NaN", "true", "{}", '""', '"now"'),
    *('"2026-13-45T99:99:99Z"', '"0000-00-00"', '"10000-01-01T00:00:00Z"', '"2026-01-01T00:00:00+99:99"'),
    *('"\u0662\u0660\u0662\u0666-01-01"', '"-2026-01-01"', '"0001-01-01T00:00:00+23:59"', "1" * 5000),
)

LONG = "a label of a megabyte"
CASES = {
    # What breaks off, or is something else.
    "truncated": refused(hostile.truncated, "transport"),
    "truncated chunks": refused(hostile.truncated_chunks, "transport"),
    "half a document": refused(of_good(lambda raw: raw[:-3]), "not_a_document"),
    "two documents": refused(of_good(lambda raw: raw + raw), "not_a_document"),
    "html": refused(body(b"<!doctype html><p>Log in", kind="text/html"), "content_type"),
    "html as json": refused(body(b"<!doctype html><p>Log in"), "not_a_document"),
    "empty": refused(body(b""), "not_a_document"),
    "blanks": refused(body(b" \n" * 20_000), "not_a_document"),
    "NULs": refused(body(b"\0" * 4096), "not_a_document"),
    "text": refused(body(b'"maintenance"'), "not_a_document"),
    "number": refused(body(b"1"), "not_a_document"),
    "null": empty(b"null"),
    "empty object": empty(b"{}"),
    "a list": empty(b"[1, [2], {}]"),
    # Bombs.
    "gzip bomb": refused(gzipped(gzip_bomb()), "too_large"),
    "deflate of garbage": refused(gzipped(b"\x1f\x8b\x08garbage garbage garbage"), "transport"),
    "depth 100000": refused(body(depth(100_000)), "not_a_document"),
    "depth 2000000": refused(body(depth(2_000_000)), "not_a_document"),
    "depth of objects": refused(body(depth(500_000, b'{"a":', b"}").replace(b":}", b":1}")), "not_a_document"),
    "depth without end": refused(body(b"[" * 2_000_000), "not_a_document"),
    "depth 100000 in an entity": refused(with_pod(depth(100_000)), "not_a_document"),
    "depth 2000000 in an entity": refused(with_pod(depth(2_000_000)), "not_a_document"),
    "depth in an unused member": refused(with_pod(b'{"name":"odd","x":' + depth(100_000) + b"}"), "not_a_document"),
    # Numbers.
    "NaN": used(with_value("NaN"), "not_a_number"),
    "Infinity": used(with_value("Infinity"), "not_a_number"),
    "minus Infinity": used(with_value("-Infinity"), "not_a_number"),
    "1e999": used(with_value("1e999"), "not_a_number"),
    "2 to the 64": used(with_value("18446744073709551616")),
    "5000 digits": used(with_value("9" * 5000), "not_a_number"),
    "400 digits": used(with_value("9" * 400), "out_of_range"),
    "5000 digits of a fraction": used(with_value("0." + "1" * 5000)),
    "a text with an underscore": used(with_value('"1_000"'), "not_a_number"),
    "a hexadecimal text": used(with_value('"0x10"'), "not_a_number"),
    "arabic digits": used(with_value('"\u0661\u0662"'), "not_a_number"),
    "negative": used(with_value("-1"), "negative"),
    # Texts and encodings.
    "a lone surrogate in a label": used(with_name(r'"a\ud800b"')),
    "lone surrogates unused": used(with_pod(r'{"name":"odd","x":"\udfff","\ud800":1,"cpu":1}')),
    "a lone surrogate in a key": used(
        fill(r'{"\udfff":{"a":{"n":[]}},"cluster-a":{"checkout":{"shop":[' + GOOD + "]}}}")
    ),
    "not utf-8": refused(of_good(lambda raw: raw.replace(b"cluster-a", b"cl\xffster")), "not_a_document"),
    "not utf-8 in an entity": used(with_name(b'"a\xff\xfe"'), "undecodable"),
    "a byte order mark": used(of_good(lambda raw: b"\xef\xbb\xbf" + raw)),
    "utf-16": used(of_good(lambda raw: raw.decode().encode("utf-16"))),
    "utf-16 without a mark": used(of_good(lambda raw: raw.decode().encode("utf-16-le"))),
    "half a character of utf-16": refused(of_good(lambda raw: raw.decode().encode("utf-16") + b"\0"), "encoding"),
    # Keys.
    "a key twice at the top": refused(fill('{"c":{"a":{"n":[' + GOOD + ']}},"c":{}}'), "not_a_document"),
    "a key twice in an entity": used(with_pod('{"name":"odd","cpu":1,"cpu":2}'), "duplicate_key"),
    "a key twice below an entity": used(with_pod('{"name":"odd","x":{"y":1,"y":2},"cpu":1}'), "duplicate_key"),
    # Labels.
    LONG: used(with_name(json.dumps("x" * MIB))),
    "a label with quotes": used(with_name(json.dumps('a"b\\c\nd'))),
    "a label with NUL": used(with_name(json.dumps("a\0b\x1b[31m"))),
    "a label of lines": used(with_name(json.dumps("a\u2028b\u2029c\x85d"))),
    "a label from right to left": used(with_name(json.dumps("\u202eabc\u202d\u200b\ufeff"))),
    "an object as label": used(with_name('{"a":1}'), "not_a_label"),
    "a label of 5000 digits": used(with_name("9" * 5000), "not_a_label"),
    "an uncertain object as label": used(with_name('{"a":1,"a":2}'), "duplicate_key", "not_a_label"),
    # Types and times.
    "every wrong type": used(
        hostile.mutated,
        *("not_a_number", "not_a_label", "length_mismatch", "list_without_times", "negative", "not_finite"),
    ),
    **{
        f"stamp {text[:30]}": used(with_pod(f'{{"name":"odd","level":1,"at":{text}}}'), "not_a_time") for text in STAMPS
    },
    "a stamp of 2100": used(with_pod('{"name":"odd","level":1,"at":4102444800}'), "outside_window"),
    # HTTP.
    "status 600": refused(body(b"{}", status="600 Odd"), "status"),
    "no http": refused(lambda _: [b"SSH-2.0-OpenSSH_9.2\r\n"], "transport"),
    "a long header": refused(body(b"{}", extra="X: " + "x" * 100_000 + "\r\n"), "transport"),
    "many headers": refused(body(b"{}", extra="X: y\r\n" * 30_000), "transport"),
    "two lengths": refused(body(b"{}", extra="Content-Length: 99\r\n"), "transport"),
    "a negative length": refused(lambda _: [b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}"], "transport"),
    "a huge chunk": refused(
        lambda _: [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n{}"], "transport"
    ),
}

LABELS = {
    "a lone surrogate in a label": "a\ufffdb",
    "a label with quotes": 'a"b\\c\nd',
    "a label with NUL": "a\ufffdb\ufffd[31m",
    "a label of lines": "a\u2028b\u2029c\ufffdd",
    "a label from right to left": "\u202eabc\u202d\u200b\ufeff",
}
"""What becomes of odd names on the page."""


@dataclass
class Watcher:
    """Scrapes all the time, in a thread, and keeps which totals of good pods each page had, by case."""

    url: str
    totals: list[dict[str, float]] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)
    troubles: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self) -> Iterator[Watcher]:
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join(PATIENCE)

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            try:
                status, page = get(f"{self.url}/metrics")
            except OSError as error:
                self.troubles.append(repr(error))
                continue
            self.statuses.add(status)
            self._note(page.decode())

    def _note(self, page: str) -> None:
        found = {}
        for (name, labels), value in parse(page).items():
            label = dict(labels)
            if name == COUNTER and label.get("cluster") == "cluster-a" and label.get("pod_name") == GOOD_POD:
                found[label["case"]] = value
        self.totals.append(found)


@dataclass(frozen=True)
class Story:
    """What a hostile API and its exporter did together. ``peak`` is the most memory of the poller, in bytes."""

    log: list[dict[str, Any]]
    runs: Mapping[str, list[dict[str, Any]]]
    watcher: Watcher
    openmetrics: str
    ledger: Mapping[str, tuple[float, int]]
    peak: int


def runs_of(exporter: Exporter) -> dict[str, list[dict[str, Any]]]:
    """The log lines of runs that took place, by job."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for line in exporter.log("run"):
        if line["outcome"] != "skipped":
            runs.setdefault(line["job"], []).append(line)
    return runs


def job_of(case: str) -> str:
    """The job that asks for a case."""
    return path_of(case)[1:]


def tell(directory: Path, answers: Mapping[str, list[Answer]], max_body: int) -> Story:
    """Runs an exporter with one job per case until each has had all of its answers and the last one once more."""
    api = HostileApi({path_of(case): list(list_of) for case, list_of in answers.items()})
    jobs = "".join(JOB.format(name=job_of(case), path=path_of(case)) for case in answers)
    with api.running():
        config = directory / "config.yaml"
        config.write_text(CONFIG.format(url=api.url, max_body=f"{max_body // MIB}MiB", jobs=jobs))
        exporter = Exporter(config, directory / "data", {})
        exporter.start(wait=False)
        try:
            wait_for("the exporter to be ready", exporter.ready)
            watcher = Watcher(exporter.url)
            with watcher.watching():
                wait_for(
                    "the run after the last answer of each case",
                    lambda: all(len(runs_of(exporter).get(job_of(case), ())) > len(answers[case]) for case in answers),
                    3 * PATIENCE,
                )
            odd = [case for case in (*LABELS, LONG) if case in answers]
            openmetrics = wait_for("a page with the odd labels", lambda: page_with(exporter, odd))
            (poller,) = (line["pid"] for line in exporter.log("child_started") if line["child"] == "poller")
            peak = high_water(poller)
            exporter.stop()
        finally:
            assert exporter.process is not None
            if exporter.process.poll() is None:
                exporter.kill()
    ledger = totals_in(Layout(exporter.data_dir).ledger, map(job_of, answers))
    return Story(exporter.log(), runs_of(exporter), watcher, openmetrics, ledger, peak)


def totals_in(ledger: Path, jobs: Iterable[str]) -> dict[str, tuple[float, int]]:
    """The total of the good pod and the watermark of each job, as the ledger holds them."""
    store = open_store(ledger)
    found = {}
    for job in jobs:
        lane = store.load(job, "")
        [energy] = [metric for metric in lane.metrics.values() if metric.name == COUNTER]
        states = {**energy.series, **energy.absent}
        total = sum(
            state.value
            for text, state in states.items()
            if split_series_text(text)[1].get("pod_name") == GOOD_POD and 'cluster="cluster-a"' in text
        )
        assert lane.watermark is not None
        found[job] = (total, lane.watermark)
    store.close()
    return found


def high_water(pid: int) -> int:
    """The most resident memory that a process ever had, in bytes. Source: proc(5), ``VmHWM``."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Every case once, all at the same time: a good answer, the hostile one, good ones."""
    answers = {name: [good, case.answer, good] for name, case in CASES.items()}
    for name in (*LABELS, LONG):
        answers[name].append(CASES[name].answer)  # and for ever, to be on the page at the end
    return tell(tmp_path_factory.mktemp("hostile"), answers, LIMIT)


every_case = pytest.mark.parametrize("name", CASES)


@every_case
def test_it_ends_as_a_counted_reject_or_a_failed_run(story: Story, name: str) -> None:
    """The run with the hostile answer has the closing word, the reason and the rejects that it should have (A15)."""
    case, run = CASES[name], story.runs[job_of(name)][1]
    rejected = set()
    if run.get("rejected"):
        rejected = {part.split()[0] for part in re.split(r"(?:^|, )(?=[a-z_]+ \d+ \()", run["rejected"]) if part}
    if case.refused:
        assert (run["outcome"], run["reason"]) == ("source_error", case.refused)
        assert run["error"].isprintable()
    else:
        assert (run["outcome"], rejected) == ("empty" if case.is_empty else "ok", set(case.rejects))
        assert (run["rejects"] > 0) is bool(case.rejects)


@every_case
def test_the_next_good_answer_is_accepted(story: Story, name: str) -> None:
    """Nothing of a hostile answer outlives its run."""
    after = story.runs[job_of(name)][2:]
    assert [run["outcome"] for run in after] == ["ok"] * len(after)


@every_case
def test_the_last_good_state_is_served_all_the_time(story: Story, name: str) -> None:
    """From the first good answer on each page has the good pod, and its total never falls (A15)."""
    seen = 0.0
    gaps = 0
    for totals in story.watcher.totals:
        total = totals.get(job_of(name))
        gaps += total is None and seen > 0
        assert total is None or total >= seen
        seen = total or seen
    assert seen > 0
    assert CASES[name].is_empty or not gaps


@every_case
def test_each_second_is_counted_once(story: Story, name: str) -> None:
    """The good pod's total is what it used up to the watermark, in the window of a refused answer, too."""
    runs = story.runs[job_of(name)]
    total, watermark = story.ledger[job_of(name)]
    empty_ones = [run for run in runs if run["outcome"] == "empty"]
    nothing = sum(milliseconds(run["window_end"]) - milliseconds(run["window_start"]) for run in empty_ones)
    assert total == (watermark - milliseconds(runs[0]["window_start"]) - nothing) / 1000


def page_with(exporter: Exporter, cases: Iterable[str]) -> str | None:
    """A page if it shows a second pod for each of these cases: the last runs are on it a moment after they are told."""
    page = get(f"{exporter.url}/metrics", {"Accept": "application/openmetrics-text"})[1].decode()
    return page if all(len(pods_on(page, case)) >= 2 for case in cases) else None


def pods_on(page: str, case: str) -> set[str]:
    """The names of pods that a page shows for a case."""
    families = parse_openmetrics(page)  # type: ignore[no-untyped-call] # the library gives no types here
    samples = [sample for family in families for sample in family.samples if sample.name == COUNTER]
    return {sample.labels.get("pod_name", "") for sample in samples if sample.labels["case"] == job_of(case)}


@pytest.mark.parametrize("name", LABELS)
def test_odd_labels_are_on_the_page(story: Story, name: str) -> None:
    """A label is what the API said, with U+FFFD for what a page cannot hold (A16)."""
    assert pods_on(story.openmetrics, name) == {GOOD_POD, LABELS[name]}


def test_long_labels_are_cut(story: Story) -> None:
    """No label is longer than 256 characters (A16)."""
    (long,) = pods_on(story.openmetrics, LONG) - {GOOD_POD}
    assert len(long) == 256


def test_every_page_was_whole(story: Story) -> None:
    """Each scrape was answered with a page that an independent parser understands."""
    assert (story.watcher.statuses, story.watcher.troubles) == ({200}, [])
    assert len(story.watcher.totals) > 10


def test_no_bug_is_met(story: Story) -> None:
    """No run ends in an error that nobody foresaw, and no process dies."""
    usual = {"child_started", "listening", "run", "stopping", "stopped"}
    slow = {"loop_stalled"}  # it says how busy the machine is
    assert {line["event"] for line in story.log} - slow == usual
    assert len([line for line in story.log if line["event"] == "child_started"]) == 2


def test_memory_is_bounded(story: Story) -> None:
    """A gzip bomb takes max_body and what the poller takes anyway (A14)."""
    assert story.peak < LIMIT + 150 * MIB


SIZE = 200 * 1000 * 1000
FLOODS = [
    large(b'["', b"x", SIZE, framed=True),
    large(b'["', b"x", SIZE, framed=False),
    large(b'{"c":{"a":{"n":[', b'{"name":"x","energy":[1]},', SIZE, framed=False),
    large(b'{"c":{"a":{', b'"k":1,', 60 * 1000 * 1000, framed=True),
    large(b'{"c":{"a":{"n":[', b"{},", SIZE, framed=True),
    large(b'["', b"x", 1 << 40, framed=True),
    large(b'["', b"x", 1 << 40, framed=False),
]


@pytest.fixture(scope="module")
def flood(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Bodies of 200 MB, of ten million members and without end, one after the other, with the default limits."""
    answers = [answer for large_one in FLOODS for answer in (good, large_one)]
    return tell(tmp_path_factory.mktemp("flood"), {"flood": [*answers, good]}, 256 * MIB)


def test_large_bodies_fail_their_runs(flood: Story) -> None:
    """What is no document, too many values or larger than max_body is refused; good answers between are accepted."""
    runs = flood.runs[job_of("flood")]
    bad = [run["reason"] for run in runs[1 : 2 * len(FLOODS) : 2]]
    assert bad == ["not_a_document"] * 2 + ["too_large"] * 5
    assert ["max_memory" in run["error"] for run in runs[5:10:2]] == [True] * 3
    assert {run["outcome"] for run in (*runs[0 : 2 * len(FLOODS) : 2], *runs[2 * len(FLOODS) :])} == {"ok"}


def test_large_bodies_take_little_more_memory_than_they_are_long(flood: Story) -> None:
    """200 MB that are not JSON are held thrice at the worst, and ten million members are not decoded (A15, P2)."""
    assert flood.peak < 3 * 256 * MIB + 150 * MIB


def test_the_last_good_state_is_served_during_a_flood(flood: Story) -> None:
    """Each page has the good pod, and there are more pages than runs: none waited for one."""
    totals = [totals.get(job_of("flood"), 0.0) for totals in flood.watcher.totals]
    assert 0 not in totals[next(i for i, total in enumerate(totals) if total) :]
    assert totals == sorted(totals)
    assert flood.watcher.statuses == {200}
    assert len(totals) > 2 * len(flood.runs[job_of("flood")])
