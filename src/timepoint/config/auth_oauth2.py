"""``oauth2`` of a source: its shape, and what it means.

Owns: the keys of OAuth 2 and the checks of what belongs to which grant. Must not know: how a token is asked for.
The names of Prometheus' keys are Prometheus' own. Source: Prometheus, "Configuration", ``<oauth2>``; RFC 7591, 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from timepoint.config.auth_shape import TlsShape
from timepoint.config.checks import Check
from timepoint.config.kinds import FilledText, OneOf, Shape, Text, described, required
from timepoint.config.places import Path as Where
from timepoint.request.auth.oauth2 import CLIENT_CREDENTIALS, PASSWORD, REFRESH_TOKEN, OAuth2Spec

if TYPE_CHECKING:
    from timepoint.config.source_build import SourceBuilder


class OAuth2Shape(Shape):
    """A bearer token from a token endpoint.

    It is kept, shared by all jobs of the source, and renewed before it ends.
    """

    place: ClassVar[str] = "oauth2 of a source"
    groups: ClassVar[tuple[OneOf, ...]] = (
        OneOf("client_secret", "client_secret_file"),
        OneOf("refresh_token", "refresh_token_file"),
        OneOf("username", "username_file"),
        OneOf("password", "password_file"),
    )

    client_id: Text = required("The name of the client.", "exporter")
    client_secret: Text | None = described("Its secret from the environment: `${NAME}`.", "${ENERGY_CLIENT_SECRET}")
    client_secret_file: FilledText | None = described("A file that holds its secret.", "/run/secrets/energy_client")
    token_url: FilledText = required("The URL of the token endpoint.", "https://login.energy.internal/oauth2/token")
    scopes: list[FilledText] | None = described("What is asked for.", ["energy.read"])
    endpoint_params: dict[str, Text] | None = described(
        "Further parameters of the request for a token.", {"audience": "https://energy.internal"}
    )
    tls_config: TlsShape | None = described(
        "Verification of the token endpoint. Default: that of the source if `token_url` has its scheme, host and port, "
        "else the system's.",
        {"ca_file": "/etc/ssl/internal-ca.pem"},
    )
    grant_type: Literal["client_credentials", "refresh_token", "password"] | None = described(
        "How the token is granted. Default: `client_credentials`.", "refresh_token"
    )
    token_endpoint_auth_method: Literal["client_secret_basic", "client_secret_post"] | None = described(
        "How the client shows its secret: in a header or in the body. Default: in a header, and if that is refused in "
        "the body.",
        "client_secret_post",
    )
    refresh_token: Text | None = described(
        "The refresh token from the environment, for `grant_type: refresh_token`.", "${ENERGY_REFRESH_TOKEN}"
    )
    refresh_token_file: FilledText | None = described(
        "A file that holds the refresh token; it is only read.", "/run/secrets/energy_refresh"
    )
    rotated_refresh_token_file: FilledText | None = described(
        "A file, mode 0600, in which each new refresh token is kept that the endpoint gives in place of the last one. "
        "Once it is there it wins over `refresh_token`; it may be the same file as `refresh_token_file`. Its directory "
        "must be writable.",
        "/var/lib/timepoint-secrets/energy_refresh",
    )
    username: Text | None = described("The user name, for `grant_type: password`.", "exporter")
    username_file: FilledText | None = described("A file that holds the user name.", "/run/secrets/energy_user")
    password: Text | None = described("The password from the environment: `${NAME}`.", "${ENERGY_PASSWORD}")
    password_file: FilledText | None = described("A file that holds the password.", "/run/secrets/energy_password")


_KEYS_OF = {
    CLIENT_CREDENTIALS: (),
    REFRESH_TOKEN: ("refresh_token",),
    PASSWORD: ("username", "password"),
}


def build_oauth2(builder: SourceBuilder, shape: OAuth2Shape, where: Where) -> OAuth2Spec:
    """The meaning of ``oauth2`` that stands at ``where``."""
    grant = shape.grant_type or CLIENT_CREDENTIALS
    _check_grant(builder, shape, grant, where)
    rotated = shape.rotated_refresh_token_file
    at = (*where, "rotated_refresh_token_file")
    if grant == REFRESH_TOKEN and rotated is None:
        message = (
            "if the endpoint gives a new refresh token with each use, it is lost at a restart: name a file for it in "
            "rotated_refresh_token_file"
        )
        builder.findings.add(Check.REFRESH_TOKEN, where, message, key=True)
    params = {
        name: builder.credential(text, None, (*where, "endpoint_params", name), is_secret=False)
        for name, text in (shape.endpoint_params or {}).items()
    }
    return OAuth2Spec(
        endpoint=builder.endpoint(shape.token_url, shape.tls_config, (*where, "token_url")),
        client_id=builder.credential(shape.client_id, None, (*where, "client_id"), is_secret=False),
        client_secret=builder.optional(shape, "client_secret", where),
        grant=grant,
        method=shape.token_endpoint_auth_method or "",
        scopes=tuple(shape.scopes or ()),
        params=params,
        refresh_token=builder.optional(shape, "refresh_token", where),
        rotated_file=builder.kept_file(rotated, at) if rotated is not None else None,
        username=builder.optional(shape, "username", where, is_secret=False),
        password=builder.optional(shape, "password", where),
    )


def _check_grant(builder: SourceBuilder, shape: OAuth2Shape, grant: str, where: Where) -> None:
    """What a grant needs is there, and what belongs to another is not."""
    given = {key for key in OAuth2Shape.model_fields if getattr(shape, key) is not None}
    for key in _KEYS_OF[grant]:
        if not {key, f"{key}_file"} & given:
            message = f"grant_type: {grant} needs {key} or {key}_file"
            builder.findings.add(Check.CREDENTIAL, where, message, key=True)
    if grant == CLIENT_CREDENTIALS and not {"client_secret", "client_secret_file"} & given:
        message = "grant_type: client_credentials needs client_secret or client_secret_file"
        builder.findings.add(Check.CREDENTIAL, where, message, key=True)
    for other, keys in _KEYS_OF.items():
        strangers = {*keys, *(f"{key}_file" for key in keys)} if other != grant else set()
        if other == REFRESH_TOKEN != grant:
            strangers.add("rotated_refresh_token_file")
        for key in sorted(strangers & given):
            message = f"belongs to grant_type: {other}, and this is {grant}"
            builder.findings.add(Check.CREDENTIAL, (*where, key), message, key=True)
