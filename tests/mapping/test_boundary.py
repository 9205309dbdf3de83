"""Up to when an answer says that it is final: of all that APIs write there, one instant, or an error that shows it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from timepoint.errors import ContentError
from timepoint.mapping.engine import Mapping, RunContext, compile_mapping
from timepoint.mapping.spec import MappingSpec, MetricMapping, SettledSpec, SpecError, WalkSpec
from timepoint.model import NOTHING_SETTLED, FamilySpec, MetricSpec, MetricType, Window

HOUR = 3_600_000
METRIC = MetricMapping(MetricSpec(FamilySpec("x", MetricType.GAUGE, "Help.")), value="$r.v")


def mapping(at: str = "$.until", **more: Any) -> Mapping:
    """A gauge of all rows, with a boundary beside them."""
    spec = MappingSpec({"r": WalkSpec("$.data[*]")}, (METRIC,), settled=SettledSpec(at, **more))
    return compile_mapping(spec)


def settled(mapped: Mapping, *documents: Any) -> float | None:
    """What the documents of one window come to."""
    run = mapped.start(RunContext(Window(0, HOUR), HOUR))
    for document in documents:
        run.add(document)
    return run.finish().settled_until


@pytest.mark.parametrize(
    ("found", "more", "instant"),
    [
        ("1970-01-01T05:00:00Z", {}, 5 * HOUR),
        ("1970-01-01T05:00:00+02:00", {"timezone": "Asia/Tokyo"}, 3 * HOUR),
        ("1970-01-01T05:00", {"timezone": "Europe/Berlin"}, 4 * HOUR),
        ("1970-01-02", {}, 24 * HOUR),
        ("1970-01-02", {"timezone": "+02:00"}, 22 * HOUR),
        (18000, {"format": "unix"}, 5 * HOUR),
        (18000000, {"format": "unix_ms"}, 5 * HOUR),
        ("01.01.1970 05:00", {"format": "%d.%m.%Y %H:%M"}, 5 * HOUR),
        ("2025-10-26T02:30", {"timezone": "Europe/Berlin"}, 1761438600000),  # twice; the earlier is 00:30 in UTC
        (None, {}, NOTHING_SETTLED),
        ("", {}, NOTHING_SETTLED),
    ],
)
def test_a_boundary_is_read_like_any_time(found: Any, more: dict[str, str], instant: float) -> None:
    """Formats and zones are those of `time`; nothing at all means that nothing is final."""
    assert settled(mapping(**more), {"until": found, "data": []}) == instant


@pytest.mark.parametrize("found", ["soon", 5, True, [], {}, "2025-03-30T02:30"])
def test_what_is_no_time_is_an_error_that_shows_it(found: Any) -> None:
    """A local time that clocks leave out is none either."""
    with pytest.raises(ContentError, match=r"\$\.until \(window\.settled_until\) is ") as caught:
        settled(mapping(timezone="Europe/Berlin"), {"until": found, "data": []})
    assert caught.value.reason == "expect"


@pytest.mark.parametrize(
    ("untils", "instant"),
    [([18000, 3600, 7200], HOUR), ([18000, None], NOTHING_SETTLED), ([18000], 5 * HOUR)],
)
def test_the_earliest_of_several_counts(untils: list[Any], instant: float) -> None:
    """In one document and over several; one that says nothing leaves it to the others."""
    zones = [{"until": until} for until in untils]
    compiled = mapping("$.zones[*].until", format="unix")
    assert settled(compiled, {"zones": zones, "data": []}) == instant
    assert settled(compiled, *({"zones": [zone], "data": []} for zone in zones), {"data": []}) == instant


def test_a_boundary_that_is_nowhere_is_an_error() -> None:
    """All documents of the window are looked at first."""
    with pytest.raises(ContentError, match="is nowhere in the answer"):
        settled(mapping(), {"data": []}, {"data": []})


@pytest.mark.parametrize("at", ["$.until", "$.data[0].until", "$.data[?@.last].until"])
@pytest.mark.parametrize("first", [True, False])
def test_a_boundary_is_found_wherever_it_stands(at: str, *, first: bool) -> None:
    """Large bodies are decoded in parts: what stands before, after or among the rows is found all the same."""
    rows = [{"v": n, "until": 18000, "last": n == 99} for n in range(100)]
    beside = {"until": 18000}
    document = {**beside, "data": rows} if first else {"data": rows, **beside}
    assert settled(mapping(at, format="unix"), msgspec.Raw(json.dumps(document).encode())) == 5 * HOUR


def test_mistakes_of_a_boundary_are_told_with_their_keys() -> None:
    """All at once, each at the key of the config where it stands."""
    with pytest.raises(SpecError) as caught:
        mapping("$.{x}", format="seconds", timezone="Berlin", is_mapping=True)
    assert [problem.where[-1] for problem in caught.value.problems] == ["at", "format", "timezone"]
