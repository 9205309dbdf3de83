"""``timepoint serve``: the scrape side alone.

Owns: the options of the command. Must not know: how pages are served.
"""

from __future__ import annotations

from pathlib import Path

import click

from timepoint.cli.options import (
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


@click.command()
@config_argument
@data_dir_option
@web_options
@log_options
@ready_option
@hang_option
def serve(  # noqa: PLR0913, PLR0917 - one parameter for each option
    config: Path,
    data_dir: Path,
    web: WebOptions,
    log_level: str,
    log_format: str,
    ready_requires: str,
    hang_deadline: int,
) -> None:
    """Serve what "timepoint poll --once CONFIG" left in the data directory, and poll nothing.

    New snapshots are noticed within a second. No value is shown for longer than the max_age of its metric, so polling
    that has stopped shows itself.

    \b
    Example: a CronJob polls, a deployment serves the same volume
      timepoint serve energy.yaml --data-dir /data
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped
    from timepoint import log
    from timepoint.launch import LaunchSettings, serve_only
    from timepoint.server.settings import ServerSettings

    loaded = load(config)
    log.configure(log_level, log_format)
    server = ServerSettings(
        telemetry_path=web.telemetry_path,
        status_pages=web.status_pages,
        ready_requires_fresh=ready_requires == "fresh",
        poller_required=False,
        web=web.source(),
    )
    with told_plainly():
        settings = LaunchSettings(data_dir, web.addresses, web.systemd, server, hang_deadline)
        code = serve_only(loaded.workload, settings)
    raise SystemExit(code)
