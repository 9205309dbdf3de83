"""Signs in an answer that there is more of it than what came.

Owns: which names mean that to the APIs that there are. Nothing is decided by them, since a name is no proof: they are
told to a person, where the config says nothing of pages, or looks for them in a place where nothing stands. Must not
know: kinds of paging, requests.
"""

from __future__ import annotations

import json
import re
from typing import Any

from timepoint.mapping.nodes import NOTHING
from timepoint.request.paging.nodes import Document, is_absent, text_of, whole_number

_DEPTH = 3
_MEMBERS = 50
_MARK = re.compile(
    r"(odata)?next(page|link|url|href|offset)?|(next(page)?|continuation|resumption)token|(next|end)cursor"
)
_FLAG = re.compile(r"has(more|next|nextpage)|more(pages|results)|(is)?truncated")
_TOTAL = re.compile(r"total(count|rows|results|records|items|hits)?|numfound")
_LINK = "href"  # as in HAL: {"next": {"href": "..."}}
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def sign_of_more(document: Document) -> str:
    """What an answer says of a next page: a path and a few words. Empty if it says nothing."""
    for names, value in document.members(_DEPTH, _MEMBERS):
        word = _word(names[-1])
        if _FLAG.fullmatch(word) and (value is True or value == "true"):
            return f"{_path(names)} is true"
        if word == _LINK and len(names) > 1:
            word = _word(names[-2])
        if _MARK.fullmatch(word) and _is_mark(value):
            return f"{_path(names)} names a next page"
    return ""


def misspelt(document: Document, path: str) -> str:
    """A sentence if nothing stands at the path to the next page, and the answer names one elsewhere. Else empty."""
    sign = sign_of_more(document) if document.node(path) is NOTHING else ""
    return f"nothing stands at {path}, which leads to the next page, and {sign}: is it misspelt?" if sign else ""


def total_beyond(document: Document, rows: int) -> str:
    """The path of what an answer calls a total, if it is more than so many rows, and the total. Empty if none is."""
    for names, value in document.members(_DEPTH, _MEMBERS):
        total = whole_number(value) if _TOTAL.fullmatch(_word(names[-1])) else None
        if total is not None and total > rows:
            return f"{_path(names)} is {total}"
    return ""


def _is_mark(value: Any) -> bool:
    return not is_absent(value) and text_of(value) not in {None, "true", "0"}


def _word(name: str) -> str:
    """A name without case and signs: ``next_page``, ``nextPage`` and ``NextPage`` are one."""
    return re.sub(r"[^a-z]", "", name.lower())


def _path(names: tuple[str, ...]) -> str:
    return "$" + "".join(f".{name}" if _PLAIN.fullmatch(name) else f"[{json.dumps(name)}]" for name in names)
