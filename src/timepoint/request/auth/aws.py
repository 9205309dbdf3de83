"""Signature Version 4 of AWS, by botocore.

Owns: how a request is handed to botocore's signer, and where the keys come from: the config, files, or a profile of a
file that the config names; never the environment or a metadata service by themselves. Must not know: the algorithm.

botocore is an optional extra (31 MB, most of it descriptions of services that are not needed here). Only its signer is
used; requests go through the transport of the source, under its limits.
"""

from __future__ import annotations

import configparser
import importlib.util
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from timepoint.errors import SourceError
from timepoint.request.auth.base import Added, Around, Draft, Scheme
from timepoint.request.auth.secrets import read_secret
from timepoint.request.spec import AuthSpec, SecretSource
from timepoint.secret import Secret

INSTALL = "pip install 'timepoint-exporter[aws]'"
MISSING = f"sigv4 needs botocore, which is not installed: {INSTALL}"
_NAME = re.compile(r"[a-z0-9-]+")
_LIKE = {"region": "eu-central-1", "service": "monitoring"}
_PROFILE = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
_SENT = ("Authorization", "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-SHA256")


@dataclass(frozen=True, slots=True)
class SigV4Spec(AuthSpec):
    """``sigv4`` of a source. The keys are given one by one, or stand under ``profile`` in ``credentials_file``."""

    region: str
    service: str
    access_key: SecretSource | None = None
    secret_key: SecretSource | None = None
    session_token: SecretSource | None = None
    profile: str = ""
    credentials_file: SecretSource | None = None


@dataclass(frozen=True, slots=True)
class Keys:
    """The credentials of AWS."""

    access_key: Secret
    secret_key: Secret
    session_token: Secret | None

    @property
    def all(self) -> tuple[Secret, ...]:
        both = (self.access_key, self.secret_key)
        return both if self.session_token is None else (*both, self.session_token)


class SigV4(Scheme):
    """A new signature for each request."""

    def __init__(self, spec: SigV4Spec, around: Around) -> None:  # noqa: ARG002 - the registry's
        self._spec = spec

    async def add(self, draft: Draft, deadline: float) -> Added:  # noqa: ARG002 - the seam's
        keys = keys_of(self._spec)
        request = signed(self._spec, keys, draft)
        headers = {name: Secret(request.headers[name]) for name in _SENT if name in request.headers}
        signature = Secret(request.headers["Authorization"].rpartition("=")[2])
        return Added(headers, hidden=(*keys.all, signature), bound=True)


def complaints(region: str, service: str) -> Iterator[tuple[str, str]]:
    """What is wrong with a config, each with its key; also that the extra is not installed."""
    for key, text in (("region", region), ("service", service)):
        if not _NAME.fullmatch(text):
            yield key, f"{text!r} is no name of a {key} of AWS: write it like {_LIKE[key]}"
    if importlib.util.find_spec("botocore") is None:
        yield "service", MISSING


def signed(spec: SigV4Spec, keys: Keys, draft: Draft) -> Any:
    """A request of botocore's with the headers that sign it. Raises SourceError("secret", ...) without botocore."""
    try:
        from botocore.auth import S3SigV4Auth, SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials
    except ImportError:
        raise SourceError("secret", MISSING) from None
    # At debug level the signer logs what it signs, the session token among it.
    logging.getLogger("botocore").setLevel(logging.INFO)
    url = draft.url
    request = AWSRequest(
        method=draft.method,
        url=str(url.with_query(None)),
        headers=dict(draft.plain_headers()),
        data=draft.body or b"",
        # As pairs, so that the signer encodes them as AWS does, whatever the URL writes in another way.
        params=parse_qsl(url.raw_query_string, keep_blank_values=True),
    )
    token = keys.session_token.reveal() if keys.session_token is not None else None
    credentials = Credentials(keys.access_key.reveal(), keys.secret_key.reveal(), token)
    kind = S3SigV4Auth if spec.service == "s3" else SigV4Auth  # S3 alone encodes paths once
    kind(credentials, spec.service, spec.region).add_auth(request)
    return request


def keys_of(spec: SigV4Spec) -> Keys:
    """The keys, read anew for each request. Raises SourceError("secret", ...)."""
    if spec.access_key is not None and spec.secret_key is not None:
        token = read_secret(spec.session_token) if spec.session_token is not None else None
        return Keys(read_secret(spec.access_key), read_secret(spec.secret_key), token)
    assert spec.credentials_file is not None, "BUG: sigv4 has neither keys nor a file of them"
    return _profile(spec.profile, spec.credentials_file)


def _profile(name: str, file: SecretSource) -> Keys:
    """The keys of a profile in a shared credentials file of AWS."""
    parser = _parsed(read_secret(file))
    if parser is None:
        raise SourceError("secret", f"the AWS credentials file {file.shown} cannot be read as such")
    if not parser.has_section(name):
        raise SourceError("secret", f"the AWS credentials file {file.shown} has no profile {name!r}")
    found = {key: Secret(parser.get(name, key, fallback="").strip()) for key in _PROFILE}
    for key in _PROFILE[:2]:
        if not found[key]:
            raise SourceError("secret", f"the profile {name!r} in {file.shown} has no {key}: only keys are supported")
    access_key, secret_key, session_token = (found[key] for key in _PROFILE)
    return Keys(access_key, secret_key, session_token or None)


def _parsed(text: Secret) -> configparser.RawConfigParser | None:
    """The file's profiles, None if it cannot be read: the parser's error quotes the line and goes no further."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text.reveal())
    except configparser.Error:
        return None
    return parser
