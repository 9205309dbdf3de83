"""``signature`` of a source: its shape, and what it means.

Owns: the keys of a signature and the checks of the words in its texts. Must not know: how it is computed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from timepoint.config.checks import Check
from timepoint.config.kinds import FilledText, OneOf, Shape, Text, described, required
from timepoint.config.places import Path as Where
from timepoint.request.auth.signature import SignatureSpec, complaint

if TYPE_CHECKING:
    from timepoint.config.source_build import SourceBuilder


class SignatureShape(Shape):
    """A signature of each request: a keyed hash of a text that both sides make from the request."""

    place: ClassVar[str] = "signature of a source"
    groups: ClassVar[tuple[OneOf, ...]] = (
        OneOf("key", "key_file", required=True),
        OneOf("key_id", "key_id_file"),
    )

    key: Text | None = described("The secret key from the environment: `${NAME}`.", "${ENERGY_KEY}")
    key_file: FilledText | None = described(
        "A file that holds the secret key. It is read anew for every request.", "/run/secrets/energy_key"
    )
    key_form: Literal["text", "hex", "base64"] | None = described(
        "How the key is written. Default: `text`, its characters are the key.", "base64"
    )
    key_id: Text | None = described("The name of the key, as the word `{key_id}`.", "exporter")
    key_id_file: FilledText | None = described("A file that holds the name of the key.", "/run/secrets/energy_key_id")
    string_to_sign: FilledText = required(
        "The text that is signed. Its words stand for parts of the request as it is sent: `{method}`, `{url}`, "
        "`{host}`, `{path}`, `{query}`, `{sorted_query}`, `{path_and_query}`, `{body}`, `{content_type}`, "
        "`{header:NAME}`; a hash of a part is `{body:sha256:hex}`. `{timestamp}`, `{timestamp:FORMAT}` and `{nonce}` "
        "are the same wherever they stand; `{key}` and `{key_id}` are the credentials.",
        "{method}\n{path_and_query}\n{timestamp}\n{body:sha256:hex}",
    )
    algorithm: (
        Literal[
            "hmac-md5",
            "hmac-sha1",
            "hmac-sha256",
            "hmac-sha384",
            "hmac-sha512",
            "md5",
            "sha1",
            "sha256",
            "sha384",
            "sha512",
        ]
        | None
    ) = described(
        "The hash. One without `hmac-` uses no key by itself: write `{key}` in `string_to_sign`. "
        "Default: `hmac-sha256`.",
        "hmac-sha512",
    )
    encoding: Literal["hex", "HEX", "base64", "base64url"] | None = described(
        "How the signature is written. Default: `hex`.", "base64"
    )
    timestamp: FilledText | None = described(
        "How `{timestamp}` is written: `unix`, `unix_ms`, `rfc3339`, `http` or a strftime pattern, in UTC. "
        "Default: `unix`.",
        "unix_ms",
    )
    headers: dict[str, FilledText] | None = described(
        "Headers to send, of the same words (but for `{key}`) and `{signature}`.",
        {"Date": "{timestamp:http}", "Authorization": "Energy {key_id}:{signature}"},
    )
    params: dict[str, FilledText] | None = described(
        "Parameters to add to the URL, likewise.", {"timestamp": "{timestamp}", "signature": "{signature}"}
    )


def build_signature(builder: SourceBuilder, shape: SignatureShape, where: Where) -> SignatureSpec:
    """The meaning of ``signature`` that stands at ``where``."""
    known = ("nonce", "key_id") if shape.key_id or shape.key_id_file else ("nonce",)
    headers, params = shape.headers or {}, shape.params or {}
    texts: list[tuple[Where, str, tuple[str, ...]]] = [(("string_to_sign",), shape.string_to_sign, (*known, "key"))]
    for part, found in (("headers", headers), ("params", params)):
        texts += [((part, name), text, (*known, "signature")) for name, text in found.items()]
    for at, text, own in texts:
        if message := complaint(text, own):
            builder.findings.add(Check.CREDENTIAL, (*where, *at), message)
    if not any("{signature}" in text for text in (*headers.values(), *params.values())):
        message = "no header and no parameter holds {signature}, so it would not be sent"
        builder.findings.add(Check.CREDENTIAL, where, message, key=True)
    algorithm = shape.algorithm or "hmac-sha256"
    if not algorithm.startswith("hmac-") and "{key}" not in shape.string_to_sign:
        message = f"holds no {{key}}, and {algorithm} uses none by itself: anyone could sign"
        builder.findings.add(Check.CREDENTIAL, (*where, "string_to_sign"), message)
    key = builder.optional(shape, "key", where)
    assert key is not None, "BUG: the shape has let a signature without a key pass"
    return SignatureSpec(
        key=key,
        text=shape.string_to_sign,
        algorithm=algorithm,
        key_form=shape.key_form or "text",
        encoding=shape.encoding or "hex",
        key_id=builder.optional(shape, "key_id", where, is_secret=False),
        timestamp=shape.timestamp or "unix",
        headers={builder.token(name, (*where, "headers", name)): text for name, text in headers.items()},
        params=params,
        hidden=builder.variables(where),
    )
