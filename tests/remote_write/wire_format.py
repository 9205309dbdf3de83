"""A reader of remote write's bodies that shares nothing with the encoder: snappy's block format and protobuf by hand.

Sources: snappy, ``format_description.txt``; protobuf, "Encoding"; Prometheus, ``prompb``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


@dataclass
class WireSample:
    """A sample as it was sent; ``bits`` is its value bit by bit."""

    at: int
    value: float
    bits: int
    start: int = 0


@dataclass
class WireSeries:
    """A time series as it was sent."""

    labels: tuple[tuple[str, str], ...]
    samples: list[WireSample]
    type: int | None = None
    help: str | None = None
    unit: str | None = None


@dataclass
class WireRequest:
    """A request as it was sent."""

    series: list[WireSeries]
    symbols: list[str] = field(default_factory=list)

    @property
    def samples(self) -> list[tuple[tuple[tuple[str, str], ...], int, float]]:
        return [(series.labels, sample.at, sample.value) for series in self.series for sample in series.samples]


def varint(data: bytes, place: int) -> tuple[int, int]:
    """A base-128 number and the place behind it."""
    shift = value = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7


def unsnap(data: bytes) -> bytes:
    """What a block of snappy holds."""
    size, place = varint(data, 0)
    out = bytearray()
    while place < len(data):
        tag = data[place]
        place += 1
        if tag & 3 == 0:
            length = tag >> 2
            if length >= 60:
                extra = length - 59
                length = int.from_bytes(data[place : place + extra], "little")
                place += extra
            out += data[place : place + length + 1]
            place += length + 1
            continue
        if tag & 3 == 1:
            length, offset = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | data[place]
            place += 1
        else:
            width = 2 if tag & 3 == 2 else 4
            length, offset = (tag >> 2) + 1, int.from_bytes(data[place : place + width], "little")
            place += width
        for _ in range(length):
            out.append(out[-offset])
    assert len(out) == size, "the block is not as long as it says"
    return bytes(out)


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a message in their order: number and raw value."""
    place = 0
    while place < len(data):
        key, place = varint(data, place)
        number, kind = key >> 3, key & 7
        value: Any
        if kind == VARINT:
            value, place = varint(data, place)
        elif kind == FIXED64:
            value, place = data[place : place + 8], place + 8
        elif kind == BYTES:
            length, place = varint(data, place)
            value, place = data[place : place + length], place + length
            assert len(value) == length
        else:
            assert kind == FIXED32
            value, place = data[place : place + 4], place + 4
        yield number, value


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _sample(data: bytes) -> WireSample:
    found = dict(fields(data))
    assert set(found) <= {1, 2, 3}
    raw = found.get(1, bytes(8))
    value, bits = struct.unpack("<d", raw)[0], struct.unpack("<Q", raw)[0]
    return WireSample(_signed(found.get(2, 0)), value, bits, _signed(found.get(3, 0)))


def read_v1(body: bytes) -> WireRequest:
    """A 1.0 request, compressed."""
    request = WireRequest([])
    for number, data in fields(unsnap(body)):
        assert number == 1
        labels, samples = [], []
        for inner, part in fields(data):
            if inner == 1:
                pair = dict(fields(part))
                labels.append((pair.get(1, b"").decode(), pair.get(2, b"").decode()))
            else:
                assert inner == 2
                samples.append(_sample(part))
        request.series.append(WireSeries(tuple(labels), samples))
    return request


def read_v2(body: bytes) -> WireRequest:
    """A 2.0 request, compressed."""
    parts = list(fields(unsnap(body)))
    assert {number for number, _ in parts} <= {4, 5}
    symbols = [data.decode() for number, data in parts if number == 4]
    request = WireRequest([], symbols)
    for data in (data for number, data in parts if number == 5):
        refs: list[int] = []
        samples, about = [], {}
        for inner, part in fields(data):
            if inner == 1:
                place = 0
                while place < len(part):
                    ref, place = varint(part, place)
                    refs.append(ref)
            elif inner == 2:
                samples.append(_sample(part))
            else:
                assert inner == 5
                about = dict(fields(part))
        assert len(refs) % 2 == 0
        labels = tuple((symbols[name], symbols[value]) for name, value in zip(refs[::2], refs[1::2], strict=True))
        series = WireSeries(labels, samples, about.get(1, 0), symbols[about.get(3, 0)], symbols[about.get(4, 0)])
        request.series.append(series)
    return request
