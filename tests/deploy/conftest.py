"""The programs that look at what is deployed, where they are installed."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture(scope="session")
def helm() -> str:
    """The path of helm."""
    path = shutil.which("helm")
    if path is None:
        pytest.skip("helm is not installed (go install helm.sh/helm/v3/cmd/helm@latest)")
    return path


@pytest.fixture(scope="session")
def systemd_analyze() -> str:
    """The path of systemd-analyze."""
    path = shutil.which("systemd-analyze")
    if path is None:
        pytest.skip("systemd-analyze is not installed (apt-get install systemd)")
    return path
