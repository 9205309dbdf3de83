"""Writes examples/demo: scrape job, rules and dashboard for the demo's config: ``python scripts/demo_observe.py``.

Owns: which files there are. Must not know: what is in them.
"""

from __future__ import annotations

from pathlib import Path

from timepoint.cli.options import load_offline
from timepoint.observe.compose import compose
from timepoint.observe.facts import slowest_scrape, watch
from timepoint.observe.grafana import dashboard_json
from timepoint.observe.rules_file import rules_text
from timepoint.observe.scrape import ScrapeOptions, scrape_text

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "examples" / "demo"
CONFIG = ROOT / "src" / "timepoint" / "demo" / "pod-energy.yaml"
SCRAPE_JOB = "timepoint"
BY = ("cluster", "namespace")


def files() -> dict[str, str]:
    """The files by name, as the commands print them."""
    watched = watch(CONFIG.stem, load_offline(CONFIG).jobs)
    return {
        "scrape.yaml": scrape_text(watched, ScrapeOptions("localhost:8080", SCRAPE_JOB)),
        "rules.yaml": rules_text(watched, SCRAPE_JOB, slowest_scrape(watched), BY),
        "dashboard.json": dashboard_json(compose(watched)),
    }


if __name__ == "__main__":
    PLACE.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (PLACE / name).write_text(text, encoding="utf-8")
