"""The chart under a real API server: what it admits, what it warns of, and what it keeps.

``TIMEPOINT_KUBERNETES`` names a directory with ``kube-apiserver``, ``etcd`` and ``crds``; CONTRIBUTING.md tells how to
make it.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.cluster import Cluster, cluster
from tests.deploy.rendering import CASES, kept, values_file


@pytest.fixture(scope="module")
def server(helm: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An API server for the tests of this file."""
    binaries = os.environ.get("TIMEPOINT_KUBERNETES")
    if not binaries:
        pytest.skip("no API server of Kubernetes is named (TIMEPOINT_KUBERNETES)")
    with cluster(Path(binaries), helm, tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.mark.parametrize("case", CASES)
def test_the_server_takes_every_step_without_a_warning(case: str, server: Cluster) -> None:
    """Installation, upgrade, rollback, uninstallation and a second installation succeed, and nobody is warned."""
    namespace = server.namespace()
    values = ["--values", str(values_file(case)), "--set", f"namespaceOverride={namespace}"]
    values += [
        "--set",
        "service.nodePort=null",
    ]  # one of the whole cluster, which the former installation may still hold
    for done in (
        server.installed(namespace, *values),
        server.installed(namespace, *values, "--set", "podAnnotations.again=yes,commonLabels.more=yes"),
        server.say("rollback", "energy-demo", "1", "--namespace", namespace),
        server.say("uninstall", "energy-demo", "--namespace", namespace),
        server.installed(namespace, *values),
    ):
        assert done.returncode == 0, done.stderr
        assert "warn" not in done.stderr.lower()


@pytest.mark.parametrize("case", CASES)
def test_pods_are_admitted(case: str, server: Cluster) -> None:
    """Each template of a pod is a pod that a namespace of the profile "restricted" takes."""
    namespace = server.namespace()
    for template in kept(case).pods:
        spec = {key: value for key, value in template["spec"].items() if key != "priorityClassName"}
        account = {"metadata": {"name": spec.get("serviceAccountName", "default")}}
        if account["metadata"]["name"] not in names(server, namespace, "serviceaccounts"):
            server.ask("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", account)
        pod = {"metadata": {**template["metadata"], "generateName": "pod-"}, "spec": spec}
        made = server.ask("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", pod)
        assert made["kind"] == "Pod"


def names(server: Cluster, namespace: str, kind: str) -> list[str]:
    """The names of what a namespace has of a kind."""
    items: list[dict[str, Any]] = server.ask("GET", f"/api/v1/namespaces/{namespace}/{kind}")["items"]
    return [item["metadata"]["name"] for item in items]


def test_a_credential_that_is_taken_out_is_gone(server: Cluster) -> None:
    """After an upgrade without it the Secret has one credential less, and after a rollback it has it again."""
    namespace = server.namespace()
    values = ["--values", str(values_file("default"))]
    path = f"/api/v1/namespaces/{namespace}/secrets/energy-demo-timepoint-exporter-credentials"

    def held() -> dict[str, str]:
        data = server.ask("GET", path)["data"]
        return {name: base64.b64decode(text).decode() for name, text in data.items()}

    both = {"one": "first-token", "two": "second-token"}
    server.installed(namespace, *values, "--set", "credentials.data.one=first-token,credentials.data.two=second-token")
    assert held() == both
    server.installed(namespace, *values, "--set", "credentials.data.one=another-token")
    assert held() == {"one": "another-token"}
    server.say("rollback", "energy-demo", "1", "--namespace", namespace)
    assert held() == both
