"""The ways to authenticate that need nothing but the secret.

Owns: the ``Authorization`` header of the Basic scheme and of any that is a word and its credentials. Must not know:
where a secret comes from.
"""

from __future__ import annotations

from base64 import b64encode

from timepoint.errors import SourceError
from timepoint.request.auth.base import Added, Draft, Scheme
from timepoint.request.auth.secrets import read_secret
from timepoint.request.spec import Authorization, BasicAuth
from timepoint.secret import Secret


class Nothing(Scheme):
    """A source that adds nothing but its headers and parameters."""

    async def add(self, draft: Draft, deadline: float) -> Added:  # noqa: ARG002 - the seam's
        return Added()


class Basic(Scheme):
    """User name and password."""

    def __init__(self, spec: BasicAuth) -> None:
        self._spec = spec

    async def add(self, draft: Draft, deadline: float) -> Added:  # noqa: ARG002 - the seam's
        return basic(read_secret(self._spec.username), read_secret(self._spec.password))


class Word(Scheme):
    """A scheme that is a word and its credentials, for instance Bearer."""

    def __init__(self, spec: Authorization) -> None:
        self._spec = spec

    async def add(self, draft: Draft, deadline: float) -> Added:  # noqa: ARG002 - the seam's
        credentials = read_secret(self._spec.credentials)
        return Added({"Authorization": Secret(f"{self._spec.type} {credentials.reveal()}")}, hidden=(credentials,))


def basic(username: Secret, password: Secret) -> Added:
    """The header of the Basic scheme. Raises SourceError. Source: RFC 7617."""
    if ":" in username.reveal():
        raise SourceError("secret", "the user name of basic_auth holds a colon, which the Basic scheme cannot send")
    pair = b64encode(f"{username.reveal()}:{password.reveal()}".encode()).decode()
    return Added({"Authorization": Secret(f"Basic {pair}")}, hidden=(username, password, Secret(pair)))
