"""Selectors, texts and durations as PromQL wants them.

Owns: quoting, and the writing of durations. Must not know: which metrics there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from timepoint.clock import DAY, HOUR, MINUTE, SECOND, format_duration

T = TypeVar("T")

_UNITS = (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", 1))


def quoted(text: str) -> str:
    """A PromQL string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def one_of(values: Sequence[str]) -> str:
    """The operator and the value of a matcher for these values: ``="a"`` or ``=~"a|b"``."""
    if len(values) == 1:
        return f"={quoted(values[0])}"
    return f"=~{quoted('|'.join(map(_literal, values)))}"


def _literal(text: str) -> str:
    """A text as a regular expression (RE2) for itself."""
    return re.sub(r"([.+*?()\[\]{}|^$\\])", r"\\\1", text)


def selector(metric: str, *matchers: str) -> str:
    """A metric with its matchers, those left out that are empty."""
    inner = ",".join(matcher for matcher in matchers if matcher)
    return f"{metric}{{{inner}}}" if inner else metric


def single_unit(milliseconds: int) -> str:
    """A duration in one unit, ``90m`` and not ``1h30m``: the only form that Grafana reads."""
    for unit, length in _UNITS:
        if milliseconds % length == 0 and milliseconds >= length:
            return f"{milliseconds // length}{unit}"
    return "0s"


def duration(milliseconds: int) -> str:
    """A duration for PromQL and rule files."""
    return format_duration(milliseconds)


def by_value(things: Iterable[T], value: Callable[[T], int]) -> list[tuple[int, list[T]]]:
    """Things that share a value, together, in the order of the values."""
    groups: dict[int, list[T]] = {}
    for thing in things:
        groups.setdefault(value(thing), []).append(thing)
    return sorted(groups.items(), key=lambda group: group[0])
