"""``timepoint doctor``: what a data directory holds, and repairs that are asked for.

Owns: the options of the command, which of them exclude each other, and the exit code. Must not know: what is checked,
how anything is repaired.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from timepoint.cli.exits import EXIT_FAILED
from timepoint.cli.options import load_offline, told_plainly
from timepoint.clock import SystemClock

if TYPE_CHECKING:
    from timepoint.doctor.report import Report
    from timepoint.job import Job

_FILE = click.Path(dir_okay=False, allow_dash=True, path_type=Path)


@click.command()
@click.argument("data_dir", type=click.Path(file_okay=False, path_type=Path), metavar="DATA_DIR")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="CONFIG",
    help="Compare with the jobs of this file, too; needed to render pages.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How the report is written.",
)
@click.option("--repair", is_flag=True, help="Do what loses nothing: see above.")
@click.option("--forget", multiple=True, metavar="JOB", help="Delete all that is known of a job; repeatable.")
@click.option("--forget-receiver", multiple=True, metavar="NAME", help="Delete a queue of remote write; repeatable.")
@click.option("--export", type=_FILE, metavar="FILE", help="Write the ledger as lines of JSON; - is standard output.")
@click.option("--import", "import_", type=_FILE, metavar="FILE", help="Make the ledger of an empty DATA_DIR from FILE.")
@click.option("--quarantine", is_flag=True, help="Move a damaged ledger and its pages aside; counters start anew.")
@click.option("--accept-ledger", is_flag=True, help="Go on with a ledger older than its pages; counters go back.")
def doctor(  # noqa: PLR0913, PLR0917 - one parameter for each option
    data_dir: Path,
    config: Path | None,
    format_: str,
    repair: bool,  # noqa: FBT001 - click gives it
    forget: tuple[str, ...],
    forget_receiver: tuple[str, ...],
    export: Path | None,
    import_: Path | None,
    quarantine: bool,  # noqa: FBT001 - click gives it
    accept_ledger: bool,  # noqa: FBT001 - click gives it
) -> None:
    """Check a data directory and explain what is in it; change nothing unless told to.

    Checks the ledger (integrity, and every balance that it promises), the published pages, and with CONFIG what the two
    have to do with each other. An exporter may run meanwhile. The exit code is 0 if all is well and 1 if something was
    found; the report ends with what to do.

    --repair removes what interrupted writes left, moves the log into the ledger, gives free space back and, with
    CONFIG, renders pages again. No option changes a total. What writes needs the directory for itself (exit code 75 if
    an exporter has it), but for --quarantine and --accept-ledger while the exporter polls nothing for want of a ledger.

    \b
    Examples:
      timepoint doctor /var/lib/timepoint --config energy.yaml
      timepoint doctor /var/lib/timepoint --export backup.jsonl
      timepoint doctor /var/lib/timepoint --quarantine
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped
    actions = [
        repair,
        bool(forget),
        bool(forget_receiver),
        export is not None,
        import_ is not None,
        quarantine,
        accept_ledger,
    ]
    if sum(actions) > 1:
        raise click.UsageError(
            "--repair, --forget, --forget-receiver, --export, --import, --quarantine and --accept-ledger exclude each "
            "other"
        )
    if import_ is None and not data_dir.is_dir():
        raise click.UsageError(f"there is no directory {str(data_dir)!r}")
    if import_ is not None and str(import_) != "-" and not import_.is_file():
        raise click.UsageError(f"there is no file {str(import_)!r}")
    jobs = load_offline(config).jobs if config is not None else None
    with told_plainly():
        done = _act(data_dir, jobs, repair=repair, forget=forget, quarantine=quarantine, accept_ledger=accept_ledger)
        done += _forget_receivers(data_dir, forget_receiver) if forget_receiver else []
        done += _transfer(data_dir, export, import_)
        if any(actions) and not repair:
            _tell([json.dumps({"done": done}, indent=2)] if format_ == "json" else done, err=export is not None)
            return
        report = _examine(data_dir, jobs)
    _print(report, done, format_)
    if not report.is_healthy:
        raise SystemExit(EXIT_FAILED)


def _act(
    data_dir: Path,
    jobs: Iterable[Job] | None,
    *,
    repair: bool,
    forget: tuple[str, ...],
    quarantine: bool,
    accept_ledger: bool,
) -> list[str]:
    from timepoint.doctor import mend

    now = SystemClock().now()
    if repair:
        return mend.repair(data_dir, None if jobs is None else list(jobs), now)
    if forget:
        known = {job.name for job in _examine(data_dir, None).jobs}
        unknown = [name for name in forget if name not in known]
        if unknown:
            said = ", ".join(sorted(known)) or "none"
            raise click.UsageError(f"nothing is known of a job {unknown[0]!r}; the jobs are {said}")
        return mend.forget(data_dir, forget)
    if quarantine:
        return mend.quarantine(data_dir, now)
    return mend.accept_ledger(data_dir, now) if accept_ledger else []


def _forget_receivers(data_dir: Path, names: tuple[str, ...]) -> list[str]:
    from timepoint.doctor import mend

    known = [queue.receiver for queue in _examine(data_dir, None).queues]
    unknown = [name for name in names if name not in known]
    if unknown:
        said = ", ".join(known) or "none"
        raise click.UsageError(f"there is no queue of a receiver {unknown[0]!r}; the receivers are {said}")
    return mend.forget_receivers(data_dir, names)


def _transfer(data_dir: Path, export: Path | None, import_: Path | None) -> list[str]:
    from timepoint.doctor import mend

    if export is not None:
        return mend.export_to(data_dir, export, SystemClock().now())
    return mend.import_from(data_dir, import_) if import_ is not None else []


def _examine(data_dir: Path, jobs: Iterable[Job] | None) -> Report:
    from timepoint.doctor.look import examine_directory

    return examine_directory(data_dir, None if jobs is None else list(jobs), SystemClock().now())


def _tell(sentences: Iterable[str], *, err: bool = False) -> None:
    for sentence in sentences:
        click.echo(sentence, err=err)


def _print(report: Report, done: list[str], format_: str) -> None:
    from timepoint.doctor.words import text_lines

    if format_ == "json":
        click.echo(json.dumps({**report.as_json(), "done": done}, indent=2))
        return
    _tell([*done, ""] if done else [])
    _tell(text_lines(report))
