"""What of a config file may stand on a page."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from timepoint.config import load_config
from timepoint.config.shown import shown_config
from timepoint.errors import ConfigError

FILE = """
x-old: {password: hunter-two}
sources:
  energy:
    url: https://energy.internal/api/v1?plan=canary-plan
    authorization: {credentials: "${TOKEN}"}  # before: canary-comment
    http_headers: {X-Key: {values: [canary-header]}}
    timeout: 5s
    params: {key: {file: /run/secrets/key}, more: {value: "${MORE}"}}
jobs:
  pods:
    source: energy
    every: 30m
    request:
      post: /pods?tenant=canary-tenant
      params: {start: "{window.start}", tenant: canary-param}
      json: {end: "{window.end}", pin: 471147, keys: [canary-body]}
    window: {step: 5m}
    rows: {r: "$[*]"}
    time: {at: $r.t, interval: 5m}
    labels: {pod: $r.pod, site: from-the-environment}
    metrics:
      energy_joules_total: {type: counter, temporality: delta, help: Energy., value: $r.v}
"""


def shown(text: str, directory: Path) -> str:
    """The config that a file would show."""
    path = directory / "config.yaml"
    path.write_text(text)
    return load_config(path, {"TOKEN": "from-the-environment", "MORE": "canary-more"}).workload.text


def test_nothing_that_may_be_a_credential_is_shown(tmp_path: Path) -> None:
    """Headers, queries, bodies, comments, old sections, and a credential that is written elsewhere, too."""
    text = shown(FILE, tmp_path)

    assert "canary" not in text
    assert "hunter" not in text
    assert "471147" not in text
    assert "from-the-environment" not in text


def test_what_helps_is_shown(tmp_path: Path) -> None:
    """Names of variables and files, instants, paths and lengths of time; and it is YAML of the same shape."""
    data = yaml.safe_load(shown(FILE, tmp_path))
    source, job = data["sources"]["energy"], data["jobs"]["pods"]

    assert source["url"] == "https://energy.internal/api/v1?plan=***"
    assert source["authorization"] == {"credentials": "${TOKEN}"}
    assert source["params"] == {"key": {"file": "/run/secrets/key"}, "more": {"value": "${MORE}"}}
    assert source["timeout"] == "5s"
    assert job["request"]["post"] == "/pods?tenant=***"
    assert job["request"]["params"] == {"start": "{window.start}", "tenant": "***"}
    assert job["request"]["json"] == {"end": "{window.end}", "pin": "***", "keys": ["***"]}
    assert job["metrics"]["energy_joules_total"]["value"] == "$r.v"
    assert list(data) == ["sources", "jobs"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://user:word@api.internal/x", "https://***@api.internal/x"),
        ("https://api.internal/?word", "https://api.internal/?***"),
        ("${API}", "${API}"),
    ],
)
def test_a_url_shows_where_and_not_as_whom(url: str, expected: str) -> None:
    """Userinfo and values of a query are masked."""
    data = yaml.safe_load(shown_config(f"sources: {{a: {{url: '{url}'}}}}".encode(), ()))
    assert data["sources"]["a"]["url"] == expected


def test_a_way_to_authenticate_that_is_not_known_here_is_masked() -> None:
    """What is not known to be harmless is taken for a credential, however deep it stands."""
    raw = b"sources: {a: {url: https://a.b, future: {word: [one, {deep: two}], word_file: /run/w}}}"
    data = yaml.safe_load(shown_config(raw, ()))
    assert data["sources"]["a"]["future"] == {"word": ["<secret>", {"deep": "<secret>"}], "word_file": "/run/w"}


def test_exporters_made_in_python_have_no_file() -> None:
    """Then there is nothing to show."""
    assert not shown_config(b"", ())


@pytest.mark.parametrize(
    "wrong",
    [
        "authorization: Bearer canary-7f3a",
        "basic_auth: canary-7f3a",
        "http_headers: {X-Api-Key: canary-7f3a}",
        "oauth2: [canary-7f3a]",
    ],
)
def test_a_credential_in_a_wrong_place_is_not_quoted(wrong: str, tmp_path: Path) -> None:
    """What is said of a text that stands where a credential can stand, and does not fit, holds nothing of it."""
    path = tmp_path / "energy.yaml"
    path.write_text(f"sources:\n  energy:\n    url: http://127.0.0.1\n    {wrong}\njobs: {{}}\n")
    with pytest.raises(ConfigError, match=r"energy\.yaml:4:") as caught:
        load_config(path, {})
    assert "canary" not in str(caught.value)
