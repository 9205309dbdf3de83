"""Bounded decompression, whatever the pieces in which a body comes."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint.request.inflate import STEP, Damaged, Decoder, TooLarge, decoder

LIMIT = 1 << 24


def raw_deflate(data: bytes, level: int = 9) -> bytes:
    """Deflate without the wrapper of RFC 1950, as some servers send it."""
    compressor = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "raw deflate": raw_deflate,
}


def made(coding: str, limit: int = LIMIT) -> Decoder:
    """The decoder of a coding that is known."""
    made = decoder(coding.removeprefix("raw "), limit)
    assert made is not None
    return made


def run(it: Decoder, data: bytes, piece: int) -> bytes:
    """Feeds the data in pieces and closes."""
    for start in range(0, len(data), piece):
        for _ in it.feed(data[start : start + piece]):
            pass
    it.close()
    return bytes(it.output)


@settings(max_examples=60)
@given(data=st.binary(max_size=400), coding=st.sampled_from(sorted(CODINGS)), piece=st.integers(1, 50))
def test_any_pieces(data: bytes, coding: str, piece: int) -> None:
    """Every body comes out as it was, in whatever pieces it comes."""
    assert run(made(coding), CODINGS[coding](data), piece) == data


@pytest.mark.parametrize("coding", ["gzip", "deflate", "raw deflate"])
@pytest.mark.parametrize("size", [STEP - 1, STEP, STEP + 1, 3 * STEP, 3 * STEP + 259])
def test_more_than_one_step(coding: str, size: int) -> None:
    """A body larger than one bounded step comes out whole, also when a step ends in the middle of a repetition."""
    data = b"\0" * size
    assert run(made(coding), CODINGS[coding](data), 1 << 16) == data


def test_output_that_a_step_had_no_room_for() -> None:
    """What zlib still holds when a bounded step ends together with the input is not lost."""
    for extra in range(1, 40):
        data = b"\0" * (STEP + extra)
        assert run(made("raw deflate"), raw_deflate(data, 1), len(data)) == data


@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_members_of_gzip(piece: int) -> None:
    """All members of a gzip body count."""
    data = gzip.compress(b"one") + gzip.compress(b"") + gzip.compress(b"two")
    assert run(made("gzip"), data, piece) == b"onetwo"


@pytest.mark.parametrize("piece", [1, 10_000])
@pytest.mark.parametrize("rest", [b"\0" * 20, b"\x1f", b"\x1fx", b"\r\n", b"x" * 99 + gzip.compress(b"no")])
def test_bytes_behind_gzip(rest: bytes, piece: int) -> None:
    """Bytes behind the last member are padding."""
    assert run(made("gzip"), gzip.compress(b"one") + rest, piece) == b"one"


@settings(max_examples=60)
@given(data=st.data())
def test_cut_short(data: st.DataObject) -> None:
    """A compressed body that ends early is damaged, wherever it ends."""
    coding = data.draw(st.sampled_from(["gzip", "deflate", "raw deflate"]))
    whole = CODINGS[coding](data.draw(st.binary(max_size=200)))
    cut = data.draw(st.integers(1, len(whole) - 1))
    with pytest.raises(Damaged):
        run(made(coding), whole[:cut], 1000)


def test_nothing_at_all() -> None:
    """A body of no bytes is empty under every coding."""
    assert [run(made(coding), b"", 1) for coding in CODINGS] == [b""] * 4


@settings(max_examples=60)
@given(junk=st.binary(min_size=1, max_size=60), coding=st.sampled_from(["gzip", "deflate"]))
def test_junk(junk: bytes, coding: str) -> None:
    """Junk is damaged, or it is a body; nothing else happens."""
    try:
        run(made(coding), junk, 1000)
    except Damaged as error:
        assert str(error)  # noqa: PT017 - raising is allowed, not required


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("limit", [0, 1, 999, STEP, STEP + 1])
def test_the_limit(coding: str, limit: int) -> None:
    """The limit is the size of the largest body that is taken, and no more than that is ever held."""
    assert len(run(made(coding, limit), CODINGS[coding](b"x" * limit), 1 << 16)) == limit
    it = made(coding, limit)
    with pytest.raises(TooLarge):
        run(it, CODINGS[coding](b"x" * (limit + 1)), 1 << 16)
    assert len(it.output) <= limit + 1


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip,gzip", "gzip, deflate", "none", "*"])
def test_codings_that_are_not_known(coding: str) -> None:
    """What is not known, and more than one layer, has no decoder."""
    assert decoder(coding, LIMIT) is None
