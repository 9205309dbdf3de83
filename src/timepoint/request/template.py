"""Window templates: ``{window.start}`` in the texts of a request.

Owns: the grammar of templates, how an instant is written, and how a written value is encoded at its place in a URL, a
header or a JSON body. Must not know: credentials, HTTP, the config file.

    {window.start}  {window.end}  {fire_time}     RFC 3339, in UTC with a Z, in another zone with its offset
    {window.start:unix}  :unix_ms  :unix_us  :unix_ns     the time since the epoch, a whole number
    {window.start:%Y-%m-%dT%H:%M}                 a strftime pattern, in the zone of the request
    {{  }}                                        a literal brace

In a JSON body a string that is one ``unix`` template and nothing else becomes a number, since APIs that take epoch
times in JSON take numbers; any other text around it keeps the string a string.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import partial
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from timepoint.clock import format_instant
from timepoint.model import Window
from timepoint.request.spec import RequestSpec, SecretSource

NAMES = ("window.start", "window.end", "fire_time")
_FRACTIONS = {"unix": (1, 1000), "unix_ms": (1, 1), "unix_us": (1000, 1), "unix_ns": (1_000_000, 1)}
_DIRECTIVES = frozenset("aAbBcdfGHIjmMpSuUVwWxXyYzZ%")  # C89, and the ISO 8601 ones that Python adds
_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_TEMPLATE_IN_HEADER = re.compile(r"\{(?:window\.|fire_time)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Where = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """What templates may speak of: the window that is asked for and the planned instant of the run."""

    window: Window
    fire_time: int

    def instant(self, name: str) -> int:
        if name == "fire_time":
            return self.fire_time
        return self.window.start if name == "window.start" else self.window.end


@dataclass(frozen=True, slots=True)
class Field:
    """One template: the name of an instant and how it is written ("" is RFC 3339)."""

    name: str
    format: str
    zone: ZoneInfo

    @property
    def is_number(self) -> bool:
        return self.format in _FRACTIONS

    def number(self, moment: Moment) -> int:
        factor, divisor = _FRACTIONS[self.format]
        return moment.instant(self.name) * factor // divisor

    def text(self, moment: Moment) -> str:
        if self.is_number:
            return str(self.number(moment))
        instant = moment.instant(self.name)
        if not self.format and self.zone.key == "UTC":
            return format_instant(instant)
        local = (_EPOCH + timedelta(milliseconds=instant)).astimezone(self.zone)
        if self.format:
            return local.strftime(self.format)
        return local.isoformat(timespec="milliseconds" if instant % 1000 else "seconds")


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled text: literal parts and fields in their order."""

    parts: tuple[str | Field, ...]

    @property
    def names(self) -> frozenset[str]:
        """The instants that the text speaks of."""
        return frozenset(part.name for part in self.parts if isinstance(part, Field))

    def render(self, moment: Moment, encode: Callable[[str], str] = str) -> str:
        """The text at a moment; ``encode`` is applied to the written instants and not to the literal parts."""
        return "".join(part if isinstance(part, str) else encode(part.text(moment)) for part in self.parts)

    def render_json(self, moment: Moment) -> str | int:
        """As ``render``, but a ``unix`` template that stands alone is a number."""
        match self.parts:
            case (Field(is_number=True) as alone,):
                return alone.number(moment)
        return self.render(moment)


def compile_template(text: str, timezone: str = "UTC") -> Template:
    """Reads a text with templates. Raises ValueError with a sentence that says what to write instead."""
    zone = _zone(timezone)
    parts: list[str | Field] = []
    literal = ""
    last = 0
    for token in _TOKEN.finditer(text):
        literal += text[last : token.start()]
        last = token.end()
        if token[0] in ("{{", "}}"):
            literal += token[0][0]
        elif token[1] is None:
            raise ValueError(f"a single {token[0]!r} in {text!r}: write {token[0] * 2!r} for a literal brace")
        else:
            parts.extend((literal, _field(token[1], zone)) if literal else (_field(token[1], zone),))
            literal = ""
    literal += text[last:]
    return Template((*parts, literal) if literal else tuple(parts))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not a time zone: write a name such as UTC or Europe/Berlin") from error


def _field(inside: str, zone: ZoneInfo) -> Field:
    name, colon, format_ = inside.partition(":")
    if name not in NAMES:
        raise ValueError(
            f"{{{inside}}} is not a template{_did_you_mean(name, NAMES)}; there are {', '.join(NAMES)}, each with an "
            f"optional :format. Write {{{{ and }}}} for literal braces"
        )
    if colon and format_ not in _FRACTIONS:
        _check_pattern(inside, format_)
    return Field(name, format_, zone)


def _check_pattern(inside: str, pattern: str) -> None:
    if "%" not in pattern:
        raise ValueError(
            f"{{{inside}}} has the format {pattern!r}{_did_you_mean(pattern, _FRACTIONS)}; "
            f"formats are {', '.join(_FRACTIONS)} or a strftime pattern such as %Y-%m-%dT%H:%M"
        )
    for directive in re.findall(r"%(.?)", pattern, re.DOTALL):
        if directive == "s":
            raise ValueError(f"{{{inside}}}: %s differs between systems; write :unix for epoch seconds")
        if directive not in _DIRECTIVES or not directive:
            raise ValueError(f"{{{inside}}}: %{directive} is not a strftime directive")


def _did_you_mean(word: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    close = get_close_matches(word, known, 1)
    return f", did you mean {close[0]}?" if close else ""


def compile_header(value: SecretSource, timezone: str = "UTC") -> Template | None:
    """The template of a header's value, or None if it is to be sent as it stands.

    A header may hold a credential, in which a brace is just a brace: only a text that names an instant is a template,
    and what comes from a file never is. Raises ValueError, which does not quote the value.
    """
    text = value.text.reveal() if value.text is not None else ""
    if not _TEMPLATE_IN_HEADER.search(text):
        return None
    try:
        return compile_template(text, timezone)
    except ValueError:
        raise ValueError(
            f"the value has a template that cannot be read: there are {', '.join(NAMES)}, each with an optional "
            f":format. Write {{{{ and }}}} for literal braces"
        ) from None


def encode_query(text: str) -> str:
    """Percent-encodes all but unreserved characters (RFC 3986, 2.3): fit for a name or value of a query."""
    return quote(text, safe="")


def encode_path(text: str) -> str:
    """Percent-encodes what would end a path. A slash stays: it can only come from a pattern such as ``%Y/%m/%d``."""
    return quote(text, safe="/:")


def render_json(node: Any, moment: Moment, timezone: str) -> Any:
    """JSON data with every string in it (not the keys) rendered at a moment."""
    if isinstance(node, str):
        return compile_template(node, timezone).render_json(moment)
    if isinstance(node, Mapping):
        return {key: render_json(child, moment, timezone) for key, child in node.items()}
    if isinstance(node, (list, tuple)):
        return [render_json(child, moment, timezone) for child in node]
    return node


def _templates(request: RequestSpec) -> Iterator[tuple[Where, Callable[[], Template | None]]]:
    """Every text of a request that may hold templates, with the path of its key."""
    zone = request.timezone
    yield ("path",), partial(compile_template, request.path, zone)
    for key, pairs in (("params", request.params), ("form", request.form)):
        for name, value in pairs:
            yield (key, name), partial(compile_template, value, zone)
    for name, source in request.headers.items():
        yield ("headers", name), partial(compile_header, source, zone)
    for where, text in strings(request.body):
        yield ("body", *where), partial(compile_template, text, zone)


def strings(node: Any) -> Iterator[tuple[Where, str]]:
    """Every string value of JSON data, with its path."""
    if isinstance(node, str):
        yield (), node
        return
    children = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, (list, tuple)) else ()
    for key, child in children:
        for where, text in strings(child):
            yield (key, *where), text


def template_problems(request: RequestSpec) -> list[tuple[Where, str]]:
    """Every template of a request that cannot be read: the path of its key inside the request, and a sentence."""
    problems: list[tuple[Where, str]] = []
    for where, read in _templates(request):
        try:
            read()
        except ValueError as error:
            problems.append((where, str(error)))
    return problems


def uses_window(request: RequestSpec) -> bool:
    """Whether the request names its window anywhere. Raises ValueError if a template cannot be read."""
    compiled = (read() for _, read in _templates(request))
    return any(name.startswith("window.") for template in compiled if template is not None for name in template.names)
