"""The answer keys of the recorded bodies: a parser of their own notation, which shares no code with the product.

    name{label="v",...} @TIME: value [value ...]     # remark

TIME is ``T`` (an instant), ``S..E`` (an interval), ``T/STEP`` (instants), ``S//STEP`` (adjoining intervals) or ``poll``
(the time of the request). ``_`` is a slot without a sample.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

POLL = "poll"
Interval = tuple[datetime, datetime] | str

_HEADING = re.compile(r"### (\d+)\. (\S+)")
_LINE = re.compile(r"(?P<name>\w+)\{(?P<labels>.*)\} @(?P<time>\S+): (?P<values>[^#]*)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_STEP = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")


@dataclass(frozen=True)
class Series:
    """One series of a key: its name, its labels and its values by interval, None for a slot without a sample."""

    name: str
    labels: dict[str, str]
    values: dict[Interval, float | None]


def read_keys(readme: Path) -> dict[int, list[Series]]:
    """The keys by the number of their body; bodies that share a key (one follows the other) have the same."""
    keys: dict[int, list[Series]] = {}
    numbers: list[int] = []
    lines: list[str] | None = None
    for line in readme.read_text("utf-8").splitlines():
        heading = _HEADING.match(line)
        if heading:
            numbers = [*numbers, int(heading[1])] if numbers and numbers[-1] not in keys else [int(heading[1])]
        elif line == "```key":
            lines = []
        elif line == "```" and lines is not None:
            keys |= dict.fromkeys(numbers, _merge([_series(text) for text in lines]))
            lines = None
        elif lines is not None and line:
            lines.append(line)
    return keys


def _merge(series: list[Series]) -> list[Series]:
    """Lines of one series are one series."""
    merged: dict[tuple[str, str], Series] = {}
    for one in series:
        first = merged.setdefault((one.name, str(sorted(one.labels.items()))), one)
        first.values.update(one.values)
    return list(merged.values())


def _series(line: str) -> Series:
    match = _LINE.fullmatch(line.split("   #", maxsplit=1)[0].rstrip())
    assert match, f"not a line of a key: {line}"
    texts = match["values"].split()
    intervals = _intervals(match["time"], len(texts))
    values = [None if text == "_" else float(text) for text in texts]
    labels = {name: value for name, value in _LABEL.findall(match["labels"]) if value}
    return Series(match["name"], labels, dict(zip(intervals, values, strict=True)))


def _intervals(text: str, count: int) -> list[Interval]:
    if text == POLL:
        return [POLL]
    if ".." in text:
        start, end = text.split("..")
        return [(_stamp(start), _stamp(end))]
    start, _, rest = text.partition("/")
    if not rest:
        return [(_stamp(start), _stamp(start))]
    step = _step(rest.lstrip("/"))
    length = step if rest.startswith("/") else timedelta()
    return [(_stamp(start) + i * step, _stamp(start) + i * step + length) for i in range(count)]


def _stamp(text: str) -> datetime:
    assert text.endswith("Z"), text
    return datetime.fromisoformat(text)


def _step(text: str) -> timedelta:
    match = _STEP.fullmatch(text)
    assert match, text
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def milliseconds(moment: datetime) -> int:
    """The instant as the product counts it."""
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))
