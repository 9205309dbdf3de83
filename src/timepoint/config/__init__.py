"""The YAML file becomes jobs, in two steps: shape (schema), then meaning (cross-checks, compiled mappings).

Owns: everything that can be wrong with a config file, said with file, line and what to do. Must not know: how a job
runs.

Read in this order:

    yaml, syntax        the text as data, with the place of everything; words for its syntax errors
    places, checks      where things stand, what was found, and the list of all checks
    environ             ${NAME}
    kinds, names        kinds of values; names that a metric, label, job or source may have
    zones, cron         time zones; cron expressions
    defaults            what follows where nothing is said
    auth_shape          credentials, headers and TLS, wherever they stand
    auth_oauth2, auth_service_account, auth_login, auth_signature, auth_sigv4   each a way to authenticate: its keys
    source_shape, job_shape, metric_shape   what keys there are: pydantic models, from which schema and reference come
    remote_write_shape  the same for receivers of remote write
    shape, misfit, schema       the shape of a whole config; what does not fit, in words; the JSON Schema for editors
    paging_shape, paging_build      the keys of ``paging`` and their checks
    report_shape, report_build      the same for ``report``
    transform_shape     the keys of ``transform`` and their checks
    politeness_shape    the keys that limit how a source is asked, and their checks
    signal_shape        the keys of ``expect.empty`` and ``expect.partial``
    lookup_shape        the keys of ``lookups``
    each_build          the fan-out of a job and its checks
    settled_shape       the keys of ``window.settled_until`` and their checks
    source_build, job_build, metric_build   what each piece means
    remote_write_build  what receivers mean, and what metrics may go to them
    window_checks, families     what window and metrics of a job, and the metrics of all jobs, must agree on
    assemble            a job of its parts
    load                the steps in their order
    shown               what of a file may stand on a page
"""

from timepoint.config.load import Config, load_config
from timepoint.config.schema import json_schema

__all__ = ["Config", "json_schema", "load_config"]
