"""Signature Version 4 against a server that verifies it twice: by botocore, and by the rules of AWS written out."""

from __future__ import annotations

import builtins
import hmac
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from botocore import auth as botocore_auth
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from yarl import URL

from tests.request.auth.authority import answering
from tests.request.test_canary import assert_no_canary
from tests.request.test_fetch import secret
from tests.request.wire import Client, Received, reply, serving
from timepoint.errors import SourceError
from timepoint.request.auth import aws
from timepoint.request.auth.aws import Keys, SigV4Spec, keys_of, signed
from timepoint.request.auth.base import Draft
from timepoint.request.spec import RequestSpec, SecretSource, SourceSpec
from timepoint.secret import Secret

ID, KEY, TOKEN = "canary-id", "canary/key+1", "canary//token=="
SPEC = SigV4Spec("eu-central-1", "monitoring", secret(ID), secret(KEY), secret(TOKEN))
REQUEST = RequestSpec(
    method="POST",
    path="/a b/{window.start:unix}/ü",
    params=(("b", "x/y:z +"), ("a", "{window.start}"), ("a", "2"), ("empty", "")),
    headers={"X-Amz-Target": secret("GraniteServiceVersion20100801.GetMetricData")},
    body={"MetricDataQueries": ["ü"]},
)


def signing_key(date: str, region: str, service: str) -> bytes:
    """The key of a day, a region and a service. Source: AWS, "Create a signed AWS API request", step 4."""
    key = f"AWS4{KEY}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def by_the_rules(asked: Received) -> str:
    """The signature of a request as it came. Source: AWS, "Create a signed AWS API request", steps 1 to 4."""
    scope, names = parts_of(asked)
    url = urlsplit(asked.target)
    pairs = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in parse_qsl(url.query, keep_blank_values=True)
    )
    canonical = [
        asked.line.split(" ")[0],
        quote(url.path, safe="/-_.~"),
        "&".join(f"{name}={value}" for name, value in pairs),
        *(f"{name}:{' '.join(asked.headers[name].split())}" for name in names),
        "",
        ";".join(names),
        sha256(asked.body).hexdigest(),
    ]
    digest = sha256("\n".join(canonical).encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{asked.headers['x-amz-date']}\n{'/'.join(scope)}\n{digest}"
    return hmac.digest(signing_key(*scope[:3]), text.encode(), "sha256").hex()


def by_botocore(asked: Received) -> str:
    """The signature of a request as it came, by botocore."""
    scope, names = parts_of(asked)
    request = AWSRequest(
        asked.line.split(" ")[0],
        f"http://{asked.headers['host']}{urlsplit(asked.target).path}",
        {name: asked.headers[name] for name in names},
        asked.body,
        params=parse_qsl(urlsplit(asked.target).query, keep_blank_values=True),
    )
    request.context["timestamp"] = asked.headers["x-amz-date"]
    signer = SigV4Auth(BotocoreCredentials(ID, KEY, TOKEN), scope[2], scope[1])
    return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))


def parts_of(asked: Received) -> tuple[list[str], list[str]]:
    """The scope (date, region, service and the last word), and the names of the signed headers."""
    kind, _, rest = asked.headers["authorization"].partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    assert kind == "AWS4-HMAC-SHA256"
    assert parts["Credential"].startswith(f"{ID}/")
    return parts["Credential"].split("/")[1:], parts["SignedHeaders"].split(";")


def verified(asked: Received) -> bytes:
    """AWS: it believes a signature that is right, not older than five minutes, and covers what it must."""
    said = asked.headers["authorization"].rpartition("Signature=")[2]
    date = datetime.strptime(asked.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    age = abs((botocore_auth.get_current_datetime(remove_tzinfo=False) - date).total_seconds())
    _, names = parts_of(asked)
    right = said == by_the_rules(asked) == by_botocore(asked)
    covers = {"host", "x-amz-date", "x-amz-security-token"} <= set(names)
    if right and covers and age < 300 and asked.headers.get("x-amz-security-token") == TOKEN:
        return reply()
    return reply(403, f"SignatureDoesNotMatch {asked.headers}".encode())


@pytest.mark.parametrize("request_", [REQUEST, RequestSpec(path="/"), RequestSpec()], ids=["odd", "root", "empty"])
async def test_signed_requests(request_: RequestSpec) -> None:
    """A server that knows the key comes to the same signature, whatever is in path, query and body."""
    async with answering(verified) as wire:
        await Client(SourceSpec("s", wire.url, auth=SPEC, params={"k": secret("a b")})).fetch(request_)
    assert len(wire.received) == 1


WRONG = {
    "key": SigV4Spec(SPEC.region, SPEC.service, SPEC.access_key, secret("canary-wrong"), SPEC.session_token),
    "token": SigV4Spec(SPEC.region, SPEC.service, SPEC.access_key, SPEC.secret_key, secret("canary-wrong")),
    "no token": SigV4Spec(SPEC.region, SPEC.service, SPEC.access_key, SPEC.secret_key),
}


@pytest.mark.parametrize("spec", WRONG.values(), ids=WRONG.keys())
async def test_wrong_keys(spec: SigV4Spec) -> None:
    """With another key or session token the server refuses, and its words are masked; nothing is tried again."""
    async with answering(refusing) as wire:
        error = await Client(SourceSpec("s", wire.url, auth=spec)).fail(REQUEST)
    assert "status 403" in str(error)
    assert len(wire.received) == 1
    assert_no_canary(error)


def refusing(asked: Received) -> bytes:
    """As ``verified``; a request without a token covers too little to be looked at."""
    return verified(asked) if "x-amz-security-token" in asked.headers else reply(403, str(asked).encode())


VECTORS: dict[str, tuple[Draft, str]] = {}


def vector(name: str, signature: str, method: str, target: str = "/", **more: Any) -> None:
    """A case of AWS's own test suite: its name there, what is signed, and the signature."""
    url = URL(f"https://example.amazonaws.com{target}", encoded=True)
    headers: Mapping[str, str] = more.get("headers", {})
    body = more.get("body")
    VECTORS[name] = (
        Draft(method, url, {key: Secret(value) for key, value in headers.items()}, body),
        signature,
    )


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
vector("get-vanilla", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", "GET")
vector("post-vanilla", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b", "POST")
vector(
    "get-vanilla-query-order-key-case",
    "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    "GET",
    "/?Param2=value2&Param1=value1",
)
vector(
    "post-vanilla-query", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11", "POST", "/?Param1=value1"
)
vector(
    "get-vanilla-utf8-query",
    "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
    "GET",
    "/?%E1%88%B4=bar",
)
vector(
    "get-unreserved",
    "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    "GET",
    "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
)
vector(
    "get-header-key-duplicate",
    "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
    "GET",
    headers={"My-Header1": "value2,value2,value1"},
)
vector(
    "get-header-value-multiline",
    "ba17b383a53190154eb5fa66a1b836cc297cc0a3d70a5d00705980573d8ff790",
    "GET",
    headers={"My-Header1": "value1,value2,value3"},
)
vector(
    "post-x-www-form-urlencoded",
    "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    "POST",
    headers=FORM,
    body=b"Param1=value1",
)


@pytest.mark.parametrize(("draft", "signature"), VECTORS.values(), ids=VECTORS.keys())
def test_vectors_of_aws(draft: Draft, signature: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signatures of AWS's test suite come out. Source: AWS, "Signature Version 4 test suite"."""
    moment = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
    monkeypatch.setattr(botocore_auth, "get_current_datetime", lambda *_: moment)
    keys = Keys(Secret("AKIDEXAMPLE"), Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), None)
    request = signed(SigV4Spec("us-east-1", "service"), keys, draft)
    assert request.headers["Authorization"].endswith(f"Signature={signature}")


def test_vector_of_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 has rules of its own. Source: Amazon S3 API reference, "Signature calculations", Example: GET Object."""
    monkeypatch.setattr(botocore_auth, "get_current_datetime", lambda *_: datetime(2013, 5, 24, tzinfo=UTC))
    keys = Keys(Secret("AKIAIOSFODNN7EXAMPLE"), Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), None)
    url = URL("https://examplebucket.s3.amazonaws.com/test.txt")
    request = signed(SigV4Spec("us-east-1", "s3"), keys, Draft("GET", url, {"Range": Secret("bytes=0-9")}))
    good = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    assert request.headers["Authorization"].endswith(f"Signature={good}")


PROFILES = """
[default]
aws_access_key_id = canary-id
aws_secret_access_key = canary/key+1

[short]
aws_access_key_id = canary-id
aws_secret_access_key = canary/key+1
aws_session_token = canary//token==

[sso]
sso_session = canary
"""


def by_profile(path: Path, name: str) -> SigV4Spec:
    """Keys from a profile of a file."""
    return SigV4Spec("eu-central-1", "ce", profile=name, credentials_file=SecretSource(file=path))


def test_a_profile(tmp_path: Path) -> None:
    """Keys are those of the profile that the config names, read anew for each request."""
    path = tmp_path / "credentials"
    path.write_text(PROFILES)
    spec = by_profile(path, "short")
    assert keys_of(spec) == Keys(Secret(ID), Secret(KEY), Secret(TOKEN))
    assert keys_of(by_profile(path, "default")) == Keys(Secret(ID), Secret(KEY), None)
    path.write_text(PROFILES.replace("canary-id", "other-id"))
    assert keys_of(spec).access_key == Secret("other-id")


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        (PROFILES, "nobody", "has no profile 'nobody'"),
        (PROFILES, "sso", "has no aws_access_key_id: only keys are supported"),
        ("canary", "default", "cannot be read as such"),
        ("[default]\ncanary", "default", "cannot be read as such"),
        ("", "default", "is empty"),
    ],
)
def test_profiles_that_cannot_be_used(text: str, name: str, words: str, tmp_path: Path) -> None:
    """A file without the profile, without its keys or of another kind is named with what is wrong, and not quoted."""
    path = tmp_path / "credentials"
    path.write_text(text)
    with pytest.raises(SourceError, match=words) as caught:
        keys_of(by_profile(path, name))
    assert str(path) in str(caught.value)
    assert_no_canary(caught.value)


async def test_the_environment_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of the environment are not used in place of those that the config names."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-environment")
    monkeypatch.setenv("AWS_PROFILE", "default")
    async with serving(reply()) as wire:
        error = await Client(SourceSpec("s", wire.url, auth=by_profile(tmp_path / "none", "default"))).fail()
    assert error.reason == "secret"
    assert wire.received == []


async def test_without_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the error says how it is installed."""
    real = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name.startswith("botocore"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SourceError, match=r"pip install 'timepoint-exporter\[aws\]'"):
        signed(SPEC, keys_of(SPEC), Draft("GET", URL("http://h/"), {}))
    monkeypatch.setattr(aws.importlib.util, "find_spec", lambda name: None)  # type: ignore[attr-defined] # its import
    assert list(aws.complaints("eu-central-1", "ce")) == [("service", aws.MISSING)]


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The signer tells at debug level what it signs, the session token among it: it is kept quiet."""
    caplog.set_level(logging.DEBUG)
    signed(SPEC, keys_of(SPEC), Draft("GET", URL("http://h/"), {}))
    assert "canary" not in caplog.text
