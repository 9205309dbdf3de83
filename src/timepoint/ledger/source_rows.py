"""What is known of the requests to a source.

Owns: which rows a noted request becomes, and back. Must not know: what a quota allows, when requests go out.
"""

from __future__ import annotations

import sqlite3

KEPT_PERIODS = 3
"""So many periods of a quota are kept: a clock that was ahead comes back to an older one."""


def read_last_request(connection: sqlite3.Connection, source: str) -> int | None:
    """When the newest request to a source was noted, in ms."""
    row = connection.execute("SELECT last_request FROM source WHERE name = ?", (source,)).fetchone()
    return None if row is None else row[0]


def write_request(connection: sqlite3.Connection, source: str, at: int) -> None:
    """Notes when a source was last asked."""
    connection.execute("INSERT OR REPLACE INTO source (name, last_request) VALUES (?, ?)", (source, at))


def write_spent(connection: sqlite3.Connection, source: str, period: str, start: int, count: int) -> int:
    """Adds requests to a period; what was noted for later ones becomes its own. How many it has then.

    Later periods are kept as ``not_yet``. If the clock had been ahead, their requests were made in this period, and if
    it is behind, in theirs: they count here, and there once more when that time has come.
    """
    later = not_yet(period)
    of, come = (source, period, start), (source, later, start)
    connection.execute(
        "INSERT OR IGNORE INTO quota (source, period, start, used) "
        "SELECT source, ?, start, used FROM quota WHERE source = ? AND period = ? AND start <= ?",
        (period, *come),
    )
    connection.execute("DELETE FROM quota WHERE source = ? AND period = ? AND start <= ?", come)
    known = connection.execute(
        "SELECT coalesce(sum(used), 0) FROM quota WHERE source = ? AND period = ? AND start = ?", of
    ).fetchone()
    ahead = connection.execute(
        "SELECT coalesce(sum(used), 0) FROM quota WHERE source = ? AND period = ? AND start > ?", of
    ).fetchone()
    used: int = max(0, known[0] + ahead[0] + count)
    connection.execute(
        "INSERT OR REPLACE INTO quota (source, period, start, used) "
        "SELECT source, ?, start, used FROM quota WHERE source = ? AND period = ? AND start > ?",
        (later, *of),
    )
    connection.execute("DELETE FROM quota WHERE source = ? AND period = ? AND start >= ?", of)
    connection.execute("INSERT INTO quota (source, period, start, used) VALUES (?, ?, ?, ?)", (*of, used))
    connection.execute(
        "DELETE FROM quota WHERE source = ? AND period = ? AND start NOT IN "
        "(SELECT start FROM quota WHERE source = ? AND period = ? ORDER BY start DESC LIMIT ?)",
        (source, period, source, period, KEPT_PERIODS),
    )
    connection.execute(
        "DELETE FROM quota WHERE source = ? AND period = ? AND start NOT IN "
        "(SELECT start FROM quota WHERE source = ? AND period = ? ORDER BY start LIMIT ?)",
        (source, later, source, later, KEPT_PERIODS),
    )
    return used


def not_yet(period: str) -> str:
    """Under which name requests are kept that were noted for a period which has not come by the clock of now."""
    return f"{period}, not yet"
