"""Exposition: totals and gauges become rendered segments, published snapshots and one page.

Read in this order:

    family              what a job shows, and when each batch of samples may be seen
    formats, render     families become the lines of a format
    deflate, segment    lines become blocks that can be concatenated in one gzip member
    publish             one checksummed file per job, written by the poller and read by the server
    negotiate, page     which format a client gets, and the page of all jobs
"""
