"""Paths: RFC 9535 JSONPath, and the two things the language adds to it.

Owns: the reading of a path's text into segments: all of RFC 9535, ``{name}`` segments that bind the key they pass
(R5), and ``$name`` as a start at a bound node. Must not know: documents, rows, metrics; what a path selects is the
business of ``selectors``.

The grammar is the library's (jsonpath-rfc9535, the standard's own tests); its tree is kept for filters. What is not the
standard's is taken out before it reads and put back by position: a capture reads as a wildcard, ``$name`` as ``$``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from jsonpath_rfc9535 import JSONPathEnvironment
from jsonpath_rfc9535.exceptions import JSONPathError
from jsonpath_rfc9535.filter_expressions import (
    ComparisonExpression,
    FilterExpression,
    FilterQuery,
    FunctionExtension,
    LogicalExpression,
    PrefixExpression,
)
from jsonpath_rfc9535.segments import JSONPathRecursiveDescentSegment
from jsonpath_rfc9535.selectors import (
    FilterSelector,
    IndexSelector,
    NameSelector,
    SliceSelector,
    WildcardSelector,
)

from timepoint.mapping.nodes import compile_regex

_BOUND = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", re.DOTALL)
_SECOND_PATH = re.compile(r"[\s,+T]\$[A-Za-z_.\[]")
_DOTTED = re.compile(r"\.([^\s.\[\](){}'\"*][^.\[\](){}'\"*]*)")  # what is meant as a name after a dot
_PLAIN = re.compile(r"[^\W\d]\w*\s*")
_CAPTURE = re.compile(
    r"(?:\.|\[\s*)\{\s*(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*"
    r"(?:(?P<operator>=~|!~|!=|=)\s*(?P<operand>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')\s*)?\}"
)
_NAME_SHORTHAND = re.compile(r"\.([A-Za-z_\x80-\ud7ff\ue000-\U0010ffff][0-9A-Za-z_\x80-\ud7ff\ue000-\U0010ffff]*)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "t": "\t", "r": "\r"}
_NAME_IN_FILTER = re.compile(r"\$[A-Za-z_]")
_POSITION = re.compile(r", line \d+, column \d+$")


class PathError(ValueError):
    """The text is no path. Its message is a sentence for the author of the config."""


@dataclass(frozen=True, slots=True)
class Name:
    """Takes the member of an object that has this name."""

    name: str


@dataclass(frozen=True, slots=True)
class Index:
    """Takes the element of an array at this place; from its end if negative."""

    index: int


@dataclass(frozen=True, slots=True)
class Wild:
    """Takes all members or elements."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Takes the elements that Python's slice of the same numbers takes; none if the step is 0."""

    start: int | None
    stop: int | None
    step: int | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Takes the members or elements for which the expression, the library's tree, holds."""

    expression: Any


@dataclass(frozen=True, slots=True)
class Capture:
    """Takes the members of an object (or the elements of an array) and binds their key (R5).

    After ``..`` it takes those at any depth and binds the last key. ``operator`` is empty, ``=``, ``!=``, ``=~`` or
    ``!~``; the operand is matched with the whole key, as in PromQL.
    """

    name: str
    of_object: bool
    operator: str = ""
    operand: str = ""


Selector = Name | Index | Wild | Slice | Filter | Capture


@dataclass(frozen=True, slots=True)
class Segment:
    """What one segment takes of each node: what its selectors take in turn, of all descendants too if it descends."""

    selectors: tuple[Selector, ...]
    descends: bool = False

    @property
    def sole(self) -> Selector | None:
        """The only selector of a segment that does not descend."""
        return self.selectors[0] if len(self.selectors) == 1 and not self.descends else None


@dataclass(frozen=True, slots=True)
class Path:
    """A path: where it starts (``""`` is the document, else a bound name) and its segments. ``text`` is as written."""

    text: str
    start: str
    segments: tuple[Segment, ...]

    @property
    def captures(self) -> tuple[Capture, ...]:
        return tuple(s for segment in self.segments for s in segment.selectors if isinstance(s, Capture))

    @property
    def is_singular(self) -> bool:
        """Whether names and indexes alone lead to the node, so that there is at most one (RFC 9535, 2.3.5.1)."""
        return all(isinstance(segment.sole, Name | Index) for segment in self.segments)

    @property
    def rest(self) -> str:
        """The text after the start."""
        return self.text[1 + len(self.start) :]


def is_path(text: str) -> bool:
    """Whether an entry of the config is a path: it begins with one ``$`` (R16: a literal begins with two)."""
    return text.startswith("$") and not text.startswith("$$")


def path_from_document(text: str) -> Path:
    """The path that a text says, where rows and captures mean nothing. Raises PathError."""
    path = parse_path(text)
    if path.start or path.captures:
        raise PathError(f"{text!r}: here a path starts at the document and captures nothing")
    return path


def parse_path(text: str) -> Path:
    """The path that a text says. Raises PathError."""
    if not text.startswith("$"):
        raise PathError(f"{text!r} is not a path: a path begins with $")
    bound = _BOUND.match(text, 1)
    start = bound[0] if bound else ""
    standard, captures = _standardise(text, 1 + len(start))
    try:
        query = _ENVIRONMENT.compile(standard)
    except JSONPathError as error:
        raise PathError(f"{text!r} is not a path: {_reason(text, error)}") from error
    except (RecursionError, OverflowError) as error:
        raise PathError(f"{text!r} is not a path: it is nested too deep or holds a number out of range") from error
    return Path(text, start, segments_of(query, captures))


def segments_of(query: Any, captures: Mapping[int, Capture] = MappingProxyType({})) -> tuple[Segment, ...]:
    """The segments of a query of the library, with captures put back by the place of their wildcard."""
    segments = []
    for segment in query.segments:
        descends = isinstance(segment, JSONPathRecursiveDescentSegment)
        capture = captures.get(segment.token.index)
        if capture is not None:
            segments.append(Segment((capture,), descends))
        else:
            segments.append(Segment(tuple(_selector(s) for s in segment.selectors), descends))
    return tuple(segments)


_ENVIRONMENT = JSONPathEnvironment()


def _reason(text: str, error: JSONPathError) -> str:
    reason = _POSITION.sub("", str(error))
    if "[?" not in text and _SECOND_PATH.search(text, 1):
        return f"{reason} (only a time may have parts, as a list: [$r.date, $r.hour])"
    if _NAME_IN_FILTER.search(text, 1):
        return f"{reason} (inside a filter only @ and $ exist)"
    name = next((name for name in _DOTTED.findall(text.partition("[?")[0]) if not _PLAIN.fullmatch(name)), None)
    if name is not None:
        return f"{reason} (after a dot stand letters, digits and _ only: write ['{name}'] for .{name})"
    if text.count("[") != text.count("]"):
        return f"{reason} (in YAML's flow style, a path with brackets needs quotes)"
    return reason


def _standardise(text: str, begin: int) -> tuple[str, dict[int, Capture]]:
    """The text as RFC 9535 knows it, and the captures by the place of their wildcard in it.

    The library's lexer refuses names such as ``.日本`` whose later characters lie beyond U+10FF (RFC 9535, 2.5.1.1
    allows them), so a name that is not ASCII is handed over in brackets.
    """
    parts = ["$"]
    length = 1
    captures: dict[int, Capture] = {}
    depth = 0
    place = begin
    while place < len(text):
        match = _QUOTED.match(text, place)
        piece = match[0] if match else text[place]
        if match is None and depth == 0 and (found := _CAPTURE.match(text, place)):
            piece, place = _capture_piece(text, found)
            captures[_place_of_segment(piece, parts, length)] = _capture(found)
        elif match is None and (name := _NAME_SHORTHAND.match(text, place)) and not name[1].isascii():
            place = name.end()
            piece = f".['{name[1]}']" if parts[-1] == "." else f"['{name[1]}']"
        elif piece == "{":
            raise PathError(f"{text!r} is not a path: a capture is written .{{name}} or [{{name}}] and stands alone")
        else:
            depth += (piece in ("[", "(")) - (piece in ("]", ")"))
            place += len(piece)
        parts.append(piece)
        length += len(piece)
    return "".join(parts), captures


def _place_of_segment(piece: str, before: list[str], length: int) -> int:
    """Where the library says that a wildcard's segment stands: at ``*`` or ``[``, or at the dots if it descends."""
    if piece == ".*":
        return length - 1 if before[-1] == "." else length + 1
    return length - 2 if before[-2:] == [".", "."] else length


def _capture_piece(text: str, found: re.Match[str]) -> tuple[str, int]:
    if found[0][0] == ".":
        return ".*", found.end()
    close = re.compile(r"\s*\]").match(text, found.end())
    if close is None:
        raise PathError(f"{text!r} is not a path: a capture stands alone in its brackets")
    return "[*]", close.end()


def _capture(found: re.Match[str]) -> Capture:
    operator = found["operator"] or ""
    operand = _unquote(found["operand"]) if operator else ""
    if operator in ("=~", "!~"):
        try:
            compile_regex(operand)
        except ValueError as error:
            raise PathError(str(error)) from error
    return Capture(found["name"], found[0][0] == ".", operator, operand)


def _unquote(quoted: str) -> str:
    def plain(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPED:
            raise PathError(f"in the matcher {quoted} a backslash is written twice: \\\\{match[1]}")
        return _ESCAPED[match[1]]

    return _ESCAPE.sub(plain, quoted[1:-1])


def _selector(selector: Any) -> Selector:
    match selector:
        case NameSelector():
            return Name(selector.name)
        case IndexSelector():
            return Index(selector.index)
        case WildcardSelector():
            return Wild()
        case SliceSelector():
            return Slice(selector.slice.start, selector.slice.stop, selector.slice.step)
        case FilterSelector():
            _check_condition(selector.expression)
            return Filter(selector.expression)
    raise AssertionError(f"BUG: unknown selector {selector!r}")


def _check_condition(expression: Any) -> None:
    """Raises PathError for a comparison of what is no value: the library reads ``1 < (@.a) < 2``, RFC 9535 does not."""
    match expression:
        case FilterExpression():
            _check_condition(expression.expression)
        case ComparisonExpression(left=left, right=right):
            for side in (left, right):
                if isinstance(side, ComparisonExpression | LogicalExpression | PrefixExpression):
                    raise PathError("in a filter a comparison stands between two values: join several with && or ||")
                _check_condition(side)
        case LogicalExpression():
            _check_condition(expression.left)
            _check_condition(expression.right)
        case PrefixExpression():
            _check_condition(expression.right)
        case FunctionExtension():
            for argument in expression.args:
                _check_condition(argument)
        case FilterQuery():
            segments_of(expression.query)
