"""Poller: when a job fires, one run of it, and the loop over all jobs.

Read in this order:

    schedule            when a job fires (pure)
    plan, pipeline      which windows a run asks for, and one run: ask, read, decide, commit, publish
    origin, points      where points come from: a request and a mapping, or a user's function
    desk, worker        a job's lane, ledger and page, kept in step in one thread
    settled, guard, freshness       what of an answer is final, whether it is believed; how fresh what is shown is
    report, tally, selfmetrics      what runs came to, as log line, status and metrics
    timing, job_loop, runner, main  waiting, one job over time, all of them, the process
"""
