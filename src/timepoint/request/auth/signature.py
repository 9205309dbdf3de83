"""A keyed hash of a described text.

Owns: the words of the text that is signed, the hash, and what is sent of it. Must not know: any particular API.

APIs differ in which parts of a request they sign, in which order and writing; a config describes that as one text with
words in braces. ``{body:sha256:hex}`` and the like are hashes of a part inside the text.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import b64decode, b64encode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qsl

from timepoint.errors import SourceError
from timepoint.request.auth.base import Added, Around, Draft, Scheme, with_query
from timepoint.request.auth.secrets import read_secret
from timepoint.request.spec import AuthSpec, SecretSource
from timepoint.request.template import encode_query
from timepoint.secret import Secret

HASHES = ("md5", "sha1", "sha256", "sha384", "sha512")
ENCODINGS: Mapping[str, Callable[[bytes], str]] = {
    "hex": bytes.hex,
    "HEX": lambda digest: digest.hex().upper(),
    "base64": lambda digest: b64encode(digest).decode(),
    "base64url": lambda digest: urlsafe_b64encode(digest).decode().rstrip("="),
}
PARTS = ("method", "url", "host", "path", "path_and_query", "query", "sorted_query", "body", "content_type")
_WORD = re.compile(r"\{([a-z_]+)((?::[^{}]*)?)\}")


@dataclass(frozen=True, slots=True)
class SignatureSpec(AuthSpec):
    """``signature`` of a source.

    ``text`` is what is signed. ``headers`` and ``params`` are sent beside it and hold the same words; those that do not
    name ``{signature}`` are there before the text is made, so that it may hold them. ``timestamp`` is how
    ``{timestamp}`` is written without a format of its own. ``hidden`` are texts in these that are masked.
    """

    key: SecretSource
    text: str = field(repr=False)
    algorithm: str = "hmac-sha256"
    key_form: str = "text"
    encoding: str = "hex"
    key_id: SecretSource | None = None
    timestamp: str = "unix"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    hidden: tuple[Secret, ...] = ()

    @property
    def sets_authorization(self) -> bool:
        return any(name.lower() == "authorization" for name in self.headers)


def _nonce() -> str:
    return secrets.token_hex(16)


class Signature(Scheme):
    """A new signature for each request. ``nonce`` gives a text that was never used before."""

    def __init__(self, spec: SignatureSpec, around: Around, nonce: Callable[[], str] = _nonce) -> None:
        self._spec = spec
        self._clock = around.clock
        self._nonce = nonce

    async def add(self, draft: Draft, deadline: float) -> Added:  # noqa: ARG002 - the seam's
        spec = self._spec
        key = read_secret(spec.key)
        own = {"nonce": self._nonce(), "key": key.reveal()}
        hidden = [key, *spec.hidden]
        if spec.key_id is not None:
            hidden.append(key_id := read_secret(spec.key_id))
            own["key_id"] = key_id.reveal()
        words = Words(draft, own, self._clock.now(), spec.timestamp)
        headers = {name: words.fill(text) for name, text in spec.headers.items() if "{signature" not in text}
        params = [(name, words.fill(text)) for name, text in spec.params.items() if "{signature" not in text]
        query = tuple((name, Secret(text)) for name, text in params)
        sent = {name: Secret(text) for name, text in headers.items()}
        later = replace(draft, url=with_query(draft.url, query), headers={**draft.headers, **sent})
        text = Words(later, own, words.now, spec.timestamp).fill(spec.text)
        signature = sign(spec, key, text)
        signed = Words(later, {**own, "signature": signature}, words.now, spec.timestamp)
        headers |= {name: signed.fill(text) for name, text in spec.headers.items() if "{signature" in text}
        query += tuple((name, Secret(signed.fill(text))) for name, text in spec.params.items() if "{signature" in text)
        shown = {name: Secret(text) for name, text in headers.items()}
        return Added(shown, query, (*hidden, Secret(signature)), bound=True)


def sign(spec: SignatureSpec, key: Secret, text: str) -> str:
    """The signature of a text. Raises SourceError("secret", ...) if the key is not written as the config says."""
    keyed, name = spec.algorithm.startswith("hmac-"), spec.algorithm.removeprefix("hmac-")
    data = text.encode()
    digest = hmac.digest(_key(spec.key_form, key), data, name) if keyed else hashlib.new(name, data).digest()
    return ENCODINGS[spec.encoding](digest)


def _key(form: str, key: Secret) -> bytes:
    text = key.reveal()
    try:
        if form == "hex":
            return bytes.fromhex(text)
        return b64decode(text, validate=True) if form == "base64" else text.encode()
    except (ValueError, Base64Error):
        raise SourceError("secret", f"the key of the signature is not written in {form}") from None


class Words:
    """The words that a text may hold, for one request. ``own`` are those that the signature itself brings."""

    def __init__(self, draft: Draft, own: Mapping[str, str], now: int, stamp: str) -> None:
        self.now = now
        self._own = own
        self._stamp = stamp
        self._draft = draft
        self._headers = draft.plain_headers()

    def fill(self, text: str) -> str:
        """The text with its words replaced."""
        return _WORD.sub(lambda match: self._word(match[1], match[2].removeprefix(":")), text)

    def _word(self, name: str, format_: str) -> str:
        if name == "timestamp":
            return written(self.now, format_ or self._stamp)
        if name == "header":
            return self._headers.get(format_, "")
        if name in self._own:
            return self._own[name]
        part = self._part(name)
        if not format_:
            return part.decode("utf-8", "surrogateescape")
        algorithm, _, encoding = format_.partition(":")
        return ENCODINGS[encoding or "hex"](hashlib.new(algorithm, part).digest())

    def _part(self, name: str) -> bytes:  # noqa: PLR0911 - one return for each part
        draft, url = self._draft, self._draft.url
        match name:
            case "method":
                return draft.method.encode()
            case "url":
                return str(url).encode()
            case "host":
                return (url.host_port_subcomponent or "").encode()
            case "path":
                return url.raw_path.encode()
            case "path_and_query":
                return url.raw_path_qs.encode()
            case "query":
                return url.raw_query_string.encode()
            case "sorted_query":
                pairs = sorted(parse_qsl(url.raw_query_string, keep_blank_values=True))
                return "&".join(f"{encode_query(key)}={encode_query(value)}" for key, value in pairs).encode()
            case "content_type":
                return self._headers.get("Content-Type", "").encode()
        return draft.body or b""


def written(now: int, format_: str) -> str:
    """An instant in ms as an API wants it: ``unix``, ``unix_ms``, ``rfc3339``, ``http`` or a strftime pattern."""
    moment = datetime.fromtimestamp(now / 1000, UTC)
    match format_:
        case "unix":
            return str(now // 1000)
        case "unix_ms":
            return str(now)
        case "rfc3339":
            return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        case "http":
            return format_datetime(moment.replace(microsecond=0), usegmt=True)
    return moment.strftime(format_)


def complaint(text: str, own: tuple[str, ...]) -> str | None:
    """A sentence about the first word of a text that cannot be filled in; ``own`` are the words that it may hold."""
    for match in _WORD.finditer(text):
        name, format_ = match[1], match[2].removeprefix(":")
        if name == "timestamp" or (name == "header" and format_):
            continue
        if name in own and not format_:
            continue
        if name not in PARTS:
            words = ", ".join(f"{{{word}}}" for word in (*PARTS, "header:NAME", "timestamp", *own))
            return f"{match[0]} is no word of a signature: there is {words}"
        algorithm, _, encoding = format_.partition(":")
        if format_ and (algorithm not in HASHES or encoding not in ("", *ENCODINGS)):
            return f"{match[0]} is no hash: write it like {{{name}:sha256:hex}}"
    return None
