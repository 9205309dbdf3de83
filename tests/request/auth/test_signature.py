"""Signatures against servers that compute them on their own."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from yarl import URL

from tests.request.auth.authority import answering
from tests.request.test_canary import assert_no_canary
from tests.request.test_fetch import secret
from tests.request.wire import START, Client, FakeClock, Received, reply, serving
from timepoint.errors import SourceError
from timepoint.request.auth.base import Draft
from timepoint.request.auth.signature import SignatureSpec, Words, complaint, sign
from timepoint.request.spec import RequestSpec, SourceSpec
from timepoint.secret import Secret

KEY = "canary-key"
NOW = (START + 2_400_000) // 1000
REQUEST = RequestSpec(
    method="POST", path="/v1/data", params=(("to", "b c"), ("from", "{window.start:unix}")), body={"a": "ü"}
)


def checks(received: Received) -> tuple[str, str]:
    """The path and the query as they came."""
    parts = urlsplit(received.target)
    return parts.path, parts.query


def coinbase(asked: Received) -> bool:
    """Timestamp, method, target and body by a base64 key, in base64."""
    stamp = asked.headers["cb-access-timestamp"]
    text = stamp + asked.line.split(" ")[0] + asked.target + asked.body.decode()
    good = b64encode(hmac.digest(b64decode(b64encode(KEY.encode())), text.encode(), "sha256")).decode()
    return stamp == str(NOW) and asked.headers["cb-access-sign"] == good and asked.headers["cb-access-key"] == "id"


def binance(asked: Received) -> bool:
    """The query with its timestamp, and the signature behind it."""
    signed, _, signature = checks(asked)[1].rpartition("&signature=")
    good = hmac.digest(KEY.encode(), signed.encode(), "sha256").hex()
    return signature == good and signed.endswith(f"&timestamp={NOW * 1000}")


def solis(asked: Received) -> bool:
    """Method, MD5 of the body, its type, the date and the path, by SHA-1."""
    headers = asked.headers
    digest = b64encode(hashlib.md5(asked.body).digest()).decode()
    text = f"POST\n{digest}\napplication/json\n{headers['date']}\n{checks(asked)[0]}"
    good = b64encode(hmac.digest(KEY.encode(), text.encode(), "sha1")).decode()
    is_date = re.fullmatch(r"Thu, 01 Jan 2026 \d\d:40:00 GMT", headers["date"])
    return headers["content-md5"] == digest and headers["authorization"] == f"API id:{good}" and bool(is_date)


def fox(asked: Received) -> bool:
    """MD5 of path, key and milliseconds, without HMAC."""
    stamp = asked.headers["timestamp"]
    good = hashlib.md5(f"{checks(asked)[0]}\\r\\n{KEY}\\r\\n{stamp}".encode()).hexdigest()
    return asked.headers["signature"] == good and stamp == str(NOW * 1000)


def generic(asked: Received) -> bool:
    """All parts, with sorted parameters, a hash of the body and a nonce that is never the same."""
    query = "from=1767225600&to=b%20c"
    nonce = asked.headers["x-nonce"]
    digest = hashlib.sha256(asked.body).hexdigest()
    text = f"POST|{asked.headers['host']}|/v1/data|{query}|{nonce}|2026-01-01T00:40:00Z|{digest}|v1"
    good = hmac.digest(bytes.fromhex("0011ff"), text.encode(), "sha512").hex().upper()
    return asked.headers["x-signature"] == good


APIS: dict[str, tuple[Callable[[Received], bool], dict[str, Any]]] = {
    "coinbase": (
        coinbase,
        {
            "key": secret(b64encode(KEY.encode()).decode()),
            "key_form": "base64",
            "key_id": secret("id"),
            "text": "{timestamp}{method}{path_and_query}{body}",
            "encoding": "base64",
            "headers": {
                "CB-ACCESS-KEY": "{key_id}",
                "CB-ACCESS-TIMESTAMP": "{timestamp}",
                "CB-ACCESS-SIGN": "{signature}",
            },
        },
    ),
    "binance": (
        binance,
        {"text": "{query}", "timestamp": "unix_ms", "params": {"timestamp": "{timestamp}", "signature": "{signature}"}},
    ),
    "solis": (
        solis,
        {
            "key_id": secret("id"),
            "algorithm": "hmac-sha1",
            "encoding": "base64",
            "text": "{method}\n{header:Content-MD5}\n{content_type}\n{header:Date}\n{path}",
            "headers": {
                "Content-MD5": "{body:md5:base64}",
                "Date": "{timestamp:http}",
                "Authorization": "API {key_id}:{signature}",
            },
        },
    ),
    "fox": (
        fox,
        {
            "algorithm": "md5",
            "timestamp": "unix_ms",
            "text": r"{path}\r\n{key}\r\n{timestamp}",
            "headers": {"timestamp": "{timestamp}", "signature": "{signature}"},
        },
    ),
    "generic": (
        generic,
        {
            "key": secret("0011ff"),
            "key_form": "hex",
            "algorithm": "hmac-sha512",
            "encoding": "HEX",
            "timestamp": "rfc3339",
            "text": "{method}|{host}|{path}|{sorted_query}|{nonce}|{timestamp}|{body:sha256}|{timestamp:v1}",
            "headers": {"X-Nonce": "{nonce}", "X-Signature": "{signature}"},
        },
    ),
}


@pytest.mark.parametrize(("verify", "options"), APIS.values(), ids=APIS.keys())
async def test_apis(verify: Callable[[Received], bool], options: dict[str, Any]) -> None:
    """What APIs invent for themselves can be described, and the server comes to the same signature."""
    spec = SignatureSpec(**({"key": secret(KEY)} | options))
    async with answering(lambda asked: reply() if verify(asked) else reply(403, b"bad signature")) as wire:
        await Client(SourceSpec("s", wire.url, auth=spec)).fetch(REQUEST)
    assert len(wire.received) == 1


@pytest.mark.parametrize(("verify", "options"), APIS.values(), ids=APIS.keys())
async def test_a_wrong_key(verify: Callable[[Received], bool], options: dict[str, Any]) -> None:
    """With another key the server refuses, so the checks of these tests check something; nothing is tried again."""
    wrong = b64encode(b"canary-wrong").decode() if options.get("key_form") == "base64" else "0012ee"
    spec = SignatureSpec(**({"key": secret(wrong)} | {**options, "key": secret(wrong)}))
    async with answering(lambda asked: reply() if verify(asked) else reply(403, str(asked).encode())) as wire:
        error = await Client(SourceSpec("s", wire.url, auth=spec)).fail(REQUEST)
    assert "status 403" in str(error)
    assert len(wire.received) == 1
    assert_no_canary(error)


async def test_each_request_has_a_signature_of_its_own() -> None:
    """A second attempt is signed anew: a nonce is used once."""
    spec = SignatureSpec(secret(KEY), "{nonce}", headers={"X-Nonce": "{nonce}", "X-Sign": "{signature}"})
    async with serving(reply(503), reply()) as wire:
        await Client(SourceSpec("s", wire.url, auth=spec)).fetch()
    first, second = (received.headers for received in wire.received)
    assert first["x-nonce"] != second["x-nonce"]
    assert first["x-sign"] != second["x-sign"]


async def test_a_signed_request_is_not_redirected() -> None:
    """A signature is for its URL alone, so a redirect is an error that says so."""
    spec = SignatureSpec(secret(KEY), "{path}", headers={"X-Sign": "{signature}"})
    async with serving(reply(302, headers={"Location": "/elsewhere"})) as wire:
        error = await Client(SourceSpec("s", wire.url, auth=spec)).fail()
    assert error.reason == "redirect"
    assert len(wire.received) == 1


async def test_params_of_the_source_are_signed() -> None:
    """The text is made of the request as it is sent, with the parameters that the source adds."""
    spec = SignatureSpec(secret(KEY), "{path_and_query}", headers={"X-Text": "{signature}"}, algorithm="hmac-md5")
    async with serving(reply()) as wire:
        await Client(SourceSpec("s", f"{wire.url}/a?b=c", params={"k": secret("1")}, auth=spec)).fetch()
    good = hmac.digest(KEY.encode(), b"/a?b=c&k=1", "md5").hex()
    assert (wire.received[0].target, wire.received[0].headers["x-text"]) == ("/a?b=c&k=1", good)


@pytest.mark.parametrize(("form", "key"), [("hex", "canary"), ("base64", "canary!"), ("base64", "ü")])
def test_a_key_that_is_not_written_so(form: str, key: str) -> None:
    """A key that is not hex or base64 is an error that does not show it."""
    with pytest.raises(SourceError, match=f"not written in {form}") as caught:
        sign(SignatureSpec(secret(key), "", key_form=form), Secret(key), "")
    assert_no_canary(caught.value)


def test_rfc_4231() -> None:
    """The signature of the RFC's test case 2 is the RFC's. Source: RFC 4231, 4.3."""
    spec = SignatureSpec(secret("Jefe"), "")
    good = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert sign(spec, Secret("Jefe"), "what do ya want for nothing?") == good


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{timestamp:%Y%m%d} {timestamp:unix}", "20260101 1767228000"),
        ("{url}", "http://h.test:8080/a%20b?x=1&a=2"),
        ("{host}", "h.test:8080"),
        ("{query} {sorted_query}", "x=1&a=2 a=2&x=1"),
        ("{body:sha1:base64url}", "qvTGHdzF6KLavt4PO0gs2a6pQ00"),
        ("{header:x-key}{header:none}", "v"),
        ('{"a": {method}}', '{"a": GET}'),
    ],
)
def test_words(text: str, filled: str) -> None:
    """Each word stands for its part; a brace that is no word stays."""
    draft = Draft("GET", URL("http://h.test:8080/a%20b?x=1&a=2"), {"X-Key": Secret("v")}, b"hello")
    assert Words(draft, {}, FakeClock().wall, "unix").fill(text) == filled
    assert complaint(text, ()) is None


@pytest.mark.parametrize("text", ["{pth}", "{key}", "{body:sha3}", "{body:sha256:octal}", "{nonce:hex}", "{header}"])
def test_words_that_do_not_exist(text: str) -> None:
    """A word, hash or encoding that does not exist is known when the config is read."""
    assert complaint(text, ("nonce",)) is not None


def test_the_query_is_parsed_as_servers_do() -> None:
    """Sorted parameters are the same whether a blank came as plus or as %20."""
    drafts = [Draft("GET", URL(f"http://h/?b={blank}x&a=", encoded=True), {}) for blank in ("+", "%20")]
    assert {Words(draft, {}, 0, "unix").fill("{sorted_query}") for draft in drafts} == {"a=&b=%20x"}
    assert dict(parse_qsl("a=&b=%20x", keep_blank_values=True)) == {"a": "", "b": " x"}
