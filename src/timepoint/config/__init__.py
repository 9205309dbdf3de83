"""The YAML file becomes jobs, in two steps: shape (schema), then meaning (cross-checks, compiled mappings).

Owns: everything that can be wrong with a config file, said with file, line and what to do. Must not know: how a job
runs.

    yaml        the text as data, with the place of everything
    environ     ${NAME}
    *_shape     what keys there are (pydantic models; the JSON Schema and the reference come from them)
    shape       what does not fit, in words
    *_build     what each piece means: sources, schedules and requests, metrics
    families    what the metrics of all jobs must agree on
    load        the steps in their order
"""

from timepoint.config.load import Config, load_config
from timepoint.config.schema import json_schema

__all__ = ["Config", "json_schema", "load_config"]
