"""``sigv4`` of a source: its shape, and what it means.

Owns: the keys of AWS credentials and their checks. Must not know: how a request is signed.
The names of Prometheus' keys are Prometheus' own. Source: Prometheus, "Configuration", ``<sigv4_config>``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from timepoint.config.checks import Check
from timepoint.config.kinds import FilledText, OneOf, Shape, Text, described, required
from timepoint.config.places import Path as Where
from timepoint.request.auth.aws import SigV4Spec, complaints

if TYPE_CHECKING:
    from timepoint.config.source_build import SourceBuilder


class SigV4Shape(Shape):
    """A signature of each request by AWS Signature Version 4.

    It needs `pip install 'timepoint-exporter[aws]'`. Neither the environment nor a metadata service is asked for
    credentials.
    """

    place: ClassVar[str] = "sigv4 of a source"
    groups: ClassVar[tuple[OneOf, ...]] = (
        OneOf("access_key", "access_key_file", "credentials_file", required=True),
        OneOf("secret_key", "secret_key_file", "credentials_file", required=True),
        OneOf("session_token", "session_token_file", "credentials_file"),
    )

    region: FilledText = required("The region.", "eu-central-1")
    service: FilledText = required("The service, as its name stands in the signature.", "monitoring")
    access_key: Text | None = described("The id of the access key.", "${AWS_ACCESS_KEY_ID}")
    access_key_file: FilledText | None = described("A file that holds the id.", "/run/secrets/aws_access_key")
    secret_key: Text | None = described("The secret access key: `${NAME}`.", "${AWS_SECRET_ACCESS_KEY}")
    secret_key_file: FilledText | None = described("A file that holds it.", "/run/secrets/aws_secret_key")
    session_token: Text | None = described("The token of temporary credentials: `${NAME}`.", "${AWS_SESSION_TOKEN}")
    session_token_file: FilledText | None = described("A file that holds it.", "/run/secrets/aws_session_token")
    credentials_file: FilledText | None = described(
        "A shared credentials file of AWS, in place of single keys. It is read anew for every request.",
        "/run/secrets/aws_credentials",
    )
    profile: FilledText | None = described("The profile in `credentials_file`. Default: `default`.", "metrics")


def build_sigv4(builder: SourceBuilder, shape: SigV4Shape, where: Where) -> SigV4Spec:
    """The meaning of ``sigv4`` that stands at ``where``."""
    if shape.profile is not None and shape.credentials_file is None:
        builder.findings.add(Check.NO_EFFECT, (*where, "profile"), "has no effect without credentials_file")
    for key, message in complaints(shape.region, shape.service):
        builder.findings.add(Check.CREDENTIAL, (*where, key), message)
    file = shape.credentials_file
    return SigV4Spec(
        region=shape.region,
        service=shape.service,
        access_key=builder.optional(shape, "access_key", where, is_secret=False),
        secret_key=builder.optional(shape, "secret_key", where),
        session_token=builder.optional(shape, "session_token", where),
        profile=shape.profile or "default",
        credentials_file=builder.credential(None, file, (*where, "credentials")) if file is not None else None,
    )
