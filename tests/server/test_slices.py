from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint.server.slices import slices


@given(st.lists(st.binary(max_size=40), max_size=30), st.integers(1, 16))
@settings(max_examples=200)
def test_slices_are_the_same_bytes_in_pieces_of_at_most_the_size(parts: list[bytes], size: int) -> None:
    """Whatever the parts, the pieces join to the same bytes and none is empty or longer than the size."""
    pieces = list(slices(parts, size))

    assert b"".join(pieces) == b"".join(parts)
    assert all(0 < len(piece) <= size for piece in pieces)


def test_a_large_part_is_not_copied() -> None:
    """Pieces of a part above the size are views of the part itself."""
    part = bytes(1000)

    pieces = list(slices([part], 256))

    assert all(isinstance(piece, memoryview) and piece.obj is part for piece in pieces)


def test_small_parts_become_one_write() -> None:
    """A page of many small parts is not a system call for each of them."""
    assert len(list(slices([b"x" * 100] * 1000, 256 * 1024))) == 1
