"""``/metrics?job_name=J`` and ``?name[]=M``: a part of the page.

Owns: what the query asks for, and keeping the selections of the current pages. Selections of pages that are no longer
served are let go with them, and only a few are kept: the query is the client's. Must not know: HTTP beyond the query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from timepoint.exposition.family import FamilySnapshot, is_selected
from timepoint.exposition.page import Pages

KEPT = 8


class Query(Protocol):
    """The part of a parsed query that is used here."""

    def getall(self, key: str, default: Sequence[str]) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Selection:
    """The jobs and the families or samples that are asked for; empty means all of them."""

    job_names: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.job_names or self.names)

    def of_live(self, families: Sequence[FamilySnapshot]) -> Sequence[FamilySnapshot]:
        """The server's own families that belong to the selection: they are of no job."""
        if self.job_names:
            return []
        return [family for family in families if not self.names or is_selected(family.spec, self.names)]


def read_selection(query: Query) -> Selection:
    """What a query asks for. ``name[]`` is what Prometheus' client libraries take."""
    return Selection(frozenset(query.getall("job_name", ())), frozenset(query.getall("name[]", ())))


class Selections:
    """The selections that were made of the current pages, so that a scraper that repeats itself costs no assembly."""

    def __init__(self) -> None:
        self._pages: Pages | None = None
        self._made: dict[Selection, Pages] = {}

    def of(self, pages: Pages, selection: Selection) -> Pages:
        """The selected pages; the pages themselves for an empty selection."""
        if not selection:
            return pages
        if self._pages is not pages:
            self._pages, self._made = pages, {}
        made = self._made.get(selection)
        if made is None:
            if len(self._made) >= KEPT:
                self._made.clear()
            made = self._made[selection] = pages.selecting(selection.job_names, selection.names)
        return made
