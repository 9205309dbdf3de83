"""Doctor: what a data directory holds, whether it keeps its promises, and the few repairs that lose nothing.

Read in this order:

    report      what was found, as data
    look, pages examining a whole directory: its ledger, and the published pages beside it
    words       the findings as a person reads them
    outbox      the queues of remote write: what is in them, and what is done with dead letters
    mend        what may be changed, and only when told to
"""
