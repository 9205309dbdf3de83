"""Journal: what the poller tells the status pages, in bounded files beside the snapshots.

Read in this order:

    told      what is told: runs, requests, lanes, metrics, recent timepoints, the config; and how much of each
    files     where that lies, how it is written so that a reader sees the old or the new file whole, how it is read
"""
