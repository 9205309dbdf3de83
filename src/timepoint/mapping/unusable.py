"""The one exception of the reading leaves: a cell that cannot be used and becomes a reject.

Owns: ``Unusable`` and how a node is shown in its text. Must not know: paths, rows, metrics, who counts rejects.
"""

from __future__ import annotations

from typing import Any

_SHOWN = 60


def show(node: Any) -> str:
    """What a node looks like in a message: at most some sixty characters, in JSON's words, without control bytes."""
    if isinstance(node, str):
        text = repr(node if len(node) <= _SHOWN else node[:_SHOWN] + "...")
    elif isinstance(node, dict):
        text = "an object"
    elif isinstance(node, list):
        text = "an array"
    elif node is None:
        text = "null"
    elif isinstance(node, bool):
        text = "true" if node else "false"
    elif isinstance(node, int) and node.bit_length() > 200:  # noqa: PLR2004 (sixty digits; str() refuses 4300)
        text = f"a number of {node.bit_length()} bits"
    else:
        text = str(node)
    return text.encode("utf-8", "backslashreplace").decode()


class Unusable(Exception):  # noqa: N818 (a state of a cell, named as in the contracts, not a failure of the program)
    """A cell that cannot be used.

    ``reason`` is a short word from a closed set, fit for a label value: ``not_a_number``, ``out_of_range``,
    ``not_a_time``, ``no_such_local_time``, ``not_a_zone``, ``not_a_length``, ``not_a_label``, ``label_clash``.
    ``shown`` says what was found and, where it helps, what to write in the config.
    """

    def __init__(self, reason: str, shown: str) -> None:
        self.reason = reason
        self.shown = shown
        super().__init__(f"{reason}: {shown}")
