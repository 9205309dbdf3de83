"""Receivers of remote write and the metrics that go to them, as a config says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.building import load, problems
from timepoint.clock import HOUR, MINUTE, SECOND
from timepoint.config import Config
from timepoint.config.misfit import read_shape
from timepoint.config.places import Findings, Places
from timepoint.config.remote_write_shape import ReceiverShape
from timepoint.model import Receiver
from timepoint.remote_write.outbox import Version
from timepoint.remote_write.spec import Caps, ReceiverSpec, check_receiver
from timepoint.request.auth.aws import SigV4Spec

_CONFIG = """
remote_write:
  - name: central
    url: https://prometheus.internal/api/v1/write
  - name: history
    url: https://history.internal/api/v1/write
    {history}
sources:
  energy: {{url: https://energy.internal/api/v1}}
jobs:
  power:
    source: energy
    every: {every}
    {job}
    request: {{get: /power}}
    rows: {{r: "$.rows[*]"}}
    metrics:
      power_watts:
        type: gauge
        help: Power.
        value: $r.watts
        {metric}
"""


def _config(history: str = "out_of_order: 6h", every: str = "10m", job: str = "", metric: str = "time: $r.at") -> str:
    return _CONFIG.format(history=history, every=every, job=job, metric=metric)


def _received(config: Config) -> list[Receiver]:
    return list(config.jobs[0].metrics["power_watts"].receivers)


def _history(config: Config) -> ReceiverSpec:
    return config.workload.receivers[1]


def test_scrape_unless_said(tmp_path: Path) -> None:
    """A metric that says nothing goes to no receiver."""
    assert _received(load(tmp_path, _config())) == []


def test_a_receiver_for_backfill_alone_gets_no_metric(tmp_path: Path) -> None:
    """One with ``backfill_only`` is none of all receivers, has no sender, and nobody is warned of it."""
    config = load(tmp_path, _config("backfill_only: true", metric="deliver: remote_write"))
    assert [receiver.name for receiver in _received(config)] == ["central"]
    assert [spec.name for spec in config.workload.receivers] == ["central"]
    assert [spec.name for spec in config.receivers] == ["central", "history"]
    assert config.warnings == ()


def test_all_receivers_unless_said(tmp_path: Path) -> None:
    """A metric that goes by remote write goes to each receiver, and knows which are strict."""
    config = load(tmp_path, _config(metric="time: $r.at\n        deliver: remote_write"))
    assert _received(config) == [
        Receiver("central", is_strict=True, oldest=55 * MINUTE),
        Receiver("history", is_strict=False, oldest=6 * HOUR - 5 * MINUTE),
    ]


def test_named_receivers(tmp_path: Path) -> None:
    """A metric goes to the receivers that it names."""
    config = load(tmp_path, _config(metric="time: $r.at\n        deliver: remote_write\n        receivers: [history]"))
    assert _received(config) == [Receiver("history", is_strict=False, oldest=6 * HOUR - 5 * MINUTE)]


def test_job_says_it_for_its_metrics(tmp_path: Path) -> None:
    """What a job says of delivery is the default of its metrics."""
    config = load(tmp_path, _config(job="deliver: remote_write\n    receivers: [central]"))
    assert _received(config) == [Receiver("central", is_strict=True, oldest=55 * MINUTE)]


def test_metric_wins_over_its_job(tmp_path: Path) -> None:
    """A metric that is to be scraped is, whatever its job says."""
    config = load(tmp_path, _config(job="deliver: remote_write", metric="time: $r.at\n        deliver: scrape"))
    assert _received(config) == []


def test_workload_has_receivers_in_order(tmp_path: Path) -> None:
    """The workload of a config has its jobs and its receivers in the order of the file."""
    workload = load(tmp_path, _config()).workload
    assert [receiver.name for receiver in workload.receivers] == ["central", "history"]
    assert [job.name for job in workload.jobs] == ["power"]


def test_defaults(tmp_path: Path) -> None:
    """A receiver with nothing but a name and a URL is strict, tries 2.0, and has thirty seconds for a request."""
    central = load(tmp_path, _config()).workload.receivers[0]
    assert (central.is_strict, central.protocol, central.oldest, central.max_samples) == (True, None, 55 * MINUTE, 2000)
    assert (central.http.timeout, central.http.connect_timeout) == (30 * SECOND, 5 * SECOND)
    assert central.caps == Caps()


def test_all_keys(tmp_path: Path) -> None:
    """Each key of a receiver reaches its spec."""
    history = """protocol: 1.0
    out_of_order: 2h
    max_age: 3h
    max_samples: 7
    remote_timeout: 9s
    connect_timeout: 2s
    spec_strict: true
    utf8_names: true
    external_labels: {cluster: edge}
    caps: {samples: 5, size: 1KB, keep: false}
    proxy_url: http://proxy.internal:3128
    tls_config: {server_name: other}
    http_headers: {X-Scope-OrgID: {values: [a]}}
    basic_auth: {username: user, password_file: token}"""
    found = _history(load(tmp_path, _config(history)))
    assert (found.protocol, found.out_of_order, found.max_age, found.max_samples) == (Version.V1, 2 * HOUR, 3 * HOUR, 7)
    assert (found.spec_strict, found.utf8_names, found.external_labels) == (True, True, {"cluster": "edge"})
    assert found.caps == Caps(rows=5, size=1024, keeps=False)
    http = found.http
    assert (http.timeout, http.connect_timeout, http.proxy_url) == (
        9 * SECOND,
        2 * SECOND,
        "http://proxy.internal:3128",
    )
    assert http.tls is not None
    assert http.tls.server_name == "other"
    assert http.basic_auth is not None
    assert list(http.headers) == ["X-Scope-OrgID"]


def test_signature_of_aws_is_for_managed_prometheus(tmp_path: Path) -> None:
    """Requests to a receiver are signed for the service of Amazon Managed Prometheus unless another is named."""
    found = _history(load(tmp_path, _config("sigv4: {region: eu-central-1, credentials_file: token}"))).http.auth
    assert isinstance(found, SigV4Spec)
    assert found.service == "aps"


def test_environment_reaches_receivers(tmp_path: Path) -> None:
    """Values from the environment may stand anywhere in a receiver."""
    history = 'authorization: {credentials: "${KEY}"}\n    external_labels: {cluster: "${CLUSTER}"}'
    found = _history(load(tmp_path, _config(history), KEY="abc", CLUSTER="edge"))
    assert found.external_labels == {"cluster": "edge"}
    assert found.http.authorization is not None
    assert found.http.authorization.credentials.text is not None


@pytest.mark.parametrize(("every", "is_refused"), [("45m", False), ("51m", True)])
def test_age_at_the_first_request(tmp_path: Path, every: str, *, is_refused: bool) -> None:
    """A strict receiver is refused for a job whose timepoints may be older than 55 minutes when they first leave."""
    text = _config(every=every, job="deliver: remote_write\n    receivers: [central]")
    found = problems(tmp_path, text) if is_refused else load(tmp_path, text).warnings
    assert ("takes none that is older than 55m" in str(found)) is is_refused


def test_window_of_a_receiver_lets_timepoints_be_older(tmp_path: Path) -> None:
    """A receiver with an out-of-order window gets timepoints of a job that a strict one could not take."""
    text = _config(every="4h", job="deliver: remote_write\n    receivers: [history]")
    assert _received(load(tmp_path, text)) == [Receiver("history", is_strict=False, oldest=6 * HOUR - 5 * MINUTE)]


def test_metric_without_time_is_young(tmp_path: Path) -> None:
    """A metric that is about the run itself goes to a strict receiver however seldom its job runs."""
    text = _config(every="6h", job="deliver: remote_write\n    receivers: [central]", metric="max_age: 1d")
    assert _received(load(tmp_path, text)) == [Receiver("central", is_strict=True, oldest=55 * MINUTE)]


def test_words_of_prometheus_are_answered() -> None:
    """Each key of Prometheus' remote_write that is none here is answered with what to do instead."""
    findings = Findings(Places("config.yaml"))
    words = (
        *("queue_config", "write_relabel_configs", "metadata_config", "headers", "protobuf_message", "azuread"),
        *("send_exemplars", "send_native_histograms", "follow_redirects", "enable_http2", "google_iam", "no_proxy"),
    )
    read_shape(ReceiverShape, {"name": "a", "url": "b", **dict.fromkeys(words, 1)}, (), findings)
    said = {finding.problem.path: finding.problem.message for finding in findings.all}
    assert {word: said[word].endswith(ReceiverShape.hints[word]) for word in words} == dict.fromkeys(words, True)


def test_hints_are_no_keys() -> None:
    """No hint stands for a key that a receiver has."""
    assert ReceiverShape.hints.keys() & ReceiverShape.model_fields.keys() == set()


def test_what_the_config_takes_can_be_served(tmp_path: Path) -> None:
    """A receiver that a config was loaded with is one that the sender takes."""
    for receiver in load(tmp_path, _config()).workload.receivers:
        check_receiver(receiver)


def test_libraries_that_are_missing_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra a config with receivers is refused, with what to install."""
    monkeypatch.setattr("timepoint.remote_write.spec.is_installed", lambda: False)
    found = problems(tmp_path, _config(job="deliver: remote_write"))
    assert [line.partition(":")[0] for line in found] == ["3", "5"]
    assert all("pip install 'timepoint-exporter[remote-write]'" in line for line in found)
