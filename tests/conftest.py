"""What every test may use, and the rule that a skip in CI must be on a list."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes, or takes to be drawn, depends on what else the machine does.
settings.register_profile("timepoint", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Whether a change may land depends on the change and not on the draw: the same examples each time.
settings.register_profile("landing", settings.get_profile("timepoint"), derandomize=True, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "timepoint"))

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("TIMEPOINT_SHARED", ROOT.parent / "shared"))


@pytest.fixture
def shared_dir() -> Path:
    """The directory with bodies of real APIs and conformance suites, which the project reads but does not ship."""
    if not SHARED.is_dir():
        pytest.skip("shared test data is not here (set TIMEPOINT_SHARED to its directory)")
    return SHARED


@pytest.fixture
def promtool() -> str:
    """The path of promtool."""
    path = shutil.which("promtool")
    if path is None:
        pytest.skip("promtool is not installed (apt-get install prometheus)")
    return path


@pytest.fixture
def prometheus() -> str:
    """The path of a Prometheus server."""
    path = shutil.which("prometheus")
    if path is None:
        pytest.skip("prometheus is not installed (apt-get install prometheus)")
    return path


def _allowed(reason: str, patterns: list[str]) -> bool:
    return any(re.search(pattern, reason) for pattern in patterns)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Turns each skip that is not on the list of TIMEPOINT_ALLOWED_SKIPS into a failed session."""
    listed = os.environ.get("TIMEPOINT_ALLOWED_SKIPS")
    if not listed:
        return
    lines = (ROOT / listed).read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    reasons = [
        str(report.longrepr[2]).removeprefix("Skipped: ") for report in terminalreporter.stats.get("skipped", [])
    ]
    unlisted = sorted({reason for reason in reasons if not _allowed(reason, patterns)})
    for reason in unlisted:
        terminalreporter.write_line(f"a skip that is not on {listed}: {reason}", red=True)
    if unlisted and terminalreporter._session is not None:
        terminalreporter._session.exitstatus = pytest.ExitCode.TESTS_FAILED
