"""A flag in the answer that says whether there are more pages.

Owns: how it is read. Must not know: what leads to the next page.
"""

from __future__ import annotations

from dataclasses import dataclass

from timepoint.mapping.nodes import NOTHING
from timepoint.request.paging.keys import key
from timepoint.request.paging.nodes import is_absent
from timepoint.request.paging.pager import Page
from timepoint.request.paging.places import Sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Flagged(Sent):
    """The keys of a kind that sends something for the next page, as long as a flag says that there is one."""

    more: str = key(
        "path",
        "The path to a flag that is false on the last page. Default: the page itself decides.",
        "$.has_more",
        default="",
    )

    def has_more(self, page: Page) -> bool | None:
        """What the flag says; None where it is left out, as where false is not written, or where there is none."""
        flag = page.document.node(self.more) if self.more else NOTHING
        return None if flag is NOTHING else not is_absent(flag)
