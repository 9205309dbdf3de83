"""Mappings for tests, written as in a config file, and the shortest way to run them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
import yaml

from timepoint.mapping.engine import Mapping, RunContext, compile_mapping
from timepoint.mapping.spec import (
    ExpectSpec,
    LookupSpec,
    MappingSpec,
    MetricMapping,
    RelabelRule,
    Rules,
    SpecError,
    TimeSpec,
    UnitSpec,
    WalkSpec,
)
from timepoint.model import FamilySpec, MappedRun, MetricSpec, MetricType, Temporality, Window

START = 1_699_999_800_000  # 2023-11-14T22:10:00Z
STEP = 300_000
WINDOW = Window(START, START + 3 * STEP)
FIRE_TIME = WINDOW.end + 600_000

_SUMMED = (MetricType.COUNTER, MetricType.HISTOGRAM, MetricType.SUMMARY)


def spec_of(text: str) -> MappingSpec:
    """The mapping that a YAML text says; a metric without a type is a gauge, a counter counts deltas."""
    job = yaml.safe_load(text)
    rows = {
        name: WalkSpec(walk["path"], _columns(walk["columns"])) if isinstance(walk, dict) else WalkSpec(walk)
        for name, walk in job.get("rows", {}).items()
    }
    expect: dict[str, Any] = {
        key: tuple(paths) if isinstance(paths, list) else paths for key, paths in job.get("expect", {}).items()
    }
    metrics = tuple(_metric(name, entry) for name, entry in job["metrics"].items())
    lookups = {name: _lookup(**entry) for name, entry in job.get("lookups", {}).items()}
    return MappingSpec(rows, metrics, _rules(job), ExpectSpec(**expect), lookups=lookups)


def mapping_of(text: str) -> Mapping:
    """The compiled mapping of a YAML text."""
    return compile_mapping(spec_of(text))


def problems_of(text: str) -> dict[str, str]:
    """What the compiler says of a YAML text: dotted place -> sentence."""
    with pytest.raises(SpecError) as caught:
        mapping_of(text)
    return {".".join(map(str, problem.where)): problem.message for problem in caught.value.problems}


def run(mapping: Mapping | str, *documents: Any, window: Window = WINDOW, **labels: str) -> MappedRun:
    """One run over documents: bytes are a body, all else is a document."""
    compiled = mapping_of(mapping) if isinstance(mapping, str) else mapping
    run_ = compiled.start(RunContext(window, FIRE_TIME, labels))
    for document in documents:
        run_.add(msgspec.Raw(document) if isinstance(document, bytes) else document)
    return run_.finish()


def run_both(mapping: Mapping | str, document: Any, window: Window = WINDOW) -> MappedRun:
    """One run over a document as a value and as a body, which must come to the same."""
    compiled = mapping_of(mapping) if isinstance(mapping, str) else mapping
    as_value = run(compiled, document, window=window)
    as_body = run(compiled, json.dumps(document).encode(), window=window)
    assert points(as_value) == points(as_body)
    assert as_value.rejects.counts == as_body.rejects.counts
    return as_body


def points(mapped: MappedRun) -> dict[str, list[tuple[int, int, float]]]:
    """Sample name with labels -> (start, end, value) in ascending order."""
    return {
        name + text: list(zip(found.times.starts, found.times.ends, found.values, strict=True))
        for name, series in mapped.series.items()
        for text, found in series.items()
    }


def values(mapped: MappedRun) -> dict[str, list[float]]:
    """Sample name with labels -> values in ascending order of time."""
    return {text: [value for _, _, value in found] for text, found in points(mapped).items()}


def _lookup(path: str, key: Any, equals: Any, unmatched: Any = "reject") -> LookupSpec:
    keys, values = (tuple(said) if isinstance(said, list) else (said,) for said in (key, equals))
    return LookupSpec(path, keys, values, unmatched)


def _columns(columns: Any) -> Any:
    return tuple(columns) if isinstance(columns, list) else columns


def _metric(name: str, entry: dict[str, Any]) -> MetricMapping:
    kind = MetricType(entry.pop("type", "gauge"))
    temporality = Temporality(entry.pop("temporality", "delta")) if kind in _SUMMED else None
    own = _rules(entry)
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    fields["value_map"] = fields.pop("map", {})
    fields.setdefault("value", None)
    return MetricMapping(MetricSpec(FamilySpec(name, kind, "help"), temporality), own=own, **fields)


def _time(entry: str | list[str] | dict[str, Any]) -> TimeSpec:
    said: dict[str, Any] = dict(entry) if isinstance(entry, dict) else {"at": entry}
    said.update({key: tuple(value) for key, value in said.items() if isinstance(value, list)})
    return TimeSpec(**said)


def _rules(entry: dict[str, Any]) -> Rules:
    time = entry.pop("time", None)
    relabel = [
        RelabelRule(**{**rule, "source_labels": tuple(rule.get("source_labels", ()))})
        for rule in entry.pop("relabel", ())
    ]
    unit = entry.pop("unit", None)
    missing = entry.pop("missing", None)
    return Rules(
        labels=entry.pop("labels", {}),
        time=_time(time) if time else None,
        relabel=tuple(relabel),
        missing=None if missing is None else tuple(missing),
        unit=None if unit is None else UnitSpec(unit["from"], unit["to"]),
        combine=entry.pop("combine", None),
    )


PODS = """
rows: {pod: "$.{cluster}.{app}.{namespace}[*]"}
metrics:
  pod_energy_joules_total:
    type: counter
    value: $pod.energy_consumed
    time: {start: "{window.start}", step: 5m}
    unit: {from: Wh, to: joules}
    labels: {pod_name: $pod.name}
"""
CART = '{app="checkout",cluster="cluster-a",namespace="shop",pod_name="cart"}'


def pods(*energies: Any) -> Any:
    """A document of the pod-energy API: one pod for each list of energies."""
    names = ["cart", "till", "stock"]
    rows = [{"name": name, "energy_consumed": energy} for name, energy in zip(names, energies, strict=False)]
    return {"cluster-a": {"checkout": {"shop": rows}}}


def gauge(entry: str, job: str = "") -> str:
    """A mapping of the elements of an array to one gauge."""
    return f'{{rows: {{v: "$[*]"}}, metrics: {{x: {{{entry}}}}}{", " + job if job else ""}}}'
