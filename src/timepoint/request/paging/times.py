"""The times of a page: where they are and how they are read.

Owns: that. Must not know: what follows from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from timepoint.mapping.stamps import StampReader, find_zone, localise
from timepoint.mapping.unusable import Unusable
from timepoint.request.paging.keys import key
from timepoint.request.paging.nodes import Document
from timepoint.request.paging.pager import paging_error


@dataclass(frozen=True, slots=True, kw_only=True)
class TimesSpec:
    """The keys that say where the times of a page are, and how they are written."""

    path: str = key("path", "The path to the times of the rows of a page.", "$.data[*].time")
    format: str = key(
        "text",
        "How they are written, as in `time` of a metric. Default: ISO 8601 or epoch seconds.",
        "unix_ms",
        default="",
    )
    timezone: str = key("text", "The zone of times without an offset. Default: `UTC`.", "Europe/Berlin", default="")

    def read(self, document: Document) -> list[int]:
        """The times of a page in milliseconds, in their order. Raises SourceError for what is no time."""
        reader = StampReader(self.format or None)
        try:
            zone = find_zone(self.timezone or "UTC")
            stamps = [reader.read(_plain(node)) for node in document.nodes(self.path) if node is not None]
            return [localise(stamp, zone)[0] if isinstance(stamp, datetime) else stamp for stamp in stamps]
        except Unusable as error:
            raise paging_error(f"{self.path}: {error.shown}") from None


def _plain(node: object) -> object:
    return msgspec.json.decode(node) if isinstance(node, msgspec.Raw) else node
