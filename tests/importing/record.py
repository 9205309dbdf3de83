"""Records what json_exporter says of the cases: ``python -m tests.importing.record ORACLE``.

ORACLE is the program that ``go build`` makes of ``oracle``; it uses the JSONPath library of json_exporter.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.importing.cases import CASES

RECORDED = Path(__file__).parent / "recorded.json"


def main() -> None:
    """Writes the samples of every case, by its name."""
    asked = "\n".join(case.question() for case in CASES)
    told = subprocess.run([sys.argv[1]], input=asked, capture_output=True, text=True, check=True).stdout
    samples = dict(zip([case.name for case in CASES], map(json.loads, told.splitlines()), strict=True))
    RECORDED.write_text(json.dumps(samples, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
