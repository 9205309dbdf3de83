"""The page about coming from json_exporter shows what the command does."""

from __future__ import annotations

from pathlib import Path

from tests.cli.support import call
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "migrating.md"


def test_the_example_is_what_comes_out(tmp_path: Path) -> None:
    """The config beside the example is the one that the command writes for it."""
    old = next(block for block in blocks("text") if block.page == PAGE)
    new = next(block for block in blocks("yaml") if block.page == PAGE)
    path = tmp_path / "old.yml"
    path.write_text(old.text)

    result = call("import", "json-exporter", path, "--target", "https://meters.example/v2/state", "--every", "5m")

    assert result.stdout == new.text
