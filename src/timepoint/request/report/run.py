"""From the order of a report to its answer.

Owns: waiting until a report is ready, and where its requests go. Must not know: sockets, retries.

    order       the job's own request                                  with the credentials of the source
    poll        again and again, with longer and longer pauses         with them, at the source alone
    download    at the source, or at a host that the config names      there without any credential

Nothing of a report outlives its run: one that is not ready at the deadline is ordered anew by the next run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import msgspec
from yarl import URL

from timepoint.clock import Clock
from timepoint.errors import HeldBackError, SourceError
from timepoint.mapping.nodes import NOTHING, equal
from timepoint.mapping.unusable import show
from timepoint.request.answer import Answer
from timepoint.request.decode import decode
from timepoint.request.paging.nodes import Document, text_of
from timepoint.request.paging.places import at_url, is_inside, joined, moved
from timepoint.request.prepare import PreparedRequest, prepare
from timepoint.request.report.spec import REPORT_ID, PlaceSpec, ReportSpec
from timepoint.request.retry import parse_retry_after
from timepoint.request.spec import RequestSpec, SourceSpec
from timepoint.request.template import Moment, encode_query

_OWN = ("report", "paging")  # reasons of errors that do not come from an exchange, which names its request
_GROWTH = 1.5
_LONGEST_PAUSE = 60.0  # seconds, unless the config's own is longer


class Exchanger(Protocol):
    """What asks: a fetcher."""

    async def exchange(self, prepared: PreparedRequest, request: RequestSpec, deadline: float) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Means:
    """What a report needs around it. ``elsewhere`` opens a fetcher for another source."""

    fetcher: Exchanger
    elsewhere: Callable[[SourceSpec], AbstractAsyncContextManager[Exchanger]]
    clock: Clock
    sleep: Callable[[float], Awaitable[object]]
    deadline: float


@dataclass
class Report:
    """One report on its way."""

    source: SourceSpec
    request: RequestSpec
    spec: ReportSpec
    moment: Moment
    means: Means
    _attempts: int = 0
    _size: int = 0
    _stage: str = "order"
    _shown: str = ""
    _state: str = ""
    _mask: Callable[[str], str] = str

    async def fetch(self) -> Answer:
        """The answer that holds the report. Raises SourceError, which names the stage."""
        try:
            answer = await self._run()
        except SourceError as error:
            text = self._mask(str(error))
            if error.reason in _OWN:
                text = f"source {self.source.name}: {self._shown}: {text}"
            told = error
            if isinstance(error, HeldBackError) and self._attempts:  # what was begun is no run that was skipped
                told = SourceError(error.reason, text)
                told.attempts = error.attempts
            told.args = (f"report, {self._stage}: {text}",)
            told.attempts += self._attempts
            raise told from error.__cause__
        return replace(answer, attempts=self._attempts, wire_bytes=self._size)

    async def _run(self) -> Answer:
        asked = prepare(self.source, self.request, self.moment)
        answer = await self._exchange(asked, self._plain())
        if answer.empty:
            return answer
        report_id = await self._id(answer) if self.spec.id else ""
        answer, last = await self._wait(asked, answer, report_id)
        if self.spec.download is None:
            return answer
        return await self._download(self.spec.download, last, answer, report_id)

    def _plain(self) -> RequestSpec:
        """How the answers on the way are taken: as what they say they are."""
        return replace(self.request, decode=None)

    async def _exchange(self, asked: PreparedRequest, request: RequestSpec) -> Answer:
        self._shown = f"{asked.method} {asked.shown}"
        answer = await self.means.fetcher.exchange(asked, request, self.means.deadline)
        return self._took(answer)

    def _took(self, answer: Answer) -> Answer:
        self._attempts += answer.attempts
        self._size += answer.wire_bytes
        self._mask = answer.mask
        return answer

    async def _id(self, answer: Answer) -> str:
        node = (await self._document(answer)).node(self.spec.id)
        text = text_of(node) if node is not NOTHING else None
        if not text:
            raise _error(f"{self.spec.id} (id) is not in the answer to the order")
        return text

    async def _document(self, answer: Answer) -> Document:
        # in a thread, since a large body would hold up the loop
        return await asyncio.to_thread(lambda: Document(decode(answer, self._plain(), self.source.max_memory)))

    async def _wait(self, asked: PreparedRequest, ordered: Answer, report_id: str) -> tuple[Answer, PreparedRequest]:
        """The first answer that says that the report is ready, and its request."""
        self._stage = "poll"
        is_same = self.spec.poll == PlaceSpec()
        poll = asked if is_same else await self._place(self.spec.poll, asked, ordered, report_id)
        answer, pause = ordered, self.spec.pause / 1000
        is_ready = is_same and await self._is_ready(answer)
        while not is_ready:
            await self._pause(answer, pause)
            pause = min(pause * _GROWTH, max(_LONGEST_PAUSE, self.spec.pause / 1000))
            answer = await self._exchange(poll, replace(self._plain(), empty_status=()))
            is_ready = await self._is_ready(answer)
        return answer, poll

    async def _pause(self, answer: Answer, pause: float) -> None:
        told = parse_retry_after(answer.headers.get("retry-after"), self.means.clock.now())
        pause = max(pause, told or 0.0)
        if self.means.clock.monotonic() + pause >= self.means.deadline:
            raise _error(
                f"the report is not ready before the run must end{self._state}: give the job a longer timeout, or ask "
                "for less at once (max_span of the window)"
            )
        await self.means.sleep(pause)

    async def _is_ready(self, answer: Answer) -> bool:
        """Whether a report is ready. Raises SourceError for one that has failed."""
        self._state = f" (status {answer.status})"
        if answer.status in self.spec.pending_status:
            return False
        if not (self.spec.done or self.spec.failed):
            return True
        document = await self._document(answer)
        for path, values in self.spec.failed:
            if _is_one_of(document, path, values):
                raise _error(f"the report has failed: {path} is {_shown(document, path)}")
        open_ = [path for path, values in self.spec.done if not _is_one_of(document, path, values)]
        self._state = "".join(f" ({path} is {_shown(document, path)})" for path in open_[:1])
        return not open_

    async def _place(self, place: PlaceSpec, asked: PreparedRequest, answer: Answer, report_id: str) -> PreparedRequest:
        """The request for a place of the source."""
        if place.path:
            return self._at_path(place.path, report_id)
        return at_url(_without_body(asked), await self._url(place, answer))

    def _at_path(self, path: str, report_id: str) -> PreparedRequest:
        filled = path.replace(REPORT_ID, encode_query(report_id))
        bare = replace(self.request, method="GET", path=filled, params=(), form=(), body=None)
        return prepare(self.source, bare, self.moment)

    async def _url(self, place: PlaceSpec, answer: Answer) -> str:
        if place.header:
            found: Any = answer.headers.get(place.header.lower())
            where = f"the header {place.header}"
        else:
            found = (await self._document(answer)).node(place.url)
            where = place.url
        if not isinstance(found, str) or not found:
            raise _error(f"{where} is not in the answer, and should hold a URL")
        return found

    async def _download(self, place: PlaceSpec, asked: PreparedRequest, answer: Answer, report_id: str) -> Answer:
        self._stage = "download"
        if place.path:
            return await self._exchange(self._at_path(place.path, report_id), self.request)
        url, bare = await self._url(place, answer), _without_body(asked)
        target = joined(asked.url, url)
        if is_inside(asked.url, target):
            return await self._exchange(at_url(bare, url), self.request)
        self._check_host(target)
        there = replace(moved(bare, target), headers={})
        self._shown = f"{there.method} {there.shown}"
        async with self.means.elsewhere(_bare(self.source, target)) as fetcher:
            return self._took(await fetcher.exchange(there, self.request, self.means.deadline))

    def _check_host(self, target: URL) -> None:
        """Raises SourceError for a host that the config does not name, or a way to it that anyone can read."""
        host = (target.host or "").lower()
        if not any(_fits(host, allowed.lower()) for allowed in self.spec.hosts):
            raise _error(
                f"the report is at {target.scheme}://{target.host}, and only the source itself is asked: name the host "
                "under hosts of download if that is meant (no credentials go there)"
            )
        if target.scheme != "https" and target.scheme != URL(self.source.url).scheme:
            raise _error(f"the report is at {target.scheme}://{target.host}, where anyone on the way could read it")


def _error(sentence: str) -> SourceError:
    return SourceError("report", sentence)


def _without_body(asked: PreparedRequest) -> PreparedRequest:
    headers = {name: value for name, value in asked.headers.items() if name.lower() != "content-type"}
    return replace(asked, method="GET", body=None, headers=headers)


def _bare(source: SourceSpec, target: URL) -> SourceSpec:
    """The host of a download as a source of its own: of the other one's it has limits and the proxy, no credentials."""
    return SourceSpec(
        name=source.name,
        url=str(target.origin()),
        proxy_url=source.proxy_url,
        connect_timeout=source.connect_timeout,
        timeout=source.timeout,
        max_body=source.max_body,
        attempts=source.attempts,
    )


def _fits(host: str, allowed: str) -> bool:
    return host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed


def _value(document: Document, path: str) -> Any:
    node = document.node(path)
    return msgspec.json.decode(node) if isinstance(node, msgspec.Raw) else node


def _is_one_of(document: Document, path: str, values: tuple[Any, ...]) -> bool:
    found = _value(document, path)
    return any(equal(found, value) for value in values)


def _shown(document: Document, path: str) -> str:
    found = _value(document, path)
    return "not there" if found is NOTHING else show(found)
