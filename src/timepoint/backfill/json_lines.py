"""A day as JSON lines, for ``/api/v1/import`` of VictoriaMetrics.

Owns: the shape of a line. Must not know: where samples come from, what else may be written.

Source: VictoriaMetrics, "How to import data in JSON line format": a line is a series,
``{"metric": {...}, "values": [...], "timestamps": [...]}``, with timestamps in milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import BinaryIO

import msgspec

from timepoint.backfill.labelling import with_labels
from timepoint.backfill.openmetrics import PART
from timepoint.backfill.spool import Column, Day, joined
from timepoint.model import FamilySpec, split_series_text

SUFFIX = ".jsonl"

_encode = msgspec.json.Encoder().encode


def write_day(file: BinaryIO, day: Day, families: Mapping[str, FamilySpec], added: Mapping[str, str]) -> None:
    """Writes all samples of a day. Raises StoreError, OSError."""
    for name, count in sorted(day.families().items()):
        parts = -(-count // PART)
        for part in range(parts):
            for text, columns in day.read(name, part, parts).items():
                line = _line(families[name].name, with_labels(text, added), joined(columns))
                if line:
                    file.write(line + b"\n")


def _line(name: str, text: str, column: Column) -> bytes:
    """A series; empty if it has no value that a number can say: the import knows neither NaN nor infinity."""
    ends, values = column
    if not all(map(isfinite, values)):
        good = [i for i, value in enumerate(values) if isfinite(value)]
        ends, values = tuple(ends[i] for i in good), type(values)("d", [values[i] for i in good])
    if not ends:
        return b""
    suffix, labels = split_series_text(text)
    return _encode({"metric": {"__name__": name + suffix, **labels}, "values": values.tolist(), "timestamps": ends})
