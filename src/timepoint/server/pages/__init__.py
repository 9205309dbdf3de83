"""Status pages: what people look at.

Read in this order:

    words, charts       instants and amounts in words; timepoints as lines and bars
    library, scan       what the journal tells; lines of a published snapshot
    views               what every page has: where it stands, whether the poller lives
    overview, config    the jobs, at ``/``; the config that runs
    job, run            one job; one run of it, stage by stage
    series              metrics, their series, one series with its timepoints
    receivers           who gets timepoints by remote write
    render, router      templates; which path is which page, and how many may be made at once
"""
