"""``timepoint dashboard``: a Grafana dashboard for a config.

Owns: the options of the command. Must not know: what is on the dashboard.
"""

from __future__ import annotations

from pathlib import Path

import click

from timepoint.cli.options import config_argument, load_offline, told_plainly
from timepoint.cli.watching import scrape_interval_option, watched_of


@click.command()
@config_argument
@scrape_interval_option
@click.option(
    "--title", default="", metavar="TEXT", help='The title.  [default: "timepoint: " and the name of the file]'
)
def dashboard(config: Path, scrape_interval: int | None, title: str) -> None:
    """Print a Grafana dashboard for CONFIG: the metrics of its jobs, then the exporter's health.

    Steps and ranges follow the period of each job, units the names of the metrics; the labels are variables. The uid
    follows from the name of the file, so that a dashboard that is written anew replaces the one before. Grafana 10 and
    later import it. Needs the extra "dashboard": pip install 'timepoint-exporter[dashboard]'.

    \b
    Example:
      timepoint dashboard energy.yaml > /var/lib/grafana/dashboards/energy.json
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped
    from timepoint.observe.compose import compose
    from timepoint.observe.grafana import dashboard_json

    watched = watched_of(load_offline(config))
    with told_plainly():
        click.echo(dashboard_json(compose(watched, scrape_interval, title)), nl=False)
