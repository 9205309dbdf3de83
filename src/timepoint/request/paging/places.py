"""Where a value is sent in the next request: in the query, in a form, in a JSON body, or as a whole URL.

Owns: changing a prepared request at one place, and what may be shown of it then. Must not know: pages, the config file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar
from urllib.parse import quote, unquote, unquote_plus

import msgspec
from yarl import URL

from timepoint.mapping.paths import Name
from timepoint.request.paging.keys import key
from timepoint.request.paging.nodes import steps_of, text_of
from timepoint.request.paging.pager import paging_error
from timepoint.request.prepare import PreparedRequest
from timepoint.request.redact import Redactor
from timepoint.request.template import encode_query
from timepoint.secret import Secret

_MASK = "***"  # as prepare writes it
_HIDDEN_LENGTH = 8  # as in prepare: a shorter text is hardly a credential
_SAFE = "%/:?#[]@!$&'()*+,;=~"  # RFC 3986: what has a meaning, and escapes that are there already
_LONGEST = 8192  # no server takes a longer URL


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The keys that say where the value is sent that asks for a page."""

    one_of: ClassVar[tuple[str, ...]] = ("param", "form", "json")

    param: str = key("text", "The parameter of the query that asks for a page.", "page", default="")
    form: str = key("text", "The same as a field of the form that is posted.", "page", default="")
    json: str = key("place", "The same as a place in the JSON that is posted.", "$.variables.after", default="")

    def send(self, asked: PreparedRequest, value: Any, *, is_own: bool = False) -> PreparedRequest:
        """The request with a value: a scalar, or anything that JSON can say if it is sent in JSON.

        ``is_own`` says that the value is a number of ours, fit to be shown. Raises SourceError.
        """
        if self.json:
            return _with_hidden(with_json(asked, self.json, value), () if is_own else (text_of(value) or "",))
        text = text_of(value)
        if text is None:
            raise paging_error("what asks for the next page is an object or a list, which only a JSON body can hold")
        if self.form:
            changed = replace(asked, body=_with_pair((asked.body or b"").decode(), self.form, text).encode())
        else:
            changed = with_param(asked, self.param, text, text if is_own else _MASK)
        return _with_hidden(changed, () if is_own else (text,))


def with_param(asked: PreparedRequest, name: str, value: str, shown: str) -> PreparedRequest:
    """The request with a parameter in its query, in place of any of that name; ``shown`` stands for its value."""
    address, _, query = str(asked.url).partition("?")
    shown_address, _, shown_query = asked.shown.partition("?")
    url = URL(f"{address}?{_with_pair(query, name, value)}", encoded=True)
    pairs = [pair for pair in shown_query.split("&") if pair and _name(pair) != name]
    return replace(asked, url=url, shown=f"{shown_address}?{'&'.join([*pairs, f'{encode_query(name)}={shown}'])}")


def _with_pair(query: str, name: str, value: str) -> str:
    pairs = [pair for pair in query.split("&") if pair and _name(pair) != name]
    return "&".join([*pairs, f"{encode_query(name)}={encode_query(value)}"])


def _name(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0])


def with_json(asked: PreparedRequest, place: str, value: Any) -> PreparedRequest:
    """The request with a value in its JSON body; objects on the way to it are made if they are not there."""
    body = msgspec.json.decode(asked.body) if asked.body else {}
    holder = [body]
    _put(holder, place, value)
    return replace(asked, body=msgspec.json.encode(holder[0]))


def _put(holder: list[Any], place: str, value: Any) -> None:
    container: Any = holder
    last: Any = 0
    for step in steps_of(place):
        below = container[last]
        if isinstance(step, Name) and below is None:
            below = container[last] = {}
        fits = isinstance(below, dict if isinstance(step, Name) else list)
        if not fits:
            raise paging_error(f"{place} (json) leads through something else than the objects of the JSON body")
        container, last = below, step.name if isinstance(step, Name) else getattr(step, "index", 0)
        if isinstance(container, dict):
            container.setdefault(last, None)
    container[last] = value


def at_url(asked: PreparedRequest, given: str) -> PreparedRequest:
    """The request at the URL that an answer gave, which may be relative. Raises SourceError if it leads elsewhere.

    Credentials would go with it, so it must stay with the scheme, host and port of the source.
    """
    target = joined(asked.url, given)
    if not is_inside(asked.url, target):
        where = Redactor(text.reveal() for text in asked.hidden).mask(f"{target.scheme}://{target.host}:{target.port}")
        raise paging_error(
            f"the answer leads to {where}; only the scheme, host and port of the source are asked, since credentials "
            "must not leave them: set the URL of the source to where the API is"
        )
    return moved(asked, URL(f"{asked.url.origin()}{target.raw_path_qs}", encoded=True))


def is_inside(source: URL, target: URL) -> bool:
    """Whether a target is at the source.

    So is one by http if the source is asked by https, as an API writes it that does not know of the proxy before it.
    """
    if (target.host or "").lower() != source.host:
        return False
    if (target.scheme, target.port) == (source.scheme, source.port):
        return True
    return (source.scheme, target.scheme) == ("https", "http") and target.port in (80, source.port)


def moved(asked: PreparedRequest, target: URL) -> PreparedRequest:
    """The request at another URL, of which only what the request itself had is shown."""
    known = set(asked.url.raw_path.split("/"))
    segments = [segment if segment in known else _MASK for segment in target.raw_path.split("/")]
    names = [f"{name}={_MASK}" if equals else _MASK for name, equals, _ in _pairs(target.raw_query_string)]
    address = f"{target.origin()}{'/'.join(segments)}"
    shown = Redactor(text.reveal() for text in asked.hidden).mask(f"{address}?{'&'.join(names)}" if names else address)
    values = [unquote(segment) for segment in target.raw_path.split("/") if segment not in known]
    values += [unquote_plus(value or name) for name, _, value in _pairs(target.raw_query_string)]
    return _with_hidden(replace(asked, url=target, shown=shown), values)


def joined(base: URL, given: str) -> URL:
    """The URL that a text of an answer means, seen from another. Raises SourceError if it is none."""
    if len(given) > _LONGEST or not given.isprintable():
        raise paging_error("the URL in the answer cannot be read")
    try:
        target = base.join(URL(quote(given, safe=_SAFE), encoded=True)).with_user(None).with_fragment(None)
        target.origin(), target.host  # they raise for a URL that has none, and for a name that is no IDN
    except (ValueError, TypeError, IndexError):  # the last where yarl counts on more behind the brackets of an address
        raise paging_error("the URL in the answer cannot be read") from None
    return target


def _pairs(query: str) -> list[tuple[str, str, str]]:
    return [pair.partition("=") for pair in query.split("&") if pair]


def _with_hidden(asked: PreparedRequest, texts: Iterable[str]) -> PreparedRequest:
    known = {secret.reveal() for secret in asked.hidden}
    new = [Secret(text) for text in texts if len(text) >= _HIDDEN_LENGTH and text not in known]
    return replace(asked, hidden=(*asked.hidden, *new)) if new else asked
