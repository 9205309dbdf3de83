"""What somebody who loads history must know of the ledger of an exporter, and how it is read from outside.

Owns: where counting began, and what the exporter has noted of its requests. Must not know: who asks, and why.
"""

from __future__ import annotations

from pathlib import Path

from timepoint.ledger.reading import opened_to_read
from timepoint.ledger.source_rows import read_last_request


def read_beginnings(path: Path, *, in_use: bool) -> dict[str, int | None]:
    """Per job the start of all that was ever asked for (ms): what lies before it, no total contains.

    None for a job that a release filled which did not note it. ``in_use`` says that an exporter may have the file
    open. Raises StoreError.
    """
    with opened_to_read(path, in_use=in_use) as connection:
        rows = connection.execute("SELECT job, asked_from, version FROM lane").fetchall()
    found: dict[str, int | None] = {}
    for job, asked_from, version in rows:
        if asked_from is None and not version:
            continue  # nothing was asked for yet
        known = found.get(job, asked_from)
        found[job] = None if known is None or asked_from is None else min(known, asked_from)
    return found


def read_spent(path: Path, source: str, period: str, start: int, *, in_use: bool) -> int:
    """How many requests of a quota's period the exporter has noted. Raises StoreError."""
    with opened_to_read(path, in_use=in_use) as connection:
        row = connection.execute(
            "SELECT used FROM quota WHERE source = ? AND period = ? AND start = ?", (source, period, start)
        ).fetchone()
    return 0 if row is None else int(row[0])


def read_asked(path: Path, source: str, *, in_use: bool) -> int | None:
    """When the exporter last asked a source (ms), as far as it notes that. Raises StoreError."""
    with opened_to_read(path, in_use=in_use) as connection:
        return read_last_request(connection, source)
