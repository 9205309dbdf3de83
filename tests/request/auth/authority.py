"""An OAuth 2 server and the API that it protects, both by Authlib, on the loopback.

Owns: clients, users, tokens that end by the test's clock, refresh tokens that work once. Must not know: the client.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    ClientCredentialsGrant,
    ClientMixin,
    OAuth2Error,
    OAuth2Request,
    RefreshTokenGrant,
    ResourceOwnerPasswordCredentialsGrant,
    ResourceProtector,
    TokenMixin,
)
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator, BearerTokenValidator

from tests.request.wire import FakeClock, Received, Wire, reply, serving

CLIENT, SECRET = "the client+", "canary: client/secret&"
USER, PASSWORD = "an user", "canary pass=wörd"
METHODS = ["client_secret_basic", "client_secret_post", "none"]


@asynccontextmanager
async def answering(answer: Callable[[Received], bytes], **options: Any) -> AsyncIterator[Wire]:
    """A server that makes its answer from the request."""

    async def write(_reader: Any, writer: Any) -> None:
        writer.write(answer(wire.received[-1]))
        await writer.drain()

    async with serving(write, **options) as wire:
        yield wire


class Request(OAuth2Request):
    """A request as Authlib wants to see it."""

    def __init__(self, received: Received) -> None:
        headers = {name.title(): value for name, value in received.headers.items()}
        super().__init__("POST", "https://authority.test/token", headers=headers)
        self._form = dict(parse_qsl(received.body.decode(), keep_blank_values=True))
        self.payload = BasicOAuth2Payload(self._form)

    @property
    def form(self) -> dict[str, str]:
        return self._form


@dataclass
class Client(ClientMixin):
    """The one client."""

    method: str

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == self.method

    def check_grant_type(self, grant_type: str) -> bool:
        return True

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or ""


@dataclass
class Granted(TokenMixin):
    """A token that was given."""

    clock: FakeClock
    access_token: str
    refresh_token: str
    scope: str
    ends: float
    revoked: bool = False

    def check_client(self, client: ClientMixin) -> bool:
        return True

    def get_scope(self) -> str:
        return self.scope

    def is_expired(self) -> bool:
        return self.clock.monotonic() >= self.ends

    def is_revoked(self) -> bool:
        return self.revoked


class Password(ResourceOwnerPasswordCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def authenticate_user(self, username: str, password: str) -> str | None:
        return USER if (username, password) == (USER, PASSWORD) else None


class Refresh(RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Granted | None:
        authority: Authority = self.server.authority
        return authority.spend(refresh_token)

    def authenticate_user(self, refresh_token: Granted) -> str:
        return USER

    def revoke_old_credential(self, refresh_token: Granted) -> None:
        refresh_token.refresh_token = ""


class ByClient(ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS


class Server(AuthorizationServer):
    """Authlib's server without a web framework."""

    def __init__(self, authority: Authority) -> None:
        super().__init__()
        self.authority = authority
        self.register_token_generator(
            "default",
            BearerTokenGenerator(
                lambda **_: authority.new("access"), lambda **_: authority.new("refresh"), lambda *_: authority.lifetime
            ),
        )
        for grant in (ByClient, Password, Refresh):
            self.register_grant(grant)

    def query_client(self, client_id: str) -> Client | None:
        return Client(self.authority.method) if client_id == CLIENT else None

    def save_token(self, token: dict[str, Any], request: Any) -> None:
        authority = self.authority
        ends = authority.clock.monotonic() + token["expires_in"]
        scope, refresh = token.get("scope", ""), token.get("refresh_token", "")
        authority.granted.append(Granted(authority.clock, token["access_token"], refresh, scope, ends))

    def create_oauth2_request(self, request: Received) -> Request:
        return Request(request)

    def handle_response(self, status: int, body: dict[str, Any], headers: list[tuple[str, str]]) -> bytes:
        return reply(status, json.dumps(body).encode())

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        pass


class Validator(BearerTokenValidator):
    def __init__(self, authority: Authority) -> None:
        super().__init__()
        self.authority = authority

    def authenticate_token(self, token_string: str) -> Granted | None:
        return next((token for token in self.authority.granted if token.access_token == token_string), None)


@dataclass
class Authority:
    """What the server knows. ``asked`` are the requests for a token, ``served`` those that the API answered."""

    clock: FakeClock = field(default_factory=FakeClock)
    method: str = "client_secret_basic"
    lifetime: int = 3600
    granted: list[Granted] = field(default_factory=list)
    asked: list[Received] = field(default_factory=list)
    served: list[Received] = field(default_factory=list)
    refused: int = 0
    scopes: list[str] = field(default_factory=list)
    spent: set[str] = field(default_factory=set)
    replayed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._server = Server(self)
        self._protector = ResourceProtector()
        self._protector.register_token_validator(Validator(self))

    def register(self, grant: type) -> None:
        """Takes one more kind of grant."""
        self._server.register_grant(grant)

    def new(self, kind: str) -> str:
        """A token that no test could guess to be right."""
        return f"canary-{kind}-{len(self.granted)}-token"

    def grant(self) -> str:
        """A refresh token, as a person gets one in a browser."""
        self.granted.append(Granted(self.clock, "", token := self.new("refresh"), "", 0.0))
        return token

    def spend(self, refresh_token: str) -> Granted | None:
        """The grant behind a refresh token. One that comes a second time ends all of them (RFC 9700, 4.14.2)."""
        if refresh_token in self.spent:
            self.replayed.append(refresh_token)
            self.granted.clear()
            return None
        found = next((token for token in self.granted if refresh_token and token.refresh_token == refresh_token), None)
        if found is not None:
            self.spent.add(refresh_token)
        return found

    def revoke(self) -> None:
        """Ends all access tokens."""
        for token in self.granted:
            token.revoked = True

    def answer(self, received: Received) -> bytes:
        """The token endpoint at /token; elsewhere the API."""
        if received.target.startswith("/token"):
            self.asked.append(received)
            return bytes(self._server.create_token_response(received))
        headers = {name.title(): value for name, value in received.headers.items()}
        request = OAuth2Request("GET", "https://api.test/", headers=headers)
        try:
            validator, text = self._protector.parse_request_authorization(request)
            validator.validate_token(validator.authenticate_token(text), self.scopes, request)
        except OAuth2Error as error:
            self.refused += 1
            status, body, _ = error()
            return reply(status, json.dumps(body).encode())
        self.served.append(received)
        return reply()
