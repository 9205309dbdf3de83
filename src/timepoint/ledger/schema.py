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

and of what goes out by remote write:

    receiver    a queue: by the name of its receiver, how many samples went through it, and the protocol that it speaks
    out_family  type, help and unit of the families that go out
    out_series  a series as it goes out, by its text with the name of the sample in front, ``x_total{pod="a"}``
    life        one counting of such a series: since when it counts, and from which series of the ledger it comes, as
                long as that is there. One that was forgotten and comes again begins another life
    pending     what waits, clustered in the order in which it leaves: 32 bytes a row, and no index beside it
    parked      what is set aside
    dead_letter what was given up, as far as it is kept
    buried      how many were given up, by reason, kept or not; those that were dismissed are not among them
    late_amount amounts of counters that came late, the newest of them: they never go out, and the next total has them
    sent        the newest instant of each series that each receiver has acknowledged

``state.value`` is NULL for NaN, which SQLite cannot hold. ``state.recent`` is packed by ``rows``. A sample's ``value``
is a BLOB of 8 bytes (little-endian) where SQLite would change its bits: NaN (a stale marker is one) and -0.0.

Balances that can be checked at any moment: every series has one state, every state one series; a lane's version is not
above ``ledger.commits``; ``debt`` is not negative; of each receiver ``enqueued = acknowledged + dead + pending +
late_amounts + dismissed``, where ``pending`` counts the rows of ``pending`` and ``parked``, and ``dead`` is the sum of
``buried``.
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
    # What a fan-out was last told to ask for, so that a restart needs nobody who tells it again.
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

# What goes out by remote write. ``pending`` has no foreign keys but the first: they would be looked up for each of the
# 10 million rows that may wait, and be searched for without an index whenever a series is forgotten.
_VERSION_4 = (
    """CREATE TABLE receiver (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        version TEXT,
        enqueued INTEGER NOT NULL DEFAULT 0,
        acknowledged INTEGER NOT NULL DEFAULT 0,
        dead INTEGER NOT NULL DEFAULT 0,
        pending INTEGER NOT NULL DEFAULT 0,
        parked INTEGER NOT NULL DEFAULT 0,
        letters INTEGER NOT NULL DEFAULT 0,
        CHECK (enqueued = acknowledged + dead + pending AND parked BETWEEN 0 AND pending AND letters BETWEEN 0 AND dead)
    )""",
    """CREATE TABLE out_family (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        type TEXT NOT NULL,
        help TEXT NOT NULL,
        unit TEXT NOT NULL
    )""",
    """CREATE TABLE out_series (
        id INTEGER PRIMARY KEY,
        family_id INTEGER NOT NULL REFERENCES out_family,
        text TEXT NOT NULL UNIQUE
    )""",
    """CREATE TABLE life (
        id INTEGER PRIMARY KEY,
        out_series_id INTEGER NOT NULL,
        start INTEGER,
        series_id INTEGER UNIQUE REFERENCES series ON DELETE SET NULL
    )""",
    """CREATE TABLE pending (
        receiver_id INTEGER NOT NULL REFERENCES receiver ON DELETE CASCADE,
        at INTEGER NOT NULL,
        number INTEGER NOT NULL,
        life_id INTEGER NOT NULL,
        value REAL NOT NULL,
        PRIMARY KEY (receiver_id, at, number)
    ) WITHOUT ROWID""",
    """CREATE TABLE parked (
        receiver_id INTEGER NOT NULL REFERENCES receiver ON DELETE CASCADE,
        number INTEGER NOT NULL,
        at INTEGER NOT NULL,
        life_id INTEGER NOT NULL,
        value REAL NOT NULL,
        since INTEGER NOT NULL,
        until INTEGER NOT NULL,
        status INTEGER,
        PRIMARY KEY (receiver_id, number)
    ) WITHOUT ROWID""",
    """CREATE TABLE dead_letter (
        id INTEGER PRIMARY KEY,
        receiver_id INTEGER NOT NULL REFERENCES receiver ON DELETE CASCADE,
        number INTEGER NOT NULL,
        at INTEGER NOT NULL,
        life_id INTEGER NOT NULL,
        value REAL NOT NULL,
        reason TEXT NOT NULL,
        status INTEGER,
        text TEXT NOT NULL,
        died INTEGER NOT NULL,
        UNIQUE (receiver_id, number)
    )""",
    """CREATE TABLE buried (
        receiver_id INTEGER NOT NULL REFERENCES receiver ON DELETE CASCADE,
        reason TEXT NOT NULL,
        count INTEGER NOT NULL CHECK (count > 0),
        PRIMARY KEY (receiver_id, reason)
    ) WITHOUT ROWID""",
    """CREATE TABLE sent (
        out_series_id INTEGER NOT NULL REFERENCES out_series ON DELETE CASCADE,
        receiver_id INTEGER NOT NULL REFERENCES receiver ON DELETE CASCADE,
        until INTEGER NOT NULL,
        PRIMARY KEY (out_series_id, receiver_id)
    ) WITHOUT ROWID""",
)

# Late amounts are no loss, and a letter that was dealt with is none any more: both are counted beside the dead. A CHECK
# cannot be changed, so the table is made anew; nobody's foreign key follows it, since the name is the same.
_VERSION_5 = (
    """CREATE TABLE late_amount (
        receiver_id INTEGER NOT NULL REFERENCES receiver ON DELETE CASCADE,
        number INTEGER NOT NULL,
        at INTEGER NOT NULL,
        life_id INTEGER NOT NULL,
        value REAL NOT NULL,
        came INTEGER NOT NULL,
        PRIMARY KEY (receiver_id, number)
    ) WITHOUT ROWID""",
    """INSERT INTO late_amount SELECT receiver_id, number, at, life_id, value, died FROM dead_letter
        WHERE reason = 'late_amount'""",
    """CREATE TABLE receiver_of_5 (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        version TEXT,
        enqueued INTEGER NOT NULL DEFAULT 0,
        acknowledged INTEGER NOT NULL DEFAULT 0,
        dead INTEGER NOT NULL DEFAULT 0,
        pending INTEGER NOT NULL DEFAULT 0,
        parked INTEGER NOT NULL DEFAULT 0,
        letters INTEGER NOT NULL DEFAULT 0,
        late_amounts INTEGER NOT NULL DEFAULT 0,
        dismissed INTEGER NOT NULL DEFAULT 0,
        CHECK (enqueued = acknowledged + dead + pending + late_amounts + dismissed
               AND parked BETWEEN 0 AND pending AND letters BETWEEN 0 AND dead
               AND late_amounts >= 0 AND dismissed >= 0)
    )""",
    """INSERT INTO receiver_of_5
        SELECT id, name, version, enqueued, acknowledged, dead - coalesce(buried.count, 0), pending, parked,
               letters - (SELECT count(*) FROM late_amount WHERE receiver_id = receiver.id),
               coalesce(buried.count, 0), 0
        FROM receiver LEFT JOIN buried ON receiver_id = receiver.id AND reason = 'late_amount'""",
    "DROP TABLE receiver",
    "ALTER TABLE receiver_of_5 RENAME TO receiver",
    "DELETE FROM dead_letter WHERE reason = 'late_amount'",
    "DELETE FROM buried WHERE reason = 'late_amount'",
)

LEDGER = FileFormat(
    name="ledger of timepoint",
    application_id=0x54504C31,  # "TPL1"
    migrations=(_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4, _VERSION_5),
)
