"""Every word that the program may say to an operator is told in the pages, and they tell no other."""

from __future__ import annotations

import ast
import re
from functools import cache

from tests.docs.pages import ROOT, USER_PAGES, name
from timepoint.mapping.reasons import REASONS
from timepoint.poller.selfmetrics import ALL
from timepoint.server.live import EVERYTHING, live_families
from timepoint.server.process import ProcessFacts, read_python

SOURCES = sorted((ROOT / "src" / "timepoint").rglob("*.py"))
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")


@cache
def calls() -> list[tuple[str, ast.Call]]:
    """Every call in the program, by the last part of what is called."""
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                called = node.func
                last = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
                found.append((last, node))
    return found


def text_of(node: ast.expr) -> str | None:
    """The text of a literal."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def logged_events() -> dict[str, set[str]]:
    """Every event that is logged, with the fields that it may have."""
    found: dict[str, set[str]] = {}
    for last, call in calls():
        if last == "event" and len(call.args) > 2 and (word := text_of(call.args[2])):
            found.setdefault(word, set()).update(keyword.arg or "" for keyword in call.keywords)
    return found


def section(heading: str) -> str:
    """The part of operations.md below a heading."""
    return OPERATIONS.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def rows(heading: str) -> dict[str, str]:
    """The rows of the tables of a section, by each word of their first cell."""
    lines = re.findall(r"^\| (`.*)$", section(heading), re.MULTILINE)
    return {word: line for line in lines for word in re.findall(r"`(\w+)`", line.split(" | ")[0])}


def test_every_event_of_the_log_is_told() -> None:
    """operations.md has a row for each event and knows no other, but for the messages of libraries."""
    assert set(rows("The log")) == set(logged_events()) | {"message"}


def test_every_field_of_an_event_is_told() -> None:
    """The row of an event names each of its fields."""
    told = rows("The log")
    events = logged_events()
    missing = {f"{word}: {field}" for word in events for field in events[word] if f"`{field}`" not in told[word]}
    assert missing == set()


def reject_words() -> set[str]:
    """Every reason for a reject: the closed set of the mapping, and the words that other rooms use."""
    found = set(REASONS)
    for last, call in calls():
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        of = getattr(owner, "attr", getattr(owner, "id", ""))
        if last in {"refuse", "Unusable"} or (last, of) == ("add", "rejects"):
            found |= {word for argument in call.args[:1] if (word := text_of(argument))}
        elif of == "refused":
            found |= {word for node in ast.walk(call) if isinstance(node, ast.expr) and (word := text_of(node))}
    return found


def test_every_reject_is_told() -> None:
    """operations.md says for each reason what to do, and knows no other."""
    assert {"overlap", "too_old", "not_a_point", "no_such_node"} <= reject_words()  # the search finds all rooms
    assert set(rows("Rejects")) == reject_words()


def own_metrics() -> set[str]:
    """The names of the exporter's own metrics."""
    process = ProcessFacts(0.0, 0.0, 0, 0, 0, 0)
    live = live_families(EVERYTHING, process, read_python())
    return {metric.spec.name for metric in ALL} | {family.spec.name for family in live}


def test_no_page_names_a_metric_that_is_not_there() -> None:
    """Each `timepoint_...` in a page for users is one of the exporter's own metrics."""
    known = own_metrics() | {"timepoint_exporter"}
    strangers = {
        f"{name(page)}: {word}"
        for page in USER_PAGES
        for word in re.findall(r"\btimepoint_[a-z_]+[a-z]\b(?!\*|\.)", page.read_text("utf-8"))
        if word not in known
    }
    assert strangers == set()


def test_the_exit_codes_are_those_of_the_commands() -> None:
    """operations.md and the help name the same exit codes."""
    reference = (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8")
    helped = re.findall(r"^ +(\d+)  ", reference.split("Exit codes:\n")[1].split("\n\n")[0], re.MULTILINE)
    assert re.findall(r"^\| (\d+) \|", section("Exit codes"), re.MULTILINE) == helped
