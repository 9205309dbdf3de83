"""A config that was translated gives what json_exporter gave, for the same body."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.support import call
from tests.importing.cases import CASES, Case
from tests.importing.record import RECORDED

SAID: dict[str, list[dict[str, Any]]] = json.loads(RECORDED.read_text(encoding="utf-8"))
Line = tuple[str, tuple[tuple[str, str], ...], float]


def lines_of(page: str) -> list[Line]:
    """The samples of a page."""
    families = text_string_to_metric_families(page)
    return sorted((s.name, tuple(sorted(s.labels.items())), s.value) for family in families for s in family.samples)


def said(case: Case) -> list[Line]:
    """What json_exporter exposes, or what is said of the case instead."""
    if case.says is not None:
        return lines_of("\n".join(case.says) + "\n")
    return sorted((s["name"], tuple(sorted(s["labels"].items())), float(s["value"])) for s in SAID[case.name])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_same_body_gives_the_same_samples(case: Case, tmp_path: Path) -> None:
    """Names (but for those that had to change), labels and values are those of json_exporter."""
    old = tmp_path / "json_exporter.yml"
    old.write_text(json.dumps({"modules": {"default": {"metrics": case.metrics}}}))
    body = tmp_path / "body.json"
    body.write_text(json.dumps(case.body))

    imported = call("import", "json-exporter", old, "--target", "https://api.example/data")

    new = tmp_path / "timepoint.yaml"
    new.write_text(imported.stdout)
    if imported.exit_code:
        assert said(case) == []
        return
    page = call("preview", new, "--response", body)
    names = dict(rule.split("->") for rule in _renamed(imported.stderr))
    found = [(names.get(name, name), labels, value) for name, labels, value in lines_of(page.stdout)]
    assert page.exit_code == 0
    assert Counter(found) == Counter(said(case))


def _renamed(report: str) -> list[str]:
    """The names that changed, as the report's rules for Prometheus tell them."""
    rules = [line for line in report.splitlines() if "target_label: __name__" in line]
    return [
        f"{rule.partition('regex: ')[2].partition(',')[0]}->{rule.partition('replacement: ')[2].partition('}')[0]}"
        for rule in rules
    ]


def test_every_difference_has_its_reason() -> None:
    """A case whose samples are given by hand says why, and they are not what json_exporter says."""
    different = [case for case in CASES if case.says is not None]

    assert all(case.why for case in different)
    assert {case.name for case in different if said(case) == said(Case(case.name, case.metrics, case.body))} <= {
        "a list without a star"
    }


def test_the_cases_are_not_empty() -> None:
    """Most cases have samples, so that two empty lists are not what is compared."""
    assert sum(bool(said(case)) for case in CASES) >= len(CASES) * 0.6
