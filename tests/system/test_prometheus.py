"""A real Prometheus scrapes the running exporter, and what PromQL returns is compared with the API's own truth.

The story lasts about a minute and is told once per module; each test then states one claim about it. Pods live for half
a minute on average, a timepoint settles after five seconds, and some requests fail. Where the machine was too busy for
a scrape in each second, so that a zero went by which nobody saw, the story is told once more, at half the speed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.system.support import (
    PATIENCE,
    DemoApi,
    Exporter,
    Prometheus,
    config,
    demo_environ,
    get,
    milliseconds,
    wait_for,
)
from timepoint.clock import SECOND
from timepoint.demo.api import Habits
from timepoint.demo.world import CELL, Pod, World

pytestmark = pytest.mark.system

JOULES_PER_WH = 3600
PACES = (1, 2, 4, 8)
RUNS = 5

Series = dict[tuple[tuple[str, str], ...], Any]


@dataclass(frozen=True)
class Story:
    """What was seen, at ``at`` (seconds): six seconds after the last run, with no run going on.

    ``period`` is how many seconds lie between two runs; at half the speed all of this is twice as long.
    """

    period: int
    zero_first: int
    world: World
    start: int
    watermark: int
    at: float
    counters: Series
    ranges: Series
    increases: Series
    gauges: Series
    self_metrics: Series
    up: Series
    scrapes: Series

    def pods(self) -> dict[str, Pod]:
        """Every pod of the counted range, by name."""
        return {pod.name: pod for pod in self.world.pods(self.start, self.watermark)}

    def joules(self, pod: Pod) -> float:
        """The truth: what the pod used in the counted range."""
        return self.world.energy(pod, self.start, self.watermark) * JOULES_PER_WH

    def trouble(self) -> str:
        """Why the story says nothing about the exporter: what the machine was too slow for."""
        (scrapes,) = self.scrapes.values()
        seen = [at for at, is_up in scrapes if is_up]  # one that did not end within its second has seen nothing
        if not seen or seen[-1] < scrapes[-1][0]:
            return "the last scrape did not end in time"
        gap = max((later - earlier for earlier, later in pairwise(seen)), default=0.0)
        if gap > self.zero_first - 0.5:  # the server looks for new pages five times in a second
            return f"{gap:.1f} s between two scrapes"
        name, job = ("__name__", "timepoint_snapshot_timestamp_seconds"), ("job_name", "pod_energy")
        (rendered,) = (at for series, at in self.self_metrics.items() if {name, job} <= set(series))
        if rendered > self.at - self.zero_first - 1:
            return f"the last page was rendered only {self.at - rendered:.1f} s before all is asked for"
        return ""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for the whole story."""
    return tmp_path_factory.mktemp("prometheus")


@pytest.fixture(scope="module")
def story(directory: Path) -> Iterator[Story]:
    """The story, at the first speed at which this machine can tell it."""
    import shutil

    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("prometheus is not installed (apt-get install prometheus)")
    troubles = []
    for pace in PACES:
        place = directory / f"{pace}"
        place.mkdir()
        with telling(place, binary, pace) as story:
            if not (trouble := story.trouble()):
                yield story
                return
            troubles.append(trouble)
    raise AssertionError(f"this machine is too slow for the story: {troubles}")


@contextmanager
def telling(directory: Path, binary: str, pace: int) -> Iterator[Story]:
    """Runs the exporter under Prometheus for some runs, and asks Prometheus at a quiet moment."""
    world = World(seed=3, lifetime=30 * pace * SECOND)
    (directory / "config.yaml").write_text(config(every=f"{10 * pace}s", zero_first=f"{3 * pace}s"))
    with DemoApi(world, Habits(settle=5 * SECOND, failures=0.1, oddities=0.3)).running() as api:
        exporter = Exporter(directory / "config.yaml", directory / "data", demo_environ(api))
        with Prometheus(binary, directory, {"timepoint": exporter.port}).running() as prometheus:
            # Prometheus takes seconds to find its targets; a zero that nobody scraped would be nobody's fault.
            wait_for("Prometheus to look for its target", lambda: prometheus.query("up"))
            exporter.start()
            try:
                yield _tell(world, exporter, prometheus, pace)
            finally:
                exporter.stop()


def _tell(world: World, exporter: Exporter, prometheus: Prometheus, pace: int) -> Story:
    wait_for(f"{RUNS} accepted runs", lambda: len(exporter.accepted()) >= RUNS, RUNS * 40 * pace + PATIENCE)
    runs = exporter.accepted()
    # Six seconds after its fire time a run's new series have left their zero, and the next run is four seconds off.
    at = milliseconds(runs[-1]["fire_time"]) / 1000 + 6 * pace
    wait_for("a scrape after that moment", lambda: prometheus.query(f"timestamp(up) > {at}"))
    everything = '{__name__=~"timepoint_.*"}'
    return Story(
        period=10 * pace,
        zero_first=3 * pace,
        world=world,
        start=milliseconds(runs[0]["window_start"]),
        watermark=milliseconds(runs[-1]["window_end"]),
        at=at,
        counters=_nameless(prometheus.query("pod_energy_joules_total", at)),
        ranges=_nameless(prometheus.query("pod_energy_joules_total[20m]", at)),
        increases=prometheus.query(f"increase(pod_energy_joules_total[{40 * pace}s])", at),
        gauges=prometheus.query("pod_cpu_usage_ratio", at),
        self_metrics=prometheus.query(everything, at),
        up=prometheus.query("up", at),
        scrapes=prometheus.query("up[20m]", at),
    )


def _nameless(result: Series) -> Series:
    """The result by labels without the metric's name, as PromQL's functions give it."""
    return {tuple(pair for pair in series if pair[0] != "__name__"): value for series, value in result.items()}


def _pod(series: tuple[tuple[str, str], ...]) -> str:
    return dict(series)["pod_name"]


def test_every_scrape_succeeded(story: Story) -> None:
    """Prometheus says that its target is up."""
    assert list(story.up.values()) == [1.0]


def test_pods_have_their_labels(story: Story) -> None:
    """Each series carries the pod's cluster, app, namespace and name, and Prometheus' job and instance."""
    assert story.counters
    pods = story.pods()
    for series in story.counters:
        labels = dict(series)
        pod = pods[labels["pod_name"]]
        assert (labels["cluster"], labels["app"], labels["namespace"]) == (pod.cluster, pod.app, pod.namespace)
        assert labels["job"] == "timepoint"


def test_each_counter_grew_from_zero_to_exactly_the_truth(story: Story) -> None:
    """Last minus first sample of every series that is still shown is what the pod used, to the bit."""
    pods = story.pods()
    differences = {
        _pod(series): samples[-1][1] - samples[0][1]
        for series, samples in story.ranges.items()
        if series in story.counters
    }
    assert differences == {name: story.joules(pods[name]) for name in differences}


def test_each_counter_began_at_zero(story: Story) -> None:
    """The first sample of every series, short-lived ones too, is 0, so that PromQL sees the first increment."""
    late = {_pod(series): samples[:4] for series, samples in story.ranges.items() if samples[0][1] != 0}
    assert late == {}


def test_no_counter_ever_went_back(story: Story) -> None:
    """The samples of each series never fall."""
    for samples in story.ranges.values():
        values = [value for _, value in samples]
        assert values == sorted(values)


def test_every_pod_of_the_counted_time_was_seen(story: Story) -> None:
    """Each pod that used energy in the counted range has a series, however short its life was."""
    used = {name for name, pod in story.pods().items() if story.joules(pod) > 0}
    assert used == {_pod(series) for series in story.ranges}


def test_the_last_sample_of_a_vanished_pod_is_its_whole_energy(story: Story) -> None:
    """A pod that died leaves with the total of its life in the counted range."""
    pods = story.pods()
    gone = {_pod(series): samples[-1][1] for series, samples in story.ranges.items() if series not in story.counters}
    assert gone
    assert gone == {name: story.joules(pods[name]) for name in gone}


def test_a_vanished_pod_is_stale(story: Story) -> None:
    """Exactly the pods with a reading in the last window are shown."""
    last = range(story.watermark - story.period * SECOND, story.watermark, CELL)
    alive = {name for name, pod in story.pods().items() if any(pod.born < at + CELL and pod.dies > at for at in last)}
    assert {_pod(series) for series in story.counters} == alive


def test_increase_is_the_truth_within_its_extrapolation(story: Story) -> None:
    """``increase()`` of a pod that lived all the time is its growth, and at most the documented factor more."""
    checked = 0
    for series, increase in story.increases.items():
        samples = [sample for sample in story.ranges[series] if sample[0] > story.at - 4 * story.period]
        growth = samples[-1][1] - samples[0][1]
        covered = samples[-1][0] - samples[0][0]
        if growth == 0 or covered < 3 * story.period:
            continue
        # PromQL extends the sampled range to both ends, by at most 1.1 times the mean distance of two samples each.
        most = growth * (covered + 2 * 1.1 * covered / (len(samples) - 1)) / covered
        assert growth * (1 - 1e-9) <= increase <= most * (1 + 1e-9)
        checked += 1
    assert checked


def test_a_gauge_shows_the_newest_settled_timepoint(story: Story) -> None:
    """Each gauge is the pod's newest reading that ended no later than the watermark."""
    pods = story.pods()
    truth = {}
    for series in story.gauges:
        pod = pods[_pod(series)]
        newest = min(story.watermark, pod.dies) - CELL
        truth[series] = story.world.cpu(pod, newest, newest + CELL)
    assert story.gauges
    assert story.gauges == truth


def test_the_exporter_tells_about_itself(story: Story) -> None:
    """Runs, outcomes, freshness and the poller's life are there for the job."""
    found = {(dict(series)["__name__"], dict(series).get("job_name")) for series in story.self_metrics}
    assert {
        ("timepoint_build_info", None),
        ("timepoint_poller_up", None),
        ("timepoint_job_runs_total", "pod_energy"),
        ("timepoint_job_run_failures_total", "pod_energy"),
        ("timepoint_job_last_success_timestamp_seconds", "pod_energy"),
        ("timepoint_job_data_timestamp_seconds", "pod_energy"),
        ("timepoint_job_rejects_total", "pod_energy"),
    } <= found


def test_what_is_shown_is_fresh(story: Story) -> None:
    """Between two runs, some of which failed, Prometheus sees one word for each metric, and it is fresh."""
    words = {
        (dict(series)["metric"], dict(series)["state"])
        for series, value in story.self_metrics.items()
        if dict(series)["__name__"] == "timepoint_job_freshness" and value == 1
    }
    assert words == {("pod_energy_joules_total", "fresh"), ("pod_cpu_usage_ratio", "fresh")}


def test_promtool_finds_nothing_to_say(story: Story, promtool: str) -> None:
    """``promtool check metrics`` accepts the page without a finding."""
    import subprocess

    (target,) = (dict(series)["instance"] for series in story.up)
    _, page = get(f"http://{target}/metrics")
    result = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, check=False)
    assert (result.returncode, result.stdout + result.stderr) == (0, b"")
