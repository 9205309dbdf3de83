"""The corpus of bad configs: one mistake in each file, and exactly what is said about it.

``bad/CHECK--DETAIL.yaml`` has one mistake that the check finds; ``bad/CHECK--DETAIL.out`` is what a user reads. After a
message was changed on purpose, ``python -m tests.config.corpus`` writes all of them anew; read the difference.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from timepoint.config.load import Config, examine
from timepoint.config.places import Findings

BAD = Path(__file__).parent / "bad"
CANARY = "canary-{7f3a}-'\"\\"
ENVIRON = {"SECRET": CANARY, "PASSWORD": "canary-7f3a", "EMPTY": "", "TWO_LINES": "one\ntwo"}


def bad_files() -> list[Path]:
    """All bad configs, by name."""
    return sorted(BAD.glob("*.yaml"))


@cache
def examined(path: Path) -> tuple[Config | None, Findings]:
    """A file of the corpus, read once."""
    return examine(path, ENVIRON)


def said_about(path: Path) -> str:
    """What a user reads about a file, the errors first."""
    return shown(examined(path)[1], path.parent)


def shown(findings: Findings, directory: Path) -> str:
    """Findings as lines, with file names relative to a directory."""
    lines = [f"{problem}" for problem in findings.problems(warnings=False)]
    lines += [f"warning: {problem}" for problem in findings.problems(warnings=True)]
    return "".join(f"{line.replace(f'{directory}/', '')}\n" for line in lines)


def write() -> None:
    """Writes what is said about each bad config beside it."""
    for path in bad_files():
        path.with_suffix(".out").write_text(said_about(path), encoding="utf-8")


if __name__ == "__main__":
    write()
