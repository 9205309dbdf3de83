from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.support import CONFIG, call, write_config
from timepoint.cli.options import DurationType, InstantType


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2025-01-31T12:00:00Z", 1_738_324_800_000),
        ("2025-01-31T12:00Z", 1_738_324_800_000),
        ("2025-01-31T12:00", 1_738_324_800_000),
        ("2025-01-31T13:00:00+01:00", 1_738_324_800_000),
        ("2025-01-31", 1_738_281_600_000),
        ("1738324800", 1_738_324_800_000),
        ("2025-01-31T12:00:00.250Z", 1_738_324_800_250),
    ],
)
def test_a_time_is_rfc_3339_or_epoch_seconds(text: str, instant: int) -> None:
    """Without an offset it is UTC."""
    assert InstantType().convert(text, None, None) == instant


def test_a_duration_is_prometheus_notation() -> None:
    """The same as in the config."""
    assert DurationType().convert("1h30m", None, None) == 5_400_000


@pytest.mark.parametrize(
    ("option", "text", "sentence"),
    [
        ("--poller-deadline", "2 minutes", "is not a duration"),
        ("--web.listen-address", "8080", "is not an address"),
        ("--web.telemetry-path", "metrics", "is not a path"),
        ("--web.telemetry-path", "", "is not a path"),
        ("--web.telemetry-path", "/-/x", "for health and readiness"),
        ("--log.level", "loud", "is not one of"),
        ("--log.format", "xml", "is not one of"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_right(tmp_path: Path, option: str, text: str, sentence: str) -> None:
    """Exit code 2 and a sentence about the value."""
    result = call("run", write_config(tmp_path), option, text)

    assert result.exit_code == 2
    assert sentence in result.stderr


@pytest.mark.parametrize("command", [["run"], ["serve"], ["poll", "--once"], ["preview"]])
def test_a_bad_config_is_told_whole_and_nothing_is_started(
    tmp_path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every problem stands on a line of its own, with the exit code of a wrong config."""
    config = write_config(tmp_path, CONFIG.replace("every: 30m", "evry: 30m").replace("type: gauge", "type: gage"))
    monkeypatch.chdir(tmp_path)

    result = call(*command, config)

    problems = [line for line in result.stderr.splitlines() if line.startswith(f"{config}:")]
    assert result.exit_code == 2
    assert len(problems) >= 2
    assert list(tmp_path.iterdir()) == [config]
