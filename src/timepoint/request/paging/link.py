"""Paging by the Link header of the answer.

Owns: that kind, and reading the header. Must not know: how its request is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from timepoint.request.paging.keys import key
from timepoint.request.paging.pager import Kind, Page
from timepoint.request.paging.places import at_url
from timepoint.request.prepare import PreparedRequest

_BLANKS = " \t"
_TARGET = re.compile(r"<([^>]*)>")
_PARAMETER = re.compile(
    r"[ \t]*;[ \t]*([^\s\"(),/:;<=>?@\[\\\]{}]+)(?:[ \t]*=[ \t]*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s,;\"]*)))?"
)
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link(Kind):
    """Asks where the header says, until it says nothing."""

    says: ClassVar[str] = (
        "The header `Link` of the answer holds the URL of the next page (RFC 8288). The last page has none."
    )

    rel: str = key("text", "The relation of the link to follow. Default: `next`.", "next", default="next")

    def following(self, page: Page) -> PreparedRequest | None:
        target = find_link(page.answer.headers.get("link", ""), self.rel)
        return None if target is None else at_url(page.asked, target)


def find_link(header: str, rel: str) -> str | None:
    """The target of the first link of a relation in a Link header, None if there is none.

    Relations are compared without case; only the first ``rel`` of a link counts, and a link about something else than
    the answer itself (``anchor``) does not. Source: RFC 8288, 3 and appendix B.2.
    """
    for target, parameters in _links(header):
        relations = parameters.get("rel", "").strip("'").lower().split()  # some servers quote as in HTML
        if rel.lower() in relations and not parameters.get("anchor"):
            return target
    return None


def _links(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Target and parameters of each link; what cannot be read is passed over up to the next target."""
    place = 0
    while (found := _TARGET.search(header, place)) is not None:
        place = found.end()
        parameters: dict[str, str] = {}
        while (parameter := _PARAMETER.match(header, place)) is not None:
            place = parameter.end()
            quoted, plain = parameter[2], parameter[3]
            value = _ESCAPE.sub(r"\1", quoted) if quoted is not None else plain or ""
            parameters.setdefault(parameter[1].lower(), value)
        yield found[1].strip(_BLANKS), parameters
