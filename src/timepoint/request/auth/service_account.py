"""Google's service accounts: an assertion that is signed with the account's key becomes a bearer token.

Owns: the key file, the assertion, and the request for a token. Must not know: when a token is needed.
Source: RFC 7523, 2.1 and 3; Google, "Using OAuth 2.0 for server to server applications".

The signature (RS256) is PyJWT's, an optional extra, since it brings ``cryptography`` (16 MB, compiled).
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from yarl import URL

from timepoint.errors import SourceError
from timepoint.request.auth.base import Around
from timepoint.request.auth.bearer import BearerScheme
from timepoint.request.auth.endpoint import FORM, EndpointSpec, Question
from timepoint.request.auth.secrets import read_secret
from timepoint.request.auth.tokens import Token
from timepoint.request.spec import AuthSpec, SecretSource
from timepoint.secret import Secret

TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 - a URL
MISSING = "service_account needs PyJWT, which is not installed: pip install 'timepoint-exporter[jwt]'"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFE = 3600  # seconds: the most that Google takes
_NEEDED = ("client_email", "private_key", "private_key_id")


@dataclass(frozen=True, slots=True)
class ServiceAccountSpec(AuthSpec):
    """``service_account`` of a source. ``subject`` is whom the account acts for, empty for itself."""

    endpoint: EndpointSpec
    key_file: SecretSource
    scopes: tuple[str, ...]
    subject: str = ""


class ServiceAccount(BearerScheme):
    """A bearer token for an account without a person."""

    def __init__(self, spec: ServiceAccountSpec, around: Around) -> None:
        super().__init__(spec.endpoint, around)
        self._spec = spec
        self._clock = around.clock

    async def ask(self) -> Token:
        url = self._spec.endpoint.url
        account = _account(self._spec.key_file)
        assertion = self._assertion(account)
        body = urlencode({"grant_type": _GRANT, "assertion": assertion.reveal()}).encode()
        hidden = (assertion, *(Secret(account[key]) for key in _NEEDED), *self._spec.endpoint.hidden)
        reply = await self.endpoint.ask(Question("POST", URL(url), {"Content-Type": FORM}, body, hidden))
        if not reply.is_good:
            raise self.endpoint.refusal(reply)
        return self.token_of(reply.json(), hidden)

    def _assertion(self, account: dict[str, str]) -> Secret:
        try:
            import jwt
        except ImportError:
            raise SourceError("secret", MISSING) from None
        now = self._clock.now() // 1000
        claims: dict[str, Any] = {
            "iss": account["client_email"],
            "scope": " ".join(self._spec.scopes),
            "aud": self._spec.endpoint.url,
            "iat": now,
            "exp": now + _LIFE,
        }
        if self._spec.subject:
            claims["sub"] = self._spec.subject
        try:
            signed = jwt.encode(claims, account["private_key"], "RS256", {"kid": account["private_key_id"]})
        except (ValueError, TypeError, jwt.PyJWTError):
            signed = ""
        if not signed:  # outside of the handler: what hangs on an error is shown, and this one may quote the key
            raise SourceError("secret", f"the private_key in {self._spec.key_file.shown} is no RSA key in PEM")
        return Secret(signed)


def complaints(scopes: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What is wrong with a config, each with its key; also that the extra is not installed."""
    if not scopes:
        yield "scopes", "is empty: Google gives no token for nothing"
    if importlib.util.find_spec("jwt") is None:
        yield "key_file", MISSING


def _account(file: SecretSource) -> dict[str, str]:
    """What the key file says. Raises SourceError("secret", ...)."""
    try:
        found = json.loads(read_secret(file).reveal())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(found.get(key), str) and found[key] for key in _NEEDED):
        raise SourceError("secret", f"{file.shown} is no key file of a service account, which has {', '.join(_NEEDED)}")
    return {key: found[key] for key in _NEEDED}
