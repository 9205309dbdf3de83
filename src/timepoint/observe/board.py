"""The words of a dashboard.

Owns: value objects for rows, panels, queries and variables, in which a dashboard is thought out. Must not know:
Grafana's JSON, metrics.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """How a panel shows its data, in Grafana's word."""

    TIMESERIES = "timeseries"
    STAT = "stat"
    BARS = "bargauge"
    TABLE = "table"
    HEATMAP = "heatmap"
    TIMELINE = "state-timeline"


@dataclass(frozen=True, slots=True)
class Query:
    """One expression. ``is_instant``: asked for at the end of the time range alone. "" as legend shows the labels."""

    expr: str
    legend: str = ""
    is_instant: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """A value that means something: its word and its colour."""

    value: int
    word: str
    color: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. ``min_step`` in milliseconds is the least distance of its points, 0 for what Grafana thinks.

    ``width`` in the 24 columns of Grafana. ``states`` are the words of values, ``alarms`` pairs of a least value and
    its colour.
    """

    title: str
    description: str
    kind: Kind
    queries: tuple[Query, ...]
    unit: str = "short"
    width: int = 12
    height: int = 8
    min_step: int = 0
    is_stacked: bool = False
    is_from_zero: bool = False
    states: tuple[State, ...] = ()
    alarms: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A titled row of panels."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """What is chosen at the top: from a ``query`` to Prometheus, or one of the ``choices``.

    ``is_multi``: several may be chosen. One from a query begins with all: all that the query finds, or, if
    ``all_is_any``, whatever there is, series without the label too.
    """

    name: str
    label: str
    description: str
    query: str = ""
    choices: tuple[str, ...] = ()
    is_multi: bool = False
    all_is_any: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    """A whole dashboard. ``begins`` is how far back it looks, ``refresh`` how often it asks, as Grafana writes it."""

    title: str
    uid: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = field(default=())
    begins: str = "now-6h"
    refresh: str = "1m"

    def panels(self) -> Iterator[Panel]:
        """Every panel, in the order of the page."""
        for row in self.rows:
            yield from row.panels
