"""The grants of OAuth 2 that need no browser: client credentials, refresh token, password.

Owns: the request to the token endpoint and what its answer means. Must not know: when a token is needed.
Source: RFC 6749 (2.3.1, 4.3, 4.4, 5, 6), RFC 6750.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from yarl import URL

from timepoint import log
from timepoint.errors import TokenError
from timepoint.request.auth.base import Around
from timepoint.request.auth.bearer import BearerScheme
from timepoint.request.auth.endpoint import FORM, EndpointSpec, Question, Reply
from timepoint.request.auth.refresh import RefreshTokens
from timepoint.request.auth.secrets import read_secret
from timepoint.request.auth.tokens import Token
from timepoint.request.spec import AuthSpec, SecretSource
from timepoint.secret import Secret

LOGGER = logging.getLogger(__name__)

CLIENT_CREDENTIALS, REFRESH_TOKEN, PASSWORD = ("client_credentials", "refresh_token", "password")
BASIC, POST = METHODS = ("client_secret_basic", "client_secret_post")

LAST_WISH = 2.0  # seconds: a refresh token that is spent when all ends would be lost without its successor


@dataclass(frozen=True, slots=True)
class OAuth2Spec(AuthSpec):
    """``oauth2`` of a source. ``method`` is how the client shows its secret; empty: by Basic, or else in the body."""

    endpoint: EndpointSpec
    client_id: SecretSource
    client_secret: SecretSource | None = None
    grant: str = CLIENT_CREDENTIALS
    method: str = ""
    scopes: tuple[str, ...] = ()
    params: Mapping[str, SecretSource] = field(default_factory=dict)
    refresh_token: SecretSource | None = None
    rotated_file: SecretSource | None = None
    username: SecretSource | None = None
    password: SecretSource | None = None


class OAuth2(BearerScheme):
    """A bearer token from a token endpoint."""

    def __init__(self, spec: OAuth2Spec, around: Around) -> None:
        super().__init__(spec.endpoint, around)
        self._spec = spec
        self._source = around.source.name
        self._methods = [spec.method] if spec.method else list(METHODS)
        self._refresh = RefreshTokens(spec.refresh_token, spec.rotated_file) if spec.refresh_token else None
        self.patience = LAST_WISH if self._refresh is not None else 0.0
        self._warned = False

    async def ask(self) -> Token:
        grant: dict[str, Secret] = {"grant_type": Secret(self._spec.grant)}
        if self._refresh is not None:
            return await self._ask_by_refreshing(self._refresh, grant)
        if self._spec.username is not None and self._spec.password is not None:
            grant |= {"username": read_secret(self._spec.username), "password": read_secret(self._spec.password)}
        token, _ = await self._granted(grant)
        return token

    async def _ask_by_refreshing(self, tokens: RefreshTokens, grant: Mapping[str, Secret]) -> Token:
        async with tokens.turn():
            candidates = tokens.candidates()
            for place, refresh_token in enumerate(candidates, 1):
                try:
                    token, rotated = await self._granted({**grant, "refresh_token": refresh_token})
                except _SpentError:
                    if place == len(candidates):
                        raise
                    continue
                if rotated is not None and rotated != refresh_token:
                    tokens.keep(rotated)
                    self._warn(tokens)
                return token
        raise AssertionError("BUG: a refresh token was neither granted nor refused")

    def _warn(self, tokens: RefreshTokens) -> None:
        if not tokens.is_kept and not self._warned:
            self._warned = True
            log.event(LOGGER, logging.WARNING, "refresh_token_not_kept", source=self._source)

    async def _granted(self, grant: Mapping[str, Secret]) -> tuple[Token, Secret | None]:
        """The access token for a grant, and the refresh token that came with it. Raises TokenError."""
        while True:
            method = self._methods[0]
            question = self._question(method, grant)
            reply = await self.endpoint.ask(question)
            answer = reply.json()
            said = answer.get("error") if isinstance(answer, dict) else None
            if reply.is_good and not said:
                self._methods = [method]
                return self._read(answer, question)
            if len(self._methods) > 1 and (reply.status == 401 or said == "invalid_client"):  # noqa: PLR2004 - 5.2
                self._methods = self._methods[1:]
                continue
            if not self._spec.method:
                self._methods = list(METHODS)  # the secret may be mended meanwhile
            raise self._refusal(reply, said)

    def _refusal(self, reply: Reply, said: Any) -> TokenError:
        error = self.endpoint.refusal(reply)
        return _SpentError(str(error), 0.0, may_pass=False) if said == "invalid_grant" else error

    def _question(self, method: str, grant: Mapping[str, Secret]) -> Question:
        spec = self._spec
        form = dict(grant)
        if spec.scopes:
            form["scope"] = Secret(" ".join(spec.scopes))
        form |= {name: read_secret(value) for name, value in spec.params.items()}
        hidden = [text for name, text in form.items() if name not in {"grant_type", "scope"}]
        headers = {"Content-Type": FORM, "Accept": Secret("application/json")}
        client = read_secret(spec.client_id)
        secret = read_secret(spec.client_secret) if spec.client_secret is not None else None
        if secret is not None and method == BASIC:
            # Form encoding (2.3.1), but a blank as %20: servers that do not know + for it know this.
            pair = f"{quote(client.reveal(), safe='')}:{quote(secret.reveal(), safe='')}"
            encoded = Secret(b64encode(pair.encode()).decode())
            headers["Authorization"] = Secret(f"Basic {encoded.reveal()}")
            hidden.append(encoded)
        else:
            form["client_id"] = client
            if secret is not None:
                form["client_secret"] = secret
        hidden += [client, secret] if secret is not None else [client]
        body = urlencode({name: text.reveal() for name, text in form.items()}).encode()
        url = URL(spec.endpoint.url)
        return Question("POST", url, headers, body, (*hidden, *spec.endpoint.hidden))

    def _read(self, answer: Any, question: Question) -> tuple[Token, Secret | None]:
        rotated = answer.get("refresh_token") if isinstance(answer, dict) else None
        refresh_token = Secret(rotated) if isinstance(rotated, str) and rotated.strip() else None
        hidden = (*question.hidden, refresh_token) if refresh_token is not None else question.hidden
        return self.token_of(answer, hidden), refresh_token


class _SpentError(TokenError):
    """The endpoint knows the client, but not (or no longer) what it brought."""
