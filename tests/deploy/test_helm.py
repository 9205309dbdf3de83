"""The chart under helm itself: it lints, it renders what is kept, and it refuses what cannot work."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from tests.deploy.fields import mistakes
from tests.deploy.rendering import CASES, CHART, kept, parsed, template, values, values_file
from timepoint.cli.main import main


@pytest.mark.parametrize("case", CASES)
def test_helm_finds_nothing_to_say(case: str, helm: str) -> None:
    """``helm lint --strict`` accepts the chart with the values of each case."""
    command = [helm, "lint", "--strict", str(CHART), "--kube-version", "1.31.0", "--values", str(values_file(case))]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert "[WARNING]" not in result.stdout


@pytest.mark.parametrize("case", CASES)
def test_what_is_kept_is_what_is_rendered(case: str, helm: str) -> None:
    """The kept objects are those of today; ``python -m tests.deploy.rendering`` writes them anew."""
    result = template(helm, "--values", str(values_file(case)))
    assert result.returncode == 0, result.stderr
    assert parsed(result.stdout) == kept(case).objects


def test_the_config_can_come_from_a_file(helm: str, tmp_path: Path) -> None:
    """``--set-file config=FILE`` brings the file as it is, with its order, its comments and its braces."""
    text = '# mine\nsources: {}\njobs:\n  b: "{window.start} {{ not a template }}"\n  a: 1\n'
    (tmp_path / "energy.yaml").write_text(text)
    result = template(helm, "--set-file", f"config={tmp_path / 'energy.yaml'}")
    assert result.returncode == 0, result.stderr
    (found,) = [found for found in parsed(result.stdout) if found["kind"] == "ConfigMap"]
    assert found["data"]["timepoint.yaml"] == text


def test_rules_that_timepoint_writes_can_be_given(helm: str, tmp_path: Path) -> None:
    """A file of ``timepoint rules`` becomes groups of the PrometheusRule, and no alert is there twice."""
    config = tmp_path / "energy.yaml"
    config.write_text(yaml.safe_dump(values("default")["config"]))
    written = CliRunner().invoke(main, ["rules", str(config), "--scrape-job", "energy-demo-timepoint-exporter"])
    assert written.exit_code == 0, written.output
    (tmp_path / "rules.yaml").write_text(written.output)
    files = ["--set-file", f"config={config}", "--set-file", f"prometheusRule.rulesFile={tmp_path / 'rules.yaml'}"]
    result = template(helm, *files, "--set", "prometheusRule.enabled=true")
    assert result.returncode == 0, result.stderr
    (rule,) = [found for found in parsed(result.stdout) if found["kind"] == "PrometheusRule"]
    groups = rule["spec"]["groups"]
    assert mistakes(rule) == []
    assert [group for group in yaml.safe_load(written.output)["groups"] if group not in groups] == []
    names = [rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule]
    assert sorted(set(names)) == sorted(names)


def test_another_config_starts_the_pod_again(helm: str, tmp_path: Path) -> None:
    """The annotation with the checksum of the config changes with it, and with nothing else."""
    sums = []
    for text, option in [("a: 1", "podLabels.x=y"), ("a: 1", "service.port=80"), ("a: 2", "service.port=80")]:
        (tmp_path / "energy.yaml").write_text(text)
        result = template(helm, "--set-file", f"config={tmp_path / 'energy.yaml'}", "--set", option)
        (pod,) = [found["spec"]["template"] for found in parsed(result.stdout) if found["kind"] == "StatefulSet"]
        sums.append(pod["metadata"]["annotations"]["checksum/config"])
    assert sums[0] == sums[1] != sums[2]


def test_a_long_name_of_a_release_is_cut(helm: str) -> None:
    """With the longest name that helm takes each object has a name of its own, and pods have labels that are allowed.

    Kubernetes adds ten characters and a dash to the name of a StatefulSet, and has 63 in a label.
    """
    release = "x".join(["release"] * 6).ljust(53, "y")
    everything = "cronJob.enabled=true,serviceMonitor.enabled=true,prometheusRule.enabled=true,credentials.data.x=token"
    everything += ",dashboards.enabled=true"
    boards = "dashboards.json.One=1,dashboards.json.another_one=1"
    options = ["--values", str(values_file("default")), "--set", everything, "--set-string", boards]
    command = [helm, "template", release, str(CHART), "--kube-version", "1.31.0", *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    names = [(found["kind"], found["metadata"]["name"]) for found in parsed(result.stdout)]
    assert len(set(names)) == len(names) >= 11
    assert [name for _, name in names if not re.fullmatch("[a-z0-9]([-a-z0-9]*[a-z0-9])?", name)] == []
    assert [name for kind, name in names if kind in {"StatefulSet", "CronJob"} and len(name) > 52] == []
    assert [name for kind, name in names if kind == "Service" and len(name) > 63] == []


def test_a_name_of_digits_is_a_text(helm: str) -> None:
    """Names, namespaces and labels that YAML would read as numbers are quoted."""
    options = [
        "--set-string",
        "serviceAccount.name=123,priorityClassName=1e3,namespaceOverride=456,fullnameOverride=0x1f",
    ]
    options += ["--values", str(values_file("default")), "--set", "podMonitor.enabled=true,cronJob.enabled=true"]
    command = [helm, "template", "789", str(CHART), "--kube-version", "1.31.0", *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert [mistake for found in parsed(result.stdout) for mistake in mistakes(found)] == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("config=null", "there is no config: give one with --set-file config=FILE"),
        ("configExistingSecretName=mine", "which is it?"),
        (
            "config=null,configExistingSecretName=a,configExistingConfigMapName=b",
            "exclude each other: where is the config?",
        ),
        ("credentials.existingSecret=a,credentials.data.b=c", "exclude each other: put all of them into your Secret"),
        ("serviceMonitor.enabled=true,service.enabled=false", "a ServiceMonitor needs the Service"),
        ("serviceMonitor.enabled=true,podMonitor.enabled=true", "together scrape the pod twice"),
        ("cronJob.enabled=true,persistence.enabled=false", "the two pods meet in the volume"),
        ("cronJob.enabled=true,persistence.accessModes={ReadWriteOncePod}", "a volume that two pods can mount"),
        ("replicaCount=2", "additional properties 'replicaCount' not allowed"),
        ("serviceMonitor.honourLabels=true", "additional properties 'honourLabels' not allowed"),
        ("prometheusRule.enabled=true,prometheusRule.rulesFile=nonsense", "rulesFile is no rules file of Prometheus"),
        ("service.targetPort=80", "/service/targetPort"),
        ("persistence.size=big", "/persistence/size"),
    ],
)
def test_what_cannot_work_is_refused(options: str, says: str, helm: str) -> None:
    """A mistake in the values is told before anything is installed, with what to do."""
    result = template(helm, "--values", str(values_file("default")), "--set", options)
    assert result.returncode != 0
    assert says in result.stderr


def test_notes_say_where_to_look(helm: str, tmp_path: Path) -> None:
    """What is printed after an installation names the objects, and what is not there yet.

    Only a cluster makes helm print it, so a copy of the chart has it as an object.
    """
    chart = tmp_path / "timepoint-exporter"
    shutil.copytree(CHART, chart)
    notes = (chart / "templates" / "NOTES.txt").read_text("utf-8")
    (chart / "templates" / "_notes.tpl").write_text('{{- define "notes" -}}' + notes + "{{- end }}")
    (chart / "templates" / "notes.yaml").write_text('kind: Notes\ntext: {{ include "notes" . | quote }}\n')
    command = [helm, "template", "energy", str(chart), "--namespace", "grid", "--kube-version", "1.31.0"]
    command += ["--values", str(values_file("default")), "--set", "persistence.enabled=false"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    (shown,) = [found["text"] for found in parsed(result.stdout) if found["kind"] == "Notes"]
    assert "--namespace grid port-forward statefulset/energy-timepoint-exporter 8080:8080" in shown
    assert "serviceMonitor.enabled=true" in shown
    assert "each new pod begins with counters at 0" in shown
