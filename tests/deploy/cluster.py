"""An API server of Kubernetes with its etcd, and helm beside it: what a cluster says to the chart, without a node.

Owns: starting and ending both, the namespaces, the kinds of the Prometheus Operator. Must not know: what is asserted.

No controller runs and no pod: what is looked at is what the server admits, warns of, and keeps.
"""

from __future__ import annotations

import json
import os
import secrets
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.deploy.rendering import CHART
from tests.system.support import free_port, wait_for


@dataclass
class Cluster:
    """Where the server is, and whom it believes."""

    helm: str
    directory: Path
    port: int = field(default_factory=free_port)
    token: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def config(self) -> Path:
        """The file that tells helm of the server."""
        return self.directory / "config.json"

    def write(self) -> None:
        """Writes what the server and helm read."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (self.directory / "accounts.pem").write_bytes(pem)
        (self.directory / "tokens.csv").write_text(f'{self.token},admin,admin,"system:masters"\n')
        where = {"server": f"https://127.0.0.1:{self.port}", "insecure-skip-tls-verify": True}
        told = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "it", "cluster": where}],
            "users": [{"name": "it", "user": {"token": self.token}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "current-context": "it",
        }
        self.config.write_text(json.dumps(told))

    def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """What the server answers; urllib's error if it is no 2xx, OSError if there is none."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        given = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", given, headers, method=method)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # its certificate is of its own making
        with urllib.request.urlopen(request, context=context, timeout=60) as answer:
            text = answer.read()
        found = json.loads(text) if text.startswith(b"{") else {}
        assert isinstance(found, dict)
        return found

    def is_ready(self) -> bool:
        """Whether the server answers that it is ready."""
        try:
            self.ask("GET", "/readyz")
        except OSError:
            return False
        return True

    def namespace(self) -> str:
        """A new namespace that takes no pod but of the profile "restricted", and warns of each template of another."""
        name = f"test-{secrets.token_hex(6)}"
        labels = {f"pod-security.kubernetes.io/{how}": "restricted" for how in ("enforce", "warn")}
        self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
        return name

    def learn(self, kinds: Path) -> None:
        """Gives the server the kinds that the files of a directory define, and waits until it serves them."""
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        for file in sorted(kinds.glob("*.yaml")):
            kind = yaml.safe_load(file.read_text("utf-8"))
            self.ask("POST", path, kind)
            versions = [version["name"] for version in kind["spec"]["versions"] if version["served"]]
            for version in versions:
                place = f"/apis/{kind['spec']['group']}/{version}/{kind['spec']['names']['plural']}"
                wait_for(place, lambda place=place: self.serves(place))  # type: ignore[misc]  # a default of a lambda

    def serves(self, path: str) -> bool:
        """Whether the server knows a path."""
        try:
            self.ask("GET", path)
        except urllib.error.HTTPError:
            return False
        return True

    def say(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What helm says to a command."""
        directory = self.directory / "helm"
        places = {f"HELM_{name}_HOME": str(directory) for name in ("CACHE", "CONFIG", "DATA")}
        environment = {**os.environ, "KUBECONFIG": str(self.config), **places}
        command = [self.helm, *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)

    def installed(self, namespace: str, *options: str) -> subprocess.CompletedProcess[str]:
        """What helm says when it installs or upgrades the release "energy-demo"."""
        return self.say("upgrade", "--install", "energy-demo", str(CHART), "--namespace", namespace, *options)


@contextmanager
def cluster(binaries: Path, helm: str, directory: Path) -> Iterator[Cluster]:
    """A server that is ready, and knows the kinds in the directory ``crds`` beside its program."""
    found = Cluster(helm, directory)
    found.write()
    store, peers = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    etcd = [
        str(binaries / "etcd"),
        "--data-dir",
        "etcd",
        "--listen-client-urls",
        store,
        "--advertise-client-urls",
        store,
    ]
    etcd += ["--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers]
    etcd += ["--initial-cluster", f"default={peers}", "--unsafe-no-fsync"]
    server = [str(binaries / "kube-apiserver"), "--etcd-servers", store, "--secure-port", str(found.port)]
    server += ["--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1", "--endpoint-reconciler-type", "none"]
    server += ["--cert-dir", "certificates", "--token-auth-file", "tokens.csv", "--authorization-mode", "RBAC"]
    server += ["--service-account-key-file", "accounts.pem", "--service-account-signing-key-file", "accounts.pem"]
    server += [
        "--service-account-issuer",
        "https://kubernetes.default.svc",
        "--service-cluster-ip-range",
        "10.0.0.0/24",
    ]
    with (directory / "log").open("wb") as log:
        started = [subprocess.Popen(command, cwd=directory, stdout=log, stderr=log) for command in (etcd, server)]
        try:
            wait_for("the API server", lambda: found.is_ready() or any(each.poll() is not None for each in started))
            assert [each.poll() for each in started] == [None, None], (directory / "log").read_text("utf-8")[-4000:]
            found.learn(binaries / "crds")
            yield found
        finally:
            for each in reversed(started):
                each.kill()  # nothing of it is kept
                each.wait()
