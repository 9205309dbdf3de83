"""What a job's ``transform`` is: steps from a document to a document.

Owns: the form of a step, and the decoding that each of them needs. Must not know: what a step does, rows, metrics.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from timepoint.clock import SECOND
from timepoint.errors import ContentError
from timepoint.mapping.documents import Decoder
from timepoint.mapping.weight import Allowance
from timepoint.model import Rejects

Step = Callable[[Any], Any]
"""Takes a document and gives one: JSON data, or ``msgspec.Raw`` for JSON that is not decoded yet.

Raises MappingError, or ContentError if the document is none.
"""

DEFAULT_TIMEOUT = 30 * SECOND
"""How long a step may take for one document, in ms, unless the config says otherwise."""

_DECODER = Decoder(None)


def decoded(document: Any, allowance: Allowance | None = None) -> Any:
    """A document as Python has it; ``allowance`` None if it was weighed before.

    Raises ContentError if it is no JSON, too heavy, or holds a key twice somewhere.
    """
    if not isinstance(document, msgspec.Raw):
        return document
    rejects = Rejects()
    whole, _ = _DECODER.decode(document, rejects, allowance)
    if rejects.total:
        example = next(iter(rejects.examples.values()))[0]
        raise ContentError("not_a_document", f"a key stands twice: {example}")
    return whole
