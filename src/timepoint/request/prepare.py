"""A request at a moment: its URL, its body, and what may be shown of them.

Owns: joining base URL, path and query, and encoding each part at its place. Must not know: sockets, retries,
credentials beyond keeping them apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import quote, unquote, urlsplit

import msgspec
from yarl import URL

from timepoint.errors import SourceError
from timepoint.request.redact import Redactor
from timepoint.request.shown import shown_json, shown_text
from timepoint.request.spec import HIDDEN_LENGTH, RequestSpec, SecretSource, SourceSpec
from timepoint.request.template import (
    Moment,
    Template,
    compile_header,
    compile_template,
    encode_path,
    encode_query,
    render_json,
    strings,
)
from timepoint.secret import Secret

_PATH = "/:@!$&'()*+,;=~%"  # RFC 3986 pchar, the slash, and escapes that are there already
_QUERY = _PATH + "?"
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}")


@dataclass(frozen=True, slots=True, repr=False)
class PreparedRequest:
    """What an attempt sends, but for credentials.

    ``shown`` is the URL without userinfo and with masked query values; ``hidden`` are texts of the request that may be
    credentials and must be masked in whatever an API echoes. ``most`` bounds the body of the answer, in bytes, if less
    is left than the source allows. ``shown_body`` is what may be shown of the body.
    """

    method: str
    url: URL
    shown: str
    headers: Mapping[str, SecretSource]
    body: bytes | None
    hidden: tuple[Secret, ...]
    most: int | None = None
    shown_body: str = ""

    def __repr__(self) -> str:
        return f"{self.method} {self.shown}"


def check_url(text: str) -> None:
    """Raises ValueError with a sentence if a text cannot be the URL of a source. The sentence does not quote it."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and _is_host(URL(text).raw_host or "")
        port = parts.port
    except ValueError:  # among others what is no port, and a name that IDNA cannot write
        usable, port = False, None
    if not usable or port == 0:
        raise ValueError("the URL must be like https://host:port/path")
    if parts.fragment:
        raise ValueError("the URL has a fragment (#...), which is never sent")


def _is_host(host: str) -> bool:
    """Whether a host is a name or an address that can be asked for, so that no resolver raises over it."""
    if ":" in host or host.rpartition(".")[2].isdecimal():  # such a name would be an address: URL standard, 3.5
        ip_address(host)
        return True
    return all(_LABEL.fullmatch(label) for label in host.removesuffix(".").split("."))


def userinfo(url: str) -> tuple[Secret, Secret] | None:
    """User name and password of a URL, None if it has none."""
    parts = urlsplit(url)
    if parts.username is None and parts.password is None:
        return None
    return Secret(unquote(parts.username or "")), Secret(unquote(parts.password or ""))


def prepare(source: SourceSpec, request: RequestSpec, moment: Moment) -> PreparedRequest:
    """The request at a moment. Raises ValueError if a template or the URL cannot be used; the config checks both."""
    check_url(source.url)
    base = urlsplit(source.url)
    path, inline = _path(request, moment)
    queries = [_raw_query(text) for text in (base.query, inline) if text]
    pairs = [(name, compile_template(value, request.timezone)) for name, value in request.params]
    queries += [f"{encode_query(name)}={encode_query(value.render(moment))}" for name, value in pairs]
    origin = str(URL(source.url).origin())
    joined = f"{base.path.rstrip('/')}/{path.lstrip('/')}" if path else base.path
    address = origin + quote(joined or "/", safe=_PATH)
    said_hidden = (*source.hidden, *request.hidden)
    shown_queries = [_masked_query(text) for text in (base.query, inline) if text]
    shown_queries += [f"{encode_query(name)}={_shown(value, moment)}" for name, value in pairs]
    body, content_type = _body(request, moment)
    return PreparedRequest(
        method=request.method,
        url=URL(_with_query(address, queries), encoded=True),
        shown=Redactor(text.reveal() for text in said_hidden).mask(_with_query(address, shown_queries)),
        headers={**content_type, **_headers(request, moment)},
        body=body,
        hidden=(*said_hidden, *_hidden(source, request, (base.query, inline))),
        shown_body=_shown_body(request, moment),
    )


def _path(request: RequestSpec, moment: Moment) -> tuple[str, str]:
    """The path, and the query that its author wrote behind it. A question mark of an instant is encoded by then.

    Raises SourceError for a value of a fan-out that would lead somewhere else: a list may come from anybody.
    """
    path, _, inline = compile_template(request.path, request.timezone).render(moment, encode_path).partition("?")
    if moment.values and _steps(path) > _steps(request.path.partition("?")[0]):
        raise SourceError("list", "a value with . or .. between slashes would lead out of the path of the request")
    return path, inline


def _steps(path: str) -> int:
    """How many segments of a path do not name anything, but move (RFC 3986, 3.3)."""
    return sum(segment in (".", "..") for segment in path.split("/"))


def _with_query(address: str, queries: list[str]) -> str:
    return f"{address}?{'&'.join(queries)}" if queries else address


def _raw_query(text: str) -> str:
    return quote(text, safe=_QUERY)


def _masked_query(text: str) -> str:
    """Names and no values; what stands alone may be either."""
    pairs = (pair.partition("=") for pair in _raw_query(text).split("&"))
    return "&".join(f"{name}=***" if equals else "***" for name, equals, _ in pairs)


def _shown_body(request: RequestSpec, moment: Moment) -> str:
    if request.body is not None:
        return shown_json(request.body, moment, request.timezone)
    if request.form:
        return "&".join(f"{name}={shown_text(value, moment, request.timezone)}" for name, value in request.form)
    return shown_text(request.text, moment, request.timezone) if request.text is not None else ""


def _shown(value: Template, moment: Moment) -> str:
    """An instant is worth showing; a literal may be an API key."""
    literals = "".join(part for part in value.parts if isinstance(part, str))
    return value.render(moment) if value.names and not any(map(str.isalnum, literals)) else "***"


def _hidden(source: SourceSpec, request: RequestSpec, queries: Iterable[str]) -> Iterable[Secret]:
    """Texts that may be credentials: userinfo in any case, else every literal that is long enough for one."""
    yield from userinfo(source.url) or ()
    yield from userinfo(source.proxy_url or "") or ()
    literals = [unquote(pair.rpartition("=")[2].replace("+", " ")) for query in queries for pair in query.split("&")]
    for _, value in (*request.params, *request.form):
        parts = compile_template(value, request.timezone).parts
        literals += [part for part in parts if isinstance(part, str)]
    literals += [text for _, text in strings(request.body)]
    yield from (Secret(text) for text in literals if len(text) >= HIDDEN_LENGTH)


def _headers(request: RequestSpec, moment: Moment) -> dict[str, SecretSource]:
    headers = {}
    for name, value in request.headers.items():
        template = compile_header(value, request.timezone)
        headers[name] = value if template is None else SecretSource(text=Secret(template.render(moment)))
    return headers


def _body(request: RequestSpec, moment: Moment) -> tuple[bytes | None, dict[str, SecretSource]]:
    if request.body is not None:
        data = msgspec.json.encode(render_json(request.body, moment, request.timezone))
        return data, {"Content-Type": SecretSource(text=Secret("application/json"))}
    if request.form:
        pairs = (
            f"{encode_query(name)}={encode_query(compile_template(value, request.timezone).render(moment))}"
            for name, value in request.form
        )
        content_type = SecretSource(text=Secret("application/x-www-form-urlencoded"))
        return "&".join(pairs).encode(), {"Content-Type": content_type}
    if request.text is not None:
        data = compile_template(request.text, request.timezone).render(moment).encode()
        return data, {"Content-Type": SecretSource(text=Secret("text/plain; charset=utf-8"))}
    return None, {}
