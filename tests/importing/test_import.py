"""``timepoint import json-exporter``: requests, targets, credentials, names, and what cannot be taken over."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

from tests.cli.support import call
from timepoint.config import load_config
from timepoint.job import HttpPolling

METRIC = {"name": "m", "path": "{.a}"}


def imported(tmp_path: Path, module: dict[str, Any], *options: Any) -> Result:
    """What the command says of one module with one metric, unless it says other ones."""
    old = tmp_path / "old.yml"
    old.write_text(yaml.safe_dump({"modules": {"default": {"metrics": [METRIC], **module}}}))
    return call("import", "json-exporter", old, *(options or ("--target", "https://api.example/v1/data?x=1")))


def source(result: Result) -> dict[str, Any]:
    """The one source of the new config."""
    (found,) = yaml.safe_load(result.stdout)["sources"].values()
    assert isinstance(found, dict)
    return found


def job(result: Result) -> dict[str, Any]:
    """The first job of the new config."""
    found = next(iter(yaml.safe_load(result.stdout)["jobs"].values()))
    assert isinstance(found, dict)
    return found


def variables(result: Result) -> dict[str, str]:
    """Values for the variables that the report names."""
    return dict.fromkeys(re.findall(r"\$\{(\w+)\}", result.stdout), "value")


def test_the_target_is_asked_as_it_was(tmp_path: Path) -> None:
    """Scheme and host are the source, path and query the request."""
    result = imported(tmp_path, {})

    assert source(result)["url"] == "https://api.example"
    assert job(result)["request"] == {"get": "/v1/data?x=1"}


def test_targets_come_from_prometheus(tmp_path: Path) -> None:
    """Each target of a scrape config that asks for the module is a job, with its labels and the scrape interval."""
    prometheus = tmp_path / "prometheus.yml"
    prometheus.write_text(
        "global: {scrape_interval: 45s}\n"
        "scrape_configs:\n"
        "  - {job_name: node, static_configs: [{targets: ['localhost:9100']}]}\n"
        "  - job_name: json\n"
        "    metrics_path: /probe\n"
        "    params: {module: [default]}\n"
        "    static_configs:\n"
        "      - {targets: ['http://a.example/x', 'http://b.example/y'], labels: {site: north}}\n"
    )

    result = imported(tmp_path, {}, "--prometheus", prometheus)
    jobs = yaml.safe_load(result.stdout)["jobs"]

    assert [(one["every"], one["labels"]) for one in jobs.values()] == [
        ("45s", {"target": "http://a.example/x", "site": "north"}),
        ("45s", {"target": "http://b.example/y", "site": "north"}),
    ]


def test_without_a_target_a_place_for_it_is_left(tmp_path: Path) -> None:
    """The config passes the check all the same, and the report says what to fill in."""
    result = imported(tmp_path, {}, "--every", "5m")
    path = tmp_path / "new.yaml"
    path.write_text(result.stdout)

    assert load_config(path, {}).jobs[0].schedule.every == 300_000
    assert "set url, get and every" in result.stderr


@pytest.mark.parametrize(
    ("http", "expected"),
    [
        (
            {"basic_auth": {"username": "me", "password": "TOPSECRET"}},
            {"basic_auth": {"username": "me", "password": "${DEFAULT_PASSWORD}"}},
        ),
        (
            {"basic_auth": {"username": "me", "password_file": "/run/p"}},
            {"basic_auth": {"username": "me", "password_file": "/run/p"}},
        ),
        ({"bearer_token": "TOPSECRET"}, {"authorization": {"credentials": "${DEFAULT_BEARER_TOKEN}"}}),
        ({"bearer_token_file": "/run/t"}, {"authorization": {"credentials_file": "/run/t"}}),
        (
            {"authorization": {"type": "Token", "credentials": "TOPSECRET"}},
            {"authorization": {"type": "Token", "credentials": "${DEFAULT_CREDENTIALS}"}},
        ),
        (
            {
                "oauth2": {
                    "client_id": "c",
                    "client_secret": "TOPSECRET",
                    "token_url": "https://t.example",
                    "scopes": ["s"],
                }
            },
            {
                "oauth2": {
                    "client_id": "c",
                    "client_secret": "${DEFAULT_CLIENT_SECRET}",
                    "token_url": "https://t.example",
                    "scopes": ["s"],
                }
            },
        ),
        (
            {"tls_config": {"ca_file": "/ca", "server_name": "n", "insecure_skip_verify": True}},
            {"tls_config": {"ca_file": "/ca", "server_name": "n", "insecure_skip_verify": True}},
        ),
        ({"proxy_url": "http://proxy.example:3128"}, {"proxy_url": "http://proxy.example:3128"}),
        (
            {"http_headers": {"X-Key": {"secrets": ["TOPSECRET"]}, "X-A": {"values": ["b"]}}},
            {"http_headers": {"X-Key": {"secrets": ["${DEFAULT_X_KEY}"]}, "X-A": {"values": ["b"]}}},
        ),
    ],
    ids=lambda value: next(iter(value)),
)
def test_http_settings_are_keys_of_the_source(tmp_path: Path, http: dict[str, Any], expected: dict[str, Any]) -> None:
    """Prometheus' keys stay, credentials become variables, and the config passes the check with them."""
    result = imported(tmp_path, {"http_client_config": http})
    path = tmp_path / "new.yaml"
    path.write_text(result.stdout)

    assert {key: value for key, value in source(result).items() if key != "url"} == expected
    assert "TOPSECRET" not in result.stdout + result.stderr
    assert load_config(path, variables(result)).jobs


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Plain": "text"}, {"http_headers": {"X-Plain": {"values": ["text"]}}}),
        ({"X-Api-Key": "TOPSECRET"}, {"http_headers": {"X-Api-Key": {"secrets": ["${DEFAULT_X_API_KEY}"]}}}),
        (
            {"Authorization": "Bearer TOPSECRET"},
            {"authorization": {"type": "Bearer", "credentials": "${DEFAULT_AUTHORIZATION}"}},
        ),
        (
            {"Authorization": "TOPSECRET"},
            {"http_headers": {"Authorization": {"secrets": ["${DEFAULT_AUTHORIZATION}"]}}},
        ),
        ({"Host": "other"}, {}),
        ({"Keep-Alive": "timeout=5", "Trailer": "X-Sum"}, {}),
        ({"X:Y": "no name"}, {}),
    ],
)
def test_headers_are_kept(tmp_path: Path, headers: dict[str, str], expected: dict[str, Any]) -> None:
    """A header stays one; one that holds a credential does not show it."""
    result = imported(tmp_path, {"headers": headers})
    path = tmp_path / "new.yaml"
    path.write_text(result.stdout)

    assert {key: value for key, value in source(result).items() if key != "url"} == expected
    assert "TOPSECRET" not in result.stdout + result.stderr
    assert load_config(path, variables(result)).jobs


def test_credentials_of_a_url_are_not_copied(tmp_path: Path) -> None:
    """Neither a password before the host nor a key in the query stands in the new config or the report."""
    result = imported(tmp_path, {}, "--target", "https://me:TOPSECRET@api.example/x?api_key=TOPSECRET&a=b")

    assert source(result) == {
        "url": "https://api.example",
        "basic_auth": {"username": "me", "password": "${DEFAULT_PASSWORD}"},
        "params": {"api_key": "${DEFAULT_API_KEY}"},
    }
    assert job(result)["request"] == {"get": "/x?a=b"}
    assert "TOPSECRET" not in result.stdout + result.stderr


def test_a_dollar_and_a_brace_stay_text(tmp_path: Path) -> None:
    """What would be a variable of the environment here is written so that it is none."""
    result = imported(tmp_path, {"headers": {"X-A": "${HOME}"}})
    path = tmp_path / "new.yaml"
    path.write_text(result.stdout)

    (read,) = load_config(path, {}).sources.values()
    text = read.headers["X-A"].text
    assert text is not None
    assert text.reveal() == "${HOME}"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"content": '{"a": [1, "b"]}'}, {"json": {"a": [1, "b"]}}),
        ({"content": "a=b"}, {"text": "a=b"}),
        ({"content": '{"t": "{{ duration `95` }}"}', "templatize": True}, {"json": {"t": "1m35s"}}),
        (
            {"content": '{"t": {{ now | unixEpoch }}}', "templatize": True},
            {
                "text": '{"t": {fire_time:unix}}',
                "http_headers": {"Content-Type": {"values": ["application/json"]}},
            },
        ),
        (
            {"content": '{"t": "{{ (now | date_modify "-30m").Format "2006-01-02 15:04" }}"}', "templatize": True},
            {"json": {"t": "{fire_time-30m:%Y-%m-%d %H:%M}"}},
        ),
    ],
)
def test_a_body_is_sent_by_post(tmp_path: Path, body: dict[str, Any], expected: dict[str, Any]) -> None:
    """JSON stays JSON, and a template that asks for the time becomes one of ours."""
    result = imported(tmp_path, {"body": body})
    path = tmp_path / "new.yaml"
    path.write_text(result.stdout)

    assert job(result)["request"] == {"post": "/v1/data?x=1", **expected}
    (read,) = load_config(path, {}).jobs
    assert isinstance(read.polling, HttpPolling)


def test_a_template_that_is_not_understood_is_told(tmp_path: Path) -> None:
    """It stands in the config as it is, and in the report as a thing to decide."""
    result = imported(tmp_path, {"body": {"content": "{{ uuidv4 }}", "templatize": True}})

    assert job(result)["request"]["text"] == "{{ uuidv4 }}"
    assert "'{{ uuidv4 }}' is not understood" in result.stderr


@pytest.mark.parametrize(
    ("name", "valuetype", "expected", "kind"),
    [
        ("power", "gauge", "power", "gauge"),
        ("power", "", "power", "unknown"),
        ("requests_total", "counter", "requests_total", "counter"),
        ("requests", "counter", "requests_total", "counter"),
        ("requests_total", "", "requests_total", "counter"),
        ("item_count", "gauge", "item_count_value", "gauge"),
        ("rule:name", "gauge", "rule_name", "gauge"),
        ("up", "gauge", "default_up", "gauge"),
    ],
)
def test_names_and_types_fit_each_other(tmp_path: Path, name: str, valuetype: str, expected: str, kind: str) -> None:
    """A name that would say what the metric is not changes, and the report has the rule that changes it back."""
    metric = {**METRIC, "name": name, "valuetype": valuetype}

    result = imported(tmp_path, {"metrics": [metric]})

    (found,) = job(result)["metrics"].items()
    assert (found[0], found[1]["type"]) == (expected, kind)
    assert (f"regex: {expected}, target_label: __name__, replacement: {name}" in result.stderr) == (name != expected)


def test_a_static_info_metric_is_an_info(tmp_path: Path) -> None:
    """An object whose value is 1 and whose name ends in _info is what info metrics are."""
    metric = {"name": "device", "type": "object", "path": "{.d[*]}", "values": {"info": "1"}, "labels": {"id": "{.id}"}}

    result = imported(tmp_path, {"metrics": [metric]})

    assert job(result)["metrics"] == {
        "device_info": {"type": "info", "help": "device.", "row": "d", "labels": {"id": "$d.id"}}
    }


def test_labels_of_prometheus_are_renamed_as_it_did(tmp_path: Path) -> None:
    """``job`` and ``instance`` are Prometheus' own, and without honor_labels were exported_job already."""
    result = imported(tmp_path, {"metrics": [{**METRIC, "labels": {"job": "x", "instance": "{.i}"}}]})

    assert job(result)["metrics"]["m"]["labels"] == {"exported_job": "x", "exported_instance": "$.i"}


def test_two_metrics_of_one_name_are_two_jobs(tmp_path: Path) -> None:
    """A family is declared once in a job, so a second job asks for the other."""
    metrics = [{**METRIC, "labels": {"k": "a"}}, {"name": "m", "path": "{.b}", "labels": {"k": "b"}}]

    result = imported(tmp_path, {"metrics": metrics})
    path = tmp_path / "new.yaml"
    path.write_text(result.stdout)

    assert [list(one.metrics) for one in load_config(path, {}).jobs] == [["m"], ["m"]]
    assert "stands in this module twice" in result.stderr


def test_a_name_of_two_modules_is_told_apart_by_its_target(tmp_path: Path) -> None:
    """What Prometheus told apart by instance has a label of its own, since all now comes from one exporter."""
    old = tmp_path / "old.yml"
    old.write_text(yaml.safe_dump({"modules": {"a": {"metrics": [METRIC]}, "b": {"metrics": [METRIC]}}}))

    result = call(
        "import", "json-exporter", old, "--target", "a=https://a.example/", "--target", "b=https://b.example/"
    )

    jobs = yaml.safe_load(result.stdout)["jobs"]
    assert [one["labels"]["target"] for one in jobs.values()] == ["https://a.example/", "https://b.example/"]


def test_statuses_that_were_fine_are_used(tmp_path: Path) -> None:
    """A status beside 2xx is one of an answer that is used."""
    result = imported(tmp_path, {"valid_status_codes": [200, 503]})

    assert job(result)["expect"] == {"partial_status": [503]}
    assert "say empty_status" in result.stderr


def test_a_stamp_is_read_as_milliseconds(tmp_path: Path) -> None:
    """json_exporter documents milliseconds, and Prometheus' key may be written in either case."""
    for key in ("epochTimestamp", "epochtimestamp"):
        result = imported(tmp_path, {"metrics": [{**METRIC, key: "{.t}"}]})
        assert job(result)["metrics"]["m"]["time"] == {"at": "$.t", "format": "unix_ms"}
        assert "say format: unix for seconds" in result.stderr


def test_what_is_lost_is_told_with_its_line(tmp_path: Path) -> None:
    """A metric that cannot be taken over is named with its line, and the others go on."""
    metrics = [METRIC, {"name": "n", "path": "{range .x[*]}{.y}{end}"}]

    result = imported(tmp_path, {"metrics": metrics})

    assert list(job(result)["metrics"]) == ["m"]
    assert re.search(r"line \d+, modules.default.metrics.1.path: .* has a loop", result.stderr)
    assert "has a loop" in " ".join(line for line in result.stdout.splitlines() if line.startswith("#"))


def test_keys_that_were_ignored_are_told(tmp_path: Path) -> None:
    """json_exporter takes any key and does nothing with it; here its author learns of it."""
    result = imported(tmp_path, {"metrics": [{**METRIC, "lables": {}}], "hedaers": {}})

    assert "metrics.0.lables: is no key of a metric" in result.stderr
    assert "modules.default.hedaers: is no key of a module" in result.stderr


def test_an_old_file_without_modules_is_one_module(tmp_path: Path) -> None:
    """Before its version 0.4 a file was what a module is now."""
    old = tmp_path / "old.yml"
    old.write_text(yaml.safe_dump({"headers": {"X-A": "b"}, "metrics": [METRIC]}))

    result = call("import", "json-exporter", old, "--target", "https://api.example/")

    assert list(job(result)["metrics"]) == ["m"]


@pytest.mark.parametrize("text", ["[]", "a: b", "modules: {default: {metrics: []}}", "modules: 5"])
def test_a_file_with_nothing_to_take_over_fails(tmp_path: Path, text: str) -> None:
    """The exit code says that there is no config, and the report why."""
    old = tmp_path / "old.yml"
    old.write_text(text)

    result = call("import", "json-exporter", old)

    assert result.exit_code == 1
    assert "Not taken over" in result.stderr


def test_a_file_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    """As a config that is none: with its place, and exit code 2."""
    old = tmp_path / "old.yml"
    old.write_text("modules: [")

    result = call("import", "json-exporter", old)

    assert result.exit_code == 2
    assert "old.yml:2:1: not valid YAML" in result.stderr


def test_the_output_is_not_overwritten(tmp_path: Path) -> None:
    """A config that somebody has worked on since is not lost by asking again."""
    new = tmp_path / "new.yaml"
    new.write_text("mine")

    result = imported(tmp_path, {}, "--output", new)

    assert result.exit_code == 1
    assert new.read_text() == "mine"


def test_a_target_that_is_no_url_is_refused(tmp_path: Path) -> None:
    """Before anything is written."""
    result = imported(tmp_path, {}, "--target", "ftp://x")

    assert result.exit_code == 2
    assert "is no URL" in result.stderr
