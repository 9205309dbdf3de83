"""Which class serves which part of a config.

Owns: the list of the ways to authenticate; a new one is one more line. Must not know: how any of them works.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from timepoint.request.auth.aws import SigV4, SigV4Spec
from timepoint.request.auth.base import Around, Scheme
from timepoint.request.auth.login import Login, LoginSpec
from timepoint.request.auth.oauth2 import OAuth2, OAuth2Spec
from timepoint.request.auth.plain import Basic, Nothing, Word
from timepoint.request.auth.service_account import ServiceAccount, ServiceAccountSpec
from timepoint.request.auth.signature import Signature, SignatureSpec
from timepoint.request.prepare import userinfo
from timepoint.request.spec import Authorization, BasicAuth, SecretSource

SCHEMES: dict[type, Callable[[Any, Around], Scheme]] = {
    BasicAuth: lambda spec, _: Basic(spec),
    Authorization: lambda spec, _: Word(spec),
    OAuth2Spec: OAuth2,
    ServiceAccountSpec: ServiceAccount,
    LoginSpec: Login,
    SignatureSpec: Signature,
    SigV4Spec: SigV4,
}


def open_scheme(around: Around) -> Scheme:
    """The one way in which a source authenticates."""
    source = around.source
    spec = source.auth or source.authorization or source.basic_auth
    if spec is not None:
        return SCHEMES[type(spec)](spec, around)
    pair = userinfo(source.url)
    return Basic(BasicAuth(*(SecretSource(text=text) for text in pair))) if pair is not None else Nothing()
