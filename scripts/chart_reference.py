"""Writes the table of values into the README of the Helm chart, from the comments of values.yaml.

Each value stands below a comment that begins with ``# --``. Run it after a change of values.yaml; a test compares them.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parent.parent / "deploy" / "helm" / "timepoint-exporter"
BEGIN, END = "<!-- values: written by scripts/chart_reference.py -->", "<!-- end of values -->"

_LINE = re.compile(r"^(?P<indent> *)(?:# -- (?P<told>.+)|(?P<key>[A-Za-z]+):.*)$")


def rows(text: str) -> list[tuple[str, str, str]]:
    """Path, default and description of every value that is told, in the order of the file."""
    defaults = yaml.safe_load(text)
    found, path, told = [], [], ""
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        if match["told"]:
            told = match["told"]
            continue
        path = [*path[: len(match["indent"]) // 2], match["key"]]
        if told:
            found.append((".".join(path), json.dumps(value(defaults, path)), told))
            told = ""
    return found


def value(defaults: dict[str, Any], path: list[str]) -> Any:
    """The default at a path."""
    found: Any = defaults
    for key in path:
        found = found[key]
    return found


def table(text: str) -> str:
    """The values as a table of Markdown."""
    lines = [f"| `{path}` | `{default}` | {told} |" for path, default, told in rows(text)]
    return "\n".join(["| value | default | what it does |", "|---|---|---|", *lines])


def with_table(readme: str, text: str) -> str:
    """The README with the table of today."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table(text)}\n\n{END}{after}"


def main() -> int:
    """Writes the README anew."""
    readme = CHART / "README.md"
    readme.write_text(with_table(readme.read_text("utf-8"), (CHART / "values.yaml").read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
