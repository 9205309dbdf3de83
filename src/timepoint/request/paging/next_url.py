"""Paging by the URL of the next page, which stands in the body.

Owns: that kind. Must not know: how its request is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from timepoint.request.paging.keys import key
from timepoint.request.paging.nodes import is_absent
from timepoint.request.paging.pager import Kind, Page, paging_error
from timepoint.request.paging.places import at_url
from timepoint.request.prepare import PreparedRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class NextUrl(Kind):
    """Asks where the body says, in the same way and with the same body, until it says nothing."""

    says: ClassVar[str] = (
        "The body holds the URL of the next page, whole or relative to this one. The last page has none (or `null`)."
    )

    path: str = key("path", "The path to the URL of the next page.", "$.links.next")

    @property
    def looks_at(self) -> str:
        return self.path

    def following(self, page: Page) -> PreparedRequest | None:
        found = page.document.node(self.path)
        if is_absent(found):
            return None
        if not isinstance(found, str):
            raise paging_error(f"{self.path} is no text that could be the URL of the next page")
        return at_url(page.asked, found)
