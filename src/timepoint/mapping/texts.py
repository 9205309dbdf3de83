"""Series texts, remembered from run to run.

Owns: what a row's label cells come to as a series text (R5, R7, R9), and how long that is remembered. Must not know:
documents, values, times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from timepoint.mapping.labels import label_value
from timepoint.mapping.plans import MetricPlan
from timepoint.model import OVERFLOW, Refused, escape_label_value, series_text

Key = tuple[Any, ...]
Pairs = dict[str, dict[Any, str]]  # by label name and raw value: ``pod="a"``
Text = str | bool  # a series text, or False for a row that relabeling drops

_ROTATION = 16  # runs
_SLACK = 1000  # keys
_REMEMBERED = 10_000  # values of one label
_SUM_UP = 4096  # rows


def _nothing() -> None:
    """Nothing is added up."""


def groups_of(plans: list[MetricPlan]) -> list[list[int]]:
    """The places of metrics whose rows and labels, and so series texts, are the same; one list per group.

    Rows with many measures are common. Relabel rules may look at the metric's name, so where there are any, each metric
    is a group of its own.
    """
    groups: dict[Any, list[int]] = {}
    for place, plan in enumerate(plans):
        spread = plan.spread.path.text if plan.spread is not None else None
        labels = tuple((name, cell.path.text) for name, cell in plan.labels)
        constant = tuple(plan.literals.items()), tuple(sorted(plan.taken_away))
        same = plan.walk.name, plan.captures, labels, constant, spread, repr(plan.missing)
        groups.setdefault(place if plan.relabels else same, []).append(place)
    return list(groups.values())


@dataclass(frozen=True, slots=True)
class Admission:
    """How many series texts may be made in a run that nobody knew before: a bound on memory, not the budget itself.

    ``rooms`` is by the name of the metric; ``is_known`` says of a metric's name and a text whether the series exists;
    metrics in ``sums`` take all that is beyond in one series, ``OVERFLOW``.
    """

    rooms: Mapping[str, int]
    is_known: Callable[[str, str], bool]
    sums: frozenset[str] = frozenset()


class TextMemory:
    """The series texts of one metric, or of a group with the same, by what its rows' labels depend on.

    A known row costs one look-up: 0.1 us instead of 1.1 us. Rows come and go, so from time to time (every 16 runs, or
    when most of what is remembered was not used) the memory begins anew and takes over only what is asked for again.
    So do the parts of which texts are made, which only rows need that are new.
    """

    def __init__(self, plans: Sequence[MetricPlan], lane: Mapping[str, str]) -> None:
        self.refused = Refused()
        self._names = [plan.name for plan in plans]
        self._admission: Admission | None = None
        self._room = 0
        self._sum_up: Callable[[], None] = _nothing
        self.texts: dict[Key, Text] = {}
        self._before: dict[Key, Text] = {}
        self._pairs: Pairs = {}
        self._runs = 0
        self._make = _maker(plans[0], lane, self._pairs)

    def begin_run(self, admission: Admission | None, sum_up: Callable[[], None]) -> None:
        """``sum_up`` is called now and then while rows are refused, so that what they add up to stays small."""
        self.refused = Refused()
        self._admission, self._sum_up = admission, sum_up
        self._room = max(admission.rooms[name] for name in self._names) if admission is not None else 0

    @property
    def drops_refused(self) -> bool:
        """Whether refused rows were dropped, and not added up."""
        return self._admission is not None and self._admission.sums.isdisjoint(self._names)

    def make(self, key: Key) -> Text:
        """The text of a key that is not in ``texts`` yet."""
        text = self._before.get(key)
        if text is None:
            text = self._make(key)
        if self._admission is not None and text is not False and not self._admits(self._admission, str(text)):
            return self._refuse(self._admission, str(text))
        self.texts[key] = text
        return text

    def _admits(self, admission: Admission, text: str) -> bool:
        if any(admission.is_known(name, text) for name in self._names):
            return True
        self._room -= 1
        return self._room >= 0

    def _refuse(self, admission: Admission, text: str) -> Text:
        self.refused.add(text)
        if admission.sums.isdisjoint(self._names):
            return False
        if self.refused.count % _SUM_UP == 0:
            self._sum_up()
        return OVERFLOW

    def end_run(self, used: int) -> None:
        """Forgets what is no longer used; ``used`` is about how many keys this run has asked for."""
        self._runs += 1
        if self._runs % _ROTATION == 0 or len(self.texts) > 2 * used + _SLACK:
            self._before, self.texts = self.texts, {}
            for pairs in self._pairs.values():
                pairs.clear()
        elif self._before:
            self._before = {}


def _maker(plan: MetricPlan, lane: Mapping[str, str], pairs: Pairs) -> Callable[[Key], Text]:
    names = [*plan.captures, *(name for name, _ in plan.labels)]
    constants = {**lane, **plan.literals}
    if plan.relabels or plan.spread is not None or not set(names).isdisjoint(constants):
        return _general_maker(plan, lane)
    return _plain_maker(names, constants, plan.label_length, pairs)


def _general_maker(plan: MetricPlan, lane: Mapping[str, str]) -> Callable[[Key], Text]:
    limit = plan.label_length

    def make(key: Key) -> Text:
        labels = dict(lane)
        raw = iter(key)
        for name in plan.captures:
            labels[name] = label_value(str(next(raw)), limit)
        if plan.spread is not None:
            spread = ((name, value) for name, value in next(raw) if name not in plan.taken_away)
            labels.update((name, label_value(value, limit)) for name, value in spread)
        labels.update(plan.literals)
        for name, _ in plan.labels:
            labels[name] = label_value(next(raw), limit)
        labels["__name__"] = plan.name
        kept = plan.relabel({name: value for name, value in labels.items() if value})
        if kept is None:
            return False
        return series_text({name: label_value(value, limit) for name, value in kept.items()})  # rules join texts

    return make


def _plain_maker(names: list[str], constants: Mapping[str, str], limit: int, pairs: Pairs) -> Callable[[Key], Text]:
    """The maker for labels that are known by name: their order is known too, and pairs repeat from row to row.

    What it remembers of them it keeps in ``pairs``, for the caller to clear.
    """
    places = {name: place for place, name in enumerate(names)}
    columns: list[tuple[str, int, dict[Any, str]]] = [
        (name, places.get(name, -1), pairs.setdefault(name, {}))
        for name in sorted([*names, *constants])
        if not name.startswith("__")
    ]
    fixed = {name: _pair(name, value, limit) for name, value in constants.items()}

    def make(key: Key) -> Text:
        shown = []
        for name, place, known in columns:
            if place < 0:
                pair: str | None = fixed[name]
            else:
                raw = key[place]
                pair = known.get(raw)
                if pair is None:
                    pair = _pair(name, raw, limit)
                    if len(known) < _REMEMBERED:
                        known[raw] = pair
            if pair:
                shown.append(pair)
        return f"{{{','.join(shown)}}}" if shown else ""

    return make


def _pair(name: str, raw: Any, limit: int) -> str:
    value = label_value(raw if type(raw) is str else str(raw), limit)
    return f'{name}="{escape_label_value(value)}"' if value else ""
