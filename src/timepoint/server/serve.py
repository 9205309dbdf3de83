"""The main of the server process.

Owns: the event loop, the life of the loader, the end on SIGTERM. Gets sockets that are bound and listen already, so
that no client is refused while this process starts or is started again. Must not know: who forked it, the config file.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from timepoint.clock import SystemClock
from timepoint.reload import AskingEnd
from timepoint.server.accepting import Acceptor
from timepoint.server.admission import Admission
from timepoint.server.app import App
from timepoint.server.connection import ScrapeServer
from timepoint.server.loader import SnapshotLoader
from timepoint.server.settings import ServerSettings
from timepoint.server.web.current import CurrentWeb
from timepoint.vitals import Vitals
from timepoint.watchdog import watched

# How long the thread that reads snapshots may keep the interpreter from a scrape. While two jobs of 100,000 series that
# share a family are put together, p99 of a small scrape is 10 to 24 ms with it and 40 ms with Python's own 5 ms.
_SWITCH_INTERVAL = 0.0005

_NAME = "server"
_LAST_HEADS = 0.5  # seconds at the end for the heads of requests whose connections are there
_TURNS = 10  # of the event loop, in which all that waits in the kernel is accepted and read


def serve(
    sockets: Sequence[socket.socket],
    directory: Path,
    job_names: Sequence[str],
    settings: ServerSettings,
    reload: AskingEnd | None = None,
    vitals: Mapping[str, Vitals] | None = None,
) -> int:
    """Serves the snapshots published in ``directory`` until SIGTERM or SIGINT; the exit code of the process.

    ``reload`` is where reloads of the config are asked for, ``vitals`` are those of each process of the exporter.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL)
    clock = SystemClock()
    loader = SnapshotLoader(directory, tuple(job_names), clock)
    current = CurrentWeb(settings.web, clock) if settings.web is not None else None
    loader.start()
    try:
        if current is not None:
            current.start()
        asyncio.run(_serve_until_told(sockets, App(loader, settings, clock, current, reload, vitals or {})))
    finally:
        if current is not None:
            current.stop()
        loader.stop()
    return 0


async def _serve_until_told(sockets: Sequence[socket.socket], app: App) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    own = app.vitals.get(_NAME)
    beat = own.beat if own is not None else None
    async with watched(_NAME, beat=beat) as app.watchdog, serving(sockets, app):
        await stop.wait()


@contextlib.asynccontextmanager
async def serving(sockets: Sequence[socket.socket], app: App) -> AsyncIterator[ScrapeServer]:
    """Accepts on the sockets for the length of the block; at its end answers what is asked for and closes."""
    limits = app.settings.limits
    server = ScrapeServer(app.handle, limits, app.client_sans)
    admission = Admission(limits.connections, limits.connections_per_peer, limits.slow, limits.local)
    acceptor = Acceptor(server, admission, app.tls_context, limits.handshake_deadline)
    app.acceptor = acceptor
    acceptor.start(sockets)
    try:
        yield server
    finally:
        await _take_in_last(server, acceptor, min(_LAST_HEADS, limits.stop_deadline / 2))
        server.pre_shutdown()
        # aiohttp waits for handlers, then as long for their connections
        await server.shutdown(limits.stop_deadline / 2)
        app.close()


async def _take_in_last(server: ScrapeServer, acceptor: Acceptor, within: float) -> None:
    """Accepts who waits in the queues of the sockets, then nobody more, and reads what all of them ask for.

    Else the kernel resets connections on which a scraper has sent its request already. One that is idle between two
    scrapes is waited for no longer than it takes to see that nothing has come.
    """
    loop = asyncio.get_running_loop()
    give_up = loop.time() + within
    acceptor.close()
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    while (acceptor.greets or server.awaits_heads) and loop.time() < give_up:  # noqa: ASYNC110 - so rare that no event is worth its upkeep
        await asyncio.sleep(0.01)
    acceptor.end()
