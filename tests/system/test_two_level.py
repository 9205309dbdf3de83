"""A Prometheus in each of two clusters and a central one above: the same sums on both levels, each series once.

The servers run the files of ``examples/prometheus``, in both layouts (one exporter for all clusters, an exporter per
cluster), and for each there is a central server per way to the centre: it scrapes the exporters, it federates, it
receives. Between the first and the last run an exporter is killed and started again; then the Prometheus of a cluster,
and after it the central ones, are away while the exporters go on. At last the API falls silent, so that all can be
compared at rest. The story is told once per version of Prometheus; each test states one claim about it.

Pods live for months here. What PromQL sees of pods that come and go is ``test_prometheus``' subject.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.system.support import DemoApi, Exporter, demo_environ, milliseconds, wait_for
from tests.system.two_level import (
    CLUSTERS,
    COUNTER,
    LAYOUTS,
    WAYS,
    Labels,
    Layout,
    Server,
    Sums,
    expected,
    held_port,
    make_layout,
    totals,
)
from timepoint.clock import DAY, SECOND, SystemClock
from timepoint.demo.api import Habits
from timepoint.demo.world import World

pytestmark = pytest.mark.system

JOULES_PER_WH = 3600
RUNS = "count by (cluster, job_name) (timepoint_job_last_success_timestamp_seconds)"
RECORDED = "namespace_app:pod_energy_joules:increase1d"

Samples = dict[Labels, list[tuple[float, float]]]

LABELS = """
global: {scrape_interval: 30s}
scrape_configs:
  - job_name: honoured
    honor_labels: true
    static_configs: &targets [{targets: ["timepoint.example:8080"], labels: {namespace: monitoring, cluster: hub}}]
  - job_name: default
    static_configs: *targets
  - job_name: default-kept
    static_configs: *targets
    metric_relabel_configs: [{source_labels: [cluster], regex: eu-west, action: keep}]
"""
"""One exporter three times, with the target labels that discovery in Kubernetes adds."""
LABEL_JOBS = ("honoured", "default", "default-kept")


CENTRAL = [(layout, way) for layout in LAYOUTS for way in WAYS]
PASSED_ON = [(layout, way) for layout, way in CENTRAL if way != "scrape"]


@dataclass
class Seen:
    """What one server of a layout told at rest, and from ``after`` on, what after the exporters had ended."""

    now: dict[Labels, float]
    series: list[dict[str, str]]
    counts: dict[Labels, float]
    runs: dict[Labels, float]
    up: dict[Labels, float]
    types: dict[str, str]
    complaints: list[str]
    after: dict[Labels, float] = field(default_factory=dict)
    ranges: Samples = field(default_factory=dict)
    recorded: Samples = field(default_factory=dict)


@dataclass
class Story:
    """All that was seen: layout -> server -> what it told."""

    world: World
    accepted: dict[tuple[str, str], list[dict[str, Any]]]
    seen: dict[str, dict[str, Seen]]
    labels: dict[str, Any]
    away: dict[str, tuple[float, float]]

    def windows(self, layout: str, cluster: str) -> list[tuple[int, int]]:
        """The windows of the accepted runs that were about a cluster."""
        return [
            (milliseconds(run["window_start"]), milliseconds(run["window_end"]))
            for (name, served), runs in self.accepted.items()
            if name == layout and served in {"all", cluster}
            for run in runs
        ]

    def truth(self, layout: str, cluster: str, runs: int | None = None) -> Sums:
        """Joules of each pod of a cluster in all that was counted, or in so many runs."""
        windows = self.windows(layout, cluster)[:runs]
        start, end = windows[0][0], windows[-1][1]
        pods = (pod for pod in self.world.pods(start, end) if pod.cluster == cluster)
        return {pod.name: self.world.energy(pod, start, end) * JOULES_PER_WH for pod in pods}

    def true_totals(self, layout: str, cluster: str) -> dict[str, list[float]]:
        """What the total of each pod may have been: its sum after each run, in order."""
        found: dict[str, list[float]] = {}
        for runs in range(1, len(self.windows(layout, cluster)) + 1):
            for pod, joules in self.truth(layout, cluster, runs).items():
                found.setdefault(pod, []).append(joules)
        return found


BINARIES = {"debian": shutil.which("prometheus"), "3": os.environ.get("TIMEPOINT_PROMETHEUS_3")}


@pytest.fixture(scope="module", params=BINARIES)
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The story, told with one version of Prometheus."""
    binary = BINARIES[request.param]
    if binary is None and request.param == "debian":
        pytest.skip("prometheus is not installed (apt-get install prometheus)")
    if not binary:
        pytest.skip("no Prometheus 3 is here (set TIMEPOINT_PROMETHEUS_3 to its path)")
    with ExitStack() as stack:
        yield _tell(binary, tmp_path_factory.mktemp("two-level"), stack)


def _tell(binary: str, directory: Path, stack: ExitStack) -> Story:
    """Runs everything, and ends all but the answers."""
    # The first seed of which no pod ends or begins: a life of 200 days, and a story of a minute.
    world = World(seed=3, lifetime=200 * DAY)
    silence = ExitStack()
    api = silence.enter_context(DemoApi(world, Habits(settle=5 * SECOND, failures=0, oddities=0)).running())
    stack.callback(silence.close)
    layouts = [make_layout(name, binary, directory / name, demo_environ(api), stack) for name in LAYOUTS]
    exporters = {(layout.name, served): exporter for layout in layouts for served, exporter in layout.exporters.items()}
    labels = Server(binary, directory / "labels", held_port(stack))
    labels.configure(LABELS, {"timepoint.example:8080": layouts[0].exporters["all"].port})
    servers = [labels, *(server for layout in layouts for server in layout.servers().values())]
    for server in servers:
        stack.callback(server.kill)
        server.start()
    for exporter in exporters.values():
        exporter.start(wait=False)
        stack.callback(exporter.stop)
    for server in servers:
        server.wait()
    for exporter in exporters.values():
        wait_for("the exporter to be ready", exporter.ready)
    for layout in layouts:
        wait_for("the first data at the centres", lambda layout=layout: _all_know(layout))  # type: ignore[misc]
    away = _disturb(layouts)
    _run(list(exporters.values()))
    _silence(silence, list(exporters.values()))
    labelled_at = wait_for("the labels", lambda: _all_up(labels, len(LABEL_JOBS)))
    story = Story(
        world,
        {key: exporter.accepted() for key, exporter in exporters.items()},
        {
            layout.name: {name: _look(layout, name, server) for name, server in layout.servers().items()}
            for layout in layouts
        },
        _look_at_labels(labels, labelled_at),
        away,
    )
    _end_exporters(layouts, story)
    return story


def _hope(condition: Callable[[], bool]) -> None:
    """Waits for what the tests are about; where it does not come, they say so by their names."""
    with suppress(AssertionError):
        wait_for("what should come", condition)


def _all_know(layout: Layout) -> bool:
    return all(set(totals(server)) == expected(layout.name, name) for name, server in layout.servers().items())


def _run(exporters: list[Exporter]) -> None:
    """Returns when each exporter has had a run that began after this call."""
    since = SystemClock().now()
    for exporter in exporters:
        wait_for(
            "another run",
            lambda exporter=exporter: [  # type: ignore[misc]
                run for run in exporter.accepted() if milliseconds(run["fire_time"]) > since
            ],
        )


def _silence(api: ExitStack, exporters: list[Exporter]) -> None:
    """Ends the API, and returns when no run is under way that it had answered before."""
    before = [len(exporter.log("run")) for exporter in exporters]
    api.close()
    for exporter, count in zip(exporters, before, strict=True):
        wait_for(
            "a run in vain",
            lambda exporter=exporter, count=count: [  # type: ignore[misc]
                run for run in exporter.log("run")[count:] if run["outcome"] == "source_error"
            ],
        )


def _disturb(layouts: list[Layout]) -> dict[str, tuple[float, float]]:
    """Kills an exporter of each layout, then lets a cluster miss runs, then the centres.

    Gives for a cluster and for the centres from when until when they were away, in seconds of this machine's clock.
    """
    killed = [layout.exporters.get("all") or layout.exporters["eu-west"] for layout in layouts]
    for exporter in killed:
        exporter.kill()
        exporter.start(wait=False)
    for exporter in killed:
        wait_for("the exporter to be ready", exporter.ready)
    exporters = [exporter for layout in layouts for exporter in layout.exporters.values()]
    clusters = [server for layout in layouts for server in layout.clusters.values()]
    return {
        "eu-west": _away([layout.clusters["eu-west"] for layout in layouts], exporters, []),
        "centre": _away([server for layout in layouts for server in layout.centres.values()], exporters, clusters),
    }


def _away(servers: list[Server], exporters: list[Exporter], others: list[Server]) -> tuple[float, float]:
    """Ends servers, and starts them again when each exporter has had a whole run, and each other server a scrape."""
    for server in servers:
        server.stop()
    stopped = SystemClock().now() / 1000
    _run(exporters)
    for server in others:
        wait_for("a scrape meanwhile", lambda server=server: _newest_scrape(server) > stopped)  # type: ignore[misc]
    started = SystemClock().now() / 1000
    for server in servers:
        server.start()
    for server in servers:
        server.wait()
        wait_for("a scrape after the restart", lambda server=server: _newest_scrape(server) > started)  # type: ignore[misc]
    return stopped, started


def _newest_scrape(server: Server) -> float:
    """When the server reached an exporter last, in seconds."""
    # timestamp() of an expression is when it was asked; only of a selector it is the sample's.
    reached = server.query('timestamp(up{job="timepoint"}) and up{job="timepoint"} == 1')
    return float(max(reached.values(), default=0.0))


def _look(layout: Layout, name: str, server: Server) -> Seen:
    """Asks a server for everything that the tests are about, of an instant at which it knows what the pages hold.

    At rest any instant is as good as another, but for one after a scrape that a busy machine did not end in time, or
    while what was sent after it is still on its way: series do not come together.
    """
    page, exporters = layout.page(name), layout.about_itself(name)
    instants: list[float] = []

    def knows_all() -> bool:
        instants.append(SystemClock().now() / 1000)
        up = server.query('up{job="timepoint"}', instants[-1])
        runs = server.query(RUNS, instants[-1])
        return (
            set(up.values()) == {1.0}
            and totals(server, at=instants[-1]) == page
            and len(runs) == (exporters or len(runs))
        )

    _hope(knows_all)
    at = instants[-1]
    return Seen(
        now=server.query(COUNTER, at),
        series=server.series(COUNTER),
        counts=server.query(f"count by (cluster, app, namespace, pod_name) ({COUNTER})", at),
        runs=server.query(RUNS, at),
        up=server.query('up{job="timepoint"}', at),
        types=server.types(),
        complaints=server.complaints(),
    )


def _all_up(server: Server, targets: int) -> float | None:
    """This instant, in seconds, if by it the last scrapes of so many targets came to an end."""
    at = SystemClock().now() / 1000
    return at if list(server.query("up", at).values()) == [1.0] * targets else None


def _look_at_labels(server: Server, at: float) -> dict[str, Any]:
    pods = {job: f'{COUNTER}{{job="{job}"}}' for job in LABEL_JOBS}
    return {
        "pods": {job: server.query(selector, at) for job, selector in pods.items()},
        "own": {job: server.query(f'timepoint_poller_up{{job="{job}"}}', at) for job in ("honoured", "default")},
        "by cluster": {job: totals(server, pods[job], at=at) for job in ("honoured", "default")},
        "by exported": totals(server, pods["default"], by="exported_cluster", at=at),
        "twice": server.query(f"count by (pod_name) ({COUNTER})", at),
    }


def _end_exporters(layouts: list[Layout], story: Story) -> None:
    """Ends the exporters, and looks again when each cluster's Prometheus has seen it."""
    for layout in layouts:
        for exporter in layout.exporters.values():
            exporter.stop()
    for layout in layouts:
        for server in [*layout.clusters.values(), layout.centres["scrape"]]:
            wait_for("the exporter to be down", lambda server=server: not server.query('up{job="timepoint"} == 1'))  # type: ignore[misc]
        received = layout.centres["receive"]
        federated = layout.centres["federate"]
        _hope(lambda: not received.query(COUNTER) and bool(federated.query(COUNTER)))  # noqa: B023 - called at once
        for name, server in layout.servers().items():
            seen = story.seen[layout.name][name]
            seen.after = server.query(COUNTER)
            seen.ranges = server.query(f"{COUNTER}[20m]")
            seen.recorded = server.query(f"{RECORDED}[20m]")


def by_pod(found: dict[Labels, Any], cluster: str) -> dict[str, Any]:
    """What was found of a cluster's pods, by name."""
    chosen = [(dict(series), value) for series, value in found.items() if ("cluster", cluster) in series]
    return {labels["pod_name"]: value for labels, value in chosen}


def passed_on(samples: Samples, cluster: str) -> dict[Labels, set[tuple[float, float]]]:
    """Samples of a cluster with their times."""
    return {series: set(values) for series, values in samples.items() if ("cluster", cluster) in series}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_server_has_the_sums_of_the_api(story: Story, layout: str) -> None:
    """On both levels and by each way the total of every pod is the API's own sum, over the restarts, to the bit."""
    for name, seen in story.seen[layout].items():
        for cluster in expected(layout, name):
            truth = story.truth(layout, cluster)
            assert min(truth.values()) > 0
            assert by_pod(seen.now, cluster) == truth, name


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_server_knows_its_clusters_only(story: Story, layout: str) -> None:
    """A cluster's Prometheus has stored nothing of another cluster, and the central one all that it should."""
    for name, seen in story.seen[layout].items():
        assert {series["cluster"] for series in seen.series} == expected(layout, name)


@pytest.mark.parametrize(("layout", "way"), CENTRAL)
def test_no_pod_is_twice_at_the_centre(story: Story, layout: str, way: str) -> None:
    """Each pod has one series at the centre, now and in all that was ever stored."""
    seen = story.seen[layout][way]
    pods = {pod for cluster in expected(layout, way) for pod in story.truth(layout, cluster)}
    assert set(seen.counts.values()) == {1.0}
    assert sorted(series["pod_name"] for series in seen.series) == sorted(pods)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_stored_total_is_a_true_sum(story: Story, layout: str) -> None:
    """Each sample of each server is the API's sum up to the end of some run, and none is below the one before."""
    for name, seen in story.seen[layout].items():
        for cluster in expected(layout, name):
            true = story.true_totals(layout, cluster)
            for pod, samples in by_pod(seen.ranges, cluster).items():
                values = [value for _, value in samples]
                assert set(values) <= set(true[pod]), name
                assert values == sorted(values), name


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("server", ["eu-west", "scrape", "federate"])
def test_what_a_server_missed_is_in_its_next_sample(story: Story, layout: str, server: str) -> None:
    """While a server was away each counter grew by at least one run, and no such growth is lost to it."""
    stopped, started = story.away["eu-west" if server == "eu-west" else "centre"]
    true = story.true_totals(layout, "eu-west")
    for pod, samples in by_pod(story.seen[layout][server].ranges, "eu-west").items():
        assert not [at for at, _ in samples if stopped < at < started]
        old = [value for at, value in samples if at <= stopped][-1]
        new = next(value for at, value in samples if at >= started)
        assert true[pod].index(new) > true[pod].index(old)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_receiver_misses_nothing(story: Story, layout: str) -> None:
    """By remote write each sample gets to the centre, those of the time when it was away too."""
    stopped, started = story.away["centre"]
    for cluster in CLUSTERS:
        own = passed_on(story.seen[layout][cluster].ranges, cluster)
        central = passed_on(story.seen[layout]["receive"].ranges, cluster)
        assert all(any(stopped < at < started for at, _ in samples) for samples in own.values())
        assert {series: samples - central[series] for series, samples in own.items() if samples - central[series]} == {}


@pytest.mark.parametrize(("layout", "way"), CENTRAL)
def test_each_exporter_tells_about_itself_once(story: Story, layout: str, way: str) -> None:
    """What an exporter says of itself is at the centre once, whoever scrapes it."""
    runs = story.seen[layout][way].runs
    assert list(runs.values()) == [1.0] * (1 if layout == "one-exporter" else 2)


@pytest.mark.parametrize(("layout", "way"), PASSED_ON)
def test_the_centre_knows_who_reaches_the_exporter(story: Story, layout: str, way: str) -> None:
    """``up`` comes from each cluster's Prometheus, told apart by the external label alone."""
    assert {dict(series)["cluster"]: up for series, up in story.seen[layout][way].up.items()} == {
        "eu-west": 1.0,
        "us-east": 1.0,
    }


@pytest.mark.parametrize(("layout", "way"), PASSED_ON)
@pytest.mark.parametrize("what", ["ranges", "recorded"])
def test_samples_keep_their_times(story: Story, layout: str, way: str, what: str) -> None:
    """What a cluster's Prometheus passes on, pods and recorded sums, stands at the centre with its own time."""
    for cluster in CLUSTERS:
        own = passed_on(getattr(story.seen[layout][cluster], what), cluster)
        central = passed_on(getattr(story.seen[layout][way], what), cluster)
        assert own.keys() == central.keys()
        for series, samples in central.items():
            newest = max(at for at, _ in own[series])
            assert samples
            assert {sample for sample in samples if sample[0] <= newest} <= own[series]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_types_are_known_to_who_scrapes(story: Story, layout: str) -> None:
    """A federated counter has no type any more, and a receiver is told nothing about types."""
    types = {
        name: {kind for family, kind in seen.types.items() if family.startswith("pod_energy")}
        for name, seen in story.seen[layout].items()
    }
    scraped = {name: {"counter"} for name in ("eu-west", "us-east", "scrape")}
    assert types == {**scraped, "federate": {"unknown"}, "receive": set()}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_only_federation_does_not_see_an_end(story: Story, layout: str) -> None:
    """When the exporters are down their series are stale everywhere, but for a federating Prometheus."""
    shown = {name for name, seen in story.seen[layout].items() if seen.after}
    assert shown == {"federate"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_sample_was_refused(story: Story, layout: str) -> None:
    """No server had a sample for the same series and time from two sides."""
    assert {name: seen.complaints for name, seen in story.seen[layout].items() if seen.complaints} == {}


def test_honour_labels_leaves_the_labels_of_the_data(story: Story) -> None:
    """With ``honor_labels`` each pod has its own cluster and namespace, though the target has both labels."""
    pods = {pod.name: pod for pod in story.world.pods(*story.windows("one-exporter", "eu-west")[0])}
    found = [dict(series) for series in story.labels["pods"]["honoured"]]
    assert {labels["pod_name"] for labels in found} == set(pods)
    for labels in found:
        pod = pods[labels["pod_name"]]
        assert (labels["cluster"], labels["namespace"]) == (pod.cluster, pod.namespace)
        assert not [label for label in labels if label.startswith("exported_")]


def test_without_it_the_labels_of_the_data_are_renamed(story: Story) -> None:
    """By default ``cluster`` and ``namespace`` are the exporter's own, and those of the pod are ``exported_…``."""
    pods = {pod.name: pod for pod in story.world.pods(*story.windows("one-exporter", "eu-west")[0])}
    found = [dict(series) for series in story.labels["pods"]["default"]]
    assert {labels["pod_name"] for labels in found} == set(pods)
    for labels in found:
        pod = pods[labels["pod_name"]]
        assert (labels["cluster"], labels["namespace"]) == ("hub", "monitoring")
        assert (labels["exported_cluster"], labels["exported_namespace"]) == (pod.cluster, pod.namespace)


def test_sums_by_cluster_are_right_with_it_and_wrong_without(story: Story) -> None:
    """``sum by (cluster)`` is the API's own sum with ``honor_labels``; else all is the exporter's cluster's."""
    clusters = expected("one-exporter", "scrape")
    truth = {cluster: sum(story.truth("one-exporter", cluster).values()) for cluster in clusters}
    assert story.labels["by cluster"] == {"honoured": truth, "default": {"hub": sum(truth.values())}}
    assert story.labels["by exported"] == truth


def test_without_it_a_cluster_that_keeps_its_own_keeps_nothing(story: Story) -> None:
    """``metric_relabel_configs`` see the labels after the clash: ``cluster`` is the exporter's, and no pod is kept."""
    assert story.labels["pods"]["default-kept"] == {}


@pytest.mark.parametrize("job", ["honoured", "default"])
def test_the_exporter_itself_is_where_it_runs(story: Story, job: str) -> None:
    """What the exporter says of itself has the target's labels, either way."""
    (labels,) = [dict(series) for series in story.labels["own"][job]]
    assert (labels["cluster"], labels["namespace"]) == ("hub", "monitoring")


def test_two_ways_into_one_server_are_seen(story: Story) -> None:
    """A server that scrapes an exporter twice has each pod twice: what the tests above look for can be found."""
    assert set(story.labels["twice"].values()) == {2.0}
