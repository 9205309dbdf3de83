"""The ledger's tables.

Owns: what stands where in the file, and how an older file becomes a new one. Must not know: how rows are read or
written.

All instants in milliseconds since the epoch, UTC.

    ledger      one row: the number of the newest commit, how often the file was opened, whether it was closed properly
    lane        how far each lane has come; version = the number of its newest commit
    metric      one row per lane, name and shape: a metric declared differently is another one
    series      a series text and what never changes of it; written once
    kept_list   the values of a job's fan-out as they were last listed
    source      when each source was last asked, if it may be asked only so often
    quota       how many requests were made, or are about to be, in each of the last periods of a source's quotas
    state       what changes with each run, by the integer id of the series, so that a run rewrites no text. Updating
                100,000 rows takes 145 ms; 190 ms with text and state in one table

``state.value`` is NULL for NaN, which SQLite cannot hold. ``state.recent`` is packed by ``rows``. Balances that can be
checked at any moment: every series has one state, every state one series; a lane's version is not above
``ledger.commits``; ``debt`` is not negative.
"""

from __future__ import annotations

from timepoint.ledger.sqlite import FileFormat

_VERSION_1 = (
    """CREATE TABLE ledger (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        commits INTEGER NOT NULL,
        opened INTEGER NOT NULL,
        is_clean INTEGER NOT NULL,
        byte_order TEXT NOT NULL
    )""",
    """CREATE TABLE lane (
        id INTEGER PRIMARY KEY,
        job TEXT NOT NULL,
        lane TEXT NOT NULL,
        version INTEGER NOT NULL DEFAULT 0,
        watermark INTEGER,
        kept_from INTEGER,
        last_attempt INTEGER,
        last_fire INTEGER,
        last_accepted INTEGER,
        page_since INTEGER NOT NULL DEFAULT 0,
        open_run INTEGER,
        UNIQUE (job, lane)
    )""",
    """CREATE TABLE metric (
        id INTEGER PRIMARY KEY,
        lane_id INTEGER NOT NULL REFERENCES lane ON DELETE CASCADE,
        name TEXT NOT NULL,
        shape TEXT NOT NULL,
        forget_after INTEGER NOT NULL,
        newest INTEGER,
        last_run INTEGER NOT NULL,
        UNIQUE (lane_id, name, shape)
    )""",
    """CREATE TABLE series (
        id INTEGER PRIMARY KEY,
        metric_id INTEGER NOT NULL REFERENCES metric ON DELETE CASCADE,
        text TEXT NOT NULL,
        created INTEGER NOT NULL,
        zero_until INTEGER NOT NULL
    )""",
    "CREATE INDEX series_of_metric ON series (metric_id)",
    """CREATE TABLE state (
        id INTEGER PRIMARY KEY REFERENCES series ON DELETE CASCADE,
        value REAL,
        carry REAL NOT NULL,
        debt REAL NOT NULL CHECK (debt >= 0),
        seen_at INTEGER NOT NULL,
        recent BLOB NOT NULL
    )""",
)

# What a lane has asked for from the beginning on, so that first runs that fail are caught up like any other.
_VERSION_2 = ("ALTER TABLE lane ADD COLUMN asked_from INTEGER",)

_VERSION_3 = (
    # What a fan-out was last told to ask for, so that a restart needs nobody who tells it again. A cache: an export
    # leaves it out.
    """CREATE TABLE kept_list (
        job TEXT NOT NULL,
        name TEXT NOT NULL,
        asked_at INTEGER,
        listed_at INTEGER,
        empty INTEGER NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (job, name)
    )""",
    "CREATE TABLE source (name TEXT PRIMARY KEY, last_request INTEGER)",
    """CREATE TABLE quota (
        source TEXT NOT NULL,
        period TEXT NOT NULL,
        start INTEGER NOT NULL,
        used INTEGER NOT NULL CHECK (used >= 0),
        PRIMARY KEY (source, period, start)
    )""",
)

LEDGER = FileFormat(
    name="ledger of timepoint",
    application_id=0x54504C31,  # "TPL1"
    migrations=(_VERSION_1, _VERSION_2, _VERSION_3),
)
