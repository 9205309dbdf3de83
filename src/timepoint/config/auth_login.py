"""``login`` of a source: its shape, and what it means.

Owns: the keys of a login and their checks. Must not know: how it is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, WithJsonSchema

from timepoint.config.auth_shape import HeaderShape, TlsShape
from timepoint.config.checks import Check
from timepoint.config.kinds import (
    DURATION_PATTERN,
    FilledText,
    Json,
    JsonPath,
    OneOf,
    Shape,
    Text,
    as_positive_duration,
    described,
)
from timepoint.config.places import Path as Where
from timepoint.request.auth.login import WORDS, LoginSpec, SendSpec, look_up, texts_in

if TYPE_CHECKING:
    from timepoint.config.source_build import SourceBuilder


def _as_lifetime(value: Any) -> int | str:
    return value if isinstance(value, str) and value.startswith("$") else as_positive_duration(value)


Lifetime = Annotated[
    int | str,
    BeforeValidator(_as_lifetime),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": ["string", "integer"], "pattern": DURATION_PATTERN},
                {"type": "string", "pattern": r"^\$"},
            ]
        }
    ),
]


class SendShape(Shape):
    """How the token of a login is sent."""

    place: ClassVar[str] = "send of a login"
    groups: ClassVar[tuple[OneOf, ...]] = (OneOf("header", "query", "cookie", required=True),)

    header: FilledText | None = described("In this header.", "X-Auth-Token")
    query: FilledText | None = described("In this parameter of the URL.", "token")
    cookie: FilledText | None = described("In this cookie.", "session")
    value: FilledText | None = described(
        "What the header holds; `{token}` stands for the token. Default: `Bearer {token}` in `Authorization`, else "
        "`{token}`.",
        "Token {token}",
    )


class LoginShape(Shape):
    """A request whose answer holds a token.

    The token is kept, shared by all jobs of the source, and renewed before it ends. If there are `username` and
    `password`, and the request holds neither `{username}` nor `{password}`, they are sent by the Basic scheme.
    """

    place: ClassVar[str] = "login of a source"
    groups: ClassVar[tuple[OneOf, ...]] = (
        OneOf("get", "post", required=True),
        OneOf("json", "form"),
        OneOf("username", "username_file"),
        OneOf("password", "password_file"),
        OneOf("token", "token_header", "token_cookie", required=True),
    )

    get: FilledText | None = described(
        "A GET request to this path, which is appended to the URL of the source, or to a whole URL.", "/login"
    )
    post: FilledText | None = described("A POST request likewise.", "https://login.energy.internal/sessions")
    params: dict[str, Text] | None = described(
        "The query of the URL. `{username}` and `{password}` stand for the credentials, here and in the body.",
        {"user": "{username}"},
    )
    http_headers: dict[str, HeaderShape] | None = described(
        "Headers of the login alone, by name. Those of the source are not sent.",
        {"X-API-Key": {"files": ["/run/secrets/energy_key"]}},
    )
    json_: Json | None = described("The body as JSON.", {"user": "{username}", "password": "{password}"}, alias="json")
    form: dict[str, Text] | None = described("The body as a form.", {"user": "{username}", "password": "{password}"})
    username: Text | None = described("The user name.", "exporter")
    username_file: FilledText | None = described("A file that holds the user name.", "/run/secrets/energy_user")
    password: Text | None = described("The password from the environment: `${NAME}`.", "${ENERGY_PASSWORD}")
    password_file: FilledText | None = described("A file that holds the password.", "/run/secrets/energy_password")
    token: JsonPath | None = described("The path of the token in the answer; `$` alone takes a plain text.", "$.token")
    token_header: FilledText | None = described("The header of the answer that holds the token.", "X-Subject-Token")
    token_cookie: FilledText | None = described("The cookie of the answer that holds the token.", "session")
    lifetime: Lifetime | None = described(
        "How long a token lasts, or the path of a number of seconds in the answer. Default: until it is refused.",
        "30m",
        "$.expires_in",
    )
    send: SendShape | None = described(
        "How the token is sent. Default: as `Authorization: Bearer`, or as the cookie that it was.",
        {"header": "X-Auth-Token"},
    )
    renew_on: list[Annotated[int, Field(ge=400, le=499)]] | None = described(
        "The statuses by which the API says that a token has ended: the request is made once more with a new one. "
        "Default: `[401]`.",
        [401, 403],
    )
    tls_config: TlsShape | None = described(
        "Verification of the server. Default: that of the source if the login has its scheme, host and port, else the "
        "system's.",
        {"ca_file": "/etc/ssl/internal-ca.pem"},
    )


def build_login(builder: SourceBuilder, shape: LoginShape, where: Where) -> LoginSpec:
    """The meaning of ``login`` that stands at ``where``."""
    key = "post" if shape.get is None else "get"
    if key == "get" and (shape.json_ is not None or shape.form is not None):
        body = "json" if shape.json_ is not None else "form"
        builder.findings.add(Check.REQUEST, (*where, body), "a GET request has no body: write post instead of get")
    _check_words(builder, shape, where)
    for name in ("token", "lifetime"):
        _check_path(builder, getattr(shape, name), (*where, name))
    place = "cookie" if shape.token_cookie else "header" if shape.token_header else "body"
    token = shape.token or shape.token_header or shape.token_cookie or ""
    lifetime = shape.lifetime
    return LoginSpec(
        endpoint=builder.endpoint(_url(builder, shape.get or shape.post or "", where), shape.tls_config, (*where, key)),
        method=key.upper(),
        params=shape.params or {},
        headers=builder.headers(shape.http_headers, where),
        body=shape.json_,
        form=shape.form or {},
        username=builder.optional(shape, "username", where, is_secret=False),
        password=builder.optional(shape, "password", where),
        token=token,
        token_in=place,
        lifetime=lifetime / 1000 if isinstance(lifetime, int) else lifetime,
        send=_send(builder, shape, where),
        renew_on=tuple(shape.renew_on or (401,)),
        hidden=builder.variables(where),
    )


def _url(builder: SourceBuilder, target: str, where: Where) -> str:
    if "://" in target.partition("?")[0]:
        return target
    if target[:1] not in ("/", "?"):
        key = "post" if (*where, "post") in builder.findings.places.values else "get"
        builder.findings.add(Check.REQUEST, (*where, key), f"a path begins with /: write /{target}")
    base = urlsplit(builder.url)
    return base._replace(query="", fragment="", path=base.path.rstrip("/") + target.partition("?")[0]).geturl() + (
        f"?{target.partition('?')[2]}" if "?" in target else ""
    )


def _check_words(builder: SourceBuilder, shape: LoginShape, where: Where) -> None:
    found = texts_in((shape.params, shape.form, shape.json_))
    for word in WORDS:
        key = word.strip("{}")
        given = getattr(shape, key) is not None or getattr(shape, f"{key}_file") is not None
        if not given and any(word in text for text in found):
            message = f"{word} stands in the request, and there is neither {key} nor {key}_file"
            builder.findings.add(Check.CREDENTIAL, where, message, key=True)


def _check_path(builder: SourceBuilder, path: Any, where: Where) -> None:
    if not isinstance(path, str):
        return
    try:
        look_up(path, None)
    except ValueError as error:
        builder.findings.add(Check.CREDENTIAL, where, f"is no path: {error}")


def _send(builder: SourceBuilder, shape: LoginShape, where: Where) -> SendSpec:
    send = shape.send
    if send is None:
        return SendSpec("cookie", shape.token_cookie) if shape.token_cookie else SendSpec()
    at = (*where, "send")
    if send.header is None and send.value is not None:
        builder.findings.add(Check.NO_EFFECT, (*at, "value"), "has no effect: only a header holds more than the token")
    if send.header is None:
        name = send.query or send.cookie or ""
        way = "query" if send.query is not None else "cookie"
        return SendSpec(way, builder.token(name, (*at, way)) if way == "cookie" else name)
    default = "Bearer {token}" if send.header.lower() == "authorization" else "{token}"
    value = send.value or default
    if "{token}" not in value:
        builder.findings.add(Check.CREDENTIAL, (*at, "value"), "holds no {token}, so the token would not be sent")
    return SendSpec("header", builder.token(send.header, (*at, "header")), value)
