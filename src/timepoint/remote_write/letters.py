"""Dead letters in words, and what a person decides on them: to try them again, or to hear no more of them.

Owns: what each reason means to a person and what to do about it; which letters somebody has chosen. Must not know: how
samples are sent, files, the command line.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from timepoint.remote_write.outbox import DeadLetter, Outbox

AT_ONCE = 1000
"""Letters that are looked at in one piece of work."""


class Meaning(NamedTuple):
    """Why samples were given up, and what to do."""

    why: str
    do: str


_CONFIG = "mend labels or names in the config; what is here keeps the labels that it has"
_LOAD = "load them with `timepoint outbox export --config CONFIG` and `promtool tsdb create-blocks-from openmetrics`"

MEANINGS: dict[str, Meaning] = {
    "receiver_window": Meaning(
        "they were older than the receiver takes",
        f"{_LOAD}; or give the receiver a longer out-of-order window, say it in out_of_order, and retry",
    ),
    "late": Meaning(
        "they came after newer ones of their series had gone out, which the receiver would refuse",
        "give the receiver an out-of-order window and say it in out_of_order; then retry",
    ),
    "duplicate": Meaning("the receiver has their series at that instant", "nothing"),
    "no_name": Meaning("they have no metric name", _CONFIG),
    "name": Meaning("their metric name is not one", _CONFIG),
    "label": Meaning("a label has no name that is one, or an empty value", _CONFIG),
    "label_order": Meaning("a label comes twice", _CONFIG),
    "too_long": Meaning("a name or a value of a label is longer than receivers take", f"{_CONFIG} (label_length)"),
    "full": Meaning(
        "more waited than caps allow, and these were the oldest",
        "see why the receiver did not take them, or raise caps; then retry",
    ),
    "conflict": Meaning(
        "the receiver refused them, and they were young: somebody else writes the same series, or it has limits",
        "look at what it said; give the series a label of their own with external_labels if somebody else writes them",
    ),
    "too_large": Meaning(
        "the receiver calls a request with one of them alone too large",
        "raise the limit of the receiver or of the proxy before it; then retry",
    ),
    "poison_5xx": Meaning(
        "the receiver failed over each of them until it was too old, and over nothing else",
        "look at what it said and at its log; then retry",
    ),
    "refused": Meaning(
        "the receiver refused the request that they were in, and spec_strict lets none of it go again",
        "look at what it said; then retry, or leave spec_strict out",
    ),
}
"""By reason. A reason that is not here is another release's."""


class Deed(StrEnum):
    """What may be done with dead letters."""

    RETRY = "retry"
    DISMISS = "dismiss"


@dataclass(frozen=True, slots=True)
class Choice:
    """Dead letters of a receiver: all, those of a reason, or those with some numbers."""

    receiver: str
    reason: str = ""
    numbers: tuple[int, ...] = ()

    def has(self, letter: DeadLetter) -> bool:
        """Whether a letter is meant."""
        if self.numbers and letter.row.number not in self.numbers:
            return False
        return not self.reason or letter.reason == self.reason


def do_some(outbox: Outbox, deed: Deed, choice: Choice, after: int = 0) -> tuple[int, int | None]:
    """Does something with the next letters that are meant: with how many, and where to go on, None at the end.

    A piece at a time, so that whoever else needs the outbox has his turn. What is dismissed at the end by reason, or
    as a whole, includes those of whom only the number is kept. Raises StoreError.
    """
    letters = outbox.dead(choice.receiver, AT_ONCE, after)
    chosen = [letter.row.number for letter in letters if choice.has(letter)]
    do = outbox.revive if deed is Deed.RETRY else outbox.dismiss
    done = do(choice.receiver, chosen) if chosen else 0
    if len(letters) == AT_ONCE:
        return done, letters[-1].row.number
    if deed is Deed.DISMISS and not choice.numbers:
        done += outbox.dismiss_unkept(choice.receiver, choice.reason)
    return done, None
