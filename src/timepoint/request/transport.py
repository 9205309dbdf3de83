"""One HTTP exchange: aiohttp, and the words for what can go wrong with it.

Owns: the session of a source (its pool, its TLS, its proxy), reading a body under its limits, turning aiohttp's errors
into ours. Must not know: retries, redirects, which statuses are accepted.

What aiohttp does by itself and must not: follow redirects, keep cookies, take a proxy or credentials from the
environment or from ``.netrc``, decompress without a limit. Its errors may hold the URL and a proxy's credentials, so
they are never chained to ours; the operating system's error beneath is.
"""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from timepoint.clock import format_duration
from timepoint.errors import ContentError, SourceError, StatusError, TransportError
from timepoint.request.inflate import ACCEPT_ENCODING, Damaged, Decoder, TooLarge, decoder
from timepoint.request.prepare import userinfo
from timepoint.request.resolve import Lookup, ThreadPerLookup, system_lookup
from timepoint.request.spec import SourceSpec, TlsSpec
from timepoint.request.tls import TlsContext
from timepoint.secret import Secret
from timepoint.version import __version__

MAX_HEADERS = 64 * 1024  # bytes of an answer's header block
MAX_ERROR_BODY = 4 * 1024  # bytes of a refused answer that are looked at
_PATIENCE = 2.0  # seconds for the body of a refusal, which does not become a timeout because that hangs
_SHOWN_CODING = 40
_DEFAULT_HEADERS = {
    "Accept": "application/json, */*;q=0.5",
    "Accept-Encoding": ACCEPT_ENCODING,
    "User-Agent": f"timepoint/{__version__}",
}


ExchangeError = aiohttp.ClientError
"""What an exchange raises beside OSError: ``Transport.explain`` makes an error of ours of both."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What one exchange sends."""

    method: str
    url: URL
    headers: Mapping[str, Secret]
    body: bytes | None = None


class Transport:
    """The connections of one source. An asynchronous context manager."""

    def __init__(self, source: SourceSpec, lookup: Lookup = system_lookup) -> None:
        self._source = source
        self._lookup = lookup
        self._tls = TlsContext(source.tls or TlsSpec())
        self._proxy, self._proxy_headers = _proxy(source.proxy_url)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            # No limit: waiting for a free connection would count as connecting.
            connector=aiohttp.TCPConnector(limit=0, resolver=ThreadPerLookup(self._lookup)),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None, connect=self._source.connect_timeout / 1000),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def open(self, exchange: Exchange) -> AsyncIterator[Response]:
        """Sends a request and gives the answer once its headers are there. Raises aiohttp's errors: see ``explain``."""
        assert self._session is not None, "BUG: the transport is not open"
        headers = CIMultiDict(_DEFAULT_HEADERS)
        for name, value in exchange.headers.items():
            headers[name] = value.reveal()
        secured = exchange.url.scheme == "https"
        if not secured:
            headers.update(self._proxy_headers)  # without a tunnel the proxy reads the request itself
        async with self._session.request(
            exchange.method,
            exchange.url,
            headers=headers,
            data=exchange.body,
            allow_redirects=False,
            ssl=self._tls.current() if secured else True,
            server_hostname=self._source.tls.server_name if self._source.tls else None,
            proxy=self._proxy,
            proxy_headers=self._proxy_headers if secured else None,
        ) as response:
            yield Response(response, min(_PATIENCE, self._source.timeout / 4000))

    def explain(self, error: Exception) -> SourceError:
        """Our error for an exception of an exchange. A SourceError is its own explanation."""
        if isinstance(error, SourceError):
            return error
        reason, text = _explain(error, self._source)
        if isinstance(error, aiohttp.ClientHttpProxyError):
            return StatusError(error.status, text)
        explained = TransportError(reason, text)
        explained.__cause__ = _beneath(error)
        return explained


class Response:
    """The head of an answer, and its body to be read once. ``patience``: seconds for a body that is not wanted."""

    def __init__(self, response: aiohttp.ClientResponse, patience: float) -> None:
        self._response = response
        self._patience = patience
        self.wire_bytes = 0
        size = sum(len(name) + len(value) + 4 for name, value in response.raw_headers)
        if size > MAX_HEADERS:
            raise TransportError("too_large", f"the headers of the answer have {size} bytes, more than {MAX_HEADERS}")

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def reason(self) -> bytes:
        """The words behind the status, in whatever charset the server writes its language."""
        return (self._response.reason or "").encode("utf-8", "surrogateescape")

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        return self._response.headers

    async def read(self, limit: int) -> bytearray:
        """The whole body, decompressed; neither what came nor what it stands for may be larger than ``limit``."""
        coding = ",".join(self.headers.getall("Content-Encoding", []))
        decoding = decoder(coding, limit)
        if decoding is None:
            shown = coding if len(coding) <= _SHOWN_CODING else f"{coding[:_SHOWN_CODING]}..."
            raise ContentError("encoding", f"the body has the Content-Encoding {shown!r}, and was asked for without")
        if (self._response.content_length or 0) > limit:
            raise _too_large(limit)
        try:
            await self._feed(decoding, limit)
        except BaseException:
            decoding.output = bytearray()  # the traceback keeps the decoder until the collector comes: not its 256 MB
            raise
        return decoding.output

    async def _feed(self, decoding: Decoder, limit: int) -> None:
        try:
            async for chunk in self._response.content.iter_any():
                self._count(chunk, limit)
                for _ in decoding.feed(chunk):
                    await asyncio.sleep(0)
            decoding.close()
        except TooLarge:
            self._response.close()
            raise _too_large(limit) from None
        except Damaged as error:
            raise TransportError("transport", f"the compressed body is damaged: {error}") from error

    def _count(self, chunk: bytes, limit: int) -> None:
        self.wire_bytes += len(chunk)
        if self.wire_bytes > limit:
            raise TooLarge

    async def read_some(self, most: int = MAX_ERROR_BODY) -> tuple[bytes, bool]:
        """The first bytes of a body that is not wanted, decompressed, and whether it goes on. A broken one is cut."""
        decoding = decoder(",".join(self.headers.getall("Content-Encoding", [])), most)
        raw = bytearray()
        try:
            async with asyncio.timeout(self._patience):
                while decoding is not None and len(raw) < most and (chunk := await self._response.content.readany()):
                    raw += chunk
                    for _ in decoding.feed(chunk[:most]):
                        pass
        except (TooLarge, Damaged, aiohttp.ClientError, OSError):  # a TimeoutError is an OSError
            pass  # what has come by then is all that is shown
        cut = not self._response.content.at_eof()
        if cut:
            self._response.close()
        output = bytes(decoding.output) if decoding is not None else b""
        return output[:most], cut or len(output) >= most


def _too_large(limit: int) -> TransportError:
    return TransportError("too_large", f"the body is larger than {limit} bytes (max_body)")


def _proxy(url: str | None) -> tuple[URL | None, dict[str, str]]:
    """The proxy without its userinfo, and the headers that carry it."""
    if url is None:
        return None, {}
    credentials = userinfo(url)
    parts = urlsplit(url)
    bare = URL(parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl())
    if credentials is None:
        return bare, {}
    pair = ":".join(text.reveal() for text in credentials)
    return bare, {"Proxy-Authorization": "Basic " + b64encode(pair.encode()).decode()}


# In the order of aiohttp's class tree, the special before the general.
_EXPLANATIONS: tuple[tuple[type[Exception], str, str], ...] = (
    (aiohttp.ConnectionTimeoutError, "connect", "no connection within {connect_timeout} (connect_timeout)"),
    (aiohttp.ClientConnectorCertificateError, "connect", "the certificate of {host} is refused: {words}"),
    (aiohttp.ClientConnectorSSLError, "connect", "TLS with {host} failed: {words}"),
    (aiohttp.ClientProxyConnectionError, "connect", "no connection to the proxy {host}:{port}: {words}"),
    (aiohttp.ClientConnectorDNSError, "connect", "the name {host} cannot be resolved: {words}"),
    (aiohttp.ClientConnectorError, "connect", "no connection to {host}:{port}: {words}"),
    (aiohttp.ClientHttpProxyError, "status", "the proxy gave no connection, but status {status}"),
    (aiohttp.ServerDisconnectedError, "transport", "the connection was closed before the answer began"),
    (aiohttp.ClientPayloadError, "transport", "the body broke off, or its framing is not that of HTTP"),
    (aiohttp.ClientResponseError, "transport", "the answer is not valid HTTP, or one of its headers is too long"),
    (aiohttp.InvalidURL, "transport", "the URL cannot be used"),
    (OSError, "transport", "the connection broke: {words}"),
    (Exception, "transport", "the exchange failed: {name}"),
)


def _explain(error: Exception, source: SourceSpec) -> tuple[str, str]:
    """The reason and the sentence for an exception of aiohttp or of the system."""
    reason, text = next((reason, text) for kind, reason, text in _EXPLANATIONS if isinstance(error, kind))
    return reason, text.format(
        host=getattr(error, "host", ""),
        port=getattr(error, "port", ""),
        status=getattr(error, "status", ""),
        words=_words(_beneath(error) or error),
        name=type(error).__name__,
        connect_timeout=format_duration(source.connect_timeout),
    )


def _beneath(error: Exception) -> BaseException | None:
    """The system's error that an error of aiohttp carries."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error
    return error.os_error if isinstance(error, aiohttp.ClientConnectorError) else None


def _words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return error.reason or type(error).__name__
    return getattr(error, "strerror", None) or type(error).__name__
