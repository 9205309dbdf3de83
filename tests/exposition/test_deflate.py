"""Blocks that can be concatenated, and the checksum of what they hold together."""

import gzip
import subprocess
import sys
import zlib

from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint.exposition.deflate import (
    FINAL_BLOCK,
    GZIP_HEADER,
    combine_by_polynomials,
    crc32,
    crc32_combine,
    deflate,
    gzip_trailer,
)


@given(st.binary(), st.binary())
def test_checksums_of_two_parts_combine(first: bytes, second: bytes) -> None:
    """Both ways to combine give the CRC-32 of the joined data."""
    expected = zlib.crc32(first + second)
    for combine in (crc32_combine, combine_by_polynomials):
        assert combine(crc32(first), crc32(second), len(second)) == expected


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**40))
def test_both_ways_to_combine_agree(first: int, second: int, length: int) -> None:
    """Our combination of checksums equals the library's for any length, terabytes too."""
    assert combine_by_polynomials(first, second, length) == crc32_combine(first, second, length)


@settings(max_examples=50)
@given(st.lists(st.lists(st.binary(max_size=50), max_size=3), max_size=5))
def test_blocks_in_any_number_are_one_gzip_member(blocks: list[list[bytes]]) -> None:
    """A header, blocks, the final block and a trailer are one member with nothing behind it."""
    plain = b"".join(chunk for chunks in blocks for chunk in chunks)
    member = GZIP_HEADER + b"".join(map(deflate, blocks)) + FINAL_BLOCK + gzip_trailer(zlib.crc32(plain), len(plain))
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert reader.decompress(member) == plain
    assert reader.eof
    assert reader.unused_data == b""
    assert gzip.decompress(member) == plain


def test_a_machine_without_isal_makes_the_same_pages() -> None:
    """Where isal has no wheel, zlib and our own combination of checksums make a valid member."""
    program = """
import gzip, sys
sys.modules["isal"] = None
from timepoint.exposition import deflate as d
assert d.crc32_combine is d.combine_by_polynomials
blocks = [b"a" * 1000, b"", bytes(range(256)) * 9]
checksum = 0
for block in blocks:
    checksum = d.crc32_combine(checksum, d.crc32(block), len(block))
deflated = b"".join(d.deflate([block]) for block in blocks)
member = d.GZIP_HEADER + deflated + d.FINAL_BLOCK + d.gzip_trailer(checksum, sum(map(len, blocks)))
assert gzip.decompress(member) == b"".join(blocks)
print("valid")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("valid\n", "")


def test_the_length_in_a_trailer_wraps() -> None:
    """A page of more than 4 GiB states its length modulo 2^32, as RFC 1952 says."""
    assert gzip_trailer(0, 2**32 + 5) == gzip_trailer(0, 5)
