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
from collections.abc import Callable, Iterator
from math import isinf
from traceback import clear_frames
from typing import Any

import msgspec

from timepoint.errors import ContentError
from timepoint.mapping.nodes import NOTHING, Location, location_text, printable
from timepoint.mapping.outlines import outer_type, probe_type
from timepoint.mapping.spine import Spine
from timepoint.mapping.unusable import show
from timepoint.mapping.weight import SIGN, Allowance, Weight, weigh
from timepoint.model import Rejects

_SHOWN = 60
_PIECE = 1 << 20
_ENDS = 256  # bytes in which an end of the text is looked for among blanks
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
            self._outer = msgspec.json.Decoder(outer_type(spine.segments)).decode

    def decode(self, document: Any, rejects: Rejects, allowance: Allowance | None = None) -> tuple[Any, Parts | None]:
        """The document, and the decoder of its parts if it is cut. ``allowance`` None: whoever asks has weighed it.

        Raises ContentError.
        """
        if not isinstance(document, msgspec.Raw):
            return document, None
        body = memoryview(document)
        most = None if allowance is None else allowance.most
        weight = None if allowance is None else weigh(body)
        watch = weight is not None and allowance is not None and self._admit(body, weight, allowance)
        try:
            if self._outer is not None and self._spine is not None:
                outer = self._outer(body)
                loads = _Bounded(self._loads, most) if watch and most is not None else self._loads
                for path in self._spine.beside:
                    _thaw_at(outer, path, loads)
                parts = Parts(self._loads, body, outer, len(self._spine.segments), most, watch=watch)
                parts.colons_in_all = None if weight is None else weight.colons
                return outer, parts
            whole = self._loads(body)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return _decode_slowly(bytes(body), (), rejects, most), None
        if not _holds_all(body, whole):
            whole = None  # two of them would be in memory else
            whole = _decode_slowly(bytes(body), (), rejects, most)
        return whole, None

    def _admit(self, body: memoryview, weight: Weight, allowance: Allowance) -> bool:
        """Whether parts must be weighed, since the body is too heavy for all of them. Raises ContentError."""
        if not allowance.fits(weight.whole) and allowance.fits(weight.of_containers) and self._holds_containers(body):
            allowance.take(weight.of_containers)
            return True
        allowance.take(weight.whole)
        return False

    def _holds_containers(self, body: memoryview) -> bool:
        """Whether all that the body would be cut into are objects and arrays, so that no comma alone makes a part.

        Takes 1.4 ns a byte, for bodies that would be refused without it.
        """
        if self._spine is None:
            return False
        try:
            msgspec.json.decode(body, type=probe_type(self._spine.segments))
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return False
        return True


class Parts:
    """Decodes the parts of one body that was cut, and finds out whether any key was lost."""

    def __init__(
        self,
        loads: Callable[[Any], Any],
        body: memoryview,
        outer: Any,
        depth: int,
        most: int | None = None,
        *,
        watch: bool = False,
    ) -> None:
        """``most`` is what may be decoded at once, in bytes of memory; ``watch``: a part may be more than that."""
        self._loads = loads
        self._body = body
        self._outer = outer
        self._depth = depth
        self._colons = 0
        self._most = most
        self._watched = most if watch else None
        self.colons_in_all: int | None = None  # if they were counted before

    def decode(self, raw: Any) -> Any:
        """The value of a part. Raises ValueError or a decoder's error where ``rescue`` must look."""
        text = bytes(raw)
        if self._watched is not None and not _is_light(text, self._watched):
            raise ValueError("a part is too heavy")
        colons = text.count(b":")
        self._colons += colons
        node = self._loads(text)
        if colons and (type(node) is not dict or colons != len(node)) and not _holds_all(text, node):
            raise ValueError("a key stands twice")
        return node

    def rescue(self, raw: Any, location: Location, rejects: Rejects) -> Any:
        """The value of a part that ``decode`` refused, NOTHING if it is no JSON."""
        try:
            return _decode_slowly(bytes(raw), location, rejects, self._most)
        except ContentError as error:
            rejects.add("undecodable", f"{printable(location_text(location))}: {error}")
            return NOTHING

    def check(self) -> None:
        """After all parts were visited: no key was lost between them. Raises ContentError.

        A branch that was lost with all its rows is no matter of a single row, so the document fails.
        """
        colons = _count(self._body, b":") if self.colons_in_all is None else self.colons_in_all
        for depth in (self._depth, -1):  # without the parts, which are counted already; then all that was decoded
            members, in_texts = _colons_of(self._outer, depth)
            found = members + in_texts + (self._colons if depth > 0 else 0)
            if colons == found and (not in_texts or _ESCAPED_COLON.search(self._body) is None):
                return
        doubtful = Rejects()
        _decode_slowly(bytes(self._body), (), doubtful, self._most)
        if doubtful.total:
            raise ContentError("not_a_document", f"a key stands twice: {doubtful.examples['duplicate_key'][0]}")


class _Bounded:
    """A decoder of parts that are kept, which together may weigh no more than is said."""

    def __init__(self, loads: Callable[[Any], Any], most: int) -> None:
        self._loads = loads
        self._left = most

    def __call__(self, raw: Any) -> Any:
        self._left -= weigh(memoryview(raw)).whole
        if self._left < 0:
            raise ContentError(
                "too_large", "what stands beside the rows may take more memory than max_memory of the source allows"
            )
        return self._loads(raw)


def _is_light(text: bytes, most: int) -> bool:
    """Whether a text may be decoded; that of a usual part is too short to be looked at."""
    return len(text) * (SIGN + 1) <= most or weigh(text).whole <= most


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


def _decode_slowly(body: bytes, location: Location, rejects: Rejects, most: int | None = None) -> Any:
    """The value of a text as the standard library reads it: exact about keys, patient with what is nearly JSON.

    An object with a key twice is counted and cannot be used; ``NaN`` and numbers beyond float64 stay as what no cell
    takes; a lone surrogate becomes U+FFFD. A text that may take more than ``most`` is not read. Raises ContentError.
    """
    if most is not None and len(body) * 3 * SIGN > 2 * most and weigh(body).slow > most:
        raise ContentError(
            "too_large",
            "it needs the slow decoder (a key stands twice, a NaN, half a character, or no JSON at all), which may "
            "take more memory for it than max_memory of the source allows",
        )
    try:
        _refuse_halves(body)
        node = json.loads(
            body, parse_constant=NotJson, parse_float=_float, parse_int=_integer, object_pairs_hook=_object
        )
    except (ValueError, RecursionError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        shown = show(body[: 4 * _SHOWN].decode("utf-8", "replace"))
        # The error may live until the collector comes, on Python 3.13 it does: not so its texts of 200 MB each.
        clear_frames(error.__traceback__)
        body = b""
        if isinstance(error, json.JSONDecodeError):
            error.doc = ""
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
    """Replaces lone surrogates in a value, and counts its doubtful objects.

    Of each container on the way down no more is made than an iterator: a list of what is in it would be as large.
    """
    way: list[tuple[Location, Any, Iterator[tuple[Any, Any]]]] = [((), holder, iter([(0, holder[0])]))]
    while way:
        above, container, inside = way[-1]
        for key, child in inside:
            if type(child) is float or (isinstance(child, str) and child.isascii()):
                continue
            here = (*above, key) if len(way) > 1 else location
            if isinstance(child, str):
                if _LONE.search(child):
                    container[key] = _LONE.sub("\ufffd", child)
            elif isinstance(child, _Twice):
                rejects.add("duplicate_key", f"{printable(location_text(here))}: {child}")
            elif isinstance(child, dict | list):
                way.append((here, child, _opened(child)))
                break
        else:
            way.pop()


def _opened(container: dict[str, Any] | list[Any]) -> Iterator[tuple[Any, Any]]:
    """Keys or places and values of a container, after its keys were mended."""
    if isinstance(container, list):
        return enumerate(container)
    for key in [key for key in container if not key.isascii() and _LONE.search(key)]:
        container[_LONE.sub("\ufffd", key)] = container.pop(key)
    return iter(container.items())


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
