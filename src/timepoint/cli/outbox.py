"""``timepoint outbox``: what waits for receivers of remote write, and what was given up.

Owns: the options of the commands and their words. Must not know: how queues are kept or changed.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from timepoint.cli.options import Decorator, LabelType, load, told_plainly
from timepoint.clock import SystemClock, format_duration, format_instant

if TYPE_CHECKING:
    from timepoint.doctor.outbox import QueueReport
    from timepoint.remote_write.letters import Choice, Deed
    from timepoint.remote_write.outbox import Queues

_data_dir: Decorator = click.argument(
    "data_dir", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DATA_DIR"
)
_format: Decorator = click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How it is written.",
)
_receiver: Decorator = click.option("--receiver", required=True, metavar="NAME", help="The receiver.")
_reason: Decorator = click.option("--reason", default="", metavar="WORD", help="Only letters with this reason.")


def _choice_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which dead letters are meant; given as ``choice``, a Choice."""

    @functools.wraps(command)
    def gathered(*, receiver: str, reason: str, numbers: tuple[int, ...], is_all: bool, **others: Any) -> None:
        from timepoint.remote_write.letters import Choice

        if not (reason or numbers or is_all):
            raise click.UsageError("say which letters: --reason, --number or --all")
        _check_reason(reason)
        command(choice=Choice(receiver, reason, numbers), **others)

    one = click.option(
        "--number", "numbers", type=int, multiple=True, metavar="NUMBER", help="This letter; may be given again."
    )
    every = click.option("--all", "is_all", is_flag=True, help="All dead letters of the receiver.")
    return _receiver(_reason(one(every(gathered))))


@click.group("outbox")
def outbox() -> None:
    """Show what waits for receivers of remote write, and what was given up and why.

    DATA_DIR is the data directory of the exporter, which may run meanwhile.

    \b
    Examples:
      timepoint outbox list /var/lib/timepoint
      timepoint outbox explain /var/lib/timepoint --receiver central
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped


@outbox.command("list")
@_data_dir
@click.option("--receiver", "receivers", multiple=True, metavar="NAME", help="This one alone; may be given again.")
@click.option("--dead", is_flag=True, help="List dead letters, the oldest first, instead of queues.")
@click.option("--pending", is_flag=True, help="List samples that wait, in the order in which they leave.")
@click.option("--late-amounts", is_flag=True, help="List amounts of counters that came late; later totals have them.")
@click.option("--limit", type=click.IntRange(min=0), default=100, show_default=True, help="At most so many; 0 for all.")
@_format
def list_(  # noqa: PLR0913, PLR0917 - one parameter for each option
    data_dir: Path,
    receivers: tuple[str, ...],
    dead: bool,  # noqa: FBT001 - click gives it
    pending: bool,  # noqa: FBT001 - click gives it
    late_amounts: bool,  # noqa: FBT001 - click gives it
    limit: int,
    format_: str,
) -> None:
    """List the queues: what waits, what was sent, what was given up.

    \b
    Examples:
      timepoint outbox list /var/lib/timepoint
      timepoint outbox list /var/lib/timepoint --receiver central --dead
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped
    from timepoint.doctor.outbox import opened, read_queues

    if dead + pending + late_amounts > 1:
        raise click.UsageError("--dead, --pending and --late-amounts exclude each other")
    entries = _dead if dead else _waiting if pending else _late_amounts
    with told_plainly():
        reports = read_queues(data_dir, receivers)
        if not (dead or pending or late_amounts):
            _print(reports, format_)
            return
        with opened(data_dir) as queues:
            for name in [report.name for report in reports]:
                for entry in itertools.islice(entries(queues, name), limit or None):
                    click.echo(json.dumps({"receiver": name, **entry}) if format_ == "json" else _row(name, entry))


@outbox.command("explain")
@_data_dir
@click.option("--receiver", "receivers", multiple=True, metavar="NAME", help="This one alone; may be given again.")
@click.option("--number", type=int, metavar="NUMBER", help="One dead letter, by its number; needs --receiver.")
@_format
def explain(data_dir: Path, receivers: tuple[str, ...], number: int | None, format_: str) -> None:
    """Say what state each receiver is in, why samples were given up, and what to do about it.

    \b
    Examples:
      timepoint outbox explain /var/lib/timepoint
      timepoint outbox explain /var/lib/timepoint --receiver central --number 17
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped
    from timepoint.doctor.outbox import read_queues

    if number is not None and len(receivers) != 1:
        raise click.UsageError("--number needs one --receiver")
    with told_plainly():
        if number is not None:
            _explain_letter(data_dir, receivers[0], number, format_)
            return
        reports = read_queues(data_dir, receivers)
    if format_ == "json":
        _print(reports, format_)
        return
    for line in itertools.chain.from_iterable(map(_explained, reports)):
        click.echo(line)


@outbox.command("retry")
@_data_dir
@_choice_options
def retry(data_dir: Path, choice: Choice) -> None:
    """Make dead letters wait again, in their place in the order.

    An exporter that runs is asked to do it, and does within seconds. What a receiver still cannot take becomes a dead
    letter once more.

    \b
    Examples:
      timepoint outbox retry /var/lib/timepoint --receiver central --reason full
      timepoint outbox retry /var/lib/timepoint --receiver central --number 17 --number 18
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped
    from timepoint.remote_write.letters import Deed

    count = _do(data_dir, Deed.RETRY, choice)
    click.echo(f"{count} {'sample waits' if count == 1 else 'samples wait'} for {choice.receiver} again")


@outbox.command("dismiss")
@_data_dir
@_choice_options
def dismiss(data_dir: Path, choice: Choice) -> None:
    """Say that dead letters were dealt with: they are forgotten, and the alert on them ends.

    Their samples are gone with that, so export them first if they are to be loaded by another way. They go on to be
    counted, as dismissed. An exporter that runs is asked to do it, and does within seconds.

    \b
    Examples:
      timepoint outbox dismiss /var/lib/timepoint --receiver central --reason conflict
      timepoint outbox dismiss /var/lib/timepoint --receiver central --all
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped
    from timepoint.remote_write.letters import Deed

    count = _do(data_dir, Deed.DISMISS, choice)
    click.echo(f"{count} {'dead letter' if count == 1 else 'dead letters'} of {choice.receiver} dismissed")


def _do(data_dir: Path, deed: Deed, choice: Choice) -> int:
    from timepoint.doctor.outbox import do

    with told_plainly():
        return do(data_dir, deed, choice)


@outbox.command("export")
@_data_dir
@_receiver
@_reason
@click.option("--pending", is_flag=True, help="What waits, instead of dead letters.")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="CONFIG",
    help="Add the external_labels that the receiver has in this file.",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    type=LabelType(),
    metavar="NAME=VALUE",
    help="Add a label to each series that has none of the name. May be given again.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["openmetrics", "victoriametrics", "json"]),
    default="openmetrics",
    show_default=True,
    help="For promtool tsdb create-blocks-from, for /api/v1/import, or all that is known as lines of JSON.",
)
@click.option(
    "--output",
    type=click.File("w", encoding="utf-8", lazy=True),
    default="-",
    metavar="FILE",
    help="Write to FILE instead of standard output.",
)
def export(  # noqa: PLR0913, PLR0917 - one parameter for each option
    data_dir: Path,
    receiver: str,
    reason: str,
    pending: bool,  # noqa: FBT001 - click gives it
    config: Path | None,
    labels: tuple[tuple[str, str], ...],
    format_: str,
    output: IO[str],
) -> None:
    """Write the samples of dead letters, to be loaded by another way. Nothing is taken away.

    Queues hold series as the mapping made them, and external_labels are added to what leaves: only with the same ones
    are exported samples the same series, so say --config or --label if the receiver has any. --format json writes them
    as the queue has them.

    \b
    Examples:
      timepoint outbox export /data --receiver central --config energy.yaml > lost.om
      promtool tsdb create-blocks-from openmetrics lost.om blocks
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped
    from timepoint.doctor.outbox import opened
    from timepoint.remote_write.letters import Choice

    if pending and reason:
        raise click.UsageError("what waits has no reason yet: leave --reason or --pending out")
    _check_reason(reason)
    if format_ == "json" and (config is not None or labels):
        raise click.UsageError("--format json tells what the queue has: leave --config and --label out")
    added = {**_external_labels(config, receiver), **dict(labels)}
    with told_plainly(), opened(data_dir) as queues:
        for line in _exported(queues, Choice(receiver, reason), format_, added, pending=pending):
            output.write(line)


def _check_reason(reason: str) -> None:
    from timepoint.remote_write.letters import MEANINGS

    if reason and reason not in MEANINGS:
        raise click.UsageError(f"there is no reason {reason!r}; the reasons are {', '.join(MEANINGS)}")


def _external_labels(config: Path | None, receiver: str) -> Mapping[str, str]:
    if config is None:
        return {}
    known = {spec.name: spec.external_labels for spec in load(config).receivers}
    if receiver not in known:
        raise click.UsageError(f"there is no receiver {receiver!r} in {config}; there is {', '.join(known) or 'none'}")
    return known[receiver]


def _dead(queues: Queues, receiver: str, reason: str = "") -> Iterator[dict[str, Any]]:
    from timepoint.doctor.outbox import letter_json, letters
    from timepoint.remote_write.letters import Choice

    return map(letter_json, letters(queues, Choice(receiver, reason)))


def _waiting(queues: Queues, receiver: str) -> Iterator[dict[str, Any]]:
    from timepoint.doctor.outbox import sample_json, waiting

    return map(sample_json, waiting(queues, receiver))


def _late_amounts(queues: Queues, receiver: str) -> Iterator[dict[str, Any]]:
    from timepoint.doctor.outbox import late_amounts, late_json

    return map(late_json, late_amounts(queues, receiver))


def _exported(
    queues: Queues, choice: Choice, format_: str, added: Mapping[str, str], *, pending: bool
) -> Iterator[str]:
    from timepoint.doctor.outbox import json_lines, letters, openmetrics, waiting

    name = choice.receiver
    if format_ == "json":
        entries = _waiting(queues, name) if pending else _dead(queues, name, choice.reason)
        yield from (json.dumps(entry) + "\n" for entry in entries)
        return
    rows = waiting(queues, name) if pending else (letter.row for letter in letters(queues, choice))
    yield from (openmetrics if format_ == "openmetrics" else json_lines)(rows, added)


def _explain_letter(data_dir: Path, receiver: str, number: int, format_: str) -> None:
    from timepoint.doctor.outbox import letter_json, letters, opened
    from timepoint.remote_write.letters import MEANINGS, Choice

    with opened(data_dir) as queues:
        letter = next(letters(queues, Choice(receiver, numbers=(number,))), None)
    if letter is None:
        raise click.UsageError(f"{receiver} has no dead letter {number}: see timepoint outbox list --dead")
    entry = letter_json(letter)
    meaning = MEANINGS.get(letter.reason)
    if format_ == "json":
        click.echo(json.dumps({**entry, **(meaning._asdict() if meaning else {})}, indent=2))
        return
    click.echo(f"{entry['series']} {entry['value']} at {entry['time']}, given up at {entry['given_up']}")
    click.echo(f"  reason: {letter.reason}" + (f": {meaning.why}" if meaning else ""))
    if letter.status is not None:
        click.echo(f"  the receiver answered {letter.status}: {letter.text}")
    if meaning:
        click.echo(f"  what to do: {meaning.do}")


def _print(reports: list[QueueReport], format_: str) -> None:
    if format_ == "json":
        click.echo(json.dumps([report.as_json() for report in reports], indent=2))
        return
    if not reports:
        click.echo("no receiver has a queue here")
    for report in reports:
        click.echo(_summary(report))


def _summary(report: QueueReport) -> str:
    counts = report.counts
    waits = f"{counts.pending} waiting"
    if counts.oldest is not None:
        age = max(0, SystemClock().now() - counts.oldest) // 1000 * 1000
        waits += f", the oldest of {format_instant(counts.oldest)} ({format_duration(age)} old)"
    parked = f", {counts.parked} of them parked" if counts.parked else ""
    reasons = ", ".join(f"{reason} {count}" for reason, count in report.reasons.items())
    dead = f"{counts.dead} dead" + (f" ({reasons})" if reasons else "")
    amounts = "late amount" if counts.late_amounts == 1 else "late amounts"
    late = f"; {counts.late_amounts} {amounts}, which later totals have" if counts.late_amounts else ""
    done = f"; {counts.dismissed} dismissed" if counts.dismissed else ""
    state = f"; {report.sender['state']}" if report.sender else "; no exporter runs"
    return f"{report.name}: {waits}{parked}; {counts.acknowledged} sent; {dead}{late}{done}{state}"


def _explained(report: QueueReport) -> Iterator[str]:
    from timepoint.remote_write.letters import MEANINGS

    yield _summary(report)
    sender = report.sender
    if sender is not None:
        why = f": {sender['why']}" if sender["why"] else ""
        yield f"  {sender['state']} since {format_instant(sender['since'])}{why}"
        yield from (f"  {warning}" for warning in sender["warnings"])
        yield f"  sent to {sender['url']}, version {sender['version'] or 'not known yet'} of remote write"
    for reason, count in report.reasons.items():
        meaning = MEANINGS.get(reason)
        yield f"  {reason} {count}: {meaning.why}" if meaning else f"  {reason} {count}"
        if meaning:
            yield f"    {meaning.do}"
    lost = report.counts.dead - report.counts.letters
    if lost > 0:
        yield f"  of {lost} of the dead only the number is kept"


def _row(receiver: str, entry: dict[str, Any]) -> str:
    why = f"  {entry['reason']}" if "reason" in entry else ""
    status = f" {entry['status']}" if entry.get("status") is not None else ""
    said = f": {entry['said']}" if entry.get("said") else ""
    return f"{receiver}  {entry['number']}  {entry['time']}  {entry['series']} {entry['value']}{why}{status}{said}"
