"""What a parent knows of a child that may be unable to speak.

Owns: the memory that both share: signs of life, how often the child has ended, its last words.
Must not know: who starts and ends processes, event loops, metrics.

A sign of life is one addition in a page of memory, which neither blocks nor wakes anybody up: 0.4 us, where a byte in a
pipe takes 1.6 us and a parent that reads it. Last words are the stacks of all threads, written by Python's own handler
of SIGABRT and of crashes; it needs no lock of the interpreter, so it also speaks for a call that holds it for ever.
"""

from __future__ import annotations

import faulthandler
import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from timepoint.nameless import nameless_file

DIED, HUNG = "died", "hung"
"""How a child can end unasked."""

_BEATS, _DIED, _HUNG = range(3)
_MOST_WORDS = 6 * 1024  # a line of the log holds 8 KiB
_IDLE, _LEAST = 0.01, 0.1  # of the time between two looks
_NO_STACK = "Extension modules:"


class Vitals:
    """Of one child in all its lives: parent, child and its siblings see the same.

    A context, to be entered before the first of these lives and left after the last. Raises OSError if the system has
    no memory or file for it.
    """

    def __init__(self) -> None:
        self._page = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("Q")
        self._words = nameless_file("last words")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._words.close()

    # ------------------------------------------------------------------ for the child

    def beat(self) -> None:
        """A sign of life."""
        self._page[_BEATS] += 1

    def leave_words(self) -> None:
        """From here on this process writes its stacks down if it crashes, or is told by SIGABRT to end."""
        faulthandler.enable(self._words.fileno(), all_threads=True)

    # ------------------------------------------------------------------ for the parent

    @property
    def beats(self) -> int:
        """How many signs of life there were. It only says something by being another than before."""
        return self._page[_BEATS]

    def note_end(self, how: str) -> None:
        """The child has ended, ``DIED`` or ``HUNG``, without being asked to."""
        self._page[_HUNG if how == HUNG else _DIED] += 1

    def take_words(self) -> str:
        """What the child that has just ended left; empty if it could not."""
        fd = self._words.fileno()
        words = os.pread(fd, _MOST_WORDS, 0).decode("utf-8", "replace")
        os.ftruncate(fd, 0)
        os.lseek(fd, 0, os.SEEK_SET)  # the next child writes where this one stopped: they share the place in the file
        return words.partition(_NO_STACK)[0].strip()

    # ------------------------------------------------------------------ for everybody

    @property
    def ends(self) -> Mapping[str, int]:
        """How often it has ended unasked, by how."""
        return {DIED: self._page[_DIED], HUNG: self._page[_HUNG]}


@dataclass(slots=True)
class Silence:
    """How long a child has given no sign of life. Pure; seconds.

    ``every``: the time between two looks. Looks are counted instead of reading a clock: a parent that was stopped
    itself, or slept with its machine, has not looked meanwhile, and comes back to one look, however long that was.

    A child that gets at least a hundredth of a processor counts as silent for the processor time that it has used, or a
    tenth of the time that has gone by, if that is more: to decode 250 MB in one call took 7 s of the one and 26 s of
    the other, beside ten processes that wanted the machine's two processors.
    """

    every: float
    seconds: float = 0.0
    _beats: int = -1
    _used: float = 0.0

    def look(self, beats: int, used: float | None) -> float:
        """One more look: so many signs of life, and so much processor time, None if unknown. The silence until now."""
        spent = -1.0 if used is None else used - self._used
        if beats != self._beats:
            self.seconds = 0.0
        elif spent < _IDLE * self.every:
            self.seconds += self.every
        else:
            self.seconds += min(max(spent, _LEAST * self.every), self.every)
        self._beats, self._used = beats, used or 0.0
        return self.seconds
