"""Everything that a source adds to a request so that the API believes who asks.

Owns: the order in which it is put together: headers of the source and of the request, parameters of the source, then
its one way to authenticate, which sees all of these. Must not know: any of the ways, sockets, retries, templates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from yarl import URL

from timepoint.request.auth.base import Added, Around, Draft, Query, with_query
from timepoint.request.auth.registry import open_scheme
from timepoint.request.auth.secrets import checked_header, read_secret
from timepoint.request.prepare import PreparedRequest
from timepoint.secret import Secret

_PLAIN_HEADERS = frozenset({"accept", "accept-language", "content-type", "user-agent"})  # no secrets, but common words


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """A request with all that authenticates it, and every text that must be masked in what comes back.

    ``bound``: they hold for this very URL alone. ``query`` are the parameters among them.
    """

    url: URL
    query: Query
    headers: Mapping[str, Secret]
    hidden: tuple[Secret, ...]
    bound: bool
    added: Added

    def __repr__(self) -> str:
        return "Credentials()"

    def moved(self, url: URL) -> URL:
        """Where a redirect inside the origin leads, with the parameters that it may have left behind."""
        return with_query(url, self.query)


class SourceAuthenticator:
    """The credentials of a source, asked for before every attempt."""

    def __init__(self, around: Around) -> None:
        self._source = around.source
        self._scheme = open_scheme(around)

    async def credentials(self, request: PreparedRequest, deadline: float) -> Credentials:
        """Raises SourceError with the reason ``secret`` or ``token``."""
        headers = {}
        for name, value in (*self._source.headers.items(), *request.headers.items()):
            headers[name] = checked_header(name, read_secret(value))
        hidden = tuple(value for name, value in headers.items() if name.lower() not in _PLAIN_HEADERS)
        params = self._source.params
        query = tuple((name, read_secret(value)) for name, value in params.items())
        hidden += tuple(text for name, text in query if not params[name].is_word)
        draft = Draft(request.method, with_query(request.url, query), headers, request.body)
        added = await self._scheme.add(draft, deadline)
        taken = {name.lower() for name in added.headers}
        headers = {name: value for name, value in headers.items() if name.lower() not in taken}
        headers |= {name: checked_header(name, value) for name, value in added.headers.items()}
        url = with_query(draft.url, added.query)
        return Credentials(url, (*query, *added.query), headers, (*hidden, *added.hidden), added.bound, added)

    def refused(self, credentials: Credentials, status: int) -> bool:
        """Whether another attempt would have other credentials than those that the API refused with a status."""
        return self._scheme.refused(credentials.added, status)

    def accepted(self, credentials: Credentials) -> None:
        """The API has answered a request with these credentials as it should."""
        self._scheme.accepted(credentials.added)

    async def close(self) -> None:
        """Ends what is under way."""
        await self._scheme.close()
