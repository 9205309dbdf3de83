"""What a kind of paging is: how one page leads to the request for the next.

Owns: the page as a kind sees it, and the protocol. Must not know: any kind, sockets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol

from timepoint.errors import SourceError
from timepoint.mapping.nodes import NOTHING
from timepoint.mapping.weight import DEFAULT_MEMORY
from timepoint.model import Window
from timepoint.request.answer import Answer
from timepoint.request.decode import decode
from timepoint.request.paging.nodes import Document, count_of
from timepoint.request.prepare import PreparedRequest
from timepoint.request.spec import RequestSpec


def paging_error(sentence: str) -> SourceError:
    """The error of an API whose pages do not lead to an end that can be believed."""
    return SourceError("paging", sentence)


@dataclass(frozen=True)  # no slots: what is looked for in a page is found once
class Page:
    """One page of a window.

    ``number`` counts from 1; ``asked`` is the request that it answers, and ``window`` what that asked for.
    ``rows_before`` are the rows on the pages before it, ``limit`` those of a full page (0: not said). ``prepare`` gives
    the job's request for another window, ``memory`` is what the page may take decoded, in bytes.
    """

    number: int
    answer: Answer
    asked: PreparedRequest
    window: Window
    request: RequestSpec
    rows_path: str
    limit: int
    rows_before: int
    prepare: Callable[[Window], PreparedRequest]
    memory: int = DEFAULT_MEMORY

    @cached_property
    def document(self) -> Document:
        """Its body. Raises ContentError."""
        return Document(decode(self.answer, self.request, self.memory))

    @cached_property
    def rows(self) -> int | None:
        """How many rows it has; None if nothing says where they are. Raises SourceError for a path that finds none."""
        if not self.rows_path:
            return count_of(self.document.node("$")) if self.document.is_list else None
        node = self.document.node(self.rows_path)
        if node is NOTHING and self.number > 1:
            return 0
        count = None if node is NOTHING else count_of(node)
        if count is None:
            found = "is not in the answer" if node is NOTHING else "is neither a list nor an object"
            raise paging_error(f"{self.rows_path} (rows) {found}: it must lead to what holds the rows of a page")
        return count


class Pager(Protocol):
    """A kind of paging: a frozen dataclass whose fields are its keys in the config (see ``keys``)."""

    says: ClassVar[str]  # what users read about it
    one_of: ClassVar[tuple[str, ...]]  # keys of which one must stand
    by_position: ClassVar[bool]  # whether rows are found by their position, so that one that goes moves all behind it
    is_paging: ClassVar[bool]  # whether there may be more than one page
    may_repeat: ClassVar[bool]  # whether a page may come twice, since something else tells that the API moves on

    @property
    def counts_rows(self) -> bool:
        """Whether it must know how many rows a page has."""
        ...

    @property
    def ends_short(self) -> bool:
        """Whether a page with fewer rows than the limit is the last one."""
        ...

    @property
    def looks_at(self) -> str:
        """The path to what alone leads to another page; empty if there is no such path, or a flag beside it."""
        ...

    def first(self, asked: PreparedRequest) -> PreparedRequest:
        """The request for the first page, from the request of the job."""
        ...

    def following(self, page: Page) -> PreparedRequest | None:
        """The request for the page after this one, None if this one is the last. Raises SourceError."""
        ...


class Kind:
    """What most kinds of paging are."""

    __slots__ = ()
    says: ClassVar[str] = ""
    one_of: ClassVar[tuple[str, ...]] = ()
    by_position: ClassVar[bool] = False
    is_paging: ClassVar[bool] = True
    may_repeat: ClassVar[bool] = False

    @property
    def counts_rows(self) -> bool:
        return False

    @property
    def ends_short(self) -> bool:
        return False

    @property
    def looks_at(self) -> str:
        return ""

    def first(self, asked: PreparedRequest) -> PreparedRequest:
        return asked
