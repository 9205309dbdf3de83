"""``python -m timepoint`` is the command ``timepoint``."""

from __future__ import annotations

from timepoint.cli.main import main

main(prog_name="timepoint")
