"""A data directory as a poller leaves it, for the tests of the status pages: what is served, and the journal.

Owns: what is told. Must not know: what is asserted.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from tests.server.support import NOW, publish_poller
from timepoint.clock import HOUR, MINUTE
from timepoint.exposition.family import FamilySnapshot, JobSnapshot, SampleBatch
from timepoint.exposition.publish import publish
from timepoint.journal.files import config_path, recent_path, runs_path, write_told
from timepoint.journal.told import (
    ConfigTold,
    GridTold,
    JobTold,
    LaneTold,
    MetricTold,
    RecentTold,
    RejectTold,
    RequestTold,
    RunTold,
    SeriesTold,
)
from timepoint.model import FamilySpec, MetricType, series_text

ATTACK = "<script>alert(1)</script>\"' onmouseover=alert(1) </pre></svg><img src=x onerror=alert(1)>{{ 7*7 }}"
JOB = "pod_energy"
COUNTER, GAUGE, SENT = "pod_energy_joules_total", "pod_watts", "pod_forecast_watts"
STEP = 5 * MINUTE


def texts_of(count: int, *extra: str) -> list[str]:
    """Series of pods, and one for each ``extra`` whose label says it."""
    names = [f"cart-{number:05d}" for number in range(count)]
    return [series_text({"namespace": "shop", "pod": name}) for name in (*names, *extra)]


def publish_scene(directory: Path, series: int = 3, attack: str = "") -> None:
    """One job with a counter, a gauge and a metric that is sent; ``attack`` stands wherever a stranger's text may."""
    texts = texts_of(series, *([attack] if attack else []))
    values = [float(number) for number in range(len(texts))]
    families = [
        FamilySnapshot(FamilySpec(COUNTER, MetricType.COUNTER, "Energy.", "joules"), [SampleBatch(texts, values)]),
        FamilySnapshot(FamilySpec(GAUGE, MetricType.GAUGE, "Power.", "watts"), [SampleBatch(texts, values)]),
    ]
    publish(directory, JobSnapshot(JOB, families, commit=1, rendered_at=NOW), durable=False)
    publish_poller(directory, {"jobs": {JOB: _status(attack)}, "receivers": [_receiver(attack)]})
    write_told(runs_path(directory, JOB), _job(len(texts), attack))
    write_told(recent_path(directory, JOB), _recent(texts))
    write_told(config_path(directory), ConfigTold(NOW, f"jobs:\n  {JOB}: {attack or 'x'}\n"))


def _status(attack: str) -> dict[str, Any]:
    return {
        "ready": True,
        "outcome": "partial",
        "reason": f"status: {attack or 'status 503'}",
        "last_run": NOW - MINUTE,
        "next_run": NOW + 29 * MINUTE,
        "data_timestamp": NOW - 11 * MINUTE,
        "series": 6,
        "consecutive_failures": 1,
        "freshness": {COUNTER: [["fresh", None]]},
        "rejects": {"counts": {"no_value": 2}, "examples": {"no_value": [attack or "$.a[0].v: null"]}},
    }


def _receiver(attack: str) -> dict[str, Any]:
    return {
        "name": attack or "central",
        "url": f"https://prometheus.internal/{attack}",
        "state": "held",
        "why": f"status 401 {attack}",
        "since": NOW - HOUR,
        "version": "2.0",
        "pending": 1200,
        "oldest_age": 50 * MINUTE,
        "window": 55 * MINUTE,
        "enqueued": 5000,
        "acknowledged": 3794,
        "sent": 3794,
        "dead": 3,
        "late_amounts": 2,
        "dismissed": 1,
        "dead_by_reason": {attack or "late": 3},
        "last_success": NOW - HOUR,
        "newest_sent": NOW - HOUR,
        "warnings": [f"the oldest sample that waits is old {attack}"],
    }


def _job(series: int, attack: str) -> JobTold:
    said = attack or "plain"
    request = RequestTold(
        "GET",
        f"https://energy.internal/pods?start=2026-01-01T00:00:00Z&key={attack or '***'}",
        window=(NOW - HOUR, NOW - HOUR // 2),
        lane=attack,
        headers=[("Authorization", "Bearer <secret>")],
        body=attack,
        status=503,
        attempts=3,
        error=f"status: 503 {said}",
    )
    bad = RunTold(
        fire_time=NOW - MINUTE,
        began=NOW - MINUTE,
        outcome="partial",
        failed=True,
        reason="status",
        error=f"status 503 {said}",
        duration=2.5,
        windows=[(NOW - HOUR, NOW - HOUR // 2), (NOW - HOUR // 2, NOW - 10 * MINUTE)],
        window_count=2,
        committed=1,
        attempts=4,
        response_bytes=12_345,
        requests=[request],
        request_count=2,
        rows=3,
        points=18,
        rejects=[RejectTold("no_value", 2, [attack or "$.a[0].v: null"])],
        counts={"new": 18, "born": 3},
        stages={"fetch": 2.0, "map": 0.1, "decide": 0.05, "commit": 0.2, "publish": 0.1},
        series=3,
        notes=[said],
    )
    good = RunTold(fire_time=NOW - 31 * MINUTE, began=NOW - 31 * MINUTE, outcome="ok", duration=0.5, series=3)
    metrics = [
        MetricTold(COUNTER, "counter", f"Energy. {attack}", "joules", "the sum of all intervals", is_amounts=True),
        MetricTold(GAUGE, "gauge", "Power.", "watts", "the last of the timepoints of a run", series=series),
        MetricTold(SENT, "gauge", "Forecast.", "watts", "what is forecast", receivers=["central"]),
    ]
    return JobTold(
        job_name=JOB,
        told_at=NOW,
        facts=[("Source", [("URL", f"https://energy.internal {attack}")])],
        metrics=metrics,
        runs=[bad, good],
        lanes=[LaneTold(f"zone=Z{number:03d}{attack}", NOW, NOW, NOW - HOUR, number < 2) for number in range(120)],
        lane_count=120,
        watermark=NOW - 10 * MINUTE,
    )


def _recent(texts: Sequence[str]) -> RecentTold:
    ends = [NOW - 10 * MINUTE - STEP * number for number in range(48)][::-1]
    grid = GridTold(array("q", [end - STEP for end in ends]).tobytes(), array("q", ends).tobytes())
    values = [12 + math.sin(number + place / 5) for number in range(len(texts)) for place in range(48)]
    begins = array("q", range(0, 48 * len(texts), 48)).tobytes()
    told = SeriesTold("\n".join(texts), array("i", [0] * len(texts)).tobytes(), begins, array("d", values).tobytes())
    return RecentTold(JOB, NOW, [grid], {COUNTER: told, GAUGE: told, SENT: told}, 7)


class Elements(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def words(self) -> str:
        """The text, with blanks as a browser shows them."""
        return " ".join(self.text.split())

    def links(self) -> list[str]:
        return [href for tag, attrs in self.tags if tag == "a" and (href := attrs.get("href"))]
