"""Prometheus' own sender as the reference: an agent scrapes a page, and what it writes is what our sender writes.

But for one value: Prometheus leaves out -0 as if it were 0, against the rules of protobuf. Ours keeps the sign.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.remote_write.building import NAME, Inline
from tests.remote_write.receiver import Receiver
from tests.remote_write.wire_format import WireSeries
from tests.system.support import PATIENCE, free_port
from timepoint.clock import SystemClock
from timepoint.remote_write.memory import MemoryOutbox
from timepoint.remote_write.outbox import OutSeries, Version
from timepoint.remote_write.post import open_post
from timepoint.remote_write.sender import Sender
from timepoint.remote_write.spec import ReceiverSpec
from timepoint.request.spec import SourceSpec

pytestmark = pytest.mark.system

PAGE = r"""# TYPE energy_joules_total counter
energy_joules_total{app="shop",pod="cart-1"} 12.5
energy_joules_total{app="Zürich \"east\"\\north\nside",pod="cart-2"} 0
# TYPE odd gauge
odd{kind="nan"} NaN
odd{kind="inf"} +Inf
odd{kind="small"} 5e-324
odd 1e+300
"""
SAMPLES = (
    ({"__name__": "energy_joules_total", "app": "shop", "pod": "cart-1"}, 12.5),
    ({"__name__": "energy_joules_total", "app": 'Zürich "east"\\north\nside', "pod": "cart-2"}, 0.0),
    ({"__name__": "odd", "kind": "nan"}, float("nan")),
    ({"__name__": "odd", "kind": "inf"}, float("inf")),
    ({"__name__": "odd", "kind": "small"}, 5e-324),
    ({"__name__": "odd"}, 1e300),
)
OURS = {"energy_joules_total", "odd"}


@asynccontextmanager
async def served(receiver: Receiver) -> AsyncIterator[tuple[int, asyncio.Event]]:
    """The page and the receiver on one port, and when every series of the page was written."""
    enough = asyncio.Event()

    async def write(request: web.Request) -> web.Response:
        answer = receiver.hear(await request.read(), request.headers)
        if len(series_of(receiver)) == len(SAMPLES):
            enough.set()
        return web.Response(status=answer.status, headers=answer.headers)

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=PAGE)

    app = web.Application()
    app.add_routes([web.post("/write", write), web.get("/metrics", page)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port := free_port())
    await site.start()
    yield port, enough
    await runner.cleanup()


def series_of(receiver: Receiver) -> dict[tuple[tuple[str, str], ...], WireSeries]:
    """The first time that each series of the page was written."""
    found: dict[tuple[tuple[str, str], ...], WireSeries] = {}
    for heard in receiver.heard:
        for series in heard.request.series:
            if dict(series.labels)["__name__"] in OURS:
                found.setdefault(series.labels, series)
    return found


async def written_by_prometheus(binary: str, directory: Path) -> dict[tuple[tuple[str, str], ...], WireSeries]:
    """What an agent writes of the page."""
    receiver = Receiver()
    async with served(receiver) as (port, enough):
        config = directory / "agent.yml"
        config.write_text(
            "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
            f"scrape_configs: [{{job_name: test, static_configs: [{{targets: ['127.0.0.1:{port}'], "
            "labels: {instance: here}}]}]\n"
            f"remote_write: [{{url: 'http://127.0.0.1:{port}/write', metadata_config: {{send: false}}, "
            "queue_config: {batch_send_deadline: 100ms}}]\n"
        )
        command = [binary, "--enable-feature=agent", f"--config.file={config}", "--log.level=warn"]
        command += [f"--storage.agent.path={directory / 'agent'}", f"--web.listen-address=127.0.0.1:{free_port()}"]
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
        try:
            async with asyncio.timeout(PATIENCE):
                await enough.wait()
        finally:
            process.terminate()
            await process.wait()
    return series_of(receiver)


async def written_by_us() -> dict[tuple[tuple[str, str], ...], WireSeries]:
    """What our sender writes of the same samples."""
    receiver, clock, outbox = Receiver(), SystemClock(), MemoryOutbox()
    rows = [
        (OutSeries(place, tuple(sorted(labels.items()))), clock.now(), value)
        for place, (labels, value) in enumerate(SAMPLES)
    ]
    outbox.enqueue([NAME], rows)
    async with served(receiver) as (port, _):
        source = SourceSpec(NAME, f"http://127.0.0.1:{port}/write")
        spec = ReceiverSpec(NAME, source, Version.V1, external_labels={"job": "test", "instance": "here"})
        async with open_post(source, clock) as post:
            sender = Sender(spec, outbox, Inline(), post, clock)
            while not await sender.turn():
                pass
    return series_of(receiver)


async def test_our_sender_writes_what_prometheus_writes(prometheus: str, tmp_path: Path) -> None:
    """The same series with the same labels in the same order, and values that are equal bit by bit."""
    golden = await written_by_prometheus(prometheus, tmp_path)
    ours = await written_by_us()
    assert len(ours) == len(SAMPLES)
    assert {labels: series.samples[0].bits for labels, series in ours.items()} == {
        labels: series.samples[0].bits for labels, series in golden.items()
    }
