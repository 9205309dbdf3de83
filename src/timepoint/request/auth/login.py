"""A request whose answer holds a token.

Owns: the login request, where the token stands in its answer, and how it is sent. Must not know: when it is needed.

``{username}`` and ``{password}`` in the texts of the request stand for the credentials, so that these may come from
files; ``{token}`` in the value of a header stands for the token.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import quote, urlencode

from jsonpath_rfc9535 import JSONPathEnvironment
from yarl import URL

from timepoint.request.auth.base import Added, Around, Draft, Scheme
from timepoint.request.auth.endpoint import FORM, JSON, Endpoint, EndpointSpec, Question, Reply, lifetime_of
from timepoint.request.auth.plain import basic
from timepoint.request.auth.secrets import checked_header, read_secret
from timepoint.request.auth.tokens import Token, TokenKeeper
from timepoint.request.spec import AuthSpec, SecretSource
from timepoint.secret import Secret

HEADER, QUERY, COOKIE = WAYS = ("header", "query", "cookie")
WORDS = ("{username}", "{password}")

_Render = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class SendSpec:
    """How a token is sent: as a header (``value`` is its text), a parameter or a cookie with this name."""

    way: str = HEADER
    name: str = "Authorization"
    value: str = "Bearer {token}"


@dataclass(frozen=True, slots=True)
class LoginSpec(AuthSpec):
    """``login`` of a source.

    ``token`` is a path into the answer, or the name of a header or cookie of it, as ``token_in`` says ("body",
    "header", "cookie"). ``hidden`` are texts in the request that are masked.
    ``lifetime`` is in seconds, or a path to such a number; None if only a refusal ends a token.
    ``renew_on`` are the statuses by which the API says that a token has ended.
    """

    endpoint: EndpointSpec
    method: str = "GET"
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, SecretSource] = field(default_factory=dict)
    body: Any = field(default=None, repr=False)
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    username: SecretSource | None = None
    password: SecretSource | None = None
    token: str = "$.token"  # noqa: S105 - where it stands
    token_in: str = "body"  # noqa: S105 - likewise
    lifetime: float | str | None = None
    send: SendSpec = field(default_factory=SendSpec)
    renew_on: tuple[int, ...] = (401,)
    hidden: tuple[Secret, ...] = ()

    @property
    def sets_authorization(self) -> bool:
        return self.send.way == HEADER and self.send.name.lower() == "authorization"


class Login(Scheme):
    """A token from a request of the source's own kind."""

    def __init__(self, spec: LoginSpec, around: Around) -> None:
        self._spec = spec
        self._endpoint = Endpoint("login", spec.endpoint, around)
        self._keeper = TokenKeeper(around.source.name, around.clock, self._ask)

    async def add(self, draft: Draft, deadline: float) -> Added:
        token = await self._keeper.current(deadline)
        send, hidden = self._spec.send, (token.text, *token.hidden)
        text = token.text.reveal()
        if send.way == QUERY:
            return Added(query=((send.name, token.text),), hidden=hidden, token=token)
        if send.way == COOKIE:
            others = draft.plain_headers().get("Cookie")
            cookie = f"{send.name}={text}"
            return Added({"Cookie": Secret(f"{others}; {cookie}" if others else cookie)}, hidden=hidden, token=token)
        return Added({send.name: Secret(send.value.replace("{token}", text))}, hidden=hidden, token=token)

    def refused(self, added: Added, status: int) -> bool:
        return status in self._spec.renew_on and isinstance(added.token, Token) and self._keeper.refused(added.token)

    def accepted(self, added: Added) -> None:
        if isinstance(added.token, Token):
            self._keeper.accepted(added.token)

    async def close(self) -> None:
        await self._keeper.close()
        await self._endpoint.close()

    async def _ask(self) -> Token:
        question = self._question()
        reply = await self._endpoint.ask(question)
        in_body = self._spec.token_in == "body"  # noqa: S105 - a place
        if not (reply.is_good or (not in_body and 300 <= reply.status <= 399)):  # noqa: PLR2004 - logins of web pages
            raise self._endpoint.refusal(reply)
        text = self._token_of(reply)
        if text is None:
            raise self._endpoint.fail(f"the answer has no {self._where()}")
        if self._spec.send.way != QUERY:
            checked_header(self._spec.send.name, Secret(text))
        return Token(Secret(text), self._lifetime_of(reply), question.hidden)

    def _where(self) -> str:
        place = "" if self._spec.token_in == "body" else f"{self._spec.token_in} "  # noqa: S105 - a place
        return f"{place}{self._spec.token}, where its token should be"

    def _token_of(self, reply: Reply) -> str | None:
        name = self._spec.token
        match self._spec.token_in:
            case "header":
                found: Any = next((value for key, value in reply.headers if key.lower() == name.lower()), None)
            case "cookie":
                found = _cookie(reply, name)
            case _:
                body = reply.json()
                is_text = body is None and name == "$"
                found = reply.body.decode("utf-8", "replace").strip() if is_text else look_up(name, body)
        if isinstance(found, int) and not isinstance(found, bool):
            found = str(found)
        return found if isinstance(found, str) and found else None

    def _lifetime_of(self, reply: Reply) -> float | None:
        lifetime = self._spec.lifetime
        if not isinstance(lifetime, str):
            return lifetime
        seconds = lifetime_of(look_up(lifetime, reply.json()))
        if seconds is None:
            raise self._endpoint.fail(f"the answer has no number of seconds at {lifetime}, where lifetime should be")
        return seconds

    def _question(self) -> Question:
        spec = self._spec
        pairs = {"{username}": spec.username, "{password}": spec.password}
        known = {word: read_secret(source) for word, source in pairs.items() if source is not None}
        headers = {name: checked_header(name, read_secret(value)) for name, value in spec.headers.items()}
        hidden = [*known.values(), *headers.values(), *spec.hidden, *spec.endpoint.hidden, *_literals(spec)]

        def render(text: str) -> str:
            for word, secret in known.items():
                text = text.replace(word, secret.reveal())
            return text

        if not _uses_words(spec) and len(known) == len(WORDS):
            by_basic = basic(known["{username}"], known["{password}"])
            headers |= by_basic.headers
            hidden += by_basic.hidden
        body, kind = _body(spec, render)
        if kind is not None:
            headers.setdefault("Content-Type", kind)
        url = _with_params(spec, render)
        return Question(spec.method, url, headers, body, tuple(hidden))


def _uses_words(spec: LoginSpec) -> bool:
    return any(word in text for text in texts_in((spec.params, spec.form, spec.body)) for word in WORDS)


def texts_in(node: Any) -> list[str]:
    """All texts in the values of some data."""
    if isinstance(node, str):
        return [node]
    if isinstance(node, Mapping):
        node = list(node.values())
    return [text for child in node for text in texts_in(child)] if isinstance(node, list | tuple) else []


def _literals(spec: LoginSpec) -> list[Secret]:
    """Whatever stands in the request may be a credential."""
    return [Secret(text) for text in texts_in((spec.params, spec.form, spec.body)) if text not in WORDS]


def _with_params(spec: LoginSpec, render: _Render) -> URL:
    url = URL(spec.endpoint.url, encoded=True)
    if not spec.params:
        return url
    query = urlencode({name: render(value) for name, value in spec.params.items()}, quote_via=quote)
    return URL(f"{url}{'&' if url.raw_query_string else '?'}{query}", encoded=True)


def _body(spec: LoginSpec, render: _Render) -> tuple[bytes | None, Secret | None]:
    if spec.body is not None:
        return json.dumps(_rendered(spec.body, render)).encode(), JSON
    if spec.form:
        return urlencode({name: render(value) for name, value in spec.form.items()}).encode(), FORM
    return None, None


def _rendered(node: Any, render: _Render) -> Any:
    if isinstance(node, str):
        return render(node)
    if isinstance(node, Mapping):
        return {key: _rendered(child, render) for key, child in node.items()}
    return [_rendered(child, render) for child in node] if isinstance(node, list) else node


def _cookie(reply: Reply, name: str) -> str | None:
    for key, value in reply.headers:
        if key.lower() == "set-cookie":
            try:
                morsel = SimpleCookie(value).get(name)
            except CookieError:
                continue
            if morsel is not None:
                return morsel.value
    return None


@lru_cache(maxsize=64)
def _compiled(path: str) -> Any:
    return JSONPathEnvironment().compile(path)


def look_up(path: str, document: Any) -> Any:
    """The one value at a path, None if nothing is there. Raises ValueError for a path that cannot be read."""
    from jsonpath_rfc9535.exceptions import JSONPathError, JSONPathRecursionError

    try:
        node = _compiled(path).find_one(document)
    except JSONPathRecursionError:  # an answer that is nested hundreds of levels deep holds no token
        return None
    except JSONPathError as error:
        raise ValueError(str(error)) from error
    return None if node is None else node.value
