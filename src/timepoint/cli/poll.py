"""``timepoint poll --once``: every job once, for cron.

Owns: the options of the command. Must not know: how a run works.
"""

from __future__ import annotations

from pathlib import Path

import click

from timepoint.cli.choosing import named_jobs
from timepoint.cli.options import config_argument, data_dir_option, load, log_options, told_plainly


@click.command()
@config_argument
@click.option("--once", is_flag=True, required=True, help="Run each job once and end; there is no other way yet.")
@click.option("--job", "only", multiple=True, metavar="NAME", help="Run this job alone; may be given more than once.")
@click.option("--force", is_flag=True, help="Run jobs that are not due, too.")
@data_dir_option
@log_options
def poll(  # noqa: PLR0913, PLR0917 - one parameter for each option
    config: Path,
    once: bool,  # noqa: ARG001, FBT001 - the flag says that it is meant so; click gives it
    only: tuple[str, ...],
    force: bool,  # noqa: FBT001 - click gives it
    data_dir: Path,
    log_level: str,
    log_format: str,
) -> None:
    """Run each job of CONFIG once if it is due, publish what it shows, and end.

    For cron or a Kubernetes CronJob, with "timepoint serve" beside it. A job is due when one of its fire times has
    passed since its last attempt, so calling this more often than jobs fire burns no quota. What waits for receivers of
    remote write is sent, for half a minute at most. The exit code is 1 if a run failed.

    \b
    Examples:
      timepoint poll --once energy.yaml --data-dir /data
      timepoint poll --once energy.yaml --job pod_energy --force
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped
    from timepoint import log
    from timepoint.launch import poll_once

    loaded = load(config)
    named_jobs(loaded.jobs, only)
    log.configure(log_level, log_format)
    with told_plainly():
        code = poll_once(loaded.workload, data_dir, force=force, only=only)
    raise SystemExit(code)
