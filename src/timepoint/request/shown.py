"""A request as it may be shown.

Owns: what of method, URL, headers and body a person may read. Must not know: how it was sent, where it is shown.

Shown are the URL as errors show it, the names of headers, and the shape of a body: names, and values that are instants.
Every literal is masked, since it may be a credential. What an authentication adds is told by its header alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from timepoint.request.redact import Redactor
from timepoint.request.spec import RequestSpec, SourceSpec
from timepoint.request.template import Moment, compile_template
from timepoint.secret import MASK

STARS = "***"

_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_PLAIN = {"content-type", "accept", "accept-language", "user-agent"}


@dataclass(frozen=True, slots=True)
class ShownRequest:
    """Method, URL, headers and body. A header's value is ``<secret>`` unless its name says that it cannot be one."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


def shown_headers(source: SourceSpec, headers: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The headers of the source and of the request, by their names."""
    shown: dict[str, tuple[str, str]] = {}
    for name, value in (*source.headers.items(), *headers.items()):
        text = value.text.reveal() if name.lower() in _PLAIN and value.text is not None else MASK
        shown[name.lower()] = (name, text)
    if source.sets_authorization:
        kind = source.authorization.type if source.authorization else "Basic" if source.basic_auth else ""
        shown["authorization"] = ("Authorization", f"{kind} {MASK}".strip())
    return tuple(shown[name] for name in sorted(shown))


def shown_json(value: Any, moment: Moment, timezone: str) -> str:
    """A JSON body: its names, and of its values the instants."""
    return msgspec.json.format(msgspec.json.encode(_shape(value, moment, timezone)), indent=2).decode()


def shown_text(text: str, moment: Moment, timezone: str) -> str:
    """A text body, or one value: an instant is worth showing; a literal may be an API key."""
    template = compile_template(text, timezone)
    literals = "".join(part for part in template.parts if isinstance(part, str))
    return template.render(moment) if template.names and not any(map(str.isalnum, literals)) else STARS


def _shape(value: Any, moment: Moment, timezone: str) -> Any:
    if isinstance(value, Mapping):
        return {name: _shape(item, moment, timezone) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shape(item, moment, timezone) for item in value]
    if isinstance(value, str):
        return shown_text(value, moment, timezone)
    return value if value is None or isinstance(value, bool) else STARS


def shown_url(source: SourceSpec) -> str:
    """The URL of a source: without userinfo and without the values of its query."""
    parts = urlsplit(source.url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    return Redactor(text.reveal() for text in source.hidden).mask(f"{parts.scheme}://{host}{port}{parts.path}")


def shown_request(request: RequestSpec) -> str:
    """Method and path of a request as the config has them, and the names in its query."""
    path, _, inline = request.path.partition("?")
    pairs = [(name, value) for name, equals, value in (pair.partition("=") for pair in inline.split("&")) if equals]
    told = [f"{name}={_template(value)}" for name, value in (*pairs, *request.params)]
    query = f"?{'&'.join(told)}" if told else ""
    return Redactor(text.reveal() for text in request.hidden).mask(f"{request.method} {path or '/'}{query}")


def _template(text: str) -> str:
    rest, count = _PLACEHOLDER.subn("", text)
    return text if count and not any(map(str.isalnum, rest)) else STARS
