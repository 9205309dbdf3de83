"""The shape of ``sources``: URL, credentials and limits of an API.

Owns: the keys of a source and what they mean to users. Must not know: how a request is made.
The names of HTTP keys are Prometheus' own. Source: Prometheus, "Configuration", ``<http_config>``.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from timepoint.config.auth_login import LoginShape
from timepoint.config.auth_oauth2 import OAuth2Shape
from timepoint.config.auth_service_account import ServiceAccountShape
from timepoint.config.auth_shape import AuthorizationShape, BasicAuthShape, HeaderShape, Param, TlsShape
from timepoint.config.auth_signature import SignatureShape
from timepoint.config.auth_sigv4 import SigV4Shape
from timepoint.config.kinds import Duration, FilledText, OneOf, PositiveDuration, Shape, Size, described, required
from timepoint.config.politeness_shape import BreakerShape, Quotas, Rate

# Ways to authenticate, of which a source has one at most.
WAYS = ("basic_auth", "authorization", "oauth2", "service_account", "login", "signature", "sigv4")


class SourceShape(Shape):
    """An API: its base URL, credentials and limits. Jobs name it in `source`."""

    place: ClassVar[str] = "a source"
    groups: ClassVar[tuple[OneOf, ...]] = (OneOf(*WAYS),)

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
    oauth2: OAuth2Shape | None = described(
        "A bearer token from a token endpoint.",
        {
            "client_id": "exporter",
            "client_secret_file": "/run/secrets/energy_client",
            "token_url": "https://login.energy.internal/token",
        },
    )
    service_account: ServiceAccountShape | None = described(
        "A bearer token for a service account of Google.",
        {"key_file": "/run/secrets/google.json", "scopes": ["https://www.googleapis.com/auth/monitoring.read"]},
    )
    login: LoginShape | None = described(
        "A token from a request of its own.",
        {
            "post": "/login",
            "json": {"user": "{username}", "password": "{password}"},
            "username": "exporter",
            "password_file": "/run/secrets/energy_password",
            "token": "$.token",
            "lifetime": "30m",
        },
    )
    signature: SignatureShape | None = described(
        "A signature of each request, as described.",
        {
            "key_file": "/run/secrets/energy_key",
            "string_to_sign": "{method}{path_and_query}{timestamp}",
            "headers": {"X-Timestamp": "{timestamp}", "X-Signature": "{signature}"},
        },
    )
    sigv4: SigV4Shape | None = described(
        "A signature of each request as AWS wants it.",
        {
            "region": "eu-central-1",
            "service": "monitoring",
            "access_key": "${AWS_ACCESS_KEY_ID}",
            "secret_key_file": "/run/secrets/aws",
        },
    )
    params: dict[str, Param] | None = described(
        "Parameters in the query of every request, for instance a key. Their values are never shown.",
        {"api_key": {"file": "/run/secrets/energy_key"}},
        {"api_key": "${ENERGY_KEY}", "format": "json"},
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
    max_memory: Size | None = described(
        "The most memory that the answer for a window may take once it is decoded, as told from above before it is. "
        "An answer that may take more is refused (`too_large`). Default: `1GB`.",
        "256MB",
    )
    attempts: Annotated[int, Field(ge=1, le=10)] | None = described(
        "How often a request is tried in one run when the API does not answer, or answers 429 or 5xx. Default: `3`.", 3
    )
    min_interval: Duration | None = described(
        "The API must not be asked more often than this, not even after a restart. Jobs of this source may not have a "
        "shorter period. Default: `0s`, no limit.",
        "30m",
    )
    concurrency: Annotated[int, Field(ge=1, le=1000)] | None = described(
        "How many requests may be under way at once, over all jobs of this source. Default: `4`.", 2
    )
    rate: Rate | None = described(
        "How many requests may go out in a time, over all jobs of this source: `10/s`, `400/m`, `50/10s`. They are "
        "spread evenly. Default: no limit.",
        "10/s",
        "400/m",
    )
    burst: Annotated[int, Field(ge=1, le=1_000_000)] | None = described(
        "How many requests may go out at once after a pause; in any time no more go out than `rate` allows and this. "
        "Default: `1`.",
        20,
    )
    quota: Quotas | None = described(
        "How many requests may be made in a period of the calendar, over all jobs of this source, restarts and "
        "crashes. Once it is used up, runs are skipped until it begins anew. A list for several periods.",
        {"requests": 1000, "per": "month"},
    )
    circuit_breaker: BreakerShape | None = described(
        "When a source that does not answer is left alone.", {"failures": 50, "pause": "30s"}
    )
    clock_tolerance: Duration | None = described(
        "How far this machine's clock may be ahead of the `Date` of an answer. Beyond it a run fails if its window "
        "ends after that `Date`, since it would be settled without its data. `0s` never compares. Default: `5m`.",
        "1h",
    )
