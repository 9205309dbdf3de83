"""Reports: an answer that is ordered, waited for and fetched. Knows requests and documents; not jobs, not sockets.

Read in this order:

    spec        what a job's report says
    run         from the order to the answer
"""
