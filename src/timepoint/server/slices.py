"""Cutting a page into writes.

Owns: the size of one write. Pure. Must not know: sockets.

On Python 3.11 asyncio copies whatever a socket does not take at once into a buffer of its own: one write of 100 MB
holds a full copy per slow client, slices of 256 kB hold 0.1 MB. Small parts are joined, since each write is a system
call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

SLICE = 256 * 1024


def slices(parts: Iterable[bytes | memoryview], size: int = SLICE) -> Iterator[bytes | memoryview]:
    """The same bytes in pieces of at most ``size``; a large part is cut without being copied."""
    small: list[bytes | memoryview] = []
    held = 0
    for part in parts:
        if held + len(part) > size and small:
            yield b"".join(small)
            small, held = [], 0
        if len(part) > size:
            view = memoryview(part)
            for start in range(0, len(view), size):
                yield view[start : start + size]
        elif len(part):
            small.append(part)
            held += len(part)
    if small:
        yield b"".join(small)
