"""How the recent points of a series are packed into one value.

Owns: the bytes of a grid and of the values on it. Must not know: SQL, the rules of counting.

A blob is the grid, then one float64 per interval. A regular grid (equal lengths, equal steps) takes 29 bytes whatever
its size; nearly all grids are regular. Integers are little-endian; the float64 values are in the machine's byte order,
as they are in memory, so a ledger stays with one byte order (``schema``).
"""

from __future__ import annotations

import struct

from timepoint.ledger.state import NO_TIMES
from timepoint.model import Times

_REGULAR = struct.Struct("<BIqqq")  # 1, count, first start, length, step
_SCATTERED = struct.Struct("<BI")  # 2, count; then all starts, all ends
_VALUE = 8


class Packer:
    """Packs grids, and remembers their bytes: series share grids. A blob is ``pack_grid(times) + recent``."""

    def __init__(self) -> None:
        self._grids: dict[Times, bytes] = {NO_TIMES: b""}

    def pack_grid(self, times: Times) -> bytes:
        packed = self._grids.get(times)
        if packed is None:
            packed = self._grids[times] = _pack_grid(times)
        return packed


class Unpacker:
    """The inverse. Series that were packed on equal grids come back sharing one ``Times`` object."""

    def __init__(self) -> None:
        self._grids: dict[bytes, Times] = {b"": NO_TIMES}

    def unpack(self, blob: bytes) -> tuple[Times, bytes]:
        """The grid and the values. Raises ValueError if the blob is not one that ``Packer`` makes."""
        size = _grid_size(blob)
        grid = blob[:size]
        times = self._grids.get(grid)
        if times is None:
            times = self._grids[grid] = _unpack_grid(grid)
        if len(blob) - size != len(times) * _VALUE:
            raise ValueError(f"{len(blob) - size} bytes of values for {len(times)} intervals")
        return times, blob[size:]


def _pack_grid(times: Times) -> bytes:
    starts, ends = times.starts, times.ends
    count = len(times)
    if not count:
        return b""
    length = ends[0] - starts[0]
    step = starts[1] - starts[0] if count > 1 else 0
    if starts == _starts(starts[0], step, count) and all(e - s == length for s, e in zip(starts, ends, strict=True)):
        return _REGULAR.pack(1, count, starts[0], length, step)
    return _SCATTERED.pack(2, count) + struct.pack(f"<{2 * count}q", *starts, *ends)


def _starts(first: int, step: int, count: int) -> tuple[int, ...]:
    return tuple(first + i * step for i in range(count))


def _grid_size(blob: bytes) -> int:
    if not blob:
        return 0
    if blob[0] == 1:
        return _REGULAR.size
    if blob[0] == 2:  # noqa: PLR2004  # the marker written by _pack_grid
        return _SCATTERED.size + 2 * _VALUE * int.from_bytes(blob[1:5], "little")
    raise ValueError(f"an unknown kind of grid: {blob[0]}")


def _unpack_grid(grid: bytes) -> Times:
    try:
        if grid[0] == 1:
            _, count, first, length, step = _REGULAR.unpack(grid)
            starts = _starts(first, step, count)
            return Times(starts, (start + length for start in starts))
        _, count = _SCATTERED.unpack_from(grid)
        numbers = struct.unpack_from(f"<{2 * count}q", grid, _SCATTERED.size)
    except struct.error as error:
        raise ValueError(f"a grid is cut short: {error}") from error
    return Times(numbers[:count], numbers[count:])
