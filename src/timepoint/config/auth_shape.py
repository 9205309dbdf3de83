"""The shapes of credentials and TLS that sources, requests and logins share.

Owns: keys that stand in several places and what they mean to users. Must not know: how a request is made.
The names of HTTP keys are Prometheus' own. Source: Prometheus, "Configuration", ``<http_config>``.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from timepoint.config.kinds import FilledText, OneOf, Shape, Text, described


class ParamShape(Shape):
    """The value of a parameter of a source. A text alone is its `value`."""

    place: ClassVar[str] = "an entry of the params of a source"
    groups: ClassVar[tuple[OneOf, ...]] = (OneOf("value", "file", required=True),)

    value: Text | None = described("The value, or `${NAME}` from the environment.", "${ENERGY_KEY}")
    file: FilledText | None = described(
        "A file that holds the value. It is read anew for every request.", "/run/secrets/energy_key"
    )


def _as_param(value: Any) -> Any:
    return value if isinstance(value, dict) else {"value": value}


Param = Annotated[ParamShape, BeforeValidator(_as_param, json_schema_input_type=Text | ParamShape)]


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
