"""Google's service accounts against a server that verifies the assertion (Authlib's grant)."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest
from authlib.oauth2.rfc6749 import InvalidGrantError
from authlib.oauth2.rfc7523 import JWTBearerGrant
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from tests.request.auth.authority import Authority, Client, answering
from tests.request.test_canary import assert_no_canary
from tests.request.wire import Client as Asking
from tests.request.wire import reply, serving
from timepoint.errors import SourceError
from timepoint.request.auth import service_account
from timepoint.request.auth.endpoint import EndpointSpec
from timepoint.request.auth.service_account import ServiceAccountSpec
from timepoint.request.spec import SecretSource, SourceSpec

EMAIL, SCOPE = "canary@project.test", "https://www.example/auth/monitoring.read"
AUDIENCE = "/token"


@pytest.fixture(scope="module")
def keys() -> tuple[str, str]:
    """An RSA key pair in PEM, the private one first."""
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private.decode(), key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def grant_of(public: str, authority: Authority, audience: str) -> type[JWTBearerGrant]:
    """A grant that knows the one account, by the test's clock."""

    class Grant(JWTBearerGrant):
        def resolve_issuer_client(self, issuer: str) -> Client | None:
            return Client("none") if issuer == EMAIL else None

        def resolve_client_public_key(self, client: Client) -> Any:
            return RSAKey.import_key(public)

        def get_audiences(self) -> list[str]:
            return [audience]

        def verify_claims(self, claims: Any) -> None:
            needed: dict[str, Any] = {name: {"essential": True} for name in ("iat", "exp", "scope")}
            needed["aud"] = {"essential": True, "value": audience}
            try:
                jwt.JWTClaimsRegistry(now=authority.clock.wall // 1000, leeway=0, **needed).validate(claims)
            except JoseError as error:
                raise InvalidGrantError(str(error)) from error
            if claims["exp"] - claims["iat"] > 3600 or claims["scope"] != SCOPE:
                raise InvalidGrantError("too long, or for something else")

        def authenticate_user(self, subject: str) -> str:
            return subject

        def has_granted_permission(self, client: Client, user: str) -> bool:
            return user == "me@project.test"

    return Grant


def key_file(folder: Path, private: str, **more: Any) -> SecretSource:
    """A key file as Google gives it."""
    path = folder / "account.json"
    said = {"type": "service_account", "client_email": EMAIL, "private_key": private, "private_key_id": "canary-id"}
    path.write_text(json.dumps(said | more))
    return SecretSource(file=path)


async def ask(folder: Path, keys: tuple[str, str], **options: Any) -> tuple[Authority, SourceError | None]:
    """Asks the API once for an account; the error, if there is one."""
    authority = Authority()
    private, public = options.pop("private", keys[0]), keys[1]
    file = options.pop("file", None) or key_file(folder, private)
    async with answering(authority.answer) as wire:
        url = f"{wire.url}/token"
        authority.register(grant_of(public, authority, url))
        spec = ServiceAccountSpec(EndpointSpec(url), file, (SCOPE,), **options)
        client = Asking(SourceSpec("s", wire.url, auth=spec, attempts=1), authority.clock)
        try:
            await client.fetch()
        except SourceError as error:
            assert_no_canary(error)
            return authority, error
    return authority, None


@pytest.mark.parametrize("subject", ["", "me@project.test"])
async def test_an_account(subject: str, keys: tuple[str, str], tmp_path: Path) -> None:
    """An assertion by the account's key, for itself or for a user, becomes a token that the API takes."""
    authority, error = await ask(tmp_path, keys, subject=subject)
    assert error is None
    assert len(authority.served) == 1


async def test_a_user_for_whom_it_may_not_act(keys: tuple[str, str], tmp_path: Path) -> None:
    """What the endpoint refuses is told with the endpoint's name."""
    authority, error = await ask(tmp_path, keys, subject="you@project.test")
    assert error is not None
    assert error.reason == "token"
    assert "/token: status 4" in str(error)
    assert authority.served == []


async def test_another_key(keys: tuple[str, str], tmp_path: Path) -> None:
    """An assertion by another key is refused, so the test server checks something."""
    other = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _, error = await ask(tmp_path, keys, private=other.decode())
    assert error is not None
    assert "status 400" in str(error)


@pytest.mark.parametrize(
    "private", ["canary", "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n"], ids=["text", "PEM"]
)
async def test_a_key_that_is_none(private: str, keys: tuple[str, str], tmp_path: Path) -> None:
    """A file whose key cannot be used is named, and not quoted."""
    _, error = await ask(tmp_path, keys, private=private)
    assert error is not None
    assert f"the private_key in {tmp_path}/account.json is no RSA key in PEM" in str(error)


@pytest.mark.parametrize(
    "text", ["canary", "[1]", '{"client_email": "canary", "private_key": 7, "private_key_id": ""}']
)
async def test_a_file_that_is_none(text: str, keys: tuple[str, str], tmp_path: Path) -> None:
    """A file that is no key file is named with what it lacks."""
    path = tmp_path / "other.json"
    path.write_text(text)
    _, error = await ask(tmp_path, keys, file=SecretSource(file=path))
    assert error is not None
    assert f"{path} is no key file of a service account" in str(error)


async def test_without_the_extra(keys: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the error, and the check of a config, say how it is installed."""
    real = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "jwt":
            raise ImportError(name)
        return real(name, *arguments, **options)

    async with serving(reply()) as wire:
        spec = ServiceAccountSpec(EndpointSpec(wire.url), key_file(tmp_path, keys[0]), (SCOPE,))
        monkeypatch.setattr(builtins, "__import__", without)
        error = await Asking(SourceSpec("s", wire.url, auth=spec)).fail()
    assert "pip install 'timepoint-exporter[jwt]'" in str(error)
    monkeypatch.setattr(service_account.importlib.util, "find_spec", lambda name: None)  # type: ignore[attr-defined]
    assert list(service_account.complaints([SCOPE])) == [("key_file", service_account.MISSING)]
