"""The plans of one metric in one run.

Owns: that a plan is made once for each pair of grids, and what is said once per plan of all its series. Must not know:
what becomes of values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from timepoint.ledger.holders import Spent, unspent
from timepoint.ledger.interval_plan import Memory, Plan
from timepoint.ledger.lane_run import MetricRun
from timepoint.ledger.state import SeriesState
from timepoint.model import Times

Planner = Callable[[Times, Times, Sequence[int], Memory], Plan]


class Chooser(Protocol):
    """Says which points of a grid may be used, by their indices, for a series that was counted for ``known``."""

    def __call__(self, times: Times, known: Times, *, timed: bool) -> Sequence[int]: ...


class Plans:
    """The plans of one metric in one run, made when first needed."""

    __slots__ = ("_by_grids", "_choose", "_metric", "_planner")

    def __init__(self, metric: MetricRun, planner: Planner, choose: Chooser) -> None:
        self._metric = metric
        self._choose = choose
        self._planner = planner
        self._by_grids: dict[tuple[Times, Times, bool, tuple[Spent, ...]], Plan] = {}

    def get(self, state: SeriesState, offered: Times, text: str) -> Plan:
        spent = self._metric.spent(text) if self._metric.others else ()
        key = (state.times, offered, not state.id, spent)
        plan = self._by_grids.get(key)
        if plan is None:
            lane = self._metric.lane
            usable = self._choose(offered, state.times, timed=self._metric.spec.timed)
            rest = lane.reach.rest(offered, usable)
            left = unspent(offered, usable, state.times, spent) if spent else usable
            plan = self._planner(state.times, offered, left, lane.memory if state.id else lane.new_memory)
            plan.spent = len(usable) - len(left)
            plan.unused = rest.unused
            plan.refused.extend(("outside_window", i) for i in rest.outside)
            plan.kept = lane.intern(plan.kept)
            plan.offered = offered
            plan.example = text
            self._by_grids[key] = plan
        return plan

    def sum_up(self) -> None:
        """Says once per plan what happened to all its series."""
        counts = self._metric.changes.counts
        for plan in self._by_grids.values():
            if plan.series:
                self._metric.saw(plan.newest)
            counts.new += plan.series * len(plan.fresh)
            counts.late += plan.series * plan.late
            passed = plan.series + plan.passed
            counts.seen += plan.series * len(plan.seen) + passed * plan.spent
            counts.stale += plan.series * plan.stale
            counts.unused += passed * plan.unused
            for reason, index, number in plan.refusals():
                self._metric.refuse(reason, plan.example, plan.offered, index, number * passed)
