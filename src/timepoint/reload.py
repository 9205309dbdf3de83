"""What the processes of an exporter say to each other about a reload of the config.

Owns: the words (an asking, an answer), how they travel, and the two ends that children have.
Must not know: configs, jobs, who starts the processes.

    POST /-/reload ──> server ── asks ──┐                           ┌── asks ──> poller, which loads and goes over
    SIGHUP ───────────────────────────> parent (``switchboard``) ───┘
                       server <─ answer ┘                           └─ answer ── poller

An asking is a datagram without content. An answer may be longer than a datagram can be (a config is up to 1 MiB), so it
is a file without a name, whose descriptor travels.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections import deque
from dataclasses import dataclass, field

from timepoint.nameless import nameless_file

_ASKED, _ANSWERED = b"?", b"!"
_MOST_WAITING = 64


@dataclass(frozen=True, slots=True)
class ReloadFacts:
    """Which config is in force. ``at``: since when, in ms. ``trouble``: why a newer one is not, empty if it is."""

    at: int
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a reload: ``text`` is for whoever asked, problems one per line.

    If it was ``good``: ``at`` is when the new config was taken up (ms), ``jobs`` are its jobs by name, and ``raw`` is
    the file as it was read.
    """

    good: bool
    text: str
    at: int = 0
    jobs: tuple[str, ...] = ()
    raw: bytes = field(default=b"", repr=False)  # may hold credentials


def connected() -> tuple[socket.socket, socket.socket]:
    """Two ends of a line. Raises OSError."""
    # macOS knows no packets in sequence here. Datagrams do as well, but the end of a line is then told by its process.
    kind = socket.SOCK_DGRAM if sys.platform == "darwin" else socket.SOCK_SEQPACKET
    return socket.socketpair(socket.AF_UNIX, kind)


def send_asking(end: socket.socket) -> None:
    """Asks for a reload. Raises OSError if nobody can hear it."""
    end.send(_ASKED)


def send_answer(end: socket.socket, answer: Answer) -> None:
    """Raises OSError if nobody can hear it."""
    head = {"good": answer.good, "text": answer.text, "at": answer.at, "jobs": answer.jobs}
    with nameless_file("answer") as file:
        file.write(json.dumps(head).encode() + b"\n" + answer.raw)
        file.flush()
        socket.send_fds(end, [_ANSWERED], [file.fileno()])


def receive(end: socket.socket) -> Answer | None:
    """An answer, or None for an asking. Raises EOFError at the end of the line, BlockingIOError if there is nothing."""
    word, descriptors, _, _ = socket.recv_fds(end, len(_ASKED), 1)
    if not word:
        raise EOFError
    if not descriptors:
        return None
    with os.fdopen(descriptors[0], "rb") as file:
        file.seek(0)
        head, raw = json.loads(file.readline()), file.read()
    return Answer(head["good"], head["text"], head["at"], tuple(head["jobs"]), raw)


class AskedEnd:
    """The poller's end: is asked, and answers. Everything here runs on its event loop."""

    def __init__(self, end: socket.socket) -> None:
        end.settimeout(0)
        self._end = end

    async def asked(self) -> None:
        """Waits until a reload is asked for; for ever, if nobody can ask any more."""
        while not await asyncio.get_running_loop().sock_recv(self._end, 1):
            await asyncio.Event().wait()  # the parent is gone, and this process will be in a moment

    def answer(self, answer: Answer) -> None:
        with contextlib.suppress(OSError):  # nobody is there to hear it
            send_answer(self._end, answer)


class AskingEnd:
    """The server's end: asks for whoever came by HTTP. Everything here runs on its event loop."""

    def __init__(self, end: socket.socket) -> None:
        end.settimeout(0)
        self._end = end
        self._waiting: deque[asyncio.Future[Answer]] = deque()

    async def reload(self, within: float) -> Answer | None:
        """What came of a reload that begins now, or when one that is under way has ended.

        None if there is no answer within so many seconds, or if too many wait for one.
        """
        if len(self._waiting) >= _MOST_WAITING:
            return None
        loop = asyncio.get_running_loop()
        loop.add_reader(self._end.fileno(), self._hear)
        try:
            send_asking(self._end)
        except OSError:
            return None
        waiting: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append(waiting)  # for as long as its answer is to come: answers come in the order of askings
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(waiting), within)
        return None

    def _hear(self) -> None:
        try:
            answer = receive(self._end)
        except BlockingIOError:
            return
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._end.fileno())
            return
        if answer is not None and self._waiting:
            self._waiting.popleft().set_result(answer)
