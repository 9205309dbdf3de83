"""The queues of remote write in a ledger that somebody else may be using, read and left as they are.

Owns: an outbox on a connection that changes nothing. Must not know: who looks, and why.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from timepoint.errors import StoreError
from timepoint.ledger.reading import opened_to_read
from timepoint.ledger.schema import LEDGER
from timepoint.ledger.sqlite_outbox import SqliteOutbox
from timepoint.remote_write.outbox import Queues


@contextmanager
def reading_queues(path: Path, *, in_use: bool) -> Iterator[Queues]:
    """Gives the queues as they stand in one moment; what would change them raises StoreError, as does what is damaged.

    Raises StoreError also for a ledger of another release, which has no queues or other ones.
    """

    def refuse() -> AbstractContextManager[sqlite3.Connection]:
        raise StoreError(f"{path}: it was opened to be read")

    with opened_to_read(path, in_use=in_use) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != LEDGER.version:
            raise StoreError(
                f"{path}: it is of version {version}, and this release reads version {LEDGER.version}: a start of the "
                "exporter brings an older one up to date"
            )
        yield SqliteOutbox(lambda: nullcontext(connection), refuse)
