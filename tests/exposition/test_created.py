"""When totals began: `_created`, in OpenMetrics alone and only where it is asked for."""

from __future__ import annotations

from math import nan
from pathlib import Path

import pytest

from tests.exposition.oracle import parse_openmetrics, parse_text, samples_of
from timepoint.exposition.family import FamilySnapshot, JobSnapshot, SampleBatch
from timepoint.exposition.formats import OPENMETRICS, TEXT
from timepoint.exposition.page import Pages
from timepoint.exposition.publish import publish, read_published, snapshot_path
from timepoint.exposition.render import render_families
from timepoint.model import FamilySpec, MetricType

COUNTER = FamilySpec("x_joules_total", MetricType.COUNTER, "Energy.", "joules")
HISTOGRAM = FamilySpec("y_seconds", MetricType.HISTOGRAM, "Times.", "seconds")
BATCH = SampleBatch(['{a="1"}', '{a="_created{"}'], [5.0, 7.0], created=[1700000000.125, 1700000001.0])
PARTS = SampleBatch(
    ['_sum{a="1"}', '_bucket{a="1",le="+Inf"}', '_count{a="1"}', '_bucket{a="1",le="0.5"}'],
    [1.5, 3.0, 3.0, 1.0],
    created=[1700000002.0, nan, nan, nan],
)
FAMILIES = [FamilySnapshot(COUNTER, [BATCH]), FamilySnapshot(HISTOGRAM, [PARTS])]


def pages(directory: Path, **jobs: list[FamilySnapshot]) -> Pages:
    """The pages of these jobs, over their files."""
    for name, families in jobs.items():
        publish(directory, JobSnapshot(name, families, 1, 0))
    return Pages([read_published(snapshot_path(directory, name)) for name in jobs])


def test_the_line_stands_behind_its_total() -> None:
    """The lines of one metric stand together, as OpenMetrics asks for, and numbers keep their milliseconds."""
    assert render_families(FAMILIES, OPENMETRICS).decode().splitlines() == [
        "# TYPE x_joules counter",
        "# UNIT x_joules joules",
        "# HELP x_joules Energy.",
        'x_joules_total{a="1"} 5.0',
        'x_joules_created{a="1"} 1700000000.125',
        'x_joules_total{a="_created{"} 7.0',
        'x_joules_created{a="_created{"} 1700000001.0',
        "# TYPE y_seconds histogram",
        "# UNIT y_seconds seconds",
        "# HELP y_seconds Times.",
        'y_seconds_bucket{a="1",le="0.5"} 1.0',
        'y_seconds_bucket{a="1",le="+Inf"} 3.0',
        'y_seconds_count{a="1"} 3.0',
        'y_seconds_sum{a="1"} 1.5',
        'y_seconds_created{a="1"} 1700000002.0',
        "# EOF",
    ]


def test_another_parser_takes_the_lines_for_what_they_are() -> None:
    """They belong to the family, and to no other."""
    families = parse_openmetrics(render_families(FAMILIES, OPENMETRICS))
    assert [family.name for family in families] == ["x_joules", "y_seconds"]
    assert [s.name for f in families for s in f.samples if s.name.endswith("_created")] == [
        "x_joules_created",
        "x_joules_created",
        "y_seconds_created",
    ]


def test_the_text_format_has_none() -> None:
    """There they would be samples without a type."""
    page = render_families(FAMILIES, TEXT)
    assert b"_created" not in page.replace(b'"_created{"', b"")
    assert len(samples_of(parse_text(page))) == 6


@pytest.mark.parametrize("chosen", [TEXT, OPENMETRICS])
def test_a_published_page_is_the_rendered_one(tmp_path: Path, chosen: object) -> None:
    """Both formats come out of the file as they would be rendered."""
    page = pages(tmp_path, j=FAMILIES).page(chosen, gzip=False, now=0)  # type: ignore[arg-type]  # a format
    assert b"".join(map(bytes, page.parts)) == render_families(FAMILIES, chosen)  # type: ignore[arg-type]  # a format


def test_a_line_leaves_with_the_total_that_another_job_shows(tmp_path: Path) -> None:
    """Of two jobs that show one series the later one's lines go, with and without when it began."""
    plain = SampleBatch(['{a="1"}'], [3.0])
    made = pages(tmp_path, a=[FamilySnapshot(COUNTER, [plain])], b=FAMILIES)
    page = b"".join(map(bytes, made.page(OPENMETRICS, gzip=False, now=0).parts)).decode()
    assert [line for line in page.splitlines() if line.startswith("x_")] == [
        'x_joules_total{a="1"} 3.0',
        'x_joules_total{a="_created{"} 7.0',
        'x_joules_created{a="_created{"} 1700000001.0',
    ]
    assert [problem.split(" of ")[0] for problem in made.problems] == ["1 series"]
    parse_openmetrics(page.encode())


def test_a_job_may_show_only_what_another_shows(tmp_path: Path) -> None:
    """Nothing of it is left then, and the page is valid."""
    made = pages(tmp_path, a=FAMILIES, b=FAMILIES)
    for chosen in (TEXT, OPENMETRICS):
        page = b"".join(map(bytes, made.page(chosen, gzip=False, now=0).parts))
        assert page == render_families(FAMILIES, chosen)
    assert len(made.problems) == 2
