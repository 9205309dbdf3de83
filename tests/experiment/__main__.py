"""The experiment by command: prints the table that stands in ``docs/experiment.md``.

    python -m tests.experiment [--pace SECONDS]

A timepoint has so many seconds; a poll is five of them, the whole story about forty-five.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.experiment.story import tell
from tests.experiment.table import rendered, summary


def main(arguments: Sequence[str] | None = None) -> int:
    """Tells the story once; 1 if this machine was too slow for it."""
    parser = argparse.ArgumentParser(prog="python -m tests.experiment", description="A Prometheus beside the truth.")
    parser.add_argument("--pace", type=int, default=1, help="seconds of a timepoint; default: 1")
    options = parser.parse_args(arguments)
    binary = shutil.which("prometheus")
    if binary is None:
        sys.exit("prometheus is not installed (apt-get install prometheus)")
    with tempfile.TemporaryDirectory(prefix="timepoint-experiment-") as directory:
        story = tell(Path(directory), binary, options.pace, lambda line: print(line, file=sys.stderr, flush=True))
    if trouble := story.trouble():
        sys.exit(f"this machine was too slow at this pace: {trouble}")
    print(summary(story), rendered(story), sep="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
