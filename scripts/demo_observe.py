"""Writes what is shipped for Prometheus and Grafana: ``python scripts/demo_observe.py``.

That is examples/demo (scrape job, rules and dashboard for the demo's config), and the alerts of the Helm chart.

Owns: which files there are. Must not know: what is in them.
"""

from __future__ import annotations

from pathlib import Path

from timepoint.cli.options import load_offline
from timepoint.clock import HOUR, MINUTE
from timepoint.observe.compose import compose
from timepoint.observe.facts import JobFacts, SourceFacts, Watched, slowest_scrape, watch
from timepoint.observe.grafana import dashboard_json
from timepoint.observe.rules_file import rules_text
from timepoint.observe.scrape import ScrapeOptions, scrape_text

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "examples" / "demo"
CONFIG = ROOT / "src" / "timepoint" / "demo" / "pod-energy.yaml"
SCRAPE_JOB = "timepoint"
BY = ("cluster", "namespace")

ALERTS = ROOT / "deploy" / "helm" / "timepoint-exporter" / "files" / "alerts.yaml"
_ABOUT_ALERTS = """\
# Alerts on timepoint that hold for any config, written by scripts/demo_observe.py as for jobs of each half hour;
# "timepoint rules CONFIG" writes some that follow the periods of its jobs. A rules file of Prometheus as it stands, for
# a scrape job "timepoint"; the chart puts the namespace and the job of a release in its place.
"""
_ANY_JOB = JobFacts(
    name="any",
    source="any",
    period=30 * MINUTE,
    is_cron=False,
    step=0,
    delay=0,
    timeout=0,
    has_lanes=True,
    list_age=8 * HOUR,
    series=0,
    metrics=(),
)
_ANY_SOURCE = SourceFacts("any", ("hour", "day", "week", "month"), pause=5 * MINUTE)


def files() -> dict[str, str]:
    """The files by name, as the commands print them."""
    watched = watch(CONFIG.stem, load_offline(CONFIG).jobs)
    return {
        "scrape.yaml": scrape_text(watched, ScrapeOptions("localhost:8080", SCRAPE_JOB)),
        "rules.yaml": rules_text(watched, SCRAPE_JOB, slowest_scrape(watched), BY),
        "dashboard.json": dashboard_json(compose(watched)),
    }


def chart_alerts() -> str:
    """The alerts of the chart, which knows no config: those of one that has everything an alert is about."""
    text = rules_text(Watched("any", (_ANY_JOB,), (_ANY_SOURCE,), ("any",)), SCRAPE_JOB, MINUTE)
    return _ABOUT_ALERTS + "groups:" + text.partition("groups:")[2]


if __name__ == "__main__":
    PLACE.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (PLACE / name).write_text(text, encoding="utf-8")
    ALERTS.write_text(chart_alerts(), encoding="utf-8")
