"""Politeness: how much, how often and when a source is asked, over all of its jobs.

Read in this order:

    spec        the limits that a config sets
    bucket      a rate, kept exactly (pure)
    told        what an API itself says of its limits, in its many dialects (pure)
    limits      when a request may go, by the rate, a pause and what the API said (pure)
    quota       requests per day or month, counted before they go out
    breaker     no requests to a source that answers none (pure)
    gate        the one gate of a source: every request waits here for its turn
    tally       what came of it, in numbers
    conditional answers that an API need not send again
"""
