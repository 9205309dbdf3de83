"""What compiled paths do with JSON values at run time.

Owns: the meaning of RFC 9535's comparisons and functions on decoded values, the children and descendants of a node,
and the text of a location. Must not know: how a path is written or compiled.

JSON values are ``dict``, ``list``, ``str``, ``int``, ``float``, ``bool`` and ``None``. ``NOTHING`` stands for a node
that is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

import re2
from iregexp_check import check

Location = tuple[Any, ...]


class _Nothing:
    __slots__ = ()

    def __repr__(self) -> str:
        return "NOTHING"


NOTHING: Final = _Nothing()

_LONGEST = 300
_PLAIN_KEY = re.compile(r"[^'\\\x00-\x1f]*")
# iregexp_check 0.1.4 takes quantifiers of one digit alone; RFC 9485 has no limit, RE2 one of 1,000.
_QUANTIFIER = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\{[0-9]+,?[0-9]*\}", re.DOTALL)
_KEY_ESCAPES = {"'": r"\'", "\\": r"\\", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t"}


class LoneObject(dict[str, Any]):
    """An XML element that stands alone under its name: a wildcard takes it as an array of one (R12)."""

    __slots__ = ()


class LoneText(str):
    """The text of an XML element that stands alone under its name."""

    __slots__ = ()


def children(node: Any) -> Iterable[tuple[Any, Any]]:
    """Key and value of each member, or index and value of each element."""
    if isinstance(node, LoneObject | LoneText):
        return ((0, node),)
    if isinstance(node, dict):
        return node.items()
    if isinstance(node, list):
        return enumerate(node)
    return ()


def elements(node: Any) -> Iterable[tuple[int, Any]]:
    """Index and value of each element of an array."""
    if isinstance(node, list):
        return enumerate(node)
    return ((0, node),) if isinstance(node, LoneObject | LoneText) else ()


def descendants(node: Any) -> Iterator[tuple[Location, Any]]:
    """Location and value of the node itself and of each container below it, in document order.

    Of each container on the way down no more is made than an iterator: a list of four million small objects with their
    locations took more memory than the objects.
    """
    yield (), node
    way: list[tuple[Location, Iterator[tuple[Any, Any]]]] = [((), _inside(node))]
    while way:
        above, inside = way[-1]
        for key, child in inside:
            if isinstance(child, dict | list):
                here = (*above, key)
                yield here, child
                way.append((here, _inside(child)))
                break
        else:
            way.pop()


def _inside(node: Any) -> Iterator[tuple[Any, Any]]:
    return iter(node.items() if isinstance(node, dict) else elements(node))


def printable(where: str) -> str:
    """The text of a place as it can stand in a log: of bounded length, without lone surrogates."""
    shown = where if len(where) <= _LONGEST else f"{where[: _LONGEST // 2]}...{where[-_LONGEST // 2 :]}"
    return shown.encode("utf-8", "backslashreplace").decode()


def location_text(location: Iterable[Any]) -> str:
    """The normalized path of a location (RFC 9535, 2.7); a tuple in it is a location itself."""
    parts = ["$"]
    for key in location:
        if isinstance(key, tuple):
            parts.append(location_text(key)[1:])
        elif isinstance(key, str):
            parts.append(f"['{_key_text(key)}']")
        else:
            parts.append(f"[{key}]")
    return "".join(parts)


def _key_text(key: str) -> str:
    if _PLAIN_KEY.fullmatch(key):
        return key
    return "".join(_KEY_ESCAPES.get(c) or (c if c >= " " else f"\\u{ord(c):04x}") for c in key)


def equal(left: Any, right: Any) -> bool:
    """``==`` of RFC 9535, 2.3.5.2.2: numbers by value, never a number with a boolean, two absent nodes are equal."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and left.keys() == right.keys()
            and all(equal(member, right[key]) for key, member in left.items())
        )
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(equal, left, right))
    return bool(left == right)


def less(left: Any, right: Any) -> bool:
    """``<`` of RFC 9535, 2.3.5.2.2: numbers with numbers, strings with strings by code point, nothing else."""
    if isinstance(left, str):
        return isinstance(right, str) and left < right
    if isinstance(left, bool) or isinstance(right, bool):
        return False
    return isinstance(left, int | float) and isinstance(right, int | float) and left < right


def length(value: Any) -> Any:
    """``length()`` of RFC 9535, 2.4.4."""
    return len(value) if isinstance(value, str | list | dict) else NOTHING


def count(nodes: Iterable[Any]) -> int:
    """``count()`` of RFC 9535, 2.4.5."""
    return sum(1 for _ in nodes)


def value(nodes: Iterable[tuple[Any, Any]]) -> Any:
    """``value()`` of RFC 9535, 2.4.8."""
    found = NOTHING
    for position, (_, node) in enumerate(nodes):
        if position:
            return NOTHING
        found = node
    return found


def is_any(nodes: Iterable[Any]) -> bool:
    """Whether a query selects anything at all."""
    return any(True for _ in nodes)


def match(text: Any, pattern: Any) -> bool:
    """``match()`` of RFC 9535, 2.4.6, in time linear in the text (RE2)."""
    compiled = _iregexp(pattern) if isinstance(pattern, str) and isinstance(text, str) else None
    return compiled is not None and fits(compiled, text)


def search(text: Any, pattern: Any) -> bool:
    """``search()`` of RFC 9535, 2.4.7, in time linear in the text (RE2)."""
    compiled = _iregexp(pattern) if isinstance(pattern, str) and isinstance(text, str) else None
    try:
        return compiled is not None and compiled.search(text) is not None
    except UnicodeEncodeError:
        return False


def compile_regex(pattern: str) -> Any:
    """The RE2 of a pattern, in which a dot matches a line feed too, as in PromQL. Raises ValueError with a sentence."""
    options = re2.Options()
    options.dot_nl = True
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        shown = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"{pattern!r} is not a regular expression (RE2): {shown}") from error


def fits(regex: Any, text: str) -> bool:
    """Whether a whole text matches; one with a lone surrogate, which no body but a user's function gives, does not."""
    try:
        return regex.fullmatch(text) is not None
    except UnicodeEncodeError:
        return False


def _short(found: re.Match[str]) -> str:
    text = found[0]
    if not text.startswith("{"):
        return text  # an escape or a class, in which braces are letters
    return "{1,}" if "," in text else "{1}"


@lru_cache(maxsize=256)
def _iregexp(pattern: str) -> Any:
    """The RE2 of an I-Regexp (RFC 9485), None if it is none. A dot matches all but line feed and carriage return."""
    if not check(_QUANTIFIER.sub(_short, pattern)):
        return None
    parts = []
    in_class = escaped = False
    for character in pattern:
        if character == "." and not in_class and not escaped:
            parts.append(r"[^\r\n]")
        else:
            parts.append(character)
        if not escaped:
            in_class = character == "[" or (in_class and character != "]")
        escaped = character == "\\" and not escaped
    try:
        return compile_regex("".join(parts))
    except ValueError:
        return None
