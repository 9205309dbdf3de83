"""From a listening socket to a connection that may ask.

Owns: accepting, the place of each connection among the others, the TLS handshake and its deadline. The loop's own
server knows a connection only after its handshake, and cannot change its certificate.
Must not know: what is asked and served.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from timepoint.log import event
from timepoint.server.admission import Admission, peer_of
from timepoint.server.connection import ScrapeConnection, ScrapeServer
from timepoint.server.live import Connections

if TYPE_CHECKING:
    import ssl

LOGGER = logging.getLogger(__name__)

_AT_ONCE = 64  # connections that are accepted before the loop turns to others
_PAUSE = 1.0  # seconds without accepting when the system has no more files for connections
_NO_FILES = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_LINGER = 1.0  # seconds that a client has for the end of TLS
_NO_TLS = "HTTP_REQUEST"  # OpenSSL's word for a first record that is the beginning of a request in plain text
# Go's servers, and so all of exporter-toolkit's, say the same thing in the same form.
_WITHOUT_TLS = b"HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\nThis port speaks HTTPS: ask with https://.\n"


class Acceptor:
    """Accepts on sockets that listen, until it is closed. ``context`` gives the TLS settings of the moment."""

    def __init__(
        self,
        server: ScrapeServer,
        admission: Admission,
        context: Callable[[], ssl.SSLContext | None],
        handshake_deadline: float,
    ) -> None:
        self.failed_handshakes = 0
        self.admission = admission
        self._server = server
        self._context = context
        self._handshake_deadline = handshake_deadline
        self._loop = asyncio.get_running_loop()
        self._sockets: list[socket.socket] = []
        self._greeted: set[asyncio.Task[None]] = set()

    def start(self, sockets: Sequence[socket.socket]) -> None:
        for sock in sockets:
            sock.settimeout(0)
            self._sockets.append(sock)
            self._loop.add_reader(sock.fileno(), self._accept, sock)

    @property
    def facts(self) -> Connections:
        """What the page tells of connections."""
        admission = self.admission
        ended = {"evicted": admission.evicted, "refused": admission.refused, "handshake": self.failed_handshakes}
        return Connections(len(admission.guests), ended)

    @property
    def greets(self) -> bool:
        """Whether a connection is still on its way to its first byte."""
        return bool(self._greeted)

    def close(self) -> None:
        """Accepts whoever waits in the queues of the sockets, then nobody more."""
        for sock in self._sockets:
            self._accept(sock, most=socket.SOMAXCONN)
            self._loop.remove_reader(sock.fileno())
            sock.close()
        self._sockets.clear()

    def end(self) -> None:
        """Ends the handshakes that have not come to their end."""
        for task in self._greeted:
            task.cancel()

    def _accept(self, sock: socket.socket, most: int = _AT_ONCE) -> None:
        for _ in range(most):
            try:
                client, address = sock.accept()
            except OSError as error:
                if error.errno in _NO_FILES:
                    self._make_room(sock, error)
                return  # nobody waits, or whoever did has a network that is gone: accept(2) tells that here
            self._welcome(client, peer_of(address))

    def _make_room(self, sock: socket.socket, error: OSError) -> None:
        """There is no file for one more connection: one has to go, or nobody is accepted for a while."""
        if self.admission.evict(self._loop.time()):
            return
        event(LOGGER, logging.ERROR, "cannot_accept", error=error.strerror, again_in=_PAUSE)
        self._loop.remove_reader(sock.fileno())
        self._loop.call_later(_PAUSE, self._resume, sock)

    def _resume(self, sock: socket.socket) -> None:
        if sock in self._sockets:
            self._loop.add_reader(sock.fileno(), self._accept, sock)

    def _welcome(self, client: socket.socket, peer: str) -> None:
        client.settimeout(0)
        arrival = _Arrival(client)
        guest = self.admission.admit(peer, self._loop.time(), arrival.end)
        if guest is None:
            client.close()
            return
        arrival.connection = self._server.connection(guest, lambda: self.admission.leave(guest))
        task = self._loop.create_task(self._greet(client, arrival))
        arrival.task = task
        self._greeted.add(task)
        task.add_done_callback(arrival.greeted)
        task.add_done_callback(self._greeted.discard)

    async def _greet(self, client: socket.socket, arrival: _Arrival) -> None:
        connection = arrival.connection
        assert connection is not None
        arrival.is_handed_over = True
        context = self._context()
        spare = _spare(client) if context is not None else None
        deadlines = {"ssl_handshake_timeout": self._handshake_deadline, "ssl_shutdown_timeout": _LINGER}
        try:
            await self._loop.connect_accepted_socket(
                lambda: connection, client, ssl=context, **(deadlines if context is not None else {})
            )
        except (OSError, TimeoutError) as error:  # an ssl.SSLError is an OSError
            self.failed_handshakes += 1
            event(LOGGER, logging.DEBUG, "handshake_failed", error=str(error) or type(error).__name__)
            if spare is not None and getattr(error, "reason", None) == _NO_TLS:
                _say(spare, _WITHOUT_TLS)
        finally:
            if spare is not None:
                spare.close()
            if connection.transport is None:
                connection.leaves()


def _spare(client: socket.socket) -> socket.socket | None:
    """A second hold on a connection: the loop closes its own when the handshake fails, and says nothing (5 us)."""
    with contextlib.suppress(OSError):  # no file is left: then nothing is said
        return client.dup()
    return None


def _say(client: socket.socket, text: bytes) -> None:
    """Sends what fits, then ends the connection."""
    with contextlib.suppress(OSError):
        client.settimeout(0)
        client.send(text)
        client.shutdown(socket.SHUT_WR)


class _Arrival:
    """A connection on its way in, and how it is ended from outside."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.is_handed_over = False
        self.connection: ScrapeConnection | None = None
        self.task: asyncio.Task[None] | None = None

    def end(self) -> None:
        if self.connection is not None and self.connection.transport is not None:
            self.connection.transport.abort()
        elif self.task is not None:
            self.task.cancel()

    def greeted(self, _task: asyncio.Task[None]) -> None:
        if not self.is_handed_over:  # it was ended before the loop came to it
            self.client.close()
