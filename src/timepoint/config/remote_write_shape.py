"""The shape of ``remote_write``: the receivers of remote write, and ``deliver`` of a metric.

Owns: the keys of a receiver and what they mean to users. Must not know: how samples are sent.
Keys that mean what a key of Prometheus' ``remote_write`` means carry its name. Source: Prometheus, "Configuration",
``<remote_write>``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from timepoint.config.auth_oauth2 import OAuth2Shape
from timepoint.config.auth_service_account import ServiceAccountShape
from timepoint.config.auth_shape import AuthorizationShape, BasicAuthShape, HeaderShape, Param, TlsShape
from timepoint.config.auth_sigv4 import SigV4Shape
from timepoint.config.kinds import (
    Duration,
    FilledText,
    OneOf,
    PositiveDuration,
    Shape,
    Size,
    as_text,
    described,
    required,
)

_LIMITS = "is for APIs that are asked: samples wait in a queue, and leave one request at a time"
_SOURCES_ONLY = "a receiver is sent to until it has a sample, with pauses of its own"
_VERSIONS = {"1": "1.0", "2": "2.0"}


def _as_version(value: Any) -> str:
    text = as_text(value)
    return _VERSIONS.get(text, text)


Protocol = Annotated[
    Literal["auto", "1.0", "2.0"],
    BeforeValidator(_as_version),
    WithJsonSchema({"enum": ["auto", "1.0", "2.0", 1, 2]}),
]


class CapsShape(Shape):
    """How much may wait for a receiver. What is beyond leaves the queue unsent, the oldest first, and is counted."""

    place: ClassVar[str] = "caps of a receiver"

    samples: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = described(
        "So many samples; `0` for any number. Default: `10000000`, about 400 MB.", 1_000_000
    )
    size: Size | None = described("So much of the ledger's file. Default: any.", "200MB")
    keep: bool | None = described(
        "Whether what is beyond becomes dead letters, which `timepoint outbox` shows and makes wait again; else only "
        "its number is kept. Default: `true`.",
        False,  # noqa: FBT003 - an example is given as a value
    )


class ReceiverSigV4Shape(SigV4Shape):
    """A signature of each request by AWS Signature Version 4, as `sigv4` of a source.

    It needs `pip install 'timepoint-exporter[aws]'`. Neither the environment nor a metadata service is asked for
    credentials.
    """

    place: ClassVar[str] = "sigv4 of a receiver"

    service: FilledText = Field(
        default="aps",
        description="The service, as its name stands in the signature. Default: `aps`, Amazon Managed Prometheus.",
        examples=["aps"],
    )


# Ways to authenticate, of which a receiver has one at most.
WAYS = ("basic_auth", "authorization", "oauth2", "service_account", "sigv4")


class ReceiverShape(Shape):
    """A receiver of Prometheus' remote write. Metrics with `deliver: remote_write` go to it.

    It needs `pip install 'timepoint-exporter[remote-write]'`.
    """

    place: ClassVar[str] = "a receiver of remote_write"
    groups: ClassVar[tuple[OneOf, ...]] = (OneOf(*WAYS),)
    hints: ClassVar[Mapping[str, str]] = {
        "queue_config": "max_samples is max_samples_per_send, max_age is sample_age_limit, caps bound the queue, and "
        "the pauses are the sender's own",
        "write_relabel_configs": "the relabel rules of a metric change its labels, and its receivers say who gets it",
        "metadata_config": "type, help and unit go out with each series in protocol 2.0, and have no place in 1.0",
        "headers": "write http_headers: {X-Scope-OrgID: {values: [tenant]}}",
        "protobuf_message": "write protocol: 1.0 (prometheus.WriteRequest), 2.0 (io.prometheus.write.v2.Request) or "
        "auto",
        "send_exemplars": "timepoints have no exemplars",
        "send_native_histograms": "histograms go out as their buckets, sum and count, as they stand on a page",
        "follow_redirects": "a redirect is never followed: write the URL that it leads to",
        "enable_http2": "requests are HTTP/1.1",
        "azuread": "write oauth2 with the token_url and the scope of Microsoft Entra",
        "google_iam": "write service_account",
        "proxy_from_environment": "the environment is not asked: write proxy_url",
        "no_proxy": "leave proxy_url out of a receiver that is reached without one",
        "timeout": "write remote_timeout",
        "attempts": _SOURCES_ONLY,
        "circuit_breaker": _SOURCES_ONLY,
        "rate": _LIMITS,
        "burst": _LIMITS,
        "quota": _LIMITS,
        "concurrency": _LIMITS,
        "min_interval": _LIMITS,
        "max_body": "nothing of an answer is used but its status",
        "max_memory": "nothing of an answer is used but its status",
        "clock_tolerance": "nothing leaves while the clocks of both sides are more than five minutes apart",
        "out_of_order_time_window": "write out_of_order, with the same duration",
        "bearer_token_file": "write authorization: {credentials_file: FILE}",
    }

    name: FilledText = required(
        "The name of the receiver: what waits for it is kept under this name, so its URL and all else may change. "
        "Metrics name it in `receivers`.",
        "central",
    )
    url: FilledText = required(
        "The whole URL that samples are sent to. Credentials do not belong into it.",
        "https://prometheus.internal/api/v1/write",
    )
    protocol: Protocol | None = described(
        "The version of remote write. `auto` tries 2.0, looks whether the samples were stored, goes over to 1.0 if "
        "not, and remembers it. Default: `auto`.",
        "1.0",
    )
    out_of_order: Duration | None = described(
        "The out-of-order window that the receiver itself is configured with (`out_of_order_time_window` in "
        "Prometheus). Without one a receiver takes no sample of a series that is older than its newest, nor any that "
        "is an hour older than its newest of all. Default: `0s`, no such window.",
        "6h",
    )
    backfill_only: bool | None = described(
        "Whether only `timepoint backfill` sends to it. No metric goes to it then while the exporter runs, "
        "also none that names no receivers. Default: `false`.",
        True,  # noqa: FBT003 - an example is given as a value
    )
    max_age: Duration | None = described(
        "A sample that is older becomes a dead letter instead of being sent. `0s` is no limit. Default: what follows "
        "from the window, `55m` without one.",
        "2h",
    )
    max_samples: Annotated[int, Field(ge=1, le=100_000)] | None = described(
        "The most samples in one request. Default: `2000`.", 500
    )
    remote_timeout: PositiveDuration | None = described(
        "How long one request may take, from connecting to the status. Default: `30s`.", "10s"
    )
    connect_timeout: PositiveDuration | None = described("How long connecting may take. Default: `5s`.", "5s")
    external_labels: dict[str, FilledText] | None = described(
        "Labels that each series gets that has no label of that name. No scrape adds `job` or `instance` here.",
        {"cluster": "edge-1", "job": "timepoint"},
    )
    caps: CapsShape | None = described("How much may wait for the receiver.", {"samples": 1_000_000})
    spec_strict: bool | None = described(
        "With `true` whatever is refused with 4xx, but 429, is given up at once, as the specification says; without, "
        "only the samples that are wrong are, and 401, 403 and 404 wait for somebody to mend them. Default: `false`.",
        True,  # noqa: FBT003 - an example is given as a value
    )
    utf8_names: bool | None = described(
        "Whether the receiver takes names with any character, as Prometheus 3 does. Default: `false`.",
        True,  # noqa: FBT003 - an example is given as a value
    )
    basic_auth: BasicAuthShape | None = described(
        "User name and password.", {"username": "exporter", "password_file": "/run/secrets/remote_write"}
    )
    authorization: AuthorizationShape | None = described(
        "The `Authorization` header, for instance a bearer token.", {"credentials_file": "/run/secrets/remote_write"}
    )
    oauth2: OAuth2Shape | None = described(
        "A bearer token from a token endpoint.",
        {
            "client_id": "exporter",
            "client_secret_file": "/run/secrets/remote_write_client",
            "token_url": "https://login.internal/token",
        },
    )
    service_account: ServiceAccountShape | None = described(
        "A bearer token for a service account of Google.",
        {"key_file": "/run/secrets/google.json", "scopes": ["https://www.googleapis.com/auth/monitoring.write"]},
    )
    sigv4: ReceiverSigV4Shape | None = described(
        "A signature of each request as AWS wants it.",
        {"region": "eu-central-1", "credentials_file": "/run/secrets/aws_credentials"},
    )
    params: dict[str, Param] | None = described(
        "Parameters in the query of every request. Their values are never shown.", {"extra_label": "team=energy"}
    )
    http_headers: dict[str, HeaderShape] | None = described(
        "Further headers of every request, by name.", {"X-Scope-OrgID": {"values": ["energy"]}}
    )
    tls_config: TlsShape | None = described("Verification of the server.", {"ca_file": "/etc/ssl/internal-ca.pem"})
    proxy_url: FilledText | None = described(
        "The HTTP proxy that all requests go through. The environment is not asked for one.",
        "http://proxy.internal:3128",
    )
