"""``service_account`` of a source: its shape, and what it means.

Owns: its keys. Must not know: how a token is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from timepoint.config.auth_shape import TlsShape
from timepoint.config.checks import Check
from timepoint.config.kinds import FilledText, Shape, described, required
from timepoint.config.places import Path as Where
from timepoint.request.auth.service_account import TOKEN_URL, ServiceAccountSpec, complaints

if TYPE_CHECKING:
    from timepoint.config.source_build import SourceBuilder


class ServiceAccountShape(Shape):
    """A bearer token for a service account of Google, whose key signs the request for it.

    It needs `pip install 'timepoint-exporter[jwt]'`.
    """

    place: ClassVar[str] = "service_account of a source"

    key_file: FilledText = required(
        "The key file of the account, as Google gives it (JSON). It is read anew for each token.",
        "/run/secrets/google.json",
    )
    scopes: list[FilledText] = required("What is asked for.", ["https://www.googleapis.com/auth/monitoring.read"])
    subject: FilledText | None = described("The user for whom the account acts, if it may.", "me@example.org")
    token_url: FilledText | None = described(f"The token endpoint. Default: `{TOKEN_URL}`.", TOKEN_URL)
    tls_config: TlsShape | None = described(
        "Verification of the token endpoint. Default: the system's.", {"ca_file": "/etc/ssl/internal-ca.pem"}
    )


def build_service_account(builder: SourceBuilder, shape: ServiceAccountShape, where: Where) -> ServiceAccountSpec:
    """The meaning of ``service_account`` that stands at ``where``."""
    for key, message in complaints(shape.scopes):
        builder.findings.add(Check.CREDENTIAL, (*where, key), message)
    return ServiceAccountSpec(
        endpoint=builder.endpoint(shape.token_url or TOKEN_URL, shape.tls_config, (*where, "token_url")),
        key_file=builder.credential(None, shape.key_file, (*where, "key")),
        scopes=tuple(shape.scopes),
        subject=shape.subject or "",
    )
