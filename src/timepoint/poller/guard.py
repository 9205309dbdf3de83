"""Whether an answer with far fewer series than before is believed.

Owns: when such an answer is refused, and when it has come often enough to be true. Pure.
Must not know: how series are counted, what a refused run means to the ledger.

An API that has just been started again answers 200 with an empty list as readily as with data. Believed, that answer
empties the page, and its window is never asked for again. So an answer without any series, where there were some, must
come twice in a row; with ``expect.min_series_ratio`` one with fewer than this share must come more often. It is then
believed, for otherwise a real change would lock the job out; and a refused window is asked for again, so nothing is
lost by a refusal but time.
"""

from __future__ import annotations

from timepoint.job import GuardSpec

FEW = 10
"""Fewer series than this may go at once: that is a change, and no sign of a failure."""


def refusal(spec: GuardSpec, found: int, before: int, refused: int) -> str:
    """Why an answer with ``found`` series is not believed, as a sentence; empty if it is.

    ``before`` is how many series the last accepted run left on the page, ``refused`` how many runs in a row have been
    refused for this.
    """
    ratio = spec.min_series_ratio
    if before < FEW or refused >= spec.max_refusals or ratio == 0:
        return ""
    if found and (ratio is None or found >= ratio * before):
        return ""
    needs = f"at least {ratio:.0%} of them (expect.min_series_ratio)" if ratio else "some (expect.min_series_ratio)"
    left = spec.max_refusals - refused - 1
    then = f"after {left} more refusals" if left > 1 else "after one more refusal" if left else "the next time"
    return f"{found} series in the answer, {before} on the page: expected {needs}; it is believed {then}"
