"""An API on the loopback that lies: its nth answer to each path is the nth in a list, down to the single byte.

Owns: the server, the answers of a well-behaved energy API, and the ways in which an answer can go wrong.
Must not know: the exporter, what is asserted.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

CHUNK = 1 << 20

Pieces = Iterable[bytes]
"""An answer as it goes over the wire, head included; an endless or huge one is made piece by piece."""


@dataclass(frozen=True)
class Asked:
    """One request: its path, and over how many steps of a second its window goes."""

    path: str
    steps: int
    target: str
    headers: dict[str, str]
    body: bytes = b""


Answer = Callable[[Asked], Pieces]


@dataclass
class HostileApi:
    """Gives the nth answer of a path to its nth request, the last one for ever. ``asked`` holds what came.

    ``otherwise`` answers on paths without answers of their own.
    """

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    otherwise: Answer | None = None
    asked: dict[str, list[Asked]] = field(default_factory=dict)
    port: int = 0
    _socket: socket.socket | None = None
    _ended: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ended(self) -> threading.Event:
        """Is set when the API ends: what an answer that hangs waits for."""
        return self._ended

    def has_answered(self, count: int) -> bool:
        """Whether so many requests have come."""
        return sum(map(len, list(self.asked.values()))) >= count

    @contextmanager
    def running(self) -> Iterator[HostileApi]:
        """Serves until the block ends."""
        with socket.create_server(("127.0.0.1", 0), backlog=256) as server:
            self._socket = server
            self.port = server.getsockname()[1]
            thread = threading.Thread(target=self._accept, args=(server,), name="hostile-api", daemon=True)
            thread.start()
            try:
                yield self
            finally:
                self._ended.set()
                with suppress(OSError):
                    server.shutdown(socket.SHUT_RDWR)
        thread.join(10)

    def _accept(self, server: socket.socket) -> None:
        while not self._ended.is_set():
            try:
                client, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as reader, suppress(OSError, ValueError):
            asked = read_request(reader)
            with self._lock:
                seen = self.asked.setdefault(asked.path, [])
                answers = self.answers.get(asked.path) or [self.otherwise or good]
                answer = answers[min(len(seen), len(answers) - 1)]
                seen.append(asked)
            for piece in answer(asked):
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)


def read_request(reader: Any) -> Asked:
    """One request from a connection."""
    line = reader.readline().decode("latin-1")
    if not line.endswith(" HTTP/1.1\r\n"):
        raise ValueError("no request, but perhaps a handshake of TLS")
    headers = {}
    while (header := reader.readline().decode("latin-1").strip()) != "":
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", 0)))
    target = line.split(" ")[1]
    parts = urlsplit(target)
    query = parse_qs(parts.query)
    steps = 1
    if "start" in query:
        start, end = (datetime.fromisoformat(query[key][0]) for key in ("start", "end"))
        steps = round((end - start).total_seconds())
    return Asked(parts.path, steps, target, headers, body)


def http(body: bytes, *, status: str = "200 OK", kind: str = "application/json", extra: str = "") -> Pieces:
    """A complete answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{extra}"
    yield f"{head}\r\n".encode() + body


def unframed(pieces: Pieces, *, extra: str = "") -> Pieces:
    """An answer without a length, which ends with the connection."""
    yield f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n{extra}\r\n".encode()
    yield from pieces


def pod(name: Any, steps: int, joules: Any = 1.0) -> dict[str, Any]:
    """One entity of a good answer: one joule per second."""
    return {"name": name, "energy": [joules] * steps, "cpu": 0.5, "level": None}


def good(asked: Asked) -> Pieces:
    """What the API should say: one pod that uses one joule in each second of the window."""
    return http(json.dumps(tree(pod("cart-1", asked.steps))).encode())


def tree(*pods: Any) -> dict[str, Any]:
    """The document around pods."""
    return {"cluster-a": {"checkout": {"shop": list(pods)}}}


def with_pod(text: str | bytes) -> Answer:
    """A good pod, and after it an entity whose text is given; ``STEPS`` in it is the number of steps."""

    def answer(asked: Asked) -> Pieces:
        raw = text.encode() if isinstance(text, str) else text
        raw = raw.replace(b"STEPS", str(asked.steps).encode())
        body = json.dumps(tree(pod("cart-1", asked.steps), "ODD")).encode().replace(b'"ODD"', raw)
        return http(body)

    return answer


def with_value(text: str) -> Answer:
    """A good pod, and one whose values are all this text."""

    def answer(asked: Asked) -> Pieces:
        values = ",".join([text] * asked.steps)
        return with_pod(f'{{"name":"odd","energy":[{values}],"cpu":{text}}}')(asked)

    return answer


def with_name(text: str | bytes) -> Answer:
    """A good pod, and one whose name is this JSON text."""
    raw = text.encode() if isinstance(text, str) else text

    def answer(asked: Asked) -> Pieces:
        values = ",".join(["1"] * asked.steps).encode()
        return with_pod(b'{"name":' + raw + b',"energy":[' + values + b'],"cpu":1}')(asked)

    return answer


def body(raw: bytes, **how: str) -> Answer:
    """An answer of exactly these bytes."""
    return lambda _: http(raw, **how)


def of_good(change: Callable[[bytes], bytes], **how: str) -> Answer:
    """A good body, changed before it is sent with its new length."""

    def answer(asked: Asked) -> Pieces:
        return http(change(json.dumps(tree(pod("cart-1", asked.steps))).encode()), **how)

    return answer


def truncated(asked: Asked) -> Pieces:
    """A body that breaks off before its announced length."""
    whole = b"".join(good(asked))
    yield whole[:-20]


def truncated_chunks(asked: Asked) -> Pieces:
    """A chunked body without its last chunk."""
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    yield b"10\r\n" + b'{"cluster-a": {"' + b"\r\n"


def flood(opening: bytes, filler: bytes, size: int) -> Iterator[bytes]:
    """So many bytes that begin in one way and go on in another."""
    yield opening
    block = filler * (CHUNK // len(filler) + 1)
    left = size - len(opening)
    while left > 0:
        yield block[:left] if left < len(block) else block
        left -= len(block)


def large(opening: bytes, filler: bytes, size: int, *, framed: bool) -> Answer:
    """A large answer, with or without Content-Length."""

    def answer(_: Asked) -> Pieces:
        extra = f"Content-Length: {size}\r\n" if framed else ""
        return unframed(flood(opening, filler, size), extra=extra)

    return answer


def gzip_bomb(blocks: int = 128, block: int = 16 << 20) -> bytes:
    """2 MB that stand for 2 GiB. The same flushed block of zeros again and again: nothing in it looks back."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(b"\0" * block) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + packed * blocks


def gzipped(raw: bytes) -> Answer:
    """An answer with Content-Encoding gzip."""
    return lambda _: http(raw, extra="Content-Encoding: gzip\r\n")


def depth(count: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    """Brackets in brackets."""
    return opening * count + closing * count


WRONG = (
    *("null", "true", "false", "0", "-1", "1e999", "-0.0", "NaN", "Infinity", "18446744073709551616"),
    *('""', '"x"', '"NaN"', '"\\ud800"', "[]", "[[]]", "[null]", "{}", '{"a":{}}', '[{"name":1}]'),
)
"""One JSON text of each kind, and of some that are nearly JSON."""


def mutations(asked: Asked) -> Iterator[bytes]:
    """The good document with each node of a pod's branch replaced by each wrong text, each as a member of its own."""
    values = json.dumps([1.0] * asked.steps)
    entity = f'{{"name":"n","energy":{values},"cpu":0.5}}'
    holes = [
        "HOLE",
        '{"a":HOLE}',
        '{"a":{"n":HOLE}}',
        '{"a":{"n":[HOLE]}}',
        '{"a":{"n":[' + entity.replace('"n"', "HOLE", 1) + "]}}",
        '{"a":{"n":[' + entity.replace(values, "HOLE") + "]}}",
        '{"a":{"n":[' + entity.replace("0.5", "HOLE") + "]}}",
        '{"a":{"n":[' + entity.replace("[1.0", "[HOLE", 1) + "]}}",
    ]
    for place, hole in enumerate(holes):
        for kind, wrong in enumerate(WRONG):
            yield f'"m{place}-{kind}":{hole.replace("HOLE", wrong)}'.encode()


def mutated(asked: Asked) -> Pieces:
    """A good branch beside every mutated one."""
    start = json.dumps(tree(pod("cart-1", asked.steps))).encode()
    return http(start[:-1] + b"," + b",".join(mutations(asked)) + b"}")


_NAME = re.compile(r"[^a-z0-9_]+")


def path_of(case: str) -> str:
    """The path under which a case is asked for; its last part can name a job."""
    return f"/{_NAME.sub('_', case.lower())[:30]}_{zlib.crc32(case.encode()):08x}"
