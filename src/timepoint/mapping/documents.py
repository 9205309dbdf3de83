"""JSON bodies become documents, cut into parts where that is cheaper.

Owns: how a ``msgspec.Raw`` is decoded; what the fast decoder refuses and the slow one still understands; keys that
stand twice in an object. Must not know: rows, metrics; ``spine`` says after how many segments of which walk a body
may be cut.

Cut at the rows, a body of 48 MB with 100,000 pods is decoded in 0.15 s instead of 0.42 s and needs no memory for all of
them at once; a part that is broken fails alone.

msgspec keeps the last of two equal keys and says nothing. Whether there were any follows from counting: an object's
text has at least one colon per member that was written, so as many colons as members means that no member was lost.
This costs 0.07 s for the same body. Only where colons stand in texts too, keys are looked for one by one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from math import isinf
from typing import Any

import msgspec

from timepoint.errors import ContentError
from timepoint.mapping.nodes import NOTHING, Location, children, location_text, printable
from timepoint.mapping.paths import Capture, Segment, Wild
from timepoint.mapping.spine import Spine
from timepoint.mapping.unusable import show
from timepoint.model import Rejects

_SHOWN = 60
_PIECE = 1 << 20
_ENDS = 256  # bytes in which an end of the text is looked for among blanks
_Scalar = str | int | float | bool | None
_SPACED_KEY = re.compile(rb'"[ \t\r\n]+:')
_ESCAPED_COLON = re.compile(rb"\\u003[aA]")
_LONE = re.compile("[\ud800-\udfff]")


class NotJson:
    """What stands where no JSON value can: ``NaN``, a number beyond float64, an object that is not certain."""

    __slots__ = ("_shown",)

    def __init__(self, shown: str) -> None:
        self._shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."

    def __str__(self) -> str:
        return self._shown

    __repr__ = __str__


class _Twice(NotJson):
    """An object that holds a key twice."""

    __slots__ = ()


class Decoder:
    """Decodes bodies. Without a spine they are decoded whole."""

    def __init__(self, spine: Spine | None) -> None:
        self._spine = spine
        self._loads: Callable[[Any], Any] = msgspec.json.Decoder().decode
        self._outer: Callable[[Any], Any] | None = None
        if spine is not None:
            self._outer = msgspec.json.Decoder(_outer_type(spine.segments)).decode

    def decode(self, document: Any, rejects: Rejects) -> tuple[Any, Parts | None]:
        """The document, and the decoder of its parts if it is cut. Raises ContentError."""
        if not isinstance(document, msgspec.Raw):
            return document, None
        body = memoryview(document)
        try:
            if self._outer is not None and self._spine is not None:
                outer = self._outer(body)
                for path in self._spine.beside:
                    _thaw_at(outer, path, self._loads)
                return outer, Parts(self._loads, body, outer, len(self._spine.segments))
            whole = self._loads(body)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return _decode_slowly(bytes(body), (), rejects), None
        if not _holds_all(body, whole):
            whole = _decode_slowly(bytes(body), (), rejects)
        return whole, None


class Parts:
    """Decodes the parts of one body that was cut, and finds out whether any key was lost."""

    def __init__(self, loads: Callable[[Any], Any], body: memoryview, outer: Any, depth: int) -> None:
        self._loads = loads
        self._body = body
        self._outer = outer
        self._depth = depth
        self._colons = 0

    def decode(self, raw: Any) -> Any:
        """The value of a part. Raises ValueError or a decoder's error where ``rescue`` must look."""
        text = bytes(raw)
        colons = text.count(b":")
        self._colons += colons
        node = self._loads(text)
        if colons and (type(node) is not dict or colons != len(node)) and not _holds_all(text, node):
            raise ValueError("a key stands twice")
        return node

    def rescue(self, raw: Any, location: Location, rejects: Rejects) -> Any:
        """The value of a part that ``decode`` refused, NOTHING if it is no JSON."""
        try:
            return _decode_slowly(bytes(raw), location, rejects)
        except ContentError as error:
            rejects.add("undecodable", f"{printable(location_text(location))}: {error}")
            return NOTHING

    def check(self) -> None:
        """After all parts were visited: no key was lost between them. Raises ContentError.

        A branch that was lost with all its rows is no matter of a single row, so the document fails.
        """
        colons = _count(self._body, b":")
        for depth in (self._depth, -1):  # without the parts, which are counted already; then all that was decoded
            members, in_texts = _colons_of(self._outer, depth)
            found = members + in_texts + (self._colons if depth > 0 else 0)
            if colons == found and (not in_texts or _ESCAPED_COLON.search(self._body) is None):
                return
        doubtful = Rejects()
        _decode_slowly(bytes(self._body), (), doubtful)
        if doubtful.total:
            raise ContentError("not_a_document", f"a key stands twice: {doubtful.examples['duplicate_key'][0]}")


def _colons_of(outer: Any, depth: int) -> tuple[int, int]:
    """How many colons the text of a value needs for its members, and how many stand in its texts.

    Looks ``depth`` levels deep, where the parts begin; if it is negative, at everything. The colons of parts count as
    in texts.
    """
    members = in_texts = 0
    level = [outer]
    while level and depth != 0:
        below: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                members += len(node)
                in_texts += sum(key.count(":") for key in node if ":" in key)
                below.extend(node.values())
            elif isinstance(node, list):
                below.extend(node)
            elif isinstance(node, str):
                in_texts += node.count(":")
            elif isinstance(node, msgspec.Raw):
                in_texts += bytes(node).count(b":")
        level = below
        depth -= 1
    return members, in_texts


def _count(body: memoryview | bytes, pattern: bytes) -> int:
    """How often a pattern occurs. A body is looked at piece by piece, since it may be large and a copy would be too."""
    if isinstance(body, bytes):
        return body.count(pattern)
    overlap = len(pattern) - 1
    pieces = (bytes(body[start : start + _PIECE + overlap]) for start in range(0, len(body), _PIECE))
    return sum(piece.count(pattern) for piece in pieces)


def _holds_all(body: memoryview | bytes, node: Any) -> bool:
    """Whether a decoded value holds as many members as its text has keys.

    Keys are counted from above, so that equality is proof: first colons, then quotes before colons, then without the
    quotes that are escaped and so stand in texts, as in JSON inside of JSON.
    """
    colons, spaced = _count(body, b":"), len(_SPACED_KEY.findall(body))
    quoted = _count(body, b'":') + spaced
    if isinstance(node, dict) and min(colons, quoted) == len(node):
        return True
    members = _members(node, look_everywhere=False)
    if min(colons, quoted) == members:
        return True
    keys = min(colons, quoted - _count(body, b'\\":') + _count(body, b'\\\\":'))
    return keys == members or keys == _members(node, look_everywhere=True)


def _members(node: Any, *, look_everywhere: bool) -> int:
    """How many members the objects of a value have.

    Unless it looks everywhere, a list whose first element is no object or array counts as having none in it.
    """
    members = 0
    stack = [node]
    while stack:
        current = stack.pop()
        if isinstance(current, dict):
            members += len(current)
            stack.extend([child for child in current.values() if type(child) is dict or type(child) is list])
        elif isinstance(current, list) and current and (look_everywhere or isinstance(current[0], dict | list)):
            stack.extend([child for child in current if type(child) is dict or type(child) is list])
    return members


def _decode_slowly(body: bytes, location: Location, rejects: Rejects) -> Any:
    """The value of a text as the standard library reads it: exact about keys, patient with what is nearly JSON.

    An object with a key twice is counted and cannot be used; ``NaN`` and numbers beyond float64 stay as what no cell
    takes; a lone surrogate becomes U+FFFD. Raises ContentError.
    """
    try:
        _refuse_halves(body)
        node = json.loads(
            body, parse_constant=NotJson, parse_float=_float, parse_int=_integer, object_pairs_hook=_object
        )
    except (ValueError, RecursionError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        shown = show(body[: 4 * _SHOWN].decode("utf-8", "replace"))
        raise ContentError(
            "not_a_document", f"the body is not JSON ({why[:_SHOWN]}); it begins with {shown}"
        ) from error
    holder = [node]
    _mend(holder, location, rejects)
    if not location and isinstance(node, _Twice):
        raise ContentError("not_a_document", f"the outermost object is not certain: {node}")
    return holder[0]


def _refuse_halves(body: bytes) -> None:
    """Raises ValueError for a text that broke off, before much is made of its beginning: 3 GB for 200 MB of pods."""
    first = body[:_ENDS].lstrip()[:1]
    last = body[-_ENDS:].rstrip()[-1:]
    close = {b"{": b"}", b"[": b"]"}.get(first)
    if close is not None and last not in (close, b""):
        raise ValueError(f"it has {len(body)} bytes and does not end with {close.decode()}")


def _float(text: str) -> Any:
    number = float(text)
    return NotJson(text) if isinf(number) else number


def _integer(text: str) -> Any:
    try:
        return int(text)
    except ValueError:  # more digits than Python converts
        return NotJson(text)


def _object(pairs: list[tuple[str, Any]]) -> Any:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    seen: set[str] = set()
    twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    return _Twice(f"an object that holds {show(twice)} twice")


def _mend(holder: list[Any], location: Location, rejects: Rejects) -> None:
    """Replaces lone surrogates in a value, and counts its doubtful objects."""
    stack: list[tuple[Location, Any]] = [(location[:-1], holder)] if location else [((), holder)]
    is_holder = True
    while stack:
        above, container = stack.pop()
        is_object = isinstance(container, dict)  # whose keys count too; floats of an array need no look
        for key, child in [pair for pair in children(container) if is_object or type(pair[1]) is not float]:
            here = location if is_holder else (*above, key)
            if isinstance(key, str) and not key.isascii() and _LONE.search(key):
                del container[key]
                key = _LONE.sub("\ufffd", key)  # noqa: PLW2901 (the key is mended)
                container[key] = child
            if isinstance(child, str):
                if not child.isascii() and _LONE.search(child):
                    container[key] = _LONE.sub("\ufffd", child)
            elif isinstance(child, _Twice):
                rejects.add("duplicate_key", f"{printable(location_text(here))}: {child}")
            elif isinstance(child, dict | list):
                stack.append((here, child))
        is_holder = False


def _thaw_at(outer: Any, path: tuple[str, ...], loads: Callable[[Any], Any]) -> None:
    """Decodes all parts inside of what stands beside the spine, since another path looks there."""
    *above, last = path
    for name in above:
        outer = outer.get(name) if isinstance(outer, dict) else None
    if isinstance(outer, dict) and last in outer:
        outer[last] = _thaw(outer[last], loads)


def _thaw(node: Any, loads: Callable[[Any], Any]) -> Any:
    if isinstance(node, msgspec.Raw):
        return loads(node)
    if isinstance(node, dict):
        return {key: _thaw(child, loads) for key, child in node.items()}
    if isinstance(node, list):
        return [_thaw(child, loads) for child in node]
    return node


def _outer_type(segments: tuple[Segment, ...]) -> Any:
    """The type of a body down to its parts. Whatever else stands in the way is still JSON, and selects nothing."""
    below: Any = msgspec.Raw
    for segment in reversed(segments):
        sole = segment.sole
        of_array = isinstance(sole, Wild) or (isinstance(sole, Capture) and not sole.of_object)
        of_object = not (isinstance(sole, Capture) and not sole.of_object)
        below = (dict[str, below] if of_object else dict) | (list[below] if of_array else list) | _Scalar
    return below
