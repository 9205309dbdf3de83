"""What ways have in common that get a bearer token from a token endpoint.

Owns: the header, and what an answer of a token endpoint must hold. Must not know: how a token is asked for.
Source: RFC 6749, 5.1 and A.12; RFC 6750.
"""

from __future__ import annotations

import re
from typing import Any

from timepoint.request.auth.base import Added, Around, Draft, Scheme
from timepoint.request.auth.endpoint import Endpoint, EndpointSpec, lifetime_of
from timepoint.request.auth.tokens import Token, TokenKeeper
from timepoint.secret import Secret

_UNAUTHORIZED = 401
_TOKEN = re.compile(r"[\x21-\x7e]+")  # what the standard allows and a header can carry


class BearerScheme(Scheme):
    """A token in the ``Authorization`` header, of which ``ask`` gets a new one.

    ``patience``: how many seconds a request for one may still take when all ends.
    """

    patience = 0.0

    def __init__(self, endpoint: EndpointSpec, around: Around) -> None:
        self.endpoint = Endpoint("token endpoint", endpoint, around)
        self._keeper = TokenKeeper(around.source.name, around.clock, self.ask)

    async def ask(self) -> Token:
        """A new token. Raises SourceError."""
        raise NotImplementedError

    async def add(self, draft: Draft, deadline: float) -> Added:  # noqa: ARG002 - the seam's
        token = await self._keeper.current(deadline)
        header = Secret(f"Bearer {token.text.reveal()}")
        return Added({"Authorization": header}, hidden=(token.text, *token.hidden), token=token)

    def refused(self, added: Added, status: int) -> bool:
        return status == _UNAUTHORIZED and isinstance(added.token, Token) and self._keeper.refused(added.token)

    def accepted(self, added: Added) -> None:
        if isinstance(added.token, Token):
            self._keeper.accepted(added.token)

    async def close(self) -> None:
        await self._keeper.close(self.patience)
        await self.endpoint.close()

    def token_of(self, answer: Any, hidden: tuple[Secret, ...]) -> Token:
        """The token in an answer of the endpoint. Raises TokenError if none can be used."""
        text = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(text, str) or not _TOKEN.fullmatch(text):
            raise self.endpoint.fail("the answer has no access_token that can be sent")
        kind = answer.get("token_type", "Bearer")
        if not isinstance(kind, str) or kind.lower() != "bearer":
            raise self.endpoint.fail("the answer has a token_type other than Bearer")
        return Token(Secret(text), lifetime_of(answer.get("expires_in")), hidden)
