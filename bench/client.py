"""A scraper: one keep-alive connection over a plain socket, so that it costs little beside the server.

Owns: requests, the reading of answers, latencies. Must not know: who serves.
"""

from __future__ import annotations

import socket
import statistics
import time
import zlib
from dataclasses import dataclass, field

_HEAD = b"GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain;version=0.0.4\r\nAccept-Encoding: %s\r\n\r\n"


@dataclass(slots=True)
class Scraper:
    """One connection to a port of the loopback."""

    port: int
    path: str = "/metrics"
    coding: str = "gzip"
    _socket: socket.socket = field(init=False)
    _buffer: bytearray = field(init=False, default_factory=lambda: bytearray(1 << 20))

    def __post_init__(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self.port), 60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def scrape(self, keep: bytearray | None = None) -> int:
        """One request; the length of the body, which ``keep`` gets if it is given. Raises OSError if it is not 200."""
        self._socket.sendall(_HEAD % (self.path.encode(), self.coding.encode()))
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._receive()
        head, _, start = head.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise OSError(head.partition(b"\r\n")[0].decode("latin-1"))
        lines = head.lower().split(b"\r\n")
        length = next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:"))
        if keep is not None:
            keep += start
        left = length - len(start)
        while left:
            count = self._socket.recv_into(self._buffer)
            if not count:
                raise ConnectionError("the answer is cut short")
            if keep is not None:
                keep += self._buffer[:count]
            left -= count
        return length

    def close(self) -> None:
        self._socket.close()

    def _receive(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the server has closed the connection")
        return data


def count_series(port: int, metric: str) -> int:
    """How many series of a metric one scrape shows."""
    page = bytearray()
    scraper = Scraper(port)
    try:
        scraper.scrape(page)
    finally:
        scraper.close()
    return zlib.decompress(page, wbits=zlib.MAX_WBITS | 16).count(b"\n" + metric.encode() + b"{")


def load(port: int, count: int) -> dict[str, float]:
    """``count`` scrapes one after the other, as fast as they come; how many in a second."""
    scraper = Scraper(port)
    scraper.scrape()
    begin = time.perf_counter()
    for _ in range(count):
        scraper.scrape()
    return {"per_second": count / (time.perf_counter() - begin)}


def pace(port: int, seconds: float, every: float) -> dict[str, float]:
    """A scrape every so many seconds; latencies in milliseconds from when each was due to its last byte."""
    scraper = Scraper(port)
    scraper.scrape()
    latencies = []
    begin = due = time.perf_counter()
    while due < begin + seconds:
        time.sleep(max(0.0, due - time.perf_counter()))
        scraper.scrape()
        latencies.append((time.perf_counter() - due) * 1000)
        due += every
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    return {"p50": cuts[49], "p99": cuts[98], "most": max(latencies), "scrapes": len(latencies)}
