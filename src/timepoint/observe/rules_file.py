"""Rules as the file that Prometheus reads.

Owns: the layout of the file and its comments. Must not know: what the rules are about.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import yaml

from timepoint.clock import format_duration
from timepoint.observe.alerts import PAGE, Alert, alerts
from timepoint.observe.facts import Watched
from timepoint.observe.promql import duration
from timepoint.observe.records import Record, evaluation, records

_HEAD = """\
# Rules for the jobs of {title}, written by "timepoint rules": write them anew when the config changes.
# They select job="{scrape_job}", the name of the scrape job. Ranges and waits follow the period of each job.
"""

_ABOUT_RECORDS = """\
  # Counters move once per run. Each range holds whole steps and one scrape interval ({interval}) more, which is what
  # rate() extrapolates over, so nothing extrapolated is left in the results. With another interval, or after a failed
  # scrape, they are off by as much as that. What was counted while nobody scraped is seen afterwards.
"""


def rules_text(
    watched: Watched, scrape_job: str, scrape_interval: int, by: Sequence[str] = (), base_url: str = ""
) -> str:
    """The file with all rules of a config. ``base_url`` is where the documentation is, for ``runbook_url``."""
    title = " ".join(watched.title.split())
    return _HEAD.format(title=title, scrape_job=scrape_job) + "".join(
        [
            "groups:\n  - name: timepoint\n    rules:\n",
            *_alerting(alerts(watched, scrape_job), base_url),
            *_recording(list(records(watched, scrape_job, scrape_interval, by)), scrape_interval),
        ]
    )


def _alerting(rules: Iterable[Alert], base_url: str) -> Iterator[str]:
    for rule in rules:
        yield f"      - alert: {rule.name}\n        expr: {_block(rule.expr)}\n"
        if rule.wait:
            yield f"        for: {duration(rule.wait)}\n"
        group = f", group: {_scalar(rule.group)}" if rule.group else ""
        yield f"        labels: {{severity: {rule.severity}{group}}}\n        annotations:\n"
        yield f"          summary: {_scalar(rule.summary)}\n          description: {_scalar(rule.description)}\n"
        where = f"{PAGE}#{rule.see}"
        if base_url:
            yield f"          runbook_url: {_scalar(base_url.rstrip('/') + '/' + where)}\n"
        else:
            yield f"          runbook: {_scalar(where)}\n"


def _recording(rules: Sequence[Record], scrape_interval: int) -> Iterator[str]:
    if not rules:
        return
    interval = format_duration(evaluation(scrape_interval))
    yield _ABOUT_RECORDS.format(interval=format_duration(scrape_interval))
    yield f"  - name: timepoint-records\n    interval: {interval}\n    rules:\n"
    for rule in rules:
        yield f"      - record: {rule.name}\n        expr: {_scalar(rule.expr)}\n"


def _block(expr: str) -> str:
    """An expression, of several lines as a block."""
    if "\n" not in expr:
        return _scalar(expr)
    return "|-\n" + "\n".join(f"          {line}" for line in expr.splitlines())


def _scalar(text: str) -> str:
    written = str(yaml.safe_dump(text, width=10_000, allow_unicode=True))
    return written.removesuffix("\n").removesuffix("\n...")
