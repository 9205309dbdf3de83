from __future__ import annotations

from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint.ledger.packed_points import Packer, Unpacker
from timepoint.model import Times

instants = st.integers(-(2**62), 2**62)
grids = st.one_of(
    st.builds(
        lambda first, length, step, count: Times(
            [first + i * step for i in range(count)], [first + i * step + length for i in range(count)]
        ),
        instants,
        st.integers(0, 2**40),
        st.integers(1, 2**40),
        st.integers(0, 60),
    ),
    st.lists(st.tuples(instants, st.integers(0, 2**40)), max_size=10).map(
        lambda pairs: Times([start for start, _ in pairs], [start + length for start, length in pairs])
    ),
)


@settings(max_examples=200, deadline=None)
@given(grids, st.data())
def test_packed_points_come_back(times: Times, data: st.DataObject) -> None:
    """Unpacking is the inverse of packing, for grids of every kind and values of every bit pattern."""
    values = data.draw(st.lists(st.floats(), min_size=len(times), max_size=len(times)))
    recent = array("d", values).tobytes()
    assert Unpacker().unpack(Packer().pack_grid(times) + recent) == (times, recent)


def test_regular_grid_is_small() -> None:
    """A day of five-minute intervals takes 29 bytes beside its values."""
    times = Times(range(0, 288 * 300, 300), range(300, 289 * 300, 300))
    assert len(Packer().pack_grid(times)) == 29


def test_equal_grids_come_back_as_one_object() -> None:
    """A hundred thousand series share their grid after a restart."""
    unpacker = Unpacker()
    blobs = [Packer().pack_grid(Times([0, 5], [5, 10])) + bytes(16) for _ in range(2)]
    first, second = (unpacker.unpack(blob)[0] for blob in blobs)
    assert first is second


@pytest.mark.parametrize(
    "blob", [b"\x03", b"\x01\x01", b"\x02\x02\x00\x00\x00" + bytes(8), Packer().pack_grid(Times([0], [5])) + bytes(7)]
)
def test_damaged_blob_is_named(blob: bytes) -> None:
    """A blob that was never written is a ValueError, never a wrong grid."""
    with pytest.raises(ValueError, match=r"grid|bytes of values"):
        Unpacker().unpack(blob)
