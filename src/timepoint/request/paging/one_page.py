"""No paging, said on purpose: an API that cuts what does not fit into one answer and does not say so.

Owns: that kind. Must not know: how its request is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from timepoint.request.paging.pager import Kind, Page
from timepoint.request.prepare import PreparedRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class OnePage(Kind):
    """One page, of which ``limit`` and ``total`` tell whether it is all."""

    says: ClassVar[str] = (
        "There is one page, and an answer that holds `limit` rows, or fewer than `total`, was cut. That is an error, "
        "since what is missing would never be read."
    )
    is_paging: ClassVar[bool] = False

    def following(self, page: Page) -> PreparedRequest | None:  # noqa: ARG002 - the protocol's
        return None
