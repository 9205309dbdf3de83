"""The shape of ``sources``: URL, credentials and limits of an API.

Owns: the keys of a source and what they mean to users. Must not know: how a request is made.
The names of HTTP keys are Prometheus' own. Source: Prometheus, "Configuration", ``<http_config>``.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from timepoint.config.kinds import Duration, FilledText, OneOf, PositiveDuration, Shape, Size, Text, described, required


class BasicAuthShape(Shape):
    """Credentials for HTTP basic authentication."""

    place: ClassVar[str] = "basic_auth of a source"
    groups: ClassVar[tuple[OneOf, ...]] = (
        OneOf("username", "username_file", required=True),
        OneOf("password", "password_file", required=True),
    )

    username: Text | None = described("The user name, or `${NAME}` from the environment.", "exporter")
    username_file: FilledText | None = described("A file that holds the user name.", "/run/secrets/energy_user")
    password: Text | None = described(
        'The password from the environment: `${NAME}`; or `""` if the API wants none.', "${ENERGY_PASSWORD}"
    )
    password_file: FilledText | None = described(
        "A file that holds the password. It is read anew for every request, so a changed password needs no restart.",
        "/run/secrets/energy_password",
    )


class AuthorizationShape(Shape):
    """The `Authorization` header of every request."""

    place: ClassVar[str] = "authorization of a source"
    groups: ClassVar[tuple[OneOf, ...]] = (OneOf("credentials", "credentials_file", required=True),)

    type: FilledText | None = described("The scheme that stands before the credentials. Default: `Bearer`.", "Bearer")
    credentials: Text | None = described("The credentials from the environment: `${NAME}`.", "${ENERGY_TOKEN}")
    credentials_file: FilledText | None = described(
        "A file that holds the credentials. It is read anew for every request.", "/run/secrets/energy"
    )


class HeaderShape(Shape):
    """The value of one HTTP header. Exactly one of the three keys, with one value."""

    place: ClassVar[str] = "a header under http_headers"
    groups: ClassVar[tuple[OneOf, ...]] = (OneOf("values", "secrets", "files", required=True),)

    values: Annotated[list[Text], Field(min_length=1, max_length=1)] | None = described(
        "A list with the value. In the headers of a request it may hold templates.", ["application/json"]
    )
    secrets: Annotated[list[Text], Field(min_length=1, max_length=1)] | None = described(
        "A list with a value that must never be shown, from the environment: `${NAME}`.", ["${ENERGY_KEY}"]
    )
    files: Annotated[list[FilledText], Field(min_length=1, max_length=1)] | None = described(
        "A list with a file that holds the value. It is read anew for every request.", ["/run/secrets/energy_key"]
    )


class TlsShape(Shape):
    """How the server is verified, and the client's own certificate."""

    place: ClassVar[str] = "tls_config of a source"

    ca_file: FilledText | None = described(
        "Certificates of the authorities that may have signed the server's certificate. Default: the system's.",
        "/etc/ssl/internal-ca.pem",
    )
    cert_file: FilledText | None = described("The client's certificate; needs `key_file`.", "/run/secrets/client.pem")
    key_file: FilledText | None = described("The key of the client's certificate.", "/run/secrets/client.key")
    server_name: FilledText | None = described(
        "The name that the server's certificate must carry, if it is not the host of the URL.", "energy.internal"
    )
    insecure_skip_verify: bool | None = described(
        "With `true` any certificate is accepted: whoever stands between can read and change all. Default: `false`.",
        False,  # noqa: FBT003 - an example is given as a value
    )


class SourceShape(Shape):
    """An API: its base URL, credentials and limits. Jobs name it in `source`."""

    place: ClassVar[str] = "a source"
    groups: ClassVar[tuple[OneOf, ...]] = (OneOf("basic_auth", "authorization"),)

    url: FilledText = required(
        "The base URL. The path of a job's request is appended to it. Credentials do not belong into it.",
        "https://energy.internal/api/v1",
    )
    basic_auth: BasicAuthShape | None = described(
        "User name and password.", {"username": "exporter", "password_file": "/run/secrets/energy_password"}
    )
    authorization: AuthorizationShape | None = described(
        "The `Authorization` header, for instance a bearer token.", {"credentials_file": "/run/secrets/energy"}
    )
    http_headers: dict[str, HeaderShape] | None = described(
        "Further headers of every request, by name.", {"X-API-Key": {"files": ["/run/secrets/energy_key"]}}
    )
    tls_config: TlsShape | None = described("Verification of the server.", {"ca_file": "/etc/ssl/internal-ca.pem"})
    proxy_url: FilledText | None = described(
        "The HTTP proxy that all requests go through. The environment is not asked for one.",
        "http://proxy.internal:3128",
    )
    timeout: PositiveDuration | None = described(
        "How long one HTTP exchange may take, from connecting to the last byte. Default: `1m`.", "30s"
    )
    connect_timeout: PositiveDuration | None = described("How long connecting may take. Default: `5s`.", "5s")
    max_body: Size | None = described(
        "The largest body that is accepted, before and after decompression. A KB is 1024 B. Default: `256MB`.", "64MB"
    )
    attempts: Annotated[int, Field(ge=1, le=10)] | None = described(
        "How often a request is tried in one run when the API does not answer, or answers 429 or 5xx. Default: `3`.", 3
    )
    min_interval: Duration | None = described(
        "The API must not be asked more often than this, not even after a restart. Jobs of this source may not have a "
        "shorter period. Default: `0s`, no limit.",
        "30m",
    )
    clock_tolerance: Duration | None = described(
        "How far this machine's clock may be ahead of the `Date` of an answer. Beyond it a run fails if its window "
        "ends after that `Date`, since it would be settled without its data. `0s` never compares. Default: `5m`.",
        "1h",
    )
