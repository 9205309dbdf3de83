"""Samples that were refused one by one, and whether it is they that are at fault. Pure.

Owns: what a refusal proves, how many are borne without a proof, who is asked for one. Must not know: what is sent when,
the outbox beyond its words.

A receiver, a proxy before it, or whatever answers at a wrong address may say 400 to everything. So a sample that was
refused alone is *accused* and goes on to wait, until the receiver has taken another one after that: then it is proven
that it is the sample. Until then nothing of it is lost, over a crash neither. After a few in a row a proof is sought;
with one, more of the same slice are borne before the next: a backlog of which nearly all is too old would else want one
for every few. A receiver that begins to take things again in the midst of a search costs those that are accused then,
and no more.
"""

from __future__ import annotations

from timepoint.remote_write.outbox import Letter
from timepoint.remote_write.reply import Reply
from timepoint.remote_write.slices import Ready, Rows

ENOUGH, ENOUGH_PROVEN = 8, 256  # accused in a row, before a proof is sought: the first one of a slice, and others
BELIEVED = 8  # samples that are given up without a proof, in a row, where there is nothing else to be sent
ASKED, LIKELY = 16, 4  # samples that are tried for a proof, at most, of each place; and how many not in turns


class Refusals:
    """The accused of a slice, each with the letter that it may become, and what is known of the receiver.

    ``hearings`` counts how often a proof was sought since a slice was taken whole. ``last`` is the newest refusal.
    ``is_proven``: the receiver has taken something since the slice was begun.
    """

    def __init__(self) -> None:
        self.accused: list[tuple[Ready, Letter]] = []
        self.hearings = 0
        self.last = Reply(None)
        self.is_proven = False
        self._is_whole = False
        self._believed = 0

    def begin(self) -> None:
        """A slice is sent, or sent again: nothing is known of it."""
        if self.is_proven and self._is_whole:
            self.hearings = 0
        self.accused.clear()
        self.is_proven, self._is_whole = False, True

    def accuse(self, ready: Ready, letter: Letter, reply: Reply) -> None:
        """A sample was refused alone."""
        self.accused.append((ready, letter))
        self.last = reply
        self._is_whole = False

    def prove(self) -> tuple[Letter, ...]:
        """The receiver has taken something: the letters of those whose fault is proven with that."""
        self.is_proven = True
        self._believed = 0
        return self.condemn()

    def condemn(self) -> tuple[Letter, ...]:
        """The letters of the accused, who are none any more."""
        letters = tuple(letter for _, letter in self.accused)
        self.accused.clear()
        return letters

    def may_believe(self, count: int) -> bool:
        """Whether so many more may be given up without a proof; they then count."""
        if self._believed + count > BELIEVED:
            return False
        self._believed += count
        return True

    @property
    def is_enough(self) -> bool:
        """Whether a proof is to be sought before others are sent."""
        return len(self.accused) >= (ENOUGH_PROVEN if self.is_proven else ENOUGH)

    @property
    def series(self) -> int:
        """How many series the accused are of."""
        return len({ready.labels for ready, _ in self.accused})

    @property
    def words(self) -> str:
        """Why nothing goes on, for people."""
        return (
            f"it refuses whatever it is sent ({len(self.accused)} samples of {self.series} series one by one), so "
            f"nothing is given up; {self.last.words}"
        )

    def strangers(self, rows: Rows) -> Rows:
        """Whom to ask for a proof among samples: some who are most likely to give it, and some others each time.

        Likely are series that the receiver has taken lately, and then those of metrics of which none is accused: most
        often whole metrics are refused.
        """
        known = {ready.labels for ready, _ in self.accused}
        names = {_name(ready) for ready, _ in self.accused}

        def unlikely(ready: Ready) -> tuple[bool, int, bool, int]:
            row = ready.row
            return ready.labels in known, -(row.sent_until or 0), _name(ready) in names, -row.at

        found = sorted(rows, key=unlikely)
        first, others = found[:LIKELY], found[LIKELY:]
        start = (self.hearings - 1) * (ASKED - LIKELY) % len(others) if others else 0
        return tuple((first + others[start:] + others[:start])[:ASKED])


def _name(ready: Ready) -> str:
    return next((value for name, value in ready.labels if name == "__name__"), "")
