from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.server.support import NOW, publish_poller, staged
from timepoint.clock import HOUR, MINUTE
from timepoint.server.pages.overview import overview as render
from timepoint.server.pages.views import Site
from timepoint.server.pages.words import distance
from timepoint.server.settings import ServerSettings
from timepoint.server.status import read_jobs
from timepoint.version import __version__

ATTACK = "<script>alert(1)</script>\"' onmouseover=x javascript:x"
STATUS: dict[str, Any] = {
    "jobs": {
        "pod_energy": {
            "ready": True,
            "outcome": "partial",
            "reason": "2 rows could not be used",
            "last_run": NOW - 3 * MINUTE,
            "next_run": NOW + 27 * MINUTE,
            "data_timestamp": NOW - HOUR,
            "series": 12345,
            "consecutive_failures": 3,
            "freshness": {"x": [["fresh", NOW - 1], ["late", NOW + 1], ["expired", None]]},
            "rejects": {"counts": {"not_a_number": 2}, "examples": {"not_a_number": ["$.a[3].v: 'n/a'"]}},
        }
    }
}


class Elements(HTMLParser):
    """Collects tags, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def view(status: dict[str, Any], *names: str, **changes: Any) -> Site:
    """A view of these jobs with a living poller, unless changed."""
    facts: dict[str, Any] = {"telemetry_path": "/metrics", "poller_up": True, "poller_required": True, "now": NOW}
    return Site(jobs=read_jobs(status, names), **(facts | changes))


async def test_the_page_links_to_what_there_is(tmp_path: Path) -> None:
    """Metrics at their path, health and readiness, and the version; the other pages only if there are any."""
    async with staged(tmp_path, settings=ServerSettings(telemetry_path="/export", status_pages=False)) as stage:
        answer = await stage.ask("/")
    page = Elements(answer.body.decode())

    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert [attrs["href"] for tag, attrs in page.tags if tag == "a"] == [
        "#main",
        "/",
        "/export",
        "/-/healthy",
        "/-/ready",
    ]
    assert __version__ in page.text


async def test_the_page_allows_nothing_but_its_own_style(tmp_path: Path) -> None:
    """The policy forbids scripts and frames, and the page has no inline script or style (A21, A22)."""
    publish_poller(tmp_path, STATUS)
    async with staged(tmp_path, "pod_energy") as stage:
        answer = await stage.ask("/")
        style = await stage.ask("/-/style.css")
    policy = answer.headers["content-security-policy"]
    page = Elements(answer.body.decode())

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not [tag for tag, attrs in page.tags if tag in ("script", "style") or "style" in attrs]
    assert (style.status, style.headers["content-type"]) == (200, "text/css; charset=utf-8")


def test_a_job_has_a_row_with_all_that_the_poller_tells() -> None:
    """State, outcome, reason, the three instants, series and rejects with their paths."""
    page = Elements(render(view(STATUS, "pod_energy")))
    text = re.sub(r"[ \n]+", " ", page.text)

    for expected in (
        "pod_energy",
        "attention",
        "partial 3 in a row",
        "2 rows could not be used",
        "3 min ago",
        "in 27 min",
        "1 h ago",
        "UTC late",
        "12\u202f345",
        "not_a_number",
        "$.a[3].v: 'n/a'",
    ):
        assert expected in text


@pytest.mark.parametrize("field", ["name", "outcome", "reason", "reject", "example"])
def test_markup_in_what_is_shown_is_inert(field: str) -> None:
    """Text from a config or an answer never becomes an element, an attribute or a link (A21)."""
    texts = {name: ATTACK if name == field else "x" for name in ("name", "outcome", "reason", "reject", "example")}
    entry = {
        "outcome": texts["outcome"],
        "reason": texts["reason"],
        "rejects": {"counts": {texts["reject"]: 1}, "examples": {texts["reject"]: [texts["example"]]}},
    }
    page = Elements(render(view({"jobs": {texts["name"]: entry}}, texts["name"])))

    assert ATTACK in page.text
    assert not [tag for tag, attrs in page.tags if tag == "script" or any(name.startswith("on") for name in attrs)]


def test_a_job_that_the_poller_never_named_is_waiting() -> None:
    """Each configured job has its row from the first moment on."""
    text = Elements(render(view({}, "a", "b"))).text

    assert "2 in all, 2 waiting" in text


def test_a_ledger_that_cannot_be_used_is_said_on_top() -> None:
    """With the poller's own words, escaped; without trouble nothing is said."""
    page = render(view({}, "a", ledger_trouble="ledger.sqlite: <b>damaged</b>"))
    assert "nothing is polled" in page
    assert "ledger.sqlite: &lt;b&gt;damaged&lt;/b&gt;" in page
    assert "nothing is polled" not in render(view({}, "a"))


def test_a_config_that_was_not_taken_up_is_said_on_top() -> None:
    """With its first five problems, escaped, and how many more there are; without trouble nothing is said."""
    trouble = "\n".join(f"energy.yaml:{line}:1: <b>bad</b>" for line in range(1, 8))
    page = render(view({}, "a", config_trouble=trouble))
    assert "The config was changed to one that cannot be used." in page
    assert "energy.yaml:5:1: &lt;b&gt;bad&lt;/b&gt;" in page
    assert "energy.yaml:6:1" not in page
    assert "and 2 more in the log" in page
    assert "cannot be used" not in render(view({}, "a"))


def test_characters_that_turn_the_text_round_are_seen() -> None:
    """A reason that an API wrote from right to left stands on the page with its escapes."""
    job = STATUS["jobs"]["pod_energy"] | {"reason": "\u202egnp.exe\x1b[31m"}
    page = render(view({"jobs": {"pod_energy": job}}, "pod_energy"))
    assert "\\u202egnp.exe\\x1b[31m" in page
    assert "\u202e" not in page


def test_a_silent_poller_is_said_on_top() -> None:
    """The notice stands only where a poller is expected and silent."""
    assert "The poller writes no heartbeat" in render(view({}, "a", poller_up=False))
    assert "The poller writes no heartbeat" not in render(view({}, "a", poller_up=False, poller_required=False))
    assert "The poller writes no heartbeat" not in render(view({}, "a"))


def test_the_page_is_usable_without_sight_or_mouse() -> None:
    """A language, a title, one main part, header cells with their scope, and a scrolling table that takes the focus."""
    page = Elements(render(view(STATUS, "pod_energy")))
    found = {tag for tag, _ in page.tags}
    scopes = [attrs.get("scope") for tag, attrs in page.tags if tag == "th"]
    scrolling = [attrs for tag, attrs in page.tags if attrs.get("class") == "scroll"]

    assert ("html", {"lang": "en"}) in page.tags
    assert {"title", "main", "nav", "h1", "details", "summary"} <= found
    assert set(scopes) == {"col", "row"}
    assert scrolling[0]["tabindex"] == "0"
    assert scrolling[0]["aria-labelledby"] == "jobs"


@pytest.mark.parametrize(
    ("at", "words"), [(0, "now"), (-999, "now"), (-61_000, "1 min ago"), (5000, "in 5 s"), (-2 * 86_400_000, "2 d ago")]
)
def test_distances_are_told_in_the_largest_unit(at: int, words: str) -> None:
    """A person reads how long ago or how soon."""
    assert distance(NOW + at, NOW) == words
