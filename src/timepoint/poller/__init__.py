"""Poller: when a job fires, one run of it, and the loop over all jobs.

Read in this order:

    schedule            when a job fires (pure)
    run_windows         which windows a run asks for (pure)
    pipeline            one run over its lanes: what is shared, and when it is shown
    lane, gathering     one lane in a run: ask, read, decide, commit; many lanes in one transaction
    listing, owners     which lanes there are, and to which of them a series belongs
    edits               what a change of the config does to totals
    closing             how a run ends
    origin, function_points     where points come from: a request and a mapping, or a user's function
    desk, page, worker  a job's lanes, ledger and page, kept in step in one thread
    settled, guard, freshness       what of an answer is final, whether it is believed; how fresh what is shown is
    restoring           what a start or a reload does with jobs before they run
    switch, reloads     from one config to the next, and who asks for it
    sources, sending    the gate and the fetcher of each source; the sender to each receiver
    errands             what a command asks of the exporter that runs
    recent, telling, journal                        what a job tells the status pages
    report, tally       what runs came to, as log line and status
    self_facts, selfmetrics, source_metrics, cost_metrics   the same as metrics
    heartbeat           all of that, published
    timing, job_loop, runner, main  waiting, one job over time, all of them, the process
"""
