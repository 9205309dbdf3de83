"""The command line of the benchmark.

Owns: options, the order of the rows, the printing. Must not know: how anything is measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import growth, latency, machine, memory, page, poll, port, start
from bench.setting import QUICK, Setting
from bench.table import Row, as_data, render

PARTS: dict[str, Callable[[Setting], list[Row]]] = {
    "poll": poll.rows,
    "page": page.rows,
    "latency": latency.rows,
    "memory": memory.rows,
    "start": start.rows,
    "growth": growth.rows,
    "port": port.rows,
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench/run", description="Measures timepoint beside its peers.")
    parser.add_argument("--only", action="append", choices=PARTS, help="measure this part alone; may be given again")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE, too")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that everything runs, no figures")
    chosen = parser.parse_args(arguments)
    setting = QUICK if chosen.quick else Setting()
    setting.work.mkdir(parents=True, exist_ok=True)
    facts = machine.describe()
    rows: list[Row] = []
    for name in chosen.only or PARTS:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        rows += PARTS[name](setting)
    print("\n".join(f"{key}: {value}" for key, value in facts.items()), end="\n\n")
    print(render(rows))
    if chosen.quick:
        print("\nA quick run: the sizes are tiny, so neither figures nor verdicts mean anything.")
    if chosen.json is not None:
        document = {"machine": facts, "quick": chosen.quick, "rows": as_data(rows)}
        chosen.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
