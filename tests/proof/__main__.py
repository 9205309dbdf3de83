"""The proof at any length, by command.

    python -m tests.proof kills 10000 [--minutes N] [--seed N] [--workers N] [--dir DIR]
    python -m tests.proof mutants [--seed N]
    python -m tests.proof soak --minutes 30 [--seed N] [--dir DIR]
    python -m tests.proof remote kills 1000 [--receiver strict] [--minutes N]
    python -m tests.proof remote mutants
    python -m tests.proof remote measure [q4 q5 q6 q7 q8]

Ends with 1 if the oracle found anything, if something grew, or if a mutant passed. The other levels are tests; the
variables TIMEPOINT_PROOF_* of ``docs/proof.md`` make them longer.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.proof import campaign, mutants, soak
from tests.proof.remote import campaign as remote_campaign
from tests.proof.remote import measures, receivers
from tests.proof.remote.mutants import FOUND_BY_KILLS

MUTANT_KILLS = 600


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.proof", description="Proves that each timepoint counts once."
    )
    parser.add_argument("--seed", type=int, default=1, help="of the API's truth and of the moments of the kills")
    parser.add_argument("--dir", type=Path, help="where the data directories go; default: a temporary directory")
    commands = parser.add_subparsers(dest="command", required=True)
    kills = commands.add_parser("kills", help="kill the poller so many times")
    kills.add_argument("kills", type=int)
    kills.add_argument("--minutes", type=float, default=math.inf, help="no longer than so many minutes, then peace")
    kills.add_argument(
        "--workers", type=int, default=1, help="so many loops at a time, each with its part of the kills"
    )
    soaking = commands.add_parser("soak", help="run the exporter for days of fast time and see that nothing grows")
    soaking.add_argument("--minutes", type=float, default=30.0, help="real minutes; default: 30")
    soaking.add_argument("--rate", type=float, default=soak.RATE, help="seconds of fast time in each real one")
    commands.add_parser("mutants", help="see that the oracle finds each product that is wrong on purpose")
    remote = commands.add_parser("remote", help="the same for remote write, with real receivers")
    what = remote.add_subparsers(dest="what", required=True)
    loop = what.add_parser("kills", help="kill the poller so many times, and the receiver")
    loop.add_argument("kills", type=int, help="for each receiver")
    loop.add_argument("--minutes", type=float, default=math.inf, help="no longer than so many minutes for each")
    loop.add_argument("--receiver", choices=receivers.KINDS, nargs="*", default=list(receivers.KINDS))
    what.add_parser("mutants", help="see that the oracle finds each sender that is wrong on purpose")
    measure = what.add_parser("measure", help="print the figures: Q4 to Q8")
    measure.add_argument("names", choices=measures.NAMES, nargs="*", metavar="NAME", help="default: all of q4 to q8")
    return parser.parse_args(arguments)


def _say(line: str) -> None:
    print(line, flush=True)


def _kill(options: argparse.Namespace, directory: Path) -> bool:
    share = -(-options.kills // options.workers)

    def loop(number: int) -> campaign.Report:
        return campaign.run(
            directory / f"{number}" / "data", options.seed + number, share, minutes=options.minutes, say=_say
        )

    with ThreadPoolExecutor(options.workers) as pool:
        reports = list(pool.map(loop, range(options.workers)))
    good = True
    for report in reports:
        _say(report.line())
        if missing := campaign.not_met(report):
            _say(f"it did not meet: {', '.join(missing)}")
        good = good and not report.findings
    _say(f"{sum(report.kills for report in reports)} kills: " + ("PASS" if good else "FOUND"))
    return good


def _run_mutants(options: argparse.Namespace, directory: Path) -> bool:
    passed = []
    for mutant in mutants.FOUND_BY_KILLS:
        name = mutant.__name__
        report = campaign.run(directory / name / "data", options.seed, MUTANT_KILLS, mutant=name)
        first = report.findings[0] if report.findings else "PASSED, and must not"
        _say(f"{name}: after {report.kills} kills: {first}")
        if not report.findings:
            passed.append(name)
    return not passed


def _remote(options: argparse.Namespace, directory: Path) -> bool:
    if options.what == "mutants":
        return _run_remote_mutants(options, directory)
    if options.what == "measure":
        measures.run(options.names, directory, _say)
        return True
    good = True
    for name in options.receiver:
        if receivers.KINDS[name].binary() is None:
            _say(f"{name}: {receivers.MISSING[name]}")
            continue
        report = remote_campaign.run(
            directory / name / "data",
            options.seed,
            receivers.KINDS[name],
            options.kills,
            minutes=options.minutes,
            say=_say,
        )
        _say(report.line())
        if missing := remote_campaign.not_met(report):
            _say(f"it did not meet: {', '.join(missing)}")
        good = good and not report.findings
    return good


def _run_remote_mutants(options: argparse.Namespace, directory: Path) -> bool:
    passed = []
    for name in FOUND_BY_KILLS:
        kind = receivers.KINDS["strict"]
        report = remote_campaign.run(directory / name / "data", options.seed, kind, MUTANT_KILLS, mutant=name)
        first = report.findings[0] if report.findings else "PASSED, and must not"
        _say(f"{name}: after {report.kills} kills: {first}")
        if not report.findings:
            passed.append(name)
    return not passed


def _soak(options: argparse.Namespace, directory: Path) -> bool:
    directory.mkdir(parents=True, exist_ok=True)
    report = soak.run(directory, options.seed, options.minutes, rate=options.rate, say=_say)
    for line in report.lines():
        _say(line)
    return report.is_good


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; its exit code."""
    options = _options(arguments)
    run = {"kills": _kill, "mutants": _run_mutants, "soak": _soak, "remote": _remote}[options.command]
    if options.dir is not None:
        return int(not run(options, options.dir))
    with tempfile.TemporaryDirectory(prefix="timepoint-proof-") as directory:
        return int(not run(options, Path(directory)))


if __name__ == "__main__":
    sys.exit(main())
