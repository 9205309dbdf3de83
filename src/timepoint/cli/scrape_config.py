"""``timepoint scrape-config``: the scrape job for a config.

Owns: the options of the command. Must not know: what a scrape job holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from timepoint.cli.options import TelemetryPathType, config_argument, load_offline
from timepoint.cli.watching import scrape_interval_option, scrape_job_option, watched_of

_MOST_PORT = 65535


class TargetType(click.ParamType[str]):
    """A target as Prometheus wants it: host and port, no scheme and no path."""

    name = "target"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        host, colon, port = str(value).rpartition(":")
        is_port = port.isascii() and port.isdigit() and 0 < int(port) <= _MOST_PORT
        if not colon or not host or "/" in host or not is_port or any(character.isspace() for character in host):
            self.fail(f"{value!r} is not a target: write it like timepoint.example:8080", param, ctx)
        return str(value)


@click.command("scrape-config")
@config_argument
@click.option(
    "--target",
    type=TargetType(),
    default="localhost:8080",
    show_default=True,
    metavar="HOST:PORT",
    help="Where Prometheus reaches the exporter.",
)
@scrape_job_option
@scrape_interval_option
@click.option(
    "--web.telemetry-path",
    "path",
    type=TelemetryPathType(),
    default="/metrics",
    show_default=True,
    metavar="PATH",
    help="The path of the metrics, as the exporter was told it.",
)
@click.option("--tls", is_flag=True, help="Write a place for the authority of the exporter's certificate.")
@click.option("--basic-auth", is_flag=True, help="Write a place for a user and a password file.")
def scrape_config(
    config: Path,
    target: str,
    scrape_job: str,
    scrape_interval: int | None,
    path: str,
    **ways: bool,
) -> None:
    """Print the scrape job for Prometheus that fits CONFIG.

    honor_labels is true, the interval fits zero_first, and the limits are what max_series and the labels of CONFIG can
    come to: a page beyond them is none of this config. Put it under scrape_configs.

    \b
    Examples:
      timepoint scrape-config energy.yaml --target timepoint.example:8080
      timepoint scrape-config energy.yaml --tls --basic-auth
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped
    from timepoint.observe.scrape import ScrapeOptions, scrape_text, too_slow

    watched = watched_of(load_offline(config))
    if scrape_interval and (complaint := too_slow(watched, scrape_interval)):
        click.echo(f"warning: --scrape-interval: {complaint}", err=True)
    options = ScrapeOptions(target, scrape_job, path, scrape_interval, tls=ways["tls"], basic_auth=ways["basic_auth"])
    click.echo(scrape_text(watched, options), nl=False)
