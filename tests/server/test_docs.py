from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from tests.server.support import staged
from timepoint.server.settings import Limits

ROOT = Path(__file__).resolve().parent.parent.parent


def metrics_reference() -> ModuleType:
    """The script that writes the reference page of the exporter's own metrics."""
    spec = importlib.util.spec_from_file_location("metrics_reference", ROOT / "scripts" / "metrics_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_of_own_metrics_is_what_the_code_declares() -> None:
    """docs/reference/metrics.md is written by scripts/metrics_reference.py; call it after a change."""
    module = metrics_reference()

    assert module.PAGE.read_text("utf-8") == module.reference()


async def test_every_path_is_documented(tmp_path: Path) -> None:
    """docs/reference/http.md names each path that answers."""
    page = (ROOT / "docs" / "reference" / "http.md").read_text("utf-8")
    async with staged(tmp_path) as stage:
        paths = list(stage.app._table)

    assert [path for path in paths if f"| `{path}` |" not in page] == []


def test_the_limits_are_documented() -> None:
    """docs/reference/http.md tells the numbers that the server keeps."""
    page = (ROOT / "docs" / "reference" / "http.md").read_text("utf-8")
    limits = Limits()
    rows = [
        f"first byte on | {limits.head_deadline:.0f} s |",
        f"idle connection | {limits.keepalive:.0f} s,",
        f"one page | {limits.write_deadline:.0f} s |",
        f"header line | {limits.max_field // 1024} KiB |",
        f"header lines | {limits.max_headers} |",
        f"answered within {limits.stop_deadline:.0f} s |",
    ]

    assert [row for row in rows if row not in page] == []
