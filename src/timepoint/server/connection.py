"""One client connection, and how long it may take to say what it wants.

Owns: the deadline and the size of a request head, from the accept or from the first byte of a later request. aiohttp's
own timer is for connections that are idle between two scrapes and has to be long; a client that drips half a head must
not live that long. Also who of those with a client certificate may stay. Must not know: what is served.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from timepoint.log import event
from timepoint.server.admission import Guest, Stage
from timepoint.server.settings import Limits
from timepoint.server.web.tls import allowed_sans

LOGGER = logging.getLogger(__name__)

HEADERS = {
    "Server": "timepoint",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer, whatever it is."""


class ScrapeConnection(web.RequestHandler):
    """A connection that is closed when a request head is not complete in time."""

    __slots__ = ("_head_size", "_head_timer", "_limits", "_timer_loop", "busy", "guest", "head_is_large", "leaves")

    def __init__(
        self, manager: ScrapeServer, guest: Guest, leaves: Callable[[], None], limits: Limits, **options: Any
    ) -> None:
        super().__init__(manager, **options)
        self._timer_loop: asyncio.AbstractEventLoop = options["loop"]
        self._limits = limits
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_size = 0
        self.head_is_large = False
        self.busy = False
        self.guest = guest
        self.leaves = leaves

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._await_head()
        if not self._is_welcome(transport):
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._head_arrived()
        self.leaves()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head_timer is None:
            self._await_head()
        super().data_received(data)
        self._head_size += len(data)
        if self._head_size > self._limits.max_head and not self.busy and not self._messages:
            self._refuse_head()

    def _is_welcome(self, transport: asyncio.BaseTransport) -> bool:
        """Whether the client's certificate, which is verified already, has one of the names that are allowed."""
        assert isinstance(self._manager, ScrapeServer)
        sans = self._manager.client_sans()
        return sans is None or bool(allowed_sans(transport.get_extra_info("peercert")) & sans)

    def _refuse_head(self) -> None:
        status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        if self.transport is not None:
            head = f"HTTP/1.1 {status.value} {status.phrase}\r\nServer: timepoint\r\nConnection: close\r\n"
            self.transport.write(f"{head}Content-Length: 0\r\n\r\n".encode())
        self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is no request. aiohttp's own logs a traceback for each."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return super().handle_error(request, status, exc, message)
        event(LOGGER, logging.DEBUG, "bad_request", status=status, error=type(exc).__name__ if exc else None)
        response = web.Response(status=status, text="This is no request that can be answered.\n", headers=HEADERS)
        response.force_close()
        return response

    def request_begins(self) -> None:
        """A head is complete and its request is being handled."""
        self.busy = True
        self._head_size = 0
        self._head_arrived()
        self.guest.turns(Stage.BUSY, self._timer_loop.time())

    def request_ends(self, *, served: bool) -> None:
        """Its answer is made. ``served``: it was what was asked for, no refusal."""
        self.busy = False
        self._head_size = 0
        self.guest.served = self.guest.served or served
        self.guest.turns(Stage.IDLE, self._timer_loop.time())

    async def until_read(self) -> None:
        """Waits until the client has read most of what it was sent.

        aiohttp adds a small answer to whatever waits in the buffer: a client that asks without end on one connection
        and reads nothing would have it grow without end.
        """
        if self.writing_paused:
            await self._drain_helper()

    @property
    def awaits_head(self) -> bool:
        """Whether a request may be on its way: the connection is new, or a part of a head has come."""
        return self._head_timer is not None and not self.busy

    def _await_head(self) -> None:
        self._head_timer = self._timer_loop.call_later(self._limits.head_deadline, self._head_is_late)

    def _head_arrived(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self.busy:  # the next request waits behind one that is still being answered
            self._await_head()
        else:
            self.force_close()


class ScrapeServer(web.Server):
    """aiohttp's low-level server with connections that keep the deadline of a request head.

    The low-level server and ``web.Application`` cost the same per small request (0.050 ms of CPU each, 8,000 requests
    on one keep-alive connection); a table of exact paths needs no router.
    """

    def __init__(
        self, handler: Any, limits: Limits, client_sans: Callable[[], frozenset[str] | None] = lambda: None
    ) -> None:
        self._limits = limits
        self._options: dict[str, Any] = {
            "keepalive_timeout": limits.keepalive,
            "max_line_size": limits.max_line,
            "max_field_size": limits.max_field,
            "max_headers": limits.max_headers,
            "lingering_time": 1.0,
            "access_log": None,
        }
        self.client_sans = client_sans
        super().__init__(handler, request_factory=self._begin, **self._options)

    @property
    def awaits_heads(self) -> bool:
        """Whether any connection may be about to ask for something."""
        return any(isinstance(one, ScrapeConnection) and one.awaits_head for one in self.connections)

    def connection(self, guest: Guest, leaves: Callable[[], None]) -> ScrapeConnection:
        """The protocol of a connection that has been given a place. ``leaves`` is told when it has ended."""
        loop = asyncio.get_running_loop()
        return ScrapeConnection(self, guest, leaves, self._limits, loop=loop, **self._options)

    def _begin(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        assert isinstance(protocol, ScrapeConnection)
        protocol.request_begins()
        size = sum(len(name) + len(value) for name, value in message.raw_headers) + len(message.path)
        protocol.head_is_large = size > self._limits.max_head
        return web.BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop())
