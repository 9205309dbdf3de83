"""The demo's API as a process.

Owns: its event loop and its end. Must not know: what the API answers, the exporter.
"""

from __future__ import annotations

import asyncio
import signal
import socket

from aiohttp import web

from timepoint.clock import SystemClock
from timepoint.demo.api import EnergyApi, Habits
from timepoint.demo.world import World


def serve_api(sock: socket.socket, world: World, habits: Habits) -> int:
    """Answers on a socket that already listens until SIGTERM or SIGINT; the exit code."""

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        runner = web.AppRunner(
            EnergyApi(world, SystemClock(), habits).application(), access_log=None, shutdown_timeout=1
        )
        await runner.setup()
        await web.SockSite(runner, sock).start()
        await stop.wait()
        await runner.cleanup()

    asyncio.run(main())
    return 0
