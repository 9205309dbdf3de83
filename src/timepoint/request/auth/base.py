"""What a way to authenticate is.

Owns: the seam between a source and the ways to authenticate. Must not know: any of them, HTTP's transport.

A new way is a subclass of ``Scheme`` in a module of its own and a line in ``registry``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from multidict import CIMultiDict
from yarl import URL

from timepoint.clock import Clock
from timepoint.request.spec import SourceSpec
from timepoint.request.template import encode_query
from timepoint.secret import Secret

if TYPE_CHECKING:
    from timepoint.request.transport import Transport

Query = tuple[tuple[str, Secret], ...]


@dataclass(frozen=True, slots=True, repr=False)
class Draft:
    """A request as it will be sent, but for what a scheme adds. Its headers are those that somebody set."""

    method: str
    url: URL
    headers: Mapping[str, Secret]
    body: bytes | None = None

    def __repr__(self) -> str:
        return f"Draft({self.method})"

    def plain_headers(self) -> CIMultiDict[str]:
        """The headers as they go over the wire: their names in any case, the later of two wins."""
        plain: CIMultiDict[str] = CIMultiDict()
        for name, value in self.headers.items():
            plain[name] = value.reveal()
        return plain


@dataclass(frozen=True, slots=True)
class Added:
    """What a scheme adds to a request, and every text that must be masked in what comes back.

    ``bound``: it holds for this very URL, so a redirect cannot be followed with it. ``token`` is what a scheme that
    asks for tokens wants to see again if the API refuses it.
    """

    headers: Mapping[str, Secret] = field(default_factory=dict)
    query: Query = ()
    hidden: tuple[Secret, ...] = ()
    bound: bool = False
    token: object = None


@dataclass(frozen=True, slots=True)
class Around:
    """What a scheme works with: its source, the time, and a way to other URLs under the limits of the source."""

    source: SourceSpec
    clock: Clock
    connect: Callable[[SourceSpec], Transport]


class Scheme:
    """One way to authenticate. Jobs of a source share it, also when many requests are under way at once."""

    async def add(self, draft: Draft, deadline: float) -> Added:
        """What the request must carry. ``deadline`` is an instant of the monotonic clock, in seconds.

        Raises SourceError, whose text holds no secret.
        """
        raise NotImplementedError

    def refused(self, added: Added, status: int) -> bool:  # noqa: ARG002 - for those that can do something about it
        """Whether the request may succeed with what ``add`` would give now, though it was refused with a status."""
        return False

    def accepted(self, added: Added) -> None:
        """A request that carried this was answered as it should be."""

    async def close(self) -> None:
        """Ends what is under way."""


def with_query(url: URL, query: Query) -> URL:
    """The URL with these parameters in place of those of the same names: a link of an API may have kept them."""
    if not query:
        return url
    names = {encode_query(name) for name, _ in query}
    kept = [pair for pair in url.raw_query_string.split("&") if pair and pair.partition("=")[0] not in names]
    kept += [f"{encode_query(name)}={encode_query(value.reveal())}" for name, value in query]
    address, _, _ = str(url).partition("?")
    return URL(f"{address}?{'&'.join(kept)}", encoded=True)
