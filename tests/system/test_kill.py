"""The exporter is killed with SIGKILL again and again while it is scraped; at the end every total is the truth."""

from __future__ import annotations

import random
import threading
import urllib.error
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.system.support import (
    PATIENCE,
    DemoApi,
    Exporter,
    Samples,
    config,
    demo_environ,
    get,
    milliseconds,
    parse,
    wait_for,
)
from timepoint.clock import MINUTE, SECOND
from timepoint.datadir import Layout
from timepoint.demo.api import Habits
from timepoint.demo.world import World
from timepoint.exposition.formats import TEXT
from timepoint.exposition.page import Pages
from timepoint.exposition.publish import read_published, snapshot_path
from timepoint.ledger.store import open_store
from timepoint.model import split_series_text

pytestmark = pytest.mark.system

KILLS = 10
JOULES_PER_WH = 3600
COUNTER = "pod_energy_joules_total"


@dataclass
class Scraper:
    """Scrapes all the time, in a thread, and keeps what it saw; a refused connection is no scrape."""

    url: str
    pages: list[Samples] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self._stop.wait(0.05):
            with suppress(OSError, urllib.error.URLError):
                status, body = get(f"{self.url}/metrics", timeout=PATIENCE)
                self.statuses.add(status)
                self.pages.append(parse(body.decode()))

    def stop(self) -> None:
        self._stop.set()


@dataclass(frozen=True)
class Story:
    """What the scraper saw, and the range that was counted in the end."""

    world: World
    start: int
    watermark: int
    pages: list[Samples]
    statuses: set[int]
    killed_in_a_run: int
    ledger: dict[str, float]
    published: dict[str, float]

    def truth(self) -> dict[str, float]:
        """Joules of every pod that used energy in the counted range."""
        pods = self.world.pods(self.start, self.watermark)
        used = {pod.name: self.world.energy(pod, self.start, self.watermark) * JOULES_PER_WH for pod in pods}
        return {name: joules for name, joules in used.items() if joules}


def _ledger_totals(data_dir: Path) -> dict[str, float]:
    """Every total that the ledger keeps, of pods on the page and of pods that left it."""
    store = open_store(Layout(data_dir).ledger)
    (lane,) = (store.load("pod_energy", name) for name in store.lanes("pod_energy"))
    store.close()
    totals = {}
    for metric in lane.metrics.values():
        if metric.name == COUNTER:
            for text, state in (metric.series | metric.absent).items():
                totals[split_series_text(text)[1]["pod_name"]] = state.value
    return totals


def _published(data_dir: Path) -> dict[str, float]:
    """The totals on the page that a server would show now."""
    published = read_published(snapshot_path(Layout(data_dir).published, "pod_energy"))
    page = Pages([published]).page(TEXT, gzip=False, now=published.rendered_at)
    return _counters(parse(b"".join(page.parts).decode()))


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Kills the exporter ten times at random moments and lets it end in peace after that."""
    directory: Path = tmp_path_factory.mktemp("kill")
    chance = random.Random(20260101)
    world = World(seed=5, lifetime=MINUTE)
    (directory / "config.yaml").write_text(config(every="1s", zero_first="0s"))
    with DemoApi(world, Habits(settle=5 * SECOND, failures=0.1, oddities=0.2)).running() as api:
        exporter = Exporter(directory / "config.yaml", directory / "data", demo_environ(api))
        exporter.start()
        wait_for("a first run", exporter.accepted)
        wait_for("its page", lambda: _counters(exporter.samples()))  # the server looks for it now and then
        scraper = Scraper(exporter.url)
        thread = threading.Thread(target=scraper.run)
        thread.start()
        in_a_run = 0
        try:
            for _ in range(KILLS):
                # Half of the kills follow a request at once and so hit the run that made it.
                if chance.random() < 0.5:
                    asked = api.api.requests
                    wait_for("a request", lambda asked=asked: api.api.requests > asked)  # type: ignore[misc]
                    in_a_run += 1
                else:
                    threading.Event().wait(chance.uniform(0.2, 3))
                exporter.kill()
                exporter.start()
            runs = len(exporter.accepted())
            wait_for("two more runs", lambda: len(exporter.accepted()) >= runs + 2)
        finally:
            scraper.stop()
            thread.join(PATIENCE)
        exporter.stop()
        runs_seen = exporter.accepted()
        yield Story(
            world,
            milliseconds(runs_seen[0]["window_start"]),
            milliseconds(runs_seen[-1]["window_end"]),
            scraper.pages,
            scraper.statuses,
            in_a_run,
            _ledger_totals(exporter.data_dir),
            _published(exporter.data_dir),
        )


def _counters(page: Samples) -> dict[str, float]:
    return {dict(labels)["pod_name"]: value for (name, labels), value in page.items() if name == COUNTER}


def test_some_kills_hit_a_run(story: Story) -> None:
    """The story is about kills in the middle of runs, and there were some."""
    assert story.killed_in_a_run > 0


def test_no_scrape_was_empty(story: Story) -> None:
    """Every answered scrape, those right after a restart too, was complete and held pods."""
    assert story.statuses == {200}
    assert min(len(_counters(page)) for page in story.pages) > 0


def test_no_counter_went_back(story: Story) -> None:
    """Over all restarts the total of a pod only grows."""
    seen: dict[str, float] = {}
    for page in story.pages:
        for pod, value in _counters(page).items():
            assert value >= seen.get(pod, 0.0), pod
            seen[pod] = value


def test_every_total_is_exactly_the_truth(story: Story) -> None:
    """The ledger holds for each pod what it used in the counted range: nothing lost, nothing doubled, nobody missed.

    Faults: X1.
    """
    assert {pod: total for pod, total in story.ledger.items() if total} == story.truth()


def test_the_page_says_what_the_ledger_holds(story: Story) -> None:
    """The page that is left behind shows each of its pods with the total of the ledger."""
    assert story.published
    assert story.published == {pod: story.ledger[pod] for pod in story.published}
