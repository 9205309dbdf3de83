"""Templates: ``{window.start}`` in the texts of a request.

Owns: where a template begins and ends in a text, which texts of a request may hold templates, and how a written value
is encoded at its place in a URL, a header or a JSON body. Must not know: credentials, HTTP, the config file.

Only what begins with ``{window.``, ``{fire_time`` or ``{each.`` is a template (``fields`` says what there is); every
other brace is just a brace, as GraphQL, JSON and PromQL write them.

In a JSON body a text that is one template of a number and nothing else becomes a number, since APIs that take epoch
times in JSON take numbers; any other text around it keeps the text a text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from timepoint.request.fields import NAMES, Field, Moment, read_field
from timepoint.request.spec import RequestSpec, SecretSource

__all__ = [
    "Moment",
    "Template",
    "compile_header",
    "compile_template",
    "encode_path",
    "encode_query",
    "render_json",
    "strings",
    "template_doubts",
    "template_names",
    "template_problems",
    "uses_window",
]

_BEGIN = r"window\.|fire_time|each\."
_TOKEN = re.compile(rf"\{{(?P<inside>(?:{_BEGIN})[^{{}}]*)(?P<end>\}}?)")
_NEARLY = re.compile(r"\{\s*([A-Za-z_. ]{5,20}?)\s*(?:[:+-][^{}]*)?\}")
_NEAR = 0.8

Where = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled text: literal parts and fields in their order."""

    parts: tuple[str | Field, ...]

    @property
    def names(self) -> frozenset[str]:
        """What the text speaks of: ``window.start``, ``each.zone``."""
        return frozenset(part.name for part in self.parts if not isinstance(part, str))

    def render(self, moment: Moment, encode: Callable[[str], str] = str) -> str:
        """The text at a moment; ``encode`` is applied to what templates write and not to the literal parts."""
        return "".join(part if isinstance(part, str) else encode(part.text(moment)) for part in self.parts)

    def render_json(self, moment: Moment) -> str | int | float:
        """As ``render``, but a template of a number that stands alone is a number."""
        match self.parts:
            case (alone,) if not isinstance(alone, str):
                return alone.json(moment)
        return self.render(moment)


def compile_template(text: str, timezone: str = "UTC") -> Template:
    """Reads a text with templates. Raises ValueError with a sentence that says what to write instead."""
    zone = _zone(timezone)
    parts: list[str | Field] = []
    last = 0
    for token in _TOKEN.finditer(text):
        if token.start() > last:
            parts.append(text[last : token.start()])
        last = token.end()
        if not token["end"]:
            raise ValueError(f"a }} is missing after {{{token['inside'][:40]}")
        parts.append(read_field(token["inside"], zone))
    if last < len(text):
        parts.append(text[last:])
    return Template(tuple(parts))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not a time zone: write a name such as UTC or Europe/Berlin") from error


def compile_header(value: SecretSource, timezone: str = "UTC") -> Template | None:
    """The template of a header's value, or None if it is to be sent as it stands.

    A header may hold a credential, so what comes from a file never is a template. Raises ValueError, which does not
    quote the value.
    """
    text = value.text.reveal() if value.text is not None else ""
    if not _TOKEN.search(text):
        return None
    try:
        return compile_template(text, timezone)
    except ValueError:
        raise ValueError(
            f"the value has a template that cannot be read: there are {', '.join(NAMES)}, each with an optional :format"
        ) from None


def encode_query(text: str) -> str:
    """Percent-encodes all but unreserved characters (RFC 3986, 2.3): fit for a name or value of a query."""
    return quote(text, safe="")


def encode_path(text: str) -> str:
    """Percent-encodes what would end a path. A slash stays: ``%Y/%m/%d`` and ``owner/repository`` mean it."""
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
    if request.text is not None:
        yield ("text",), partial(compile_template, request.text, zone)
    if request.report is not None:
        for key, place in (("poll", request.report.poll), ("download", request.report.download)):
            if place is not None:
                yield ("report", key, "get"), partial(compile_template, place.path, zone)


def strings(node: Any) -> Iterator[tuple[Where, str]]:
    """Every string value of JSON data, with its path."""
    if isinstance(node, str):
        yield (), node
        return
    children = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, (list, tuple)) else ()
    for key, child in children:
        for where, text in strings(child):
            yield (key, *where), text


def template_problems(request: RequestSpec, each: Collection[str] = ()) -> list[tuple[Where, str]]:
    """Every template of a request that cannot be used: the path of its key inside the request, and a sentence.

    ``each`` are the names of the job's fan-out.
    """
    problems: list[tuple[Where, str]] = []
    for where, read in _templates(request):
        try:
            template = read()
        except ValueError as error:
            problems.append((where, str(error)))
            continue
        for name in sorted(template.names) if template is not None else ():
            key = name.removeprefix("each.")
            if key != name and key not in each:
                close = get_close_matches(key, list(each), 1)
                hint = f", did you mean {close[0]}?" if close else f": write each: {{{key}: [...]}} at the job"
                problems.append((where, f"{{{name}}} names nothing in each{hint}"))
    return problems


def template_doubts(request: RequestSpec) -> list[tuple[Where, str]]:
    """Braces that are sent as they are, although they look like a template that was misspelt."""
    doubts = []
    texts: list[tuple[Where, str]] = [(("path",), request.path), (("text",), request.text or "")]
    texts += [((key, name), text) for key in ("params", "form") for name, text in getattr(request, key)]
    texts += [(("body", *where), text) for where, text in strings(request.body)]
    for where, text in texts:
        for match in _NEARLY.finditer(text):
            close = get_close_matches(match[1], NAMES[:-1], 1, _NEAR)
            begin, end = match.span()
            if text[begin - 1 : begin] == "{" and text[end : end + 1] == "}" and _TOKEN.match(match[0]):
                doubts.append((where, f"{{{match[0]}}} is sent with braces around its value: write {match[0]}"))
            elif close and not _TOKEN.match(match[0]):
                doubts.append((where, f"{match[0]} is sent as it stands, did you mean {{{close[0]}}}?"))
    return doubts


def template_names(request: RequestSpec) -> frozenset[str]:
    """All that the templates of a request speak of. Raises ValueError if one cannot be read."""
    compiled = (read() for _, read in _templates(request))
    return frozenset(name for template in compiled if template is not None for name in template.names)


def uses_window(request: RequestSpec) -> bool:
    """Whether the request names its window anywhere. Raises ValueError if a template cannot be read."""
    return any(name.startswith("window.") for name in template_names(request))
