"""``python -m tests.fuzz``: tries every target with made-up inputs, and counts them.

    python -m tests.fuzz --executions 200000
    python -m tests.fuzz --seconds 600 --seed 7
    python -m tests.fuzz --target path --seconds 60
    python -m tests.fuzz --replay tests/fuzz/found

Each input that raises is written into the directory ``--found``, as ``TARGET-DIGEST``; the exit code is then 1. An
input that takes more than two seconds of the processor is a finding, too.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from random import Random

from tests.fuzz.engine import Mutator
from tests.fuzz.targets import TARGETS, Target

SLOW = 2.0  # seconds
EACH = 60.0  # seconds between two lines of progress
ROUND = 50  # inputs of a target with share 1 before the next has its turn
FOUND = Path(__file__).parent / "found"


def main() -> int:
    """Runs what the command line asks for; 1 if something was found."""
    options = _options()
    logging.disable(logging.WARNING)
    chosen = [target for target in TARGETS if not options.target or target.name in options.target]
    if options.replay:
        return replay(options.replay)
    return fuzz(chosen, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--executions", type=int, default=0, help="how many inputs in all")
    parser.add_argument("--seconds", type=float, default=0, help="how long in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", action="append", choices=[target.name for target in TARGETS])
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"))
    parser.add_argument("--replay", type=Path)
    options = parser.parse_args()
    if not (options.executions or options.seconds or options.replay):
        options.executions = 100_000
    return options


def fuzz(chosen: list[Target], options: argparse.Namespace) -> int:
    """Each target in its turn, until time or executions are used up."""
    begin = time.monotonic()
    mutators = {
        target.name: Mutator(target.material.seeds, target.material.words, Random(f"{options.seed}{target.name}"))
        for target in chosen
    }
    done: Counter[str] = Counter()
    spent: dict[str, float] = dict.fromkeys(mutators, 0.0)
    found: dict[str, int] = {}
    limit = options.executions or sys.maxsize
    told = begin
    while sum(done.values()) < limit and (not options.seconds or time.monotonic() - begin < options.seconds):
        for target in chosen:
            started = time.monotonic()
            for _ in range(min(ROUND * target.material.share, limit - sum(done.values()))):
                data = mutators[target.name].next()
                done[target.name] += 1
                if (trouble := trial(target, data)) and found.get(trouble, 0) == 0:
                    _keep(options.found, target, data, trouble)
                if trouble:
                    found[trouble] = found.get(trouble, 0) + 1
            spent[target.name] += time.monotonic() - started
        if time.monotonic() - told > EACH:
            told = time.monotonic()
            print(f"{sum(done.values()):,} executions in {told - begin:,.0f} s, {len(found)} found", flush=True)
    _tell(done, spent, found, time.monotonic() - begin)
    return 1 if found else 0


def trial(target: Target, data: bytes) -> str:
    """One input; where it went wrong, or nothing."""
    started = time.process_time()  # another program's turn is no fault of ours
    try:
        target.run(data)
    except (Exception, RecursionError) as error:  # noqa: BLE001 - whatever is raised is what is looked for
        frames = traceback.extract_tb(error.__traceback__)
        last = next((frame for frame in reversed(frames) if "timepoint" in frame.filename), frames[-1])
        return f"{target.name}: {type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
    took = time.process_time() - started
    return f"{target.name}: slow" if took > SLOW else ""


def _keep(directory: Path, target: Target, data: bytes, trouble: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{target.name}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    print(f"FOUND {trouble}: {path}: {data[:300]!r}", flush=True)


def replay(directory: Path) -> int:
    """Every input that was found once."""
    by_name = {target.name: target for target in TARGETS}
    wrong = 0
    for path in sorted(directory.iterdir()):
        trouble = trial(by_name[path.name.partition("-")[0]], path.read_bytes())
        wrong += bool(trouble)
        print(f"{path.name}: {trouble or 'ok'}")
    return 1 if wrong else 0


def _tell(done: Counter[str], spent: dict[str, float], found: dict[str, int], seconds: float) -> None:
    for name, count in done.items():
        print(f"{name:<12} {count:>12,} executions  {count / max(spent[name], 1e-9):>10,.0f}/s")
    print(f"{'in all':<12} {sum(done.values()):>12,} executions in {seconds:,.0f} s")
    for trouble, count in found.items():
        print(f"FOUND {count:,} times: {trouble}")


if __name__ == "__main__":
    raise SystemExit(main())
