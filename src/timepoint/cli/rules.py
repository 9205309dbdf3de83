"""``timepoint rules``: alerting and recording rules for a config.

Owns: the options of the command. Must not know: which rules there are.
"""

from __future__ import annotations

from pathlib import Path

import click

from timepoint.cli.options import config_argument, load_offline
from timepoint.cli.watching import scrape_interval_option, scrape_job_option, watched_of


@click.command()
@config_argument
@scrape_job_option
@scrape_interval_option
@click.option(
    "--by",
    multiple=True,
    metavar="LABEL",
    help="A label that the recording rules keep; they sum over all others. May be given several times.",
)
@click.option(
    "--runbook-url",
    default="",
    metavar="URL",
    help="Where you keep timepoint's documentation: alerts then carry runbook_url, a link into operations.md.",
)
def rules(config: Path, scrape_job: str, scrape_interval: int | None, by: tuple[str, ...], runbook_url: str) -> None:
    """Print alerting and recording rules for Prometheus that fit CONFIG.

    Ranges, thresholds and "for" follow the period of each job: a job that runs once a day is not expected to have run
    within the hour. Alerts that nothing in CONFIG can raise (lanes without a fan-out, quotas without a quota) are left
    out. Each counter gets a rate and an amount that hold whole steps. Nothing is asked for and no exporter is needed.

    \b
    Examples:
      timepoint rules energy.yaml > /etc/prometheus/rules/timepoint.yaml
      timepoint rules energy.yaml --by cluster --by namespace
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped
    from timepoint.observe.facts import slowest_scrape
    from timepoint.observe.rules_file import rules_text

    watched = watched_of(load_offline(config))
    known = watched.label_names()
    unknown = [name for name in by if name not in known and all(metric.knows_labels for metric in watched.metrics)]
    if unknown:
        there = ", ".join(known) or "none"
        raise click.BadParameter(f"no metric has a label {unknown[0]}; there are: {there}", param_hint="--by")
    interval = scrape_interval or slowest_scrape(watched)
    click.echo(rules_text(watched, scrape_job, interval, by, runbook_url), nl=False)
