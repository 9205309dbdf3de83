"""Named states for the golden files, and random states for the property tests."""

from __future__ import annotations

import math
from collections.abc import Mapping

from hypothesis import strategies as st

from tests.exposition.canonical import bound_text
from timepoint.exposition.family import FamilySnapshot, SampleBatch
from timepoint.model import FamilySpec, MetricType, series_text


def family(name: str, kind: str, help_text: str, samples: Mapping[str, float], unit: str = "") -> FamilySnapshot:
    """A family with one batch that is always visible."""
    spec = FamilySpec(name, MetricType(kind), help_text, unit)
    return FamilySnapshot(spec, [SampleBatch(list(samples), list(samples.values()))])


def _pod(app: str, name: str) -> str:
    return series_text({"cluster": "cluster-a", "app": app, "namespace": "shop", "pod_name": name})


NASTY = 'back\\slash "quote" line\nfeed tab\t ümlaut 点 🔋 {a="b",} # EOF'

GOLDEN = {
    "pod_energy": [
        family(
            "pod_energy_joules_total",
            "counter",
            "Energy consumed by the pod (polled every 30m from energy, delayed 10m)",
            {_pod("checkout", "cart-7d9f"): 138600.0, _pod("checkout", "cart-8aa1"): 0.0},
            "joules",
        ),
        family(
            "pod_power_watts",
            "gauge",
            "Mean power of the pod.",
            {_pod("checkout", "cart-7d9f"): 154.0, _pod("checkout", "cart-8aa1"): 1.5e-7},
            "watts",
        ),
    ],
    "all_types": [
        family("z_gauge_celsius", "gauge", "A gauge.", {"": -3.25}, "celsius"),
        family("counted_bytes_total", "counter", "A counter.", {'{a="1"}': 1e15, '{a="2"}': 1e16}, "bytes"),
        family(
            "latency_seconds",
            "histogram",
            "A histogram.",
            {
                '_sum{app="b"}': 1.5,
                '_bucket{app="a",le="+Inf"}': 3,
                '_bucket{app="a",le="10.0"}': 2,
                '_bucket{app="b",le="+Inf"}': 1,
                '_bucket{app="a",le="2.5"}': 1,
                '_count{app="a"}': 3,
                '_sum{app="a"}': 21.5,
                '_count{app="b"}': 1,
            },
            "seconds",
        ),
        family(
            "size_bytes",
            "summary",
            "A summary.",
            {"_sum": 12, "_count": 4, '{quantile="0.99"}': 9, '{quantile="0.5"}': 2},
            "bytes",
        ),
        family("build_info", "info", "An info.", {'{version="1.2.3"}': 1}),
        family("mode", "stateset", "A stateset.", {'{mode="off"}': 0, '{mode="on"}': 1}),
        family("strange", "unknown", "Of no known type.", {"": 7}),
        family("without_help", "gauge", "", {"": 1}),
    ],
    "escapes": [family("escapes", "gauge", NASTY, {series_text({"text": NASTY, "plain": "x"}): 1, "": 2})],
    "numbers": [
        family(
            "number",
            "gauge",
            "Each spelling of a number.",
            {
                series_text({"case": name}): value
                for name, value in {
                    "zero": 0.0,
                    "minus_zero": -0.0,
                    "one": 1.0,
                    "third": 1 / 3,
                    "integer": 9007199254740993,
                    "1e15": 1e15,
                    "1e16": 1e16,
                    "1e22": 1e22,
                    "1e-5": 1e-5,
                    "smallest": 5e-324,
                    "largest": 1.7976931348623157e308,
                    "inf": math.inf,
                    "minus_inf": -math.inf,
                    "nan": math.nan,
                }.items()
            },
        )
    ],
    "empty": [],
    "family_without_samples": [
        family("nothing", "gauge", "Matched nothing.", {}),
        family("one", "gauge", "x", {"": 1}),
    ],
}

# Surrogates have no UTF-8 form; the readers used as oracles strip blanks at the ends of a help.
_values = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_labels = st.dictionaries(st.sampled_from(["a", "b_2", "Zone", "pod_name"]), _values, max_size=3)
_helps = _values.map(lambda text: " ".join(text.split()))
_any_float = st.floats() | st.sampled_from([-0.0, 5e-324, 2.2250738585072014e-308, 1e16, 1e22, 1e-7, 123456789.0])
_amount = st.floats(min_value=0, allow_nan=False, allow_infinity=False)


@st.composite
def _one_family(draw: st.DrawFn, name: str) -> FamilySnapshot:
    kind = draw(st.sampled_from(list(MetricType)))
    sets = draw(st.lists(_labels, max_size=4))
    unique = list({series_text(labels): labels for labels in sets}.values())
    samples = {
        MetricType.HISTOGRAM: _histogram,
        MetricType.SUMMARY: _summary,
        MetricType.STATESET: _stateset,
    }.get(kind, _plain)(draw, name, kind, unique)
    shuffled = draw(st.permutations(list(samples.items())))
    suffix = {MetricType.COUNTER: "_seconds_total", MetricType.INFO: "_info"}.get(kind, "_seconds")
    unit = "" if kind in (MetricType.INFO, MetricType.STATESET) else draw(st.sampled_from(["", "seconds"]))
    full_name = name + (suffix if kind is not MetricType.STATESET else "")
    return family(full_name, kind.value, draw(_helps), dict(shuffled), unit)


def _plain(draw: st.DrawFn, _name: str, kind: MetricType, sets: list[dict[str, str]]) -> dict[str, float]:
    values = {MetricType.COUNTER: _amount, MetricType.INFO: st.just(1.0)}.get(kind, _any_float)
    return {series_text(labels): draw(values) for labels in sets}


def _histogram(draw: st.DrawFn, _name: str, _kind: MetricType, sets: list[dict[str, str]]) -> dict[str, float]:
    samples: dict[str, float] = {}
    for labels in sets:
        bounds = sorted(draw(st.sets(st.floats(min_value=0, allow_nan=False, allow_infinity=False), max_size=3)))
        count = 0
        for bound in [*bounds, math.inf]:
            count += draw(st.integers(0, 1000))
            samples[series_text({**labels, "le": bound_text(bound)}, "_bucket")] = count
        samples[series_text(labels, "_count")] = count
        samples[series_text(labels, "_sum")] = draw(_amount)
    return samples


def _summary(draw: st.DrawFn, _name: str, _kind: MetricType, sets: list[dict[str, str]]) -> dict[str, float]:
    samples: dict[str, float] = {}
    for labels in sets:
        for quantile in draw(st.sets(st.floats(min_value=0, max_value=1), max_size=3)):
            samples[series_text({**labels, "quantile": bound_text(quantile)})] = draw(_amount)
        samples[series_text(labels, "_count")] = draw(st.integers(0, 1000))
        samples[series_text(labels, "_sum")] = draw(_amount)
    return samples


def _stateset(draw: st.DrawFn, name: str, _kind: MetricType, sets: list[dict[str, str]]) -> dict[str, float]:
    return {
        series_text({**labels, name: state}): draw(st.sampled_from([0.0, 1.0]))
        for labels in sets
        for state in ("off", "on")
    }


@st.composite
def states(draw: st.DrawFn, prefix: str = "m") -> list[FamilySnapshot]:
    """A few families of any type, each with samples in any order."""
    return [draw(_one_family(f"{prefix}{number}")) for number in range(draw(st.integers(0, 4)))]
