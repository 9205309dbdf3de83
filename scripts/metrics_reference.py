"""Writes docs/reference/metrics.md from the declarations in the code: ``python scripts/metrics_reference.py``.

Owns: the layout of that page. Must not know: where the values come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from timepoint.model import FamilySpec, split_series_text
from timepoint.poller.selfmetrics import ALL
from timepoint.server.live import EVERYTHING, live_families
from timepoint.server.process import ProcessFacts, read_python

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "metrics.md"

_INTRODUCTION = """\
# The exporter's own metrics

This page is written by `scripts/metrics_reference.py` from the declarations in the code; a test compares the two.

Beside the metrics of your jobs, `/metrics` shows how the exporter itself is doing. No job can use these names. Scrapes
are not counted: Prometheus does that. Ages are left to PromQL, for instance
`time() - timepoint_job_data_timestamp_seconds` for the age of the data and
`time() - timepoint_job_last_success_timestamp_seconds` for the time since the last good run.
"""

_POLLER = """\
## Of the poller

Written by the poller every few seconds and after each run. When `timepoint_poller_up` is 0 they stand still, but
`timepoint_job_freshness`: a dead poller's values get late and expire by the server's clock.
"""

_SERVER = """\
## Of the server

True at the moment of the scrape, whatever the poller does.
"""

Row = tuple[FamilySpec, Iterable[str]]


def reference() -> str:
    """The whole page as Markdown."""
    poller: list[Row] = [(metric.spec, metric.labels) for metric in ALL]
    return "\n".join([_INTRODUCTION, _POLLER, *_table(poller), _SERVER, *_table(_live())])


def _live() -> list[Row]:
    process = ProcessFacts(0.0, 0.0, 0, 0, 0, 0)
    families = live_families(EVERYTHING, process, read_python())
    return [(family.spec, split_series_text(family.batches[0].texts[0])[1]) for family in families]


def _table(rows: list[Row]) -> Iterator[str]:
    yield "| metric | type | labels | tells |"
    yield "|---|---|---|---|"
    for spec, labels in sorted(rows, key=lambda row: row[0].name):
        yield f"| `{spec.name}` | {spec.type} | {', '.join(f'`{label}`' for label in labels)} | {spec.help} |"
    yield ""


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
