"""The HTTP surface of the scrape side: which path answers what.

Owns: paths, methods, statuses and headers. All it says was made before the request came (snapshots, templates) or is
read from memory. Must not know: files of the data directory, the poller, jobs beyond their names.

    /metrics    the page, negotiated (the path is --web.telemetry-path); ?job_name=J and ?name[]=M select
    /           the jobs               /-/style.css   the style of all pages
    /jobs/J, /series, /receivers, /config             the other status pages (``pages.router``)
    /-/healthy  is it alive            /-/ready       has each job something to show
    /-/reload   takes up a changed config, if that is allowed (``lifecycle``)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web

from timepoint.clock import Clock
from timepoint.exposition.negotiate import negotiate
from timepoint.exposition.page import Page
from timepoint.reload import AskingEnd
from timepoint.server import lifecycle
from timepoint.server.accepting import Acceptor
from timepoint.server.connection import HEADERS, ScrapeConnection
from timepoint.server.live import ServerFacts, live_families
from timepoint.server.loader import Held, SnapshotLoader
from timepoint.server.pages.library import Library
from timepoint.server.pages.receivers import read_receivers
from timepoint.server.pages.render import style
from timepoint.server.pages.router import Asking, BusyError, StatusPages, parts_of
from timepoint.server.pages.views import STYLE_PATH, Site
from timepoint.server.process import ProcessFacts, PythonFacts, read_process, read_python, read_start_time
from timepoint.server.selection import Selections, read_selection
from timepoint.server.settings import ServerSettings
from timepoint.server.slices import slices
from timepoint.server.status import (
    JobStatus,
    Verdict,
    health,
    read_config_trouble,
    read_jobs,
    read_ledger_trouble,
    readiness,
)
from timepoint.server.web.current import CurrentWeb
from timepoint.server.web.gate import Gate
from timepoint.vitals import Vitals
from timepoint.watchdog import Watchdog

if TYPE_CHECKING:
    import ssl

LOGGER = logging.getLogger(__name__)

READ_METHODS = ("GET", "HEAD")
_PAGES = ("/jobs/", "/series", "/receivers", "/config")
_PLAIN = "text/plain; charset=utf-8"
_CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HTML_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": _CSP,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "deny",
}

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class App:
    """Answers requests from what the loader holds. ``handle`` is the handler for the server."""

    loader: SnapshotLoader
    settings: ServerSettings
    clock: Clock
    web_config: CurrentWeb | None = None
    reload: AskingEnd | None = None
    vitals: Mapping[str, Vitals] = field(default_factory=dict)
    acceptor: Acceptor | None = field(init=False, default=None)
    watchdog: Watchdog | None = field(init=False, default=None)
    started: float = field(init=False)
    _gate: Gate | None = field(init=False)
    _table: Mapping[str, Answer] = field(init=False)
    _start_time: float | None = field(init=False)
    _python: PythonFacts = field(init=False)
    _selections: Selections = field(init=False, default_factory=Selections)
    _pages: StatusPages = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.clock.monotonic()
        self._gate = Gate(self.web_config, self.clock) if self.web_config is not None else None
        self._start_time = read_start_time()
        self._python = read_python()
        self._pages = StatusPages(Library(self.loader.directory))
        self._table = {
            "/": self._page,
            STYLE_PATH: self._style,
            "/-/healthy": self._healthy,
            "/-/ready": self._ready,
            self.settings.telemetry_path: self._metrics,
        }

    def tls_context(self) -> ssl.SSLContext | None:
        """The TLS settings for a connection that begins now; None for plain HTTP."""
        return self.web_config.loaded.context if self.web_config is not None else None

    def client_sans(self) -> frozenset[str] | None:
        """The names of which a client certificate must have one; None for any."""
        tls = self.web_config.loaded.spec.tls if self.web_config is not None else None
        return tls.client_allowed_sans if tls is not None else None

    def close(self) -> None:
        if self._gate is not None:
            self._gate.close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers one request; a failure inside is logged once and told as 500."""
        connection = request.protocol
        assert isinstance(connection, ScrapeConnection)
        served = False
        try:
            response = await self._pass(request, connection)
            if not response.prepared:
                await self._write(request, response)
            served = response.status < HTTPStatus.BAD_REQUEST
        except Exception as error:
            LOGGER.exception("a request could not be answered", extra={"path": request.path})
            return _text(500, f"timepoint cannot make this page: {type(error).__name__}. The log says more.\n")
        else:
            return response
        finally:
            connection.request_ends(served=served)

    async def _pass(self, request: web.BaseRequest, connection: ScrapeConnection) -> web.StreamResponse:
        """What the gate or, behind it, a page answers."""
        refusal: web.StreamResponse | None = None
        if connection.head_is_large:
            refusal = _text(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The head of this request is too large.\n")
        elif self._gate is not None:
            refusal = await self._gate.refusal(request, connection.guest.peer)
        response = refusal if refusal is not None else await self._dispatch(request)
        if not response.prepared:
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            if self._gate is not None:
                response.headers.update(self._gate.headers)
            if request.body_exists:
                response.force_close()
        return response

    async def _dispatch(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == lifecycle.PATH:
            return await lifecycle.answer(request, self.reload if self.settings.lifecycle else None)
        answer = self._table.get(request.path)
        if answer is None and self.settings.status_pages and request.path.startswith(_PAGES):
            answer = self._page
        if answer is None:
            return _text(404, "There is no such page. The metrics are at another path; see /.\n")
        if request.method not in READ_METHODS:
            return _text(405, "This page can only be read.\n", {"Allow": ", ".join(READ_METHODS)})
        if request.body_exists:
            return _text(400, "A request for this page has no body.\n")
        return await answer(request)

    def _headers(self) -> Mapping[str, str]:
        """Of every answer: the web config's win over the page's own."""
        return {**HEADERS, **(self._gate.headers if self._gate is not None else {})}

    async def _metrics(self, request: web.BaseRequest) -> web.StreamResponse:
        held = self.loader.held
        wanted = negotiate(_joined(request, "Accept"), _joined(request, "Accept-Encoding"))
        selection = read_selection(request.rel_url.query)
        now = self.clock.now()
        pages = self._selections.of(held.pages_at(now), selection)
        extra = selection.of_live(live_families(*self._facts(held)))
        page = pages.page(wanted.format, gzip=wanted.gzip, now=now, extra=extra)
        headers = {**self._headers(), "Content-Type": page.content_type, "Vary": "Accept, Accept-Encoding"}
        if wanted.gzip:
            headers["Content-Encoding"] = "gzip"
        return await self._send(request, page, headers)

    async def _send(self, request: web.BaseRequest, page: Page, headers: Mapping[str, str]) -> web.StreamResponse:
        """Streams a page. A client that leaves or reads too slowly ends its own connection and nothing else."""
        response = web.StreamResponse(headers=headers)
        response.content_length = page.length
        transport = request.transport
        try:
            async with asyncio.timeout(self.settings.limits.write_deadline):
                await response.prepare(request)
                if request.method != "HEAD":
                    for piece in slices(page.parts):
                        if transport is None or transport.is_closing():
                            break
                        await response.write(piece)
                await response.write_eof()
                await _until_read(request)
        except TimeoutError:
            if transport is not None:
                transport.abort()
        except ConnectionError:
            pass
        except BaseException:
            if transport is not None:
                transport.abort()  # what was begun must not look like a whole page
            raise
        return response

    async def _write(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Sends a small answer as ``_send`` does a page: who asks and asks and reads nothing has its deadline, too."""
        try:
            async with asyncio.timeout(self.settings.limits.write_deadline):
                await response.prepare(request)
                await response.write_eof()
                await _until_read(request)
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            pass

    async def _healthy(self, _request: web.BaseRequest) -> web.StreamResponse:
        verdict = Verdict(good=True, sentence="timepoint is healthy.")
        if self.settings.poller_required:
            verdict = health(self._silence(self.loader.held), self.settings.poller_deadline / 1000)
        return _verdict(verdict)

    async def _ready(self, _request: web.BaseRequest) -> web.StreamResponse:
        held = self.loader.held
        spoke = held.poller_spoke or not self.settings.poller_required
        fresh_at = self.clock.now() if self.settings.ready_requires_fresh else None
        trouble = _ledger_trouble(held)
        return _verdict(readiness(self._jobs(held), poller_spoke=spoke, fresh_at=fresh_at, ledger_trouble=trouble))

    async def _page(self, request: web.BaseRequest) -> web.StreamResponse:
        held = self.loader.held
        asking = Asking(
            parts=parts_of(request.rel_url.raw_path),
            query=request.rel_url.query,
            site=self._site(held),
            status=_status(held),
            published={job.job_name: job for job in held.jobs},
        )
        try:
            page = await self._pages.page(asking)
        except BusyError:
            text = "Too many pages are asked for at once. Ask again in a moment.\n"
            return _text(HTTPStatus.SERVICE_UNAVAILABLE, text, {"Retry-After": "1"})
        if page is None:
            return _text(404, "There is no such page, or no longer: see /.\n")
        return web.Response(body=page.encode(errors="replace"), headers={**HEADERS, **_HTML_HEADERS})

    def _site(self, held: Held) -> Site:
        return Site(
            telemetry_path=self.settings.telemetry_path,
            jobs=self._jobs(held),
            poller_up=self._poller_up(held),
            poller_required=self.settings.poller_required,
            now=self.clock.now(),
            problems=held.pages.problems,
            ledger_trouble=_ledger_trouble(held),
            config_trouble=read_config_trouble(_status(held)),
            has_pages=self.settings.status_pages,
            has_receivers=bool(read_receivers(_status(held))),
        )

    async def _style(self, _request: web.BaseRequest) -> web.StreamResponse:
        headers = {**HEADERS, "Cache-Control": "public, max-age=3600"}
        return web.Response(body=style(), content_type="text/css", charset="utf-8", headers=headers)

    def _jobs(self, held: Held) -> list[JobStatus]:
        return read_jobs(_status(held), self.loader.job_names)

    def _silence(self, held: Held) -> float:
        """Seconds since the last heartbeat, counted from the start of this server at the earliest."""
        since = self.started if held.heartbeat is None else max(self.started, held.heartbeat)
        return self.clock.monotonic() - since

    def _poller_up(self, held: Held) -> bool:
        if held.heartbeat is None:
            return False
        return self.clock.monotonic() - held.heartbeat < self.settings.poller_deadline / 1000

    def _facts(self, held: Held) -> tuple[ServerFacts, ProcessFacts, PythonFacts]:
        rendered_at = {job.job_name: job.rendered_at for job in held.jobs}
        problems = len(held.pages.problems)
        poller_up = self._poller_up(held) if self.settings.poller_required else None
        connections = self.acceptor.facts if self.acceptor is not None else None
        web_facts = self._gate.facts if self._gate is not None else None
        stall = self.watchdog.longest if self.watchdog is not None else None
        ends = {child: vitals.ends for child, vitals in self.vitals.items()}
        server = ServerFacts(poller_up, held.read_failures, rendered_at, problems, connections, web_facts, stall, ends)
        return server, read_process(self._start_time), self._python


async def _until_read(request: web.BaseRequest) -> None:
    if isinstance(request.protocol, ScrapeConnection):
        await request.protocol.until_read()


def _status(held: Held) -> Mapping[str, Any]:
    return held.poller.status if held.poller is not None else {}


def _ledger_trouble(held: Held) -> str:
    return read_ledger_trouble(_status(held))


def _joined(request: web.BaseRequest, name: str) -> str | None:
    """A header that may stand more than once, as one. Source: RFC 9110, 5.3."""
    return ", ".join(request.headers.getall(name, ())) or None


def _verdict(verdict: Verdict) -> web.Response:
    return _text(200 if verdict.good else 503, verdict.sentence + "\n")


def _text(status: int, text: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status, body=text.encode(), headers={**HEADERS, "Content-Type": _PLAIN, **(headers or {})}
    )
