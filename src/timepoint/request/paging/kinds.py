"""The kinds of paging by their names in the config.

Owns: the register. A new kind is one module beside this one and one line here; the config, its checks and the reference
follow. Must not know: what a kind does.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from timepoint.request.paging.continue_at import ContinueAt
from timepoint.request.paging.cursor import Cursor
from timepoint.request.paging.last_id import LastId
from timepoint.request.paging.link import Link
from timepoint.request.paging.next_url import NextUrl
from timepoint.request.paging.offset import Offset
from timepoint.request.paging.one_page import OnePage
from timepoint.request.paging.page_number import PageNumber

KINDS: Mapping[str, type[Any]] = MappingProxyType(
    {
        "next_url": NextUrl,
        "link": Link,
        "cursor": Cursor,
        "offset": Offset,
        "page": PageNumber,
        "last_id": LastId,
        "continue_at": ContinueAt,
        "one_page": OnePage,
    }
)
