"""``timepoint run``: the exporter.

Owns: the options of the command, and which exit code an error is. Must not know: how the exporter works.
"""

from __future__ import annotations

from pathlib import Path

import click

from timepoint.cli.options import (
    DurationType,
    WebOptions,
    config_argument,
    data_dir_option,
    load,
    log_options,
    ready_option,
    told_plainly,
    web_options,
)


@click.command()
@config_argument
@data_dir_option
@web_options
@log_options
@ready_option
@click.option(
    "--poller-deadline",
    type=DurationType(),
    default="2m",
    show_default=True,
    metavar="DURATION",
    help="Without a sign of life from the poller for so long, /-/healthy says 503.",
)
def run(  # noqa: PLR0913, PLR0917 - one parameter for each option
    config: Path,
    data_dir: Path,
    web: WebOptions,
    log_level: str,
    log_format: str,
    ready_requires: str,
    poller_deadline: int,
) -> None:
    """Poll every job of CONFIG on its schedule and serve /metrics.

    Ends within 5 seconds on SIGTERM or SIGINT, with nothing lost; a second signal ends it at once. Totals and last
    values survive restarts and crashes in the data directory, which one exporter at a time can use.

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
        ),
    )
    with told_plainly():
        code = launch(loaded.workload, settings)
    raise SystemExit(code)
