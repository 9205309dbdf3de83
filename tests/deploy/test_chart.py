"""What the chart renders: objects that Kubernetes takes, a config that timepoint takes, and no more rights than needed.

Reads what is kept of each case, so it needs no helm; test_helm.py holds what is kept to the chart.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import re
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.deploy.fields import mistakes
from tests.deploy.rendering import CASES, CHART, ROOT, Rendered, kept, values, values_file
from tests.docs.pages import Block, blocks
from tests.docs.test_docs import assert_rules, is_known
from timepoint.config import load_config

EVERY = pytest.mark.parametrize("case", [kept(case) for case in CASES], ids=lambda case: case.case)
FREE = {"livenessProbe", "readinessProbe", "podSecurityContext", "securityContext"}  # whatever Kubernetes has there
KEYS = CHART / "values.schema.json"


def reference() -> ModuleType:
    """The script that writes the table of values."""
    spec = importlib.util.spec_from_file_location("chart_reference", ROOT / "scripts" / "chart_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


chart_reference = reference()
TEMPLATES = sorted((CHART / "templates").iterdir())


@EVERY
def test_kubernetes_knows_every_field(case: Rendered) -> None:
    """Each object is of a kind that there is, and has fields of this kind alone, with values of their type."""
    assert [mistake for found in case.objects for mistake in mistakes(found)] == []


def test_a_misspelt_field_would_be_seen() -> None:
    """The test above can fail: by a name, by a type, and by what is missing."""
    service = kept("default").one("Service")
    changed = {**service, "spec": {**service["spec"], "sesionAffinity": "None", "ports": [{"port": "http"}]}}
    assert mistakes(changed) == [
        "v1 Service.spec.ports[0].port: 'http' is no int",
        "v1 Service.spec.sesionAffinity: there is no such field",
    ]
    rule = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "spec": {"groups": [{"rules": []}]}}
    assert mistakes(rule) == ["monitoring.coreos.com/v1 PrometheusRule.spec.groups[0].name: missing"]


@EVERY
def test_the_config_can_run(case: Rendered, tmp_path: Path) -> None:
    """What the pod finds as its config is one that timepoint takes, and warns of absent files alone."""
    held = [found for found in case.objects if "timepoint.yaml" in found.get("data", {})]
    if not held:
        assert {"configExistingConfigMapName", "configExistingSecretName"} & set(values(case.case))
        return
    text = held[0]["data"]["timepoint.yaml"]
    if held[0]["kind"] == "Secret":
        text = base64.b64decode(text, validate=True).decode()
    (tmp_path / "timepoint.yaml").write_text(text)
    loaded = load_config(tmp_path / "timepoint.yaml", {})
    assert loaded.jobs
    assert [str(found) for found in loaded.warnings if "/etc/timepoint-credentials/" not in str(found)] == []


@EVERY
def test_what_is_taken_out_of_a_secret_is_gone(case: Rendered) -> None:
    """A Secret says its contents as ``data``: from ``stringData`` Kubernetes adds, and what is left out of it stays."""
    assert not any("stringData" in found for found in case.objects)


def test_a_credential_is_in_its_secret_as_it_was_given() -> None:
    """What the values say is what the file will hold."""
    (secret,) = kept("cronjob").of("Secret")
    decoded = {name: base64.b64decode(text, validate=True).decode() for name, text in secret["data"].items()}
    assert decoded == values("cronjob")["credentials"]["data"]


@EVERY
def test_the_command_line_can_be_typed(case: Rendered) -> None:
    """The arguments of each pod are a command of timepoint with options that it has."""
    for pod in case.pods:
        args = pod["spec"]["containers"][0]["args"]
        assert is_known(args), args


@EVERY
def test_pods_are_of_the_restricted_profile(case: Rendered) -> None:
    """Each pod keeps Kubernetes' Pod Security Standard "restricted", and can write nothing but its volumes (A39)."""
    for pod in case.pods:
        spec, container = pod["spec"], pod["spec"]["containers"][0]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"].get("runAsUser", 1) > 0  # a cluster may choose, but never root
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        assert {**container["securityContext"], "privileged": False} == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
        }
        assert not container["securityContext"].get("privileged")
        assert not any("hostPath" in volume for volume in spec["volumes"])


@EVERY
def test_there_is_one_writer(case: Rendered) -> None:
    """One pod at a time can write the data directory: that of a StatefulSet, or of a CronJob beside one that reads."""
    assert case.one("StatefulSet")["spec"]["replicas"] == 1
    writers = [pod for pod in case.pods for mount in mounts(pod) if mount["name"] == "data" and "readOnly" not in mount]
    assert len(writers) == 1
    for job in case.of("CronJob"):
        assert job["spec"]["concurrencyPolicy"] == "Forbid"
        assert job["spec"]["jobTemplate"]["spec"]["backoffLimit"] == 0


def mounts(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Where the container of a pod mounts what."""
    found = pod["spec"]["containers"][0]["volumeMounts"]
    assert isinstance(found, list)
    return found


@EVERY
def test_names_that_belong_together_are_the_same(case: Rendered) -> None:
    """Mounts have volumes, volumes have their objects, and selectors find the pod or the Service that is meant."""
    names = {(found["kind"], found["metadata"]["name"]) for found in case.objects}
    given = values(case.case)
    for pod in case.pods:
        assert {mount["name"] for mount in mounts(pod)} == {volume["name"] for volume in pod["spec"]["volumes"]}
    for volume in case.pod["spec"]["volumes"]:
        if (source := volume.get("configMap")) and volume["name"] == "config":
            theirs = given.get("configExistingConfigMapName")
            assert source["name"] == theirs or ("ConfigMap", source["name"]) in names
        if source := volume.get("secret"):
            theirs = (given.get("credentials", {}).get("existingSecret"), given.get("configExistingSecretName"))
            theirs += (given.get("webConfig", {}).get("existingSecret"),)
            assert source["secretName"] in theirs or ("Secret", source["secretName"]) in names
        if source := volume.get("persistentVolumeClaim"):
            theirs = given.get("persistence", {}).get("existingClaim")
            assert source["claimName"] == theirs or ("PersistentVolumeClaim", source["claimName"]) in names
    labels = case.pod["metadata"]["labels"]
    assert selects(case.one("StatefulSet")["spec"]["selector"]["matchLabels"], labels)
    assert all(selects(found["spec"]["selector"], labels) for found in case.of("Service"))
    assert all(selects(found["spec"]["selector"]["matchLabels"], labels) for found in case.of("PodMonitor"))
    for policy in case.of("NetworkPolicy"):
        assert all(
            selects(policy["spec"]["podSelector"]["matchLabels"], pod["metadata"]["labels"]) for pod in case.pods
        )
    for monitor in case.of("ServiceMonitor"):
        service = case.one("Service")
        assert selects(monitor["spec"]["selector"]["matchLabels"], service["metadata"]["labels"])
        assert monitor["spec"]["namespaceSelector"]["matchNames"] == [service["metadata"]["namespace"]]
        assert monitor["spec"]["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}


def selects(wanted: dict[str, str], labels: dict[str, str]) -> bool:
    """Whether labels are selected."""
    return wanted.items() <= labels.items()


def test_a_service_never_selects_the_polling_pod() -> None:
    """The pod of the CronJob answers no scrapes, and nothing that finds the exporter finds it."""
    case = kept("cronjob")
    serving, polling = (pod["metadata"]["labels"] for pod in case.pods)
    (monitor,) = case.of("PodMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"]
    assert selects(wanted, serving)
    assert not selects(wanted, polling)


@EVERY
def test_scrapes_honor_labels(case: Rendered) -> None:
    """Each endpoint says ``honorLabels: true``: labels such as ``namespace`` are those of the data."""
    monitors = [*case.of("ServiceMonitor"), *case.of("PodMonitor")]
    endpoints = [found for at in monitors for found in at["spec"].get("endpoints") or at["spec"]["podMetricsEndpoints"]]
    assert len(endpoints) == len(monitors)
    assert all(endpoint["honorLabels"] is True for endpoint in endpoints)


def test_tls_is_asked_for_where_it_is_spoken() -> None:
    """With TLS on the port probes and scrapes ask by HTTPS; the file that says so is where its option says."""
    container = kept("full").pod["spec"]["containers"][0]
    assert container["livenessProbe"]["httpGet"]["scheme"] == "HTTPS"
    assert container["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"
    assert kept("full").one("ServiceMonitor")["spec"]["endpoints"][0]["scheme"] == "https"
    (path,) = [mount["mountPath"] for mount in mounts(kept("full").pod) if mount["name"] == "web-config"]
    assert f"--web.config.file={path}/web.yaml" in container["args"]
    plain = kept("default").pod["spec"]["containers"][0]
    assert "scheme" not in plain["livenessProbe"]["httpGet"]


@EVERY
def test_probes_ask_for_life_and_readiness(case: Rendered) -> None:
    """Liveness asks ``/-/healthy`` and readiness ``/-/ready``, at the port that the container names."""
    container = case.pod["spec"]["containers"][0]
    probes = {name: container[name]["httpGet"] for name in ("livenessProbe", "readinessProbe") if name in container}
    paths = {name: (get["path"], get["port"]) for name, get in probes.items()}
    wanted = {"livenessProbe": ("/-/healthy", "http"), "readinessProbe": ("/-/ready", "http")}
    assert paths == {name: wanted[name] for name in paths}
    assert "readinessProbe" in paths
    port = container["ports"][0]["containerPort"]
    assert f"--web.listen-address=:{port}" in container["args"]


def alerts(case: Rendered, group: str) -> list[dict[str, Any]]:
    """Every alert of a group of a case."""
    groups = [group for found in case.of("PrometheusRule") for group in found["spec"]["groups"]]
    (found,) = [each for each in groups if each["name"] == group]
    return [rule for rule in found["rules"] if "alert" in rule]


FULL = alerts(kept("full"), "energy-demo-timepoint")
CRONJOB = alerts(kept("cronjob"), "energy-demo-timepoint-exporter-timepoint")


@EVERY
def test_prometheus_takes_the_rules(case: Rendered, tmp_path: Path, promtool: str) -> None:
    """``promtool check rules`` accepts what a PrometheusRule says."""
    for found in case.of("PrometheusRule"):
        assert_rules(yaml.safe_dump(found["spec"]), tmp_path, promtool)


@pytest.mark.parametrize(
    ("default", "here"),
    [
        (FULL, '{namespace="monitoring",job="grid"'),
        (CRONJOB, '{namespace="grid",job="grid/energy-demo-timepoint-exporter"'),
    ],
    ids=["full", "cronjob"],
)
def test_alerts_are_of_this_release_alone(default: list[dict[str, Any]], here: str) -> None:
    """Each metric of a default alert is that of the release, by namespace and job, whatever else the selector says."""
    found = [
        selector for rule in default for selector in re.findall(r"\b(?:up|timepoint_\w+)\b(?:\{[^}]*\})?", rule["expr"])
    ]
    assert len(found) >= len(default) > 10
    assert [text for text in found if here not in text] == []


def test_an_alert_can_be_left_out() -> None:
    """What ``disabledAlerts`` names is not there, nor is what a rules file or the schedule of a CronJob replaces."""
    every = set(re.findall(r"- alert: (\w+)", (CHART / "files" / "alerts.yaml").read_text("utf-8")))
    assert every - {rule["alert"] for rule in FULL} == {"TimepointRejects", "TimepointDebt"}
    assert [rule["alert"] for rule in alerts(kept("full"), "timepoint")] == ["TimepointDebt"]
    assert every - {rule["alert"] for rule in CRONJOB} == {"TimepointRunOverdue", "TimepointPollerRestarts"}


def test_alerts_get_labels() -> None:
    """Each default alert has the labels that were asked for, beside its own."""
    assert all(rule["labels"]["team"] == "grid" and rule["labels"]["severity"] for rule in FULL)


def test_alerts_fire_for_this_release(tmp_path: Path, promtool: str) -> None:
    """The alert on the poller fires for the release, and not for another one in the same Prometheus."""
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(kept("full").one("PrometheusRule")["spec"]))
    (summary, description, runbook) = (
        next(rule for rule in FULL if rule["alert"] == "TimepointPollerDown")["annotations"][name]
        for name in ("summary", "description", "runbook")
    )
    here = {"namespace": "monitoring", "job": "grid", "instance": "pod:8080"}
    alert = {
        "exp_labels": {"severity": "critical", "team": "grid", **here},
        "exp_annotations": {
            "summary": summary,
            "description": description.replace("{{ $labels.instance }}", "pod:8080"),
            "runbook": runbook,
        },
    }
    series = [f'{{namespace="monitoring",job="{job}",instance="pod:8080"}}' for job in ("grid", "another")]
    story = {
        "rule_files": ["rules.yml"],
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": f"timepoint_poller_up{of}", "values": "0x10"} for of in series],
                "alert_rule_test": [{"eval_time": "5m", "alertname": "TimepointPollerDown", "exp_alerts": [alert]}],
            }
        ],
    }
    (tmp_path / "story.yml").write_text(yaml.safe_dump(story))
    command = [promtool, "test", "rules", "story.yml"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_readme_tells_every_value() -> None:
    """The table in the chart's README is what ``scripts/chart_reference.py`` writes today."""
    readme, text = ((CHART / name).read_text("utf-8") for name in ("README.md", "values.yaml"))
    assert readme == chart_reference.with_table(readme, text)


def leaves(found: Any, path: str = "") -> set[str]:
    """The paths of all values, without what is empty."""
    if isinstance(found, dict) and found:
        return {leaf for key, value in found.items() for leaf in leaves(value, f"{path}.{key}" if path else key)}
    return {path}


def test_every_value_is_told() -> None:
    """No value of values.yaml is without a comment that tells it; the port of a probe tells itself."""
    text = (CHART / "values.yaml").read_text("utf-8")
    told = {path for path, _, _ in chart_reference.rows(text)}
    assert leaves(yaml.safe_load(text)) - told == {"livenessProbe.httpGet.port", "readinessProbe.httpGet.port"}


def described(schema: dict[str, Any], path: str = "") -> set[str]:
    """The paths that a schema describes."""
    if "properties" not in schema:
        return {path}
    below = schema["properties"].items()
    return {leaf for key, value in below for leaf in described(value, f"{path}.{key}" if path else key)}


def test_the_schema_knows_the_values_and_no_others() -> None:
    """values.schema.json describes each value of values.yaml, and nothing that is not there but ``global``."""
    loaded = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    schema = described(json.loads(KEYS.read_text("utf-8")))
    assert schema - {"global"} == {leaf for leaf in leaves(loaded) if leaf.partition(".")[0] not in FREE} | FREE


def test_every_value_is_used() -> None:
    """Each value stands in a template, at least by the last part of its name."""
    text = "\n".join(path.read_text("utf-8") for path in TEMPLATES)
    values = {
        leaf.partition(".httpGet")[0] for leaf in leaves(yaml.safe_load((CHART / "values.yaml").read_text("utf-8")))
    }
    words = {leaf if leaf.partition(".")[0] not in FREE else leaf.partition(".")[0] for leaf in values}
    assert {word for word in words if not re.search(rf"\.{word.rpartition('.')[2]}\b", text)} == set()


def test_the_chart_is_of_this_release() -> None:
    """The chart's appVersion is the version of the program, which is the tag of its image."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    version = re.search(r'__version__ = "(.+)"', (ROOT / "src" / "timepoint" / "version.py").read_text("utf-8"))
    assert version
    assert chart["appVersion"] == version[1]


def test_every_value_is_tried_in_a_case() -> None:
    """The cases together set each part of the values, so that no part is never rendered."""
    tried = {key for case in CASES for key in values(case)}
    defaults = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    assert set(defaults) - tried == set()
    assert all(values_file(case).read_text("utf-8").startswith("# ") for case in CASES)


VALUES = blocks("yml", [ROOT / "docs" / "deploy" / "kubernetes.md"])


@pytest.mark.parametrize("block", VALUES, ids=str)
def test_values_on_the_page_are_values_of_the_chart(block: Block) -> None:
    """Each block of values names values that there are."""
    chosen = leaves(yaml.safe_load(block.text))
    known = leaves(yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))) | FREE
    assert [path for path in chosen if not any(path == name or path.startswith(f"{name}.") for name in known)] == []


def test_kubernetes_knows_what_the_page_applies() -> None:
    """The pod that restores a backup is one that Kubernetes takes, and writes as the exporter's user."""
    (block,) = blocks("json", [ROOT / "docs" / "deploy" / "kubernetes.md"])
    pod = json.loads(block.text)
    assert mistakes(pod) == []
    wanted = kept("default").pod["spec"]["securityContext"]
    assert pod["spec"]["securityContext"].items() <= wanted.items()
