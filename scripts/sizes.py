"""Fails where a file or a function is larger than a reader holds at once: 500 lines, 60 lines without the docstring."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

MAX_FILE = 500
MAX_FUNCTION = 60


def too_large(path: Path) -> list[str]:
    """One sentence for each file or function of ``path`` that is over its limit."""
    text = path.read_text(encoding="utf-8")
    found = []
    lines = text.count("\n")
    if lines > MAX_FILE:
        found.append(f"{path}: {lines} lines, the limit is {MAX_FILE}")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            size = (node.end_lineno or 0) - body[0].lineno + 1
            if size > MAX_FUNCTION:
                found.append(f"{path}:{node.lineno}: {node.name} has {size} lines, the limit is {MAX_FUNCTION}")
    return found


def main() -> int:
    """Checks the source, the tests and the benchmarks."""
    roots = [Path(root) for root in ("src", "tests", "bench", "scripts")]
    found = [text for root in roots for path in sorted(root.rglob("*.py")) for text in too_large(path)]
    print("\n".join(found) or "every file and function is within its limit")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
