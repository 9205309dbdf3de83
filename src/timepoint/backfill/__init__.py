"""Backfill: history of a job, with its true timestamps, into files or to a receiver.

Read in this order:

    job_plan    what is asked for, and where it ends: where live polling began (pure)
    leaving     what of a replayed run leaves, and what stands at the seam to live polling (pure)
    desk        the books of a replayed job, kept in step with what leaves
    replay      the order of pieces over all jobs, and what is tried again
    sharing     how the limits of a source are shared with the exporter that polls it
    spool       samples on their way into files, by day
    labelling, openmetrics, json_lines      a day as a document
    files, receiving    the two targets
    state       the directory of a backfill
    progress    how far it is, in words (pure)
    load        all of it together
"""
