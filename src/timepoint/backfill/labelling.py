"""Labels that a series has at its receiver and not on the page.

Owns: what ``--label`` adds: ``job`` and ``instance``, mostly, which Prometheus adds to whatever it scrapes. Pure. Must
not know: files, samples.
"""

from __future__ import annotations

from collections.abc import Mapping

from timepoint.model import series_text, split_series_text


def with_labels(text: str, added: Mapping[str, str]) -> str:
    """A series text with further labels. One that the series has itself stays, as with ``honor_labels: true``."""
    if not added:
        return text
    suffix, labels = split_series_text(text)
    return series_text({**added, **labels}, suffix)
