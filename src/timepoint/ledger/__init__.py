"""Ledger: points become what changes, and that is kept. The only room that knows SQL.

Read in this order:

    state       what is known of a lane, in memory
    outgoing    what of a run goes out by remote write
    change      what a run wants committed
    holders     who counts a series one after the other: renamed jobs, changed declarations
    decide      the rules of counting (pure), with ``lane_run``, ``interval_plan`` and ``grid_plans`` (time alone),
                ``counters``, ``running``, ``gauges`` and ``sampled`` (what becomes of values), ``budget`` (how many
                series there may be)
    shown       what of the state stands on the page
    rewind      a lane that a clock ahead of the time has moved on
    store       what may be asked of a ledger, kept by ``sqlite_store`` and by ``memory``
    schema, lane_rows, packed_points    the tables, and a lane from its rows
    outbox_rows, sqlite_outbox, memory_outbox   the queues of remote write
    source_rows the requests to a source: its last one, and those of its quotas
    sqlite      a durable file: open, migrate, transact, checkpoint
    reading, reading_queues     looking at a ledger, and at its queues, from outside
    beginnings, invariants, queues, examine, transfer   what must be true of it, and moving it as text
"""
