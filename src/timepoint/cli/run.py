"""``timepoint run``: the exporter.

Owns: the options of the command, and which exit code an error is. Must not know: how the exporter works.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from timepoint.cli.options import (
    DurationType,
    WebOptions,
    config_argument,
    data_dir_option,
    hang_option,
    load,
    log_options,
    ready_option,
    told_plainly,
    web_options,
)

if TYPE_CHECKING:
    from timepoint.poller.reloads import Loaded


@click.command()
@config_argument
@data_dir_option
@web_options
@log_options
@ready_option
@click.option(
    "--web.enable-lifecycle",
    "lifecycle",
    is_flag=True,
    help="Let POST /-/reload take up a changed CONFIG, as SIGHUP does.",
)
@click.option(
    "--poller-deadline",
    type=DurationType(),
    default="2m",
    show_default=True,
    metavar="DURATION",
    help="Without a heartbeat of the poller for so long, /-/healthy says 503.",
)
@hang_option
def run(  # noqa: PLR0913, PLR0917 - one parameter for each option
    config: Path,
    data_dir: Path,
    web: WebOptions,
    log_level: str,
    log_format: str,
    ready_requires: str,
    lifecycle: bool,  # noqa: FBT001 - click gives it
    poller_deadline: int,
    hang_deadline: int,
) -> None:
    """Poll every job of CONFIG on its schedule and serve /metrics.

    Ends within 5 seconds on SIGTERM or SIGINT, with nothing lost; a second signal ends it at once. Totals and last
    values survive restarts and crashes in the data directory, which one exporter at a time can use.

    On SIGHUP it takes up a changed CONFIG: only the jobs that it changes begin anew. One with mistakes changes nothing.

    \b
    Examples:
      timepoint run energy.yaml
      timepoint run energy.yaml --web.listen-address 127.0.0.1:9100 --data-dir /var/lib/timepoint
      timepoint run energy.yaml --web.config.file web.yaml
      timepoint run energy.yaml --log.format json --log.level warning
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped
    from timepoint import log
    from timepoint.launch import LaunchSettings, launch
    from timepoint.server.settings import ServerSettings

    loaded = load(config)
    log.configure(log_level, log_format)
    settings = LaunchSettings(
        data_dir=data_dir,
        addresses=web.addresses,
        systemd=web.systemd,
        server=ServerSettings(
            telemetry_path=web.telemetry_path,
            status_pages=web.status_pages,
            ready_requires_fresh=ready_requires == "fresh",
            poller_deadline=poller_deadline,
            web=web.source(),
            lifecycle=lifecycle,
        ),
        hang_deadline=hang_deadline,
    )
    with told_plainly():
        code = launch(loaded.workload, settings, load=partial(_load, config))
    raise SystemExit(code)


def _load(path: Path, raw: bytes | None) -> Loaded:
    """The config of a file, or of the bytes that it held. Raises ConfigError."""
    from timepoint.config import load_config
    from timepoint.errors import ConfigError, Problem
    from timepoint.poller.reloads import Loaded

    if raw is None and path.exists() and not (path.is_file() or path.is_dir()):
        message = "is a pipe or a device, which can be read once alone: start the exporter again"
        raise ConfigError([Problem(str(path), 0, 0, "", message)])  # to read it could wait for ever
    config = load_config(path, os.environ, raw)
    return Loaded(config.workload, config.raw, tuple(map(str, config.warnings)))
