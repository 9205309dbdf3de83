"""Sixty secrets in the ways to authenticate, tokens among them: none is in anything that is shown or kept."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.system.hostile import Asked, HostileApi, Pieces, http, unframed
from tests.system.support import Exporter, get, wait_for
from tests.test_secrets import NASTY, PAGES, Vault, behave, command_lines, kept_files, timepoint, told

BEHAVIOURS = ("good", "refuse", "fail", "value", "key", "text", "status", "header", "redirect", "garbage")
GIVERS = ("good", "refused", "failing", "html", "broken", "odd")
"""What those do who give tokens, by the last part of their path."""
RUNS = 3


def gives(asked: Asked, vault: Vault, tokens: dict[str, str]) -> Pieces:
    """The answer of a token endpoint or a login: a token, or something else that says back what it was told."""
    texts = [text for part in told(asked) for text in (part, unquote(part))]
    echo = "\n".join(texts).encode()
    source, _, how = asked.path.removeprefix("/give/").partition("/")
    match how:
        case "refused":
            return http(json.dumps({"error": "invalid_grant", "error_description": texts}).encode(), status="401 No")
        case "failing":
            return http(echo, status=f"503 {texts[0][:40]}")
        case "html":
            return http(echo, kind="text/html")
        case "broken":
            return unframed([echo], extra="Content-Length: 100000\r\n")
        case "odd":
            return http(json.dumps({"access_token": texts, "token_type": texts[0], "token": {texts[0]: 1}}).encode())
    token = tokens.setdefault(source, vault.literal(NASTY if source == "login_query" else ""))
    body = {"access_token": token, "token": token, "token_type": "Bearer", "expires_in": 2}
    if source == "refresh":
        tokens[f"refresh {len(tokens)}"] = rotated = vault.literal() if len(tokens) < 60 else token
        body["refresh_token"] = rotated
    return http(json.dumps(body).encode())


def with_tokens(vault: Vault, url: str, give: str, folder: Path) -> dict[str, dict[str, Any]]:
    """The ways that ask somebody for a token."""
    variable, file = vault.variable, vault.file

    def oauth2(name: str, **more: Any) -> dict[str, Any]:
        return {"oauth2": {"client_id": variable(), "token_url": f"{url}/give/{name}/{give}", **more}}

    return {
        "client": oauth2(
            "client",
            client_secret=variable(NASTY),
            endpoint_params={"audience": variable()},
            token_endpoint_auth_method="client_secret_post",
        ),
        "basic": oauth2("basic", client_secret_file=file()),
        "refresh": oauth2(
            "refresh",
            client_secret_file=file(),
            grant_type="refresh_token",
            refresh_token_file=file(),
            rotated_refresh_token_file=str(folder / f"rotated-{give}"),
        ),
        "password": oauth2("password", grant_type="password", username=variable(), password_file=file()),
        "login_json": {
            "login": {
                "post": f"/give/login_json/{give}",
                "json": {"user": "{username}", "password": "{password}", "app": [variable()]},
                "http_headers": {"X-Key": {"files": [file()]}},
                "username_file": file(),
                "password": variable(NASTY),
                "token": "$.token",
                "lifetime": "2s",
                "send": {"header": "X-Auth-Token"},
            }
        },
        "login_query": {
            "login": {
                "get": f"{url}/give/login_query/{give}",
                "username": variable(),
                "password_file": file(),
                "token": "$.token",
                "send": {"query": "token"},
            }
        },
    }


def without_tokens(vault: Vault, folder: Path) -> dict[str, dict[str, Any]]:
    """The ways that need nothing but the secret."""
    variable, file = vault.variable, vault.file
    profile = folder / "aws-credentials"
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    profile.write_text("[default]\n" + "".join(f"{name} = {vault.literal()}\n" for name in names))
    return {
        "signature": {
            "signature": {
                "key": variable(),
                "key_id_file": file(),
                "string_to_sign": f"{{method}}{variable()}{{path}}{{key}}",
                "headers": {"X-Key": "{key_id}", "X-Signature": "{signature}", "X-App": variable()},
            }
        },
        "sigv4": {
            "sigv4": {
                "region": "eu-central-1",
                "service": "monitoring",
                "access_key": variable(),
                "secret_key_file": file(),
                "session_token": variable(),
            }
        },
        "profile": {"sigv4": {"region": "eu-central-1", "service": "ce", "credentials_file": str(profile)}},
        "query": {"params": {"api_key": {"file": file()}, "other": variable(NASTY), "format": "json"}},
    }


def sources(vault: Vault, url: str, give: str, folder: Path) -> dict[str, dict[str, Any]]:
    """A source for each way to authenticate, with a secret in each of its places; ``give`` is how tokens are given."""
    found = with_tokens(vault, url, give, folder)
    if give == "good":
        found |= without_tokens(vault, folder)
    limits = {"url": url, "attempts": 1, "circuit_breaker": {"failures": 1000}}
    return {f"{name}_{give}": {**limits, **source} for name, source in found.items()}


def config_of(vault: Vault, url: str, folder: Path) -> str:
    """A job for each source and behaviour, as JSON, which is YAML."""
    all_sources: dict[str, Any] = {}
    jobs: dict[str, Any] = {}
    for give in GIVERS:
        made = sources(vault, url, give, folder)
        all_sources |= made
        for name in made:
            for behaviour in BEHAVIOURS if give == "good" else BEHAVIOURS[:1]:
                jobs[f"{name}_{behaviour}"] = {
                    "source": name,
                    "every": "1s",
                    "request": {"get": f"/{name}/{behaviour}", "params": {"from": "{window.start:unix}"}},
                    "expect": {"equal": {"$.status": "ok"}},
                    "rows": {"row": "$.rows[*]"},
                    "labels": {"pod": "$row.pod", "case": f"{name}_{behaviour}"},
                    "max_age": "1h",
                    "metrics": {"canary_watts": {"type": "gauge", "help": "Power.", "value": "$row.watts"}},
                }
    return json.dumps({"sources": all_sources, "jobs": jobs}, indent=1)


WAYS = ("client", "basic", "refresh", "password", "login_json", "login_query", "signature", "sigv4", "profile", "query")


def shows_all(page: bytes | str) -> bool:
    """Whether a page has data that came by each way."""
    text = page if isinstance(page, str) else page.decode()
    return all(f'canary_watts{{case="{way}_good_good"' in text for way in WAYS)


Seen = tuple[Vault, dict[str, bytes | str], HostileApi]


@pytest.fixture(scope="module")
def seen_by_all(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Everything that could be seen of an exporter whose API echoes what it is told, as do those who give tokens."""
    directory = tmp_path_factory.mktemp("auth-secrets")
    vault = Vault(directory)
    tokens: dict[str, str] = {}

    def answer(asked: Asked) -> Pieces:
        return gives(asked, vault, tokens) if asked.path.startswith("/give/") else behave(asked, api)

    api = HostileApi(otherwise=answer)
    seen: dict[str, bytes | str] = {}
    with api.running():
        config = directory / "config.yaml"
        config.write_text(config_of(vault, api.url, directory))
        jobs = json.loads(config.read_text())["jobs"]
        enough = RUNS * sum("_good_" in name for name in jobs)
        exporter = Exporter(config, directory / "data", vault.environ, ["--log.level=debug"])
        exporter.start(wait=False)
        try:
            wait_for("all jobs to have run", exporter.ready)
            wait_for("all texts to be echoed", partial(api.has_answered, enough))
            wait_for("data by each way", lambda: shows_all(get(exporter.url + "/metrics")[1]))
            wait_for("a second token", lambda: len(api.asked.get("/give/refresh/good", [])) > 1)
            wait_for("a token that is none", lambda: b'"reason":"token"' in exporter.log_path.read_bytes())
            for page in PAGES:
                seen[page] = get(exporter.url + page)[1]
            seen["command lines"] = command_lines()
            exporter.stop()
        finally:
            assert exporter.process is not None
            if exporter.process.poll() is None:
                exporter.kill()
        seen["log"] = exporter.log_path.read_bytes()
        seen["files"] = kept_files(exporter.data_dir)
        seen["check"] = timepoint(vault, "check", config)
        for name in ("client_good_value", "refresh_good_text", "login_json_good_status", "sigv4_good_refuse"):
            seen[f"preview {name}"] = timepoint(vault, "preview", config, "--job", name)
        for give in GIVERS[1:]:
            name = f"password_{give}_good"
            seen[f"preview {name}"] = timepoint(vault, "preview", config, "--job", name)
        seen["poll --once"] = timepoint(
            vault, "poll", "--once", config, "--data-dir", directory / "once", "--log.level=debug"
        )
        seen["schema"] = timepoint(vault, "schema")
    return vault, seen, api


@pytest.mark.system
def test_the_secrets_were_told(seen_by_all: Seen) -> None:
    """What is looked for was sent, and comes back from the API."""
    vault, _, api = seen_by_all
    all_told = "\n".join(
        part
        for asked in api.asked.values()
        for request in asked
        for text in told(request)
        for part in (text, unquote(text))
    )
    assert len(vault.secrets) >= 60
    assert len(vault.found_in(all_told)) >= 50, "all but the keys that only sign"


@pytest.mark.system
def test_no_secret_of_a_login_is_shown_or_kept(seen_by_all: Seen) -> None:
    """Neither a log, a page, a file, a process list nor a command's output has ten characters of a secret.

    Faults: A18, A33.
    """
    vault, outputs, _ = seen_by_all
    found = {name: vault.found_in(output) for name, output in outputs.items()}
    assert {name: secrets for name, secrets in found.items() if secrets} == {}


@pytest.mark.system
def test_the_outputs_of_a_login_are_there(seen_by_all: Seen) -> None:
    """The outputs that are searched are those that are meant: data came, and each kind of failure is told."""
    _, outputs, api = seen_by_all
    texts = {name: text if isinstance(text, str) else text.decode(errors="replace") for name, text in outputs.items()}
    assert shows_all(outputs["/metrics"])
    assert '"reason":"token"' in texts["log"]
    assert "/give/password/refused: status 401" in texts["preview password_refused_good"]
    assert "rejected: " in texts["preview client_good_value"]
    assert "client_good" in texts["check"]
    assert len(api.asked["/give/refresh/good"]) > 1
