"""Samples become the bytes of a request. Pure.

Owns: the two messages, the compression, the headers that name them, the bits of a stale marker. Must not know: which
samples may leave, HTTP beyond the names of headers.

Measured (``bench/remote_write.py``, one shared core of an AMD EPYC, requests of 2,000 series with 5 labels): see
``docs/design`` for the figures. Remembering the encoded labels of a series would double the rate, which is fifty times
what is needed, and keep them all in memory.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

from timepoint.model import MetricType
from timepoint.remote_write.messages import messages
from timepoint.remote_write.outbox import Labels, Version
from timepoint.remote_write.slices import Ready

(STALE,) = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))
"""What says that a series has ended: a NaN with these very bits. Source: Remote Write 1.0, "Stale Markers"."""

(_NAN,) = struct.unpack("<d", struct.pack("<Q", 0x7FF8000000000001))  # Go's, so that no other NaN is taken for it
_STALE_BITS = struct.pack("<d", STALE)

# The numbers that 2.0 has for types, in its enum MetricType
_TYPES = {
    MetricType.UNKNOWN: 0,
    MetricType.COUNTER: 1,
    MetricType.GAUGE: 2,
    MetricType.HISTOGRAM: 3,
    MetricType.SUMMARY: 5,
    MetricType.INFO: 6,
    MetricType.STATESET: 7,
}

HEADERS = {
    Version.V1: {
        "Content-Encoding": "snappy",
        "Content-Type": "application/x-protobuf",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    },
    Version.V2: {
        "Content-Encoding": "snappy",
        "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        "X-Prometheus-Remote-Write-Version": "2.0.0",
    },
}
"""What is said of a body. Source: Remote Write 1.0 and 2.0, "Protocol"."""


def is_stale(value: float) -> bool:
    """Whether a value is the stale marker, bit by bit."""
    return struct.pack("<d", value) == _STALE_BITS


def body(rows: Sequence[Ready], version: Version) -> bytes:
    """The compressed request with these samples, in snappy's block format. None at all is a request, too."""
    return compress(request_v1(rows) if version == Version.V1 else request_v2(rows))


def compress(data: bytes) -> bytes:
    """Snappy's block format, without frames. Source: snappy, ``format_description.txt``."""
    from cramjam import snappy

    return bytes(snappy.compress_raw(data))


def request_v1(rows: Sequence[Ready]) -> bytes:
    """``prometheus.WriteRequest``: one time series for each label set, its samples in the order in which they come."""
    request = messages().write_request()
    for labels, samples in _by_series(rows).items():
        series = request.timeseries.add()
        for name, value in labels:
            series.labels.add(name=name, value=value)
        for row in (ready.row for ready in samples):
            series.samples.add(value=_sent(row.value), timestamp=row.at)
    return _bytes(request)


def request_v2(rows: Sequence[Ready]) -> bytes:
    """``io.prometheus.write.v2.Request``: every text once, the first of them empty."""
    request = messages().request_v2()
    symbols: dict[str, int] = {"": 0}
    for labels, samples in _by_series(rows).items():
        series = request.timeseries.add(
            labels_refs=[symbols.setdefault(text, len(symbols)) for label in labels for text in label]
        )
        for row in (ready.row for ready in samples):
            start = row.start if row.start is not None and row.start <= row.at else None
            # 0 means unknown, so the epoch itself is a millisecond beside it.
            series.samples.add(
                value=_sent(row.value), timestamp=row.at, start_timestamp=0 if start is None else start or 1
            )
        about = samples[0].row.series
        series.metadata.type = _TYPES[about.type]
        series.metadata.help_ref = symbols.setdefault(_text(about.help), len(symbols))
        series.metadata.unit_ref = symbols.setdefault(_text(about.unit), len(symbols))
    request.symbols.extend(symbols)
    return _bytes(request)


def _by_series(rows: Sequence[Ready]) -> dict[Labels, list[Ready]]:
    """The samples of each series. What differs in id alone is one series: the labels are what a receiver sees."""
    found: dict[Labels, list[Ready]] = {}
    for ready in rows:
        found.setdefault(ready.labels, []).append(ready)
    return found


def _text(text: str) -> str:
    """A text that protobuf takes: what UTF-8 cannot say is replaced."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _sent(value: float) -> float:
    return _NAN if math.isnan(value) and not is_stale(value) else value


def _bytes(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data
