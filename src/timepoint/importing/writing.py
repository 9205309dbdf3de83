"""A config as YAML that a person goes on with.

Owns: how data become YAML, in the style of the examples: mappings in blocks, lists and small mappings in a line, and
comments. Must not know: what a config means.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_WIDTH = 118
_IN_LINE = 100
_EXACT = 2**53  # from here on a float is not every integer
_LAST_OF_PLANE = 0xFFFF
_PLAIN = re.compile(
    r"[A-Za-z_$/.][A-Za-z0-9_$/.?=@+()%~-]*(?::[A-Za-z0-9_$/.?=@+()%~-]+)*(?: [A-Za-z0-9_$/.=@+()<>'-]+)*[.)]?"
)
_LENGTH = re.compile(r"[0-9]+[a-z]+")  # 30s: no number
_NOT_PLAIN = re.compile(r"(?i)null|true|false|yes|no|on|off|y|n|~|\.(?:inf|nan)|[-+.]?\d[\d_.eExXoO:+-]*")
_NOT_IN_FLOW = re.compile(r"[\[\]{},?:]")
_NOT_IN_SINGLE = re.compile(r"[^\x20-\x7e\xa1-\ud7ff\ue000-\ufefe\uff00-\ufffd]")
_SMALL = frozenset(
    ("labels", "time", "request", "source_labels", "tls_config", "basic_auth", "authorization", "params")
)


@dataclass(frozen=True, slots=True)
class Anchored:
    """Data that others refer to by a name."""

    name: str
    data: Any


@dataclass(frozen=True, slots=True)
class Alias:
    """The data that have this name."""

    name: str


@dataclass(frozen=True, slots=True)
class Commented:
    """Data with lines of comment above their key."""

    comments: tuple[str, ...]
    data: Any


def yaml_text(data: dict[str, Any]) -> str:
    """YAML for a mapping. Keys keep their order."""
    return "\n".join(_mapping(data, 0)) + "\n"


def comment(text: str, indent: int = 0) -> Iterator[str]:
    """A paragraph as lines of comment."""
    pad = " " * indent
    yield from textwrap.wrap(
        " ".join(text.split()),
        _WIDTH,
        initial_indent=f"{pad}# ",
        subsequent_indent=f"{pad}#   ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _mapping(data: dict[str, Any], indent: int) -> Iterator[str]:
    pad = " " * indent
    for key, held in data.items():
        value = held
        if isinstance(value, Commented):
            for text in value.comments:
                yield from comment(text, indent)
            value = value.data
        anchor = ""
        if isinstance(value, Anchored):
            anchor, value = f" &{value.name}", value.data
        head = f"{pad}{scalar(key)}:{anchor}"
        in_line = _in_line(value)
        is_small = not isinstance(value, dict) or key in _SMALL or not value
        fits = in_line is not None and is_small and len(head) + len(in_line) <= _IN_LINE
        if fits or (in_line is not None and not isinstance(value, (dict, list))):
            yield f"{head} {in_line}"
        elif isinstance(value, dict):
            yield head
            yield from _mapping(value, indent + 2)
        elif isinstance(value, list):
            yield head
            yield from (f"{pad}  - {_in_line(item)}" for item in value)
        else:
            yield f"{head} {scalar(value)}"


def _in_line(value: Any) -> str | None:
    """Data in flow style; None if something in it needs a block."""
    if isinstance(value, Alias):
        return f"*{value.name}"
    if isinstance(value, (Anchored, Commented)):
        return None
    if isinstance(value, dict):
        items = [(key, _in_line(item)) for key, item in value.items()]
        if any(item is None for _, item in items):
            return None
        return f"{{{', '.join(f'{_in_flow(key)}: {item}' for key, item in items)}}}"
    if isinstance(value, list):
        found = [_in_line(item) for item in value]
        return None if any(item is None for item in found) else f"[{', '.join(map(str, found))}]"
    return _in_flow(value)


def _in_flow(value: Any) -> str:
    text = scalar(value)
    return text if text.startswith(("'", '"')) or not _NOT_IN_FLOW.search(text) else _quoted(text)


def scalar(value: Any) -> str:
    """A scalar; a text stands in quotes unless it is safe without."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)
    if isinstance(value, int):
        return str(value)
    text = str(value)
    if (_PLAIN.fullmatch(text) and not _NOT_PLAIN.fullmatch(text)) or _LENGTH.fullmatch(text):
        return text
    return _quoted(text)


def _quoted(text: str) -> str:
    """Double quotes, which are JSON's; single quotes where the text would need escapes in these."""
    if ('"' in text or "\\" in text) and not _NOT_IN_SINGLE.search(text):
        return "'" + text.replace("'", "''") + "'"
    written = json.dumps(text, ensure_ascii=False)
    return _NOT_IN_SINGLE.sub(_escape, written)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return match[0] if code > _LAST_OF_PLANE else f"\\u{code:04x}"
