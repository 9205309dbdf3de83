"""What a sender of 2.0 sends to a receiver that understands it: the scene of the compliance cases.

Owns: making series of each type, and reading back what arrived. Must not know: what a case claims.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.remote_write.building import NAME, NOW, Scene, spec
from tests.remote_write.receiver import Answer, Heard, Receiver
from tests.remote_write.wire_format import WireRequest, WireSeries, fields, unsnap
from timepoint.model import MetricType
from timepoint.remote_write.outbox import OutSeries, Version

SCRAPED = {"job": "test", "instance": "target:8080"}
"""What a scrape of the suite's target adds; here these are external labels."""


@dataclass
class Ear(Receiver):
    """A receiver that keeps the bodies, too."""

    speaks_2: bool = True
    bodies: list[bytes] = field(default_factory=list)

    def hear(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        self.bodies.append(body)
        return super().hear(body, headers)


def made(
    name: str = "test_metric",
    kind: MetricType = MetricType.GAUGE,
    /,
    *,
    help: str = "",  # noqa: A002 - what it is called everywhere
    unit: str = "",
    **labels: str,
) -> OutSeries:
    """A series; its id follows from its labels."""
    pairs = tuple(sorted({"__name__": name, **labels}.items()))
    return OutSeries(hash(pairs), pairs, kind, help, unit)


def scene_of(version: Version = Version.V2, /, **changes: object) -> Scene:
    """A sender of one version, literally as the specification wants it, with the labels of a scrape."""
    found = {"protocol": version, "spec_strict": True, "external_labels": SCRAPED} | changes
    return Scene(spec(**found), Ear())


def heard(scene: Scene) -> list[Heard]:
    """The requests with samples."""
    return [one for one in scene.receiver.heard if one.request.samples]


def bodies(scene: Scene) -> list[bytes]:
    """Their bodies, compressed."""
    assert isinstance(scene.receiver, Ear)
    pairs = zip(scene.receiver.heard, scene.receiver.bodies, strict=True)
    return [body for one, body in pairs if one.request.samples]


Row = tuple[OutSeries, int, float] | tuple[OutSeries, int, float, int | None]


async def sent(*rows: Row, version: Version = Version.V2, **changes: object) -> tuple[Heard, bytes]:
    """The one request that these samples became, and its body. Fails if it is not exactly one."""
    scene = scene_of(version, **changes)
    scene.outbox.enqueue([NAME], rows)
    await scene.turns()
    (request,) = heard(scene)
    (body,) = bodies(scene)
    return request, body


async def values(*numbers: float) -> list[float]:
    """What arrives of a gauge with each of these values."""
    request, _ = await sent(*((made(place=f"{place}"), NOW, value) for place, value in enumerate(numbers)))
    found = {dict(series.labels)["place"]: series.samples[0].value for series in request.request.series}
    return [found[f"{place}"] for place in range(len(numbers))]


def by_name(request: WireRequest) -> dict[str, list[WireSeries]]:
    """The series of a request by metric name."""
    found: dict[str, list[WireSeries]] = {}
    for series in request.series:
        found.setdefault(dict(series.labels)["__name__"], []).append(series)
    return found


def fields_of_series(body: bytes, number: int = 5) -> set[int]:
    """The numbers of all fields that occur in the time series of a request; field ``number`` holds them."""
    parts = [part for found, part in fields(unsnap(body)) if found == number]
    assert parts
    return {found for part in parts for found, _ in fields(part)}


def histogram(name: str = "h", count: float = 100.0, total: float = 250.5) -> list[Row]:
    """A classic histogram at one instant: buckets, sum and count."""
    bounds = {"0.1": count / 10, "1": count / 2, "+Inf": count}
    rows: list[Row] = [
        (made(f"{name}_bucket", MetricType.HISTOGRAM, help="A histogram.", le=le), NOW, value)
        for le, value in bounds.items()
    ]
    rows.append((made(f"{name}_sum", MetricType.HISTOGRAM, help="A histogram."), NOW, total))
    rows.append((made(f"{name}_count", MetricType.HISTOGRAM, help="A histogram."), NOW, count))
    return rows
