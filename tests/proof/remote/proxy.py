"""A proxy before a receiver that loses and spoils requests and answers, and remembers everything that passed.

Owns: the faults on the way, and what a receiver was told and answered. It is never killed. Must not know: the product,
what should have been sent.

What becomes of the n-th request is a function of (seed, n), but that each kind of fault comes soon. Some samples are
cursed, a function of (seed, sample): a request with one of them is always answered with 400, so each of them must end
as a dead letter, and nothing beside it.
"""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from urllib.parse import urlsplit
from zlib import crc32

from tests.proof.world import mix
from tests.remote_write.receiver import V2_TYPE
from tests.remote_write.wire_format import WireRequest, read_v1, read_v2

Labels = tuple[tuple[str, str], ...]
Key = tuple[Labels, int]

STALE_BITS = 0x7FF0000000000002
FAULTS = (
    *("drop_request",) * 4,
    *("drop_answer",) * 7,
    *("delay",) * 3,
    *("late",) * 2,
    *("half_an_answer",) * 2,
    *("status_400",) * 2,
    *("status_429",) * 2,
    *("status_500",) * 2,
    *("status_503",) * 2,
)
"""Of a hundred requests; ``late`` is one that reaches the receiver after its sender has given up."""

NO_400_BEFORE = 20
"""Requests. The very first ones are where a sender learns which version is spoken."""

WAYS = tuple(dict.fromkeys(FAULTS))
EACH_WITHIN = 5
LATE = 1.3  # seconds, behind the timeout of the senders
ENOUGH = 5
_TIMEOUT = 20.0
_PASSED_ON = ("Date", "Content-Type", "Retry-After")
_WRITTEN = "X-Prometheus-Remote-Write-"


@dataclass(slots=True)
class Passed:
    """One request. ``status`` is the receiver's own, None if it never saw the request or gave no answer.

    ``is_orphan``: its sender was gone or had asked again by then, so nobody acts upon the answer.
    """

    number: int
    came_at: int
    keys: tuple[Key, ...]
    fault: str | None
    version: str
    status: int | None = None
    is_orphan: bool = False


@dataclass
class Proxy:
    """``upstream`` gives the URL of the receiver. ``is_strict``: it has no out-of-order window."""

    seed: int
    upstream: Callable[[], str]
    is_strict: bool
    curses: int = 1800  # one of so many samples; 0 for none
    peace: bool = False
    stats: Counter[str] = field(default_factory=Counter)
    passed: list[Passed] = field(default_factory=list)
    sent: dict[Key, int] = field(default_factory=dict)  # the bits with which a sample was first seen
    stored: set[Key] = field(default_factory=set)  # acknowledged by the receiver itself
    newest: dict[Labels, int] = field(default_factory=dict)  # of those stored
    findings: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    port: int = 0
    under_way: int = 0  # requests that have not reached their end, those of dead senders included

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1/write"

    @contextmanager
    def running(self) -> Iterator[Proxy]:
        """Serves until the block ends."""
        handler = type("BoundHandler", (_Handler,), {"proxy": self})
        server = _Server(("127.0.0.1", self.port), handler)
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def blame(self, finding: str) -> None:
        if len(self.findings) < ENOUGH:
            self.findings.append(finding)

    def is_cursed(self, key: Key) -> bool:
        """Whether no request with this sample is ever accepted."""
        labels, at = key
        return bool(self.curses) and mix(self.seed, crc32(repr(labels).encode()), at) % self.curses == 0

    def accept(self, request: WireRequest, version: str) -> Passed:
        """Takes a request in: looks at what it holds, and decides what becomes of it."""
        now = time.time_ns() // 1_000_000
        keys = tuple((series.labels, sample.at) for series in request.series for sample in series.samples)
        with self.lock:
            number = len(self.passed)
            fault = self._fault(number, keys)
            if fault:
                self.stats[fault] += 1
            self.stats["asked_again"] += bool(keys) and all(key in self.stored for key in keys)
            self._look_at(request, now)
            passed = Passed(number, now, keys, fault, version)
            self.passed.append(passed)
        return passed

    def _fault(self, number: int, keys: tuple[Key, ...]) -> str | None:
        if any(map(self.is_cursed, keys)):
            return "cursed"
        if self.peace:
            return None
        roll = mix(self.seed, 6, number) % 100
        fault: str | None = FAULTS[roll] if roll < len(FAULTS) else None
        if number >= NO_400_BEFORE and not number % EACH_WITHIN:
            fault = next((way for way in WAYS if not self.stats[way]), fault)  # so that a short loop meets each of them
        if fault == "status_400" and (number < NO_400_BEFORE or len(keys) == 1):
            return None  # a single one that gets 400 is given up; which ones are is a function of the sample alone
        return fault

    def answered(self, passed: Passed, status: int, *, says_written: bool) -> None:
        """Notes what the receiver said. One that was sent 2.0 and does not say what it wrote has swallowed it."""
        with self.lock:
            passed.status = status
            passed.is_orphan = passed.fault == "late" or passed.number < len(self.passed) - 1
            self.stats["orphans"] += passed.is_orphan
            self.stats["swallowed"] += bool(passed.keys) and passed.version == "2.0" and not says_written
            if 200 <= status <= 299 and (says_written or passed.version == "1.0"):
                self.stored.update(passed.keys)
                for labels, at in passed.keys:
                    self.newest[labels] = max(at, self.newest.get(labels, at))
            elif status == 400 and self.is_strict and not passed.is_orphan:
                self.blame(f"O10: the receiver answered 400 to {len(passed.keys)} samples, from {passed.keys[:1]}")

    def _look_at(self, request: WireRequest, now: int) -> None:
        """What must hold of each request, whatever happens to it."""
        seen: set[Labels] = set()
        for series in request.series:
            labels = series.labels
            names = [name.encode() for name, _ in labels]
            if any(one >= other for one, other in pairwise(names)) or not all(name and text for name, text in labels):
                self.blame(f"labels are not sorted, come twice or are empty: {labels}")
            if self.is_strict and (labels in seen or len(series.samples) != 1):
                self.blame(f"a strict receiver was sent a series twice in one request: {labels}")
            seen.add(labels)
            instants = [sample.at for sample in series.samples]
            if any(one >= other for one, other in pairwise(instants)):
                self.blame(f"samples of a series are not in order: {labels} {instants[:5]}")
            for sample in series.samples:
                if self.sent.setdefault((labels, sample.at), sample.bits) != sample.bits:
                    self.blame(f"a sample was sent again with another value: {labels} {sample.at}")
                if sample.at > now:
                    self.blame(f"a sample of the future left: {labels} {sample.at - now} ms ahead")
                if self.is_strict and sample.at < self.newest.get(labels, sample.at):
                    self.blame(f"an older sample was sent after a newer one: {labels} {sample.at}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def do_POST(self) -> None:
        with self.proxy.lock:
            self.proxy.under_way += 1
        try:
            self._post()
        finally:
            with self.proxy.lock:
                self.proxy.under_way -= 1

    def _post(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_2 = self.headers["Content-Type"] == V2_TYPE
        passed = self.proxy.accept((read_v2 if is_2 else read_v1)(body), "2.0" if is_2 else "1.0")
        fault = passed.fault
        if fault == "drop_request":
            self._reset()
        elif fault == "cursed":
            self._send(400, b"cursed", {})
        elif fault and fault.startswith("status_"):
            extra = {"Retry-After": "0"} if fault == "status_429" else {}
            self._send(int(fault[-3:]), b"not now", extra)
        else:
            if fault in {"delay", "late"}:
                time.sleep(LATE if fault == "late" else 0.05 + passed.number % 7 * 0.03)
            self._forward(passed, body)

    def _forward(self, passed: Passed, body: bytes) -> None:
        target = urlsplit(self.proxy.upstream())
        connection = http.client.HTTPConnection(str(target.hostname), target.port, timeout=_TIMEOUT)
        names = ("Content-Type", "Content-Encoding", "X-Prometheus-Remote-Write-Version", "User-Agent", "Retry-Attempt")
        headers = {name: self.headers[name] for name in names if self.headers[name]}
        try:
            connection.request("POST", target.path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):  # it was killed, or is not there
            with self.proxy.lock:
                self.proxy.stats["receiver_gone"] += 1
            self._reset()
            return
        finally:
            connection.close()
        written = answer.getheader(f"{_WRITTEN}Samples-Written")
        self.proxy.answered(passed, answer.status, says_written=written is not None)
        if passed.fault == "drop_answer":
            self._reset()
            return
        kept = {name: value for name, value in answer.getheaders() if name in _PASSED_ON or name.startswith(_WRITTEN)}
        self._send(answer.status, text, kept, half=passed.fault == "half_an_answer")

    def _send(self, status: int, body: bytes, headers: dict[str, str], *, half: bool = False) -> None:
        lines = [f"HTTP/1.1 {status} {http.client.responses.get(status, '')}"]
        if "Date" not in headers:
            headers = {"Date": self.date_time_string(), **headers}
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if status != 204:
            lines.append(f"Content-Length: {len(body)}")
        data = ("\r\n".join(lines) + "\r\n\r\n").encode() + (b"" if status == 204 else body)
        try:
            self.wfile.write(data[:17] if half else data)
            self.wfile.flush()
        except OSError:  # whoever asked was killed
            self.close_connection = True
        if half:
            self._reset()

    def _reset(self) -> None:
        """Closing with a pending RST, as a crashing server does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Nobody reads it."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A killed client breaks its connection: that is the test."""
