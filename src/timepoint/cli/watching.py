"""What the commands for Prometheus and Grafana share: ``scrape-config``, ``rules``, ``dashboard``.

Owns: their common options. Must not know: what they write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from timepoint.cli.options import Decorator, DurationType
from timepoint.clock import SECOND

if TYPE_CHECKING:
    from timepoint.config import Config
    from timepoint.observe.facts import Watched

scrape_job_option: Decorator = click.option(
    "--scrape-job",
    default="timepoint",
    show_default=True,
    metavar="NAME",
    help="The job_name of the scrape job in Prometheus.",
)


def _at_least_a_second(_context: click.Context, _option: click.Parameter, value: int | None) -> int | None:
    if value is not None and value < SECOND:
        raise click.BadParameter("a scrape takes a second at least: write it like 30s")
    return value


scrape_interval_option: Decorator = click.option(
    "--scrape-interval",
    type=DurationType(),
    callback=_at_least_a_second,
    metavar="DURATION",
    help="How often Prometheus scrapes.  [default: 30s, or less if a metric's zero_first asks for it]",
)


def watched_of(config: Config) -> Watched:
    """What is watched of a config, named as its file."""
    from timepoint.observe.facts import watch

    return watch(config.path.stem, config.jobs)
