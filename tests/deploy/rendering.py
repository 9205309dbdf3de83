"""What the chart renders for each file of values in its ``ci`` directory.

Owns: the call of helm, and what is kept in ``rendered``; ``python -m tests.deploy.rendering`` writes it anew.
Must not know: what is asserted.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
CHART = ROOT / "deploy" / "helm" / "timepoint-exporter"
KEPT = Path(__file__).resolve().parent / "rendered"
CASES = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))
RELEASE = ["energy-demo", str(CHART), "--namespace", "grid", "--kube-version", "1.31.0"]


@dataclass(frozen=True)
class Rendered:
    """The objects of one case, and the values that it was rendered with over the defaults."""

    case: str
    objects: list[dict[str, Any]]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The objects of a kind."""
        return [found for found in self.objects if found["kind"] == kind]

    def one(self, kind: str) -> dict[str, Any]:
        """The object of a kind."""
        (found,) = self.of(kind)
        return found

    @property
    def pod(self) -> dict[str, Any]:
        """The template of the pod that serves."""
        found = self.one("StatefulSet")["spec"]["template"]
        assert isinstance(found, dict)
        return found

    @property
    def pods(self) -> list[dict[str, Any]]:
        """The templates of every pod."""
        polling = [found["spec"]["jobTemplate"]["spec"]["template"] for found in self.of("CronJob")]
        return [self.pod, *polling]


def values(case: str) -> dict[str, Any]:
    """What a case says."""
    loaded = yaml.safe_load(values_file(case).read_text("utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def values_file(case: str) -> Path:
    """Where a case says it."""
    return CHART / "ci" / f"{case}-values.yaml"


@cache
def kept(case: str) -> Rendered:
    """What is kept of a case."""
    return Rendered(case, parsed((KEPT / f"{case}.yaml").read_text("utf-8")))


def parsed(text: str) -> list[dict[str, Any]]:
    """The objects of a text."""
    return [found for found in yaml.safe_load_all(text) if found]


def template(helm: str, *options: str) -> subprocess.CompletedProcess[str]:
    """What ``helm template`` says."""
    command = [helm, "template", *RELEASE, *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def main() -> int:
    """Writes anew what is kept."""
    helm = shutil.which("helm")
    if helm is None:
        sys.exit("helm is not installed")
    KEPT.mkdir(exist_ok=True)
    for case in CASES:
        result = template(helm, "--values", str(values_file(case)))
        if result.returncode:
            sys.exit(result.stderr)
        (KEPT / f"{case}.yaml").write_text(result.stdout, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
