"""Documents that are not what the mapping was written for.

Owns: the question whether the rows of a mapping could stand in a document at all, and what a document says is the
matter. Must not know: rows themselves, what
``expect`` says; it is asked only where that says nothing and a document gave no row.

An API that answers ``{"error": "over quota"}`` with status 200 would otherwise have said that there is nothing, and the
window would be passed over. An answer without data has the place where they would stand: ``{"data": []}``. So only the
outermost level is looked at, and ``{}``, ``[]`` and ``null`` are believed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from timepoint.mapping.nodes import NOTHING
from timepoint.mapping.paths import Capture, Index, Name, Path, Wild
from timepoint.mapping.unusable import show

_NAMES = 6
_REASONS = frozenset(("description", "detail", "error", "errormessage", "message", "msg", "note", "reason", "title"))


def is_strange(document: Any, walks: Iterable[Path]) -> bool:
    """Whether no outermost walk finds anything on the outermost level, though there is something."""
    if not isinstance(document, dict | list) or not document:
        return False
    return all(_leads_nowhere(document, walk) for walk in walks)


def _leads_nowhere(document: dict[str, Any] | list[Any], walk: Path) -> bool:
    if not walk.segments:
        return False
    first = walk.segments[0].sole
    if isinstance(first, Name):
        return not isinstance(document, dict) or first.name not in document
    if isinstance(first, Index):
        return isinstance(document, dict) or _element(document, first.index) is NOTHING
    if isinstance(first, Wild | Capture) and isinstance(document, dict) and len(walk.segments) > 1:
        return not any(node is None or isinstance(node, dict | list) for node in document.values())
    return False


def _element(document: list[Any], index: int) -> Any:
    return document[index] if -len(document) <= index < len(document) else NOTHING


def strange_text(document: Any, walks: Iterable[Path]) -> str:
    """What is said of such a document."""
    wanted = ", ".join(dict.fromkeys(walk.text for walk in walks))
    if isinstance(document, dict):
        key, value = next(iter(document.items()))
        names = ", ".join(list(document)[:_NAMES]) + (", ..." if len(document) > _NAMES else "")
        what = f"it is an object with {names}, and {key} is {show(_plain(value))}"
        hint = f"$.{key}" if key.isidentifier() else f"$['{key}']"
    else:
        what, hint = f"it is an array of {len(document)}, which begins with {show(_plain(document[0]))}", "$[0]"
    return (
        f"the answer has no place for {wanted}: {what}. If no path is misspelt and this is no error, but means that "
        f'there are no data yet, say so: expect: {{empty: {{present: ["{hint}"]}}}}'
    )


def reason(document: Any) -> str:
    """What an error document says in a text of its outermost level, as the end of a sentence; mostly nothing."""
    for key, value in document.items() if isinstance(document, dict) else ():
        if key.replace("_", "").lower() in _REASONS:
            said = _plain(value)
            if isinstance(said, str) and said:
                return f"; {key} is {show(said)}"
    return ""


def _plain(node: Any) -> Any:
    """A part that was not decoded, decoded."""
    return msgspec.json.decode(node) if isinstance(node, msgspec.Raw) else node
