"""Inputs out of inputs: a fuzzer that needs nothing but Python.

Owns: how an input is changed. Must not know: what is tried. It does not look at the code that runs, as atheris does;
in return it is the same everywhere, needs no instrumented code, and tries fifteen targets in one process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

_MOST = 4096  # bytes of an input
_CHANGES = 6


class Mutator:
    """Makes inputs of seeds and words; the same for the same random numbers."""

    def __init__(self, seeds: Sequence[bytes], words: Sequence[bytes], random: Random) -> None:
        self.pool = list(seeds) or [b""]
        self.words = list(words) or [b"0"]
        self.random = random
        self._ways: tuple[Callable[[bytearray], None], ...] = (
            self._flip, self._byte, self._insert_word, self._insert_word, self._replace_word, self._delete,
            self._repeat, self._splice, self._swap, self._digit,
        )  # fmt: skip

    def next(self) -> bytes:
        """The next input."""
        random = self.random
        made = bytearray(self.pool[int(random.random() * len(self.pool))])
        for _ in range(1 + int(random.random() * _CHANGES)):
            self._ways[int(random.random() * len(self._ways))](made)
        return bytes(made[:_MOST])

    def keep(self, data: bytes) -> None:
        """Goes on from this input, too."""
        self.pool.append(data)

    def _place(self, made: bytearray) -> int:
        return int(self.random.random() * (len(made) + 1))

    def _flip(self, made: bytearray) -> None:
        if made:
            made[self._place(made) % len(made)] ^= 1 << int(self.random.random() * 8)

    def _byte(self, made: bytearray) -> None:
        made.insert(self._place(made), int(self.random.random() * 256))

    def _insert_word(self, made: bytearray) -> None:
        place = self._place(made)
        made[place:place] = self.random.choice(self.words)

    def _replace_word(self, made: bytearray) -> None:
        place = self._place(made)
        made[place : place + int(self.random.random() * 6)] = self.random.choice(self.words)

    def _delete(self, made: bytearray) -> None:
        place = self._place(made)
        del made[place : place + 1 + int(self.random.random() ** 3 * 40)]

    def _repeat(self, made: bytearray) -> None:
        place = self._place(made)
        piece = made[place : place + 1 + int(self.random.random() ** 3 * 30)]
        made[place:place] = piece * int(1 + self.random.random() ** 4 * 60)

    def _splice(self, made: bytearray) -> None:
        other = self.random.choice(self.pool)
        begin = int(self.random.random() * (len(other) + 1))
        place = self._place(made)
        made[place:] = other[begin:] if self.random.random() < 0.5 else other[begin : begin + 20] + made[place:]

    def _swap(self, made: bytearray) -> None:
        one, other = sorted((self._place(made), self._place(made)))
        made[one:other] = made[one:other][::-1] if self.random.random() < 0.1 else made[other : other + 20]

    def _digit(self, made: bytearray) -> None:
        places = [place for place, sign in enumerate(made[:200]) if 48 <= sign <= 57]
        if places:
            made[self.random.choice(places)] = 48 + int(self.random.random() * 10)
