"""The nineteen cases of prometheus/compliance for senders of 1.0, with ``spec_strict``.

The suite lets a sender scrape a target and looks at what arrives. Here series are enqueued that mean the same; what a
scrape adds (``job``, ``instance``, ``up``) comes as external labels and as a series like any other. Each case first
makes sure that something arrived, so none passes over nothing. Source: prometheus/compliance, remotewrite/sender.
"""

from __future__ import annotations

import math
import random

import pytest

from tests.remote_write.building import NAME, NOW, Scene, spec
from tests.remote_write.receiver import V1_TYPE, Heard
from tests.remote_write.wire_format import WireSeries
from timepoint.clock import MINUTE
from timepoint.model import MetricType
from timepoint.remote_write.encode import STALE
from timepoint.remote_write.outbox import OutSeries, Version
from timepoint.remote_write.reply import Reply


def made(**labels: str) -> OutSeries:
    """A gauge with these labels; ``name`` is the metric's."""
    name = labels.pop("name", "test_gauge")
    pairs = tuple(sorted({"__name__": name, **labels}.items()))
    return OutSeries(hash(pairs), pairs, MetricType.GAUGE)


@pytest.fixture
def scene() -> Scene:
    """A sender of 1.0 as the specification wants it, with the labels that a scrape of the job ``test`` adds."""
    external = {"job": "test", "instance": "target:8080"}
    return Scene(spec(protocol=Version.V1, spec_strict=True, external_labels=external))


async def sent(scene: Scene, *rows: tuple[OutSeries, int, float]) -> list[WireSeries]:
    """Every series of every request that these samples became."""
    scene.outbox.enqueue([NAME], rows)
    await scene.turns()
    found = [series for heard in requests(scene) for series in heard.request.series]
    assert found
    return found


def requests(scene: Scene) -> list[Heard]:
    """The requests with samples."""
    return [heard for heard in scene.receiver.heard if heard.request.samples]


async def test_timestamp(scene: Scene) -> None:
    """Timestamps are milliseconds, those of the samples."""
    (found,) = await sent(scene, (made(), NOW - 1234, 1.0))
    assert found.samples[0].at == NOW - 1234


async def test_job_label(scene: Scene) -> None:
    """Each series says its job."""
    found = await sent(scene, (made(), NOW, 1.0), (made(name="other"), NOW, 1.0))
    assert {dict(series.labels)["job"] for series in found} == {"test"}


async def test_instance_label(scene: Scene) -> None:
    """Each series says its instance."""
    found = await sent(scene, (made(), NOW, 1.0), (made(name="other"), NOW, 1.0))
    assert {dict(series.labels)["instance"] for series in found} == {"target:8080"}


async def test_honor_labels(scene: Scene) -> None:
    """A label of the series itself stays."""
    (found,) = await sent(scene, (made(job="original"), NOW, 1.0))
    assert dict(found.labels)["job"] == "original"


async def test_name_label(scene: Scene) -> None:
    """The name of the metric is the label ``__name__``."""
    (found,) = await sent(scene, (made(name="a_metric"), NOW, 1.0))
    assert dict(found.labels)["__name__"] == "a_metric"


async def test_headers(scene: Scene) -> None:
    """Encoding, type and version of 1.0 in each request."""
    await sent(scene, (made(), NOW, 1.0))
    for heard in requests(scene):
        assert heard.headers["Content-Encoding"] == "snappy"
        assert heard.headers["Content-Type"] == V1_TYPE
        assert heard.headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"


async def test_empty_labels(scene: Scene) -> None:
    """A label without a value never leaves, and the series beside it does."""
    found = await sent(scene, (made(empty=""), NOW, 1.0), (made(), NOW, 2.0))
    assert [series.samples[0].value for series in found] == [2.0]
    assert all(value for series in found for _, value in series.labels)


async def test_staleness(scene: Scene) -> None:
    """The end of a series is a stale marker, bit by bit, behind its last sample."""
    await sent(scene, (made(), NOW - MINUTE, 1.0), (made(), NOW - MINUTE + 1, STALE))
    samples = [sample for heard in requests(scene) for sample in heard.request.series[0].samples]
    assert [(sample.at, sample.bits) for sample in samples][1] == (NOW - MINUTE + 1, 0x7FF0000000000002)


async def test_sorted_labels(scene: Scene) -> None:
    """By the bytes of their names, external ones among them."""
    (found,) = await sent(scene, (made(z="1", a="2", Z="3", b_="4", k="5"), NOW, 1.0))
    names = [name.encode() for name, _ in found.labels]
    assert names == sorted(names)
    assert len(names) == 8


async def test_repeated_labels(scene: Scene) -> None:
    """A series with a label twice never leaves."""
    twice = OutSeries(1, (("__name__", "m"), ("a", "1"), ("a", "2")))
    found = await sent(scene, (twice, NOW, 1.0), (made(), NOW, 2.0))
    assert [series.samples[0].value for series in found] == [2.0]


async def test_up(scene: Scene) -> None:
    """``up`` is a series like any other, with the labels of the target."""
    (found,) = await sent(scene, (made(name="up"), NOW, 1.0))
    assert found.labels == (("__name__", "up"), ("instance", "target:8080"), ("job", "test"))


async def test_invalid(scene: Scene) -> None:
    """What no receiver should store stays here, and what stands beside it leaves (A32)."""
    bad = [made(name="1nvalid"), made(name="in-valid"), OutSeries(7, (("a", "1"),))]
    found = await sent(scene, *((series, NOW, 1.0) for series in bad), (made(name="up"), NOW, 0.0))
    assert [dict(series.labels)["__name__"] for series in found] == ["up"]
    assert scene.outbox.counts(NAME).dead == 3


async def test_ordering(scene: Scene) -> None:
    """A thousand series, answers after up to five seconds: the samples of each arrive in their order."""
    chance = random.Random(5)

    def slow(number: int) -> None:
        scene.clock.move(chance.random() * 5)

    scene.post.fault = slow
    for step in range(5):
        rows = [(made(number=f"{number}"), NOW - 10 * MINUTE + step * MINUTE, float(step)) for number in range(1000)]
        scene.outbox.enqueue([NAME], rows)
    await scene.turns()
    newest: dict[object, int] = {}
    for labels, at, _ in (sample for heard in requests(scene) for sample in heard.request.samples):
        assert at > newest.get(labels, 0)
        newest[labels] = at
    assert len(newest) == 1000


async def test_retries_500(scene: Scene) -> None:
    """The very sample that got 500 is seen again."""
    scene.post.fault = lambda number: _noted(scene, 500) if number == 2 else None
    found = await sent(scene, (made(), NOW, 1.0))
    assert [series.samples[0].at for series in found] == [NOW]
    assert scene.post.count == 3


async def test_retries_400(scene: Scene) -> None:
    """The sample that got 400 is never seen again."""
    scene.post.fault = lambda number: _noted(scene, 400) if number == 2 else None
    scene.outbox.enqueue([NAME], [(made(), NOW - 1, 1.0)])
    await scene.turns()
    found = await sent(scene, (made(), NOW, 2.0))
    assert [series.samples[0].value for series in found] == [2.0]
    assert scene.outbox.counts(NAME).dead == 1


def _noted(scene: Scene, status: int) -> Reply:
    return Reply(status, said_at=scene.clock.now())


async def test_counter(scene: Scene) -> None:
    """A counter is one series under its name."""
    (found,) = await sent(scene, (made(name="things_total"), NOW, 7.0))
    assert (dict(found.labels)["__name__"], found.samples[0].value) == ("things_total", 7.0)


async def test_gauge(scene: Scene) -> None:
    """A gauge may be any number, also none."""
    found = await sent(scene, (made(number="1"), NOW, -1.5), (made(number="2"), NOW, math.nan))
    assert found[0].samples[0].value == -1.5
    assert math.isnan(found[1].samples[0].value)


async def test_histogram(scene: Scene) -> None:
    """Buckets with ``le``, sum and count are series of their own, in one request."""
    parts = [made(name="h_bucket", le=le) for le in ("0.1", "1", "+Inf")] + [made(name="h_sum"), made(name="h_count")]
    found = await sent(scene, *((part, NOW, 1.0) for part in parts))
    assert len(requests(scene)) == 1
    assert sorted(dict(series.labels).get("le", "") for series in found) == ["", "", "+Inf", "0.1", "1"]


async def test_summary(scene: Scene) -> None:
    """Quantiles, sum and count are series of their own, in one request."""
    parts = [made(name="s", quantile=q) for q in ("0.5", "0.99")] + [made(name="s_sum"), made(name="s_count")]
    found = await sent(scene, *((part, NOW, 1.0) for part in parts))
    assert len(requests(scene)) == 1
    assert sorted(dict(series.labels).get("quantile", "") for series in found) == ["", "", "0.5", "0.99"]
