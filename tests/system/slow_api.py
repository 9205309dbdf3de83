"""A slow API in a process of its own, which notes when each request came.

Owns: its delay, its bodies, and the list of arrivals, written to a file at SIGTERM. Must not know: who asks.

It has no part in the exporter's process or the test's, so that neither makes its clock late.

    python -m tests.system.slow_api SECONDS_PER_ANSWER BYTES_PER_BODY FILE
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from pathlib import Path

BEAT = 0.005


class SlowApi:
    """``arrivals`` are seconds of the monotonic clock and the path; ``peak`` is the most requests at one time.

    ``late`` is the longest time for which a busy machine did not let this process go on.
    """

    def __init__(self, delay: float, size: int) -> None:
        self.delay = delay
        self.body = b'[{"v": 1.5, "filling": "%s"}]' % (b"x" * size)
        self.arrivals: list[tuple[float, str]] = []
        self.under_way = self.peak = 0
        self.late = 0.0

    async def beat(self) -> None:
        """Notes by how much this process came later than it wanted: so late may an arrival be noted."""
        while True:
            due = time.monotonic() + BEAT
            await asyncio.sleep(BEAT)
            self.late = max(self.late, time.monotonic() - due)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, as long as it lives."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.arrivals.append((time.monotonic(), head.split(b" ", 2)[1].decode()))
                self.under_way += 1
                self.peak = max(self.peak, self.under_way)
                await asyncio.sleep(self.delay)  # what a slow API does
                self.under_way -= 1
                kind = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(self.body)
                writer.write(b"HTTP/1.1 200 OK\r\n" + kind + self.body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):  # its client, or it, has ended
            writer.close()


async def serve(api: SlowApi) -> None:
    """Serves until SIGTERM; the port is the first line on standard output."""
    beating = asyncio.create_task(api.beat())
    server = await asyncio.start_server(api.answer, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    beating.cancel()


def main(delay: float, size: int, file: Path) -> None:
    """Serves, then tells what came."""
    api = SlowApi(delay, size)
    asyncio.run(serve(api))
    file.write_text(json.dumps({"peak": api.peak, "arrivals": api.arrivals, "late": api.late}))


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
