"""The status pages over HTTP."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.server.pages.scene import ATTACK, COUNTER, GAUGE, JOB, SENT, Elements, publish_scene, texts_of
from tests.server.support import NOW, Stage, publish_job, staged
from timepoint.clock import MINUTE
from timepoint.journal.files import config_path, recent_path, runs_path
from timepoint.ledger.change import Counts
from timepoint.server.pages.router import WAITING
from timepoint.server.pages.run import COUNT_WORDS
from timepoint.server.settings import ServerSettings

RUN = f"/jobs/{JOB}/runs/{NOW - MINUTE}"
PAGES = [
    "/",
    f"/jobs/{JOB}",
    RUN,
    f"/jobs/{JOB}/lanes",
    "/series",
    f"/series?job={JOB}&metric={COUNTER}",
    f"/series?job={JOB}&metric={GAUGE}",
    f"/series?job={JOB}&metric={SENT}",
    f"/series/one?job={JOB}&metric={GAUGE}&series={quote(texts_of(1)[0])}",
    "/receivers",
    "/config",
]


async def look(stage: Stage, path: str) -> Elements:
    """A page that is there."""
    answer = await stage.ask(path)
    assert answer.status == 200, (path, answer.body)
    return Elements(answer.body)


@pytest.mark.parametrize("path", PAGES)
async def test_a21_markup_of_strangers_is_inert_on_every_page(tmp_path: Path, path: str) -> None:
    """A21: text of an API, of a config, of a receiver or of a query becomes no element, attribute or template."""
    publish_scene(tmp_path, attack=ATTACK)
    async with staged(tmp_path, JOB) as stage:
        page = await look(stage, path)
        told = await look(stage, f"{path}{'&' if '?' in path else '?'}q={quote(ATTACK)}")

    for found in (page, told):
        assert not [tag for tag, attrs in found.tags if tag in {"script", "img", "style", "iframe", "object"}]
        assert not [attrs for _, attrs in found.tags if any(name.startswith("on") or name == "style" for name in attrs)]
        assert "alert(1)>49" not in found.text


async def test_a21_the_payloads_are_there(tmp_path: Path) -> None:
    """A21: the test above looks at pages that do show what strangers say."""
    publish_scene(tmp_path, attack=ATTACK)
    shown = 0
    async with staged(tmp_path, JOB) as stage:
        for path in PAGES:
            shown += "<script>alert(1)</script>" in (await look(stage, path)).text
    assert shown >= len(PAGES) - 3


@pytest.mark.parametrize("path", PAGES)
async def test_a21_no_page_may_load_or_run_anything(tmp_path: Path, path: str) -> None:
    """A21, A22: the policy allows the one style sheet and pictures in the page itself; forms go to the same place."""
    publish_scene(tmp_path)
    async with staged(tmp_path, JOB) as stage:
        headers = (await stage.ask(path)).headers

    assert headers["content-security-policy"] == (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "deny"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", PAGES)
async def test_every_link_leads_somewhere(tmp_path: Path, path: str) -> None:
    """Each link of each page is answered with a page."""
    publish_scene(tmp_path, attack=ATTACK)
    async with staged(tmp_path, JOB) as stage:
        for link in {link for link in (await look(stage, path)).links() if not link.startswith("#")}:
            assert urlsplit(link).netloc == ""
            assert (await stage.ask(link)).status in ({200, 503} if link.startswith("/-/") else {200}), link


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_is_usable_without_sight_or_mouse(tmp_path: Path, path: str) -> None:
    """A language, a title, one heading of the first rank, a way past the links, names for pictures and parts."""
    publish_scene(tmp_path)
    async with staged(tmp_path, JOB) as stage:
        page = await look(stage, path)
    tags = [tag for tag, _ in page.tags]
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]

    assert ("html", {"lang": "en"}) in page.tags
    assert (tags.count("h1"), tags.count("main"), tags.index("title") < tags.index("body")) == (1, 1, True)
    assert page.links()[0] == "#main"
    assert len(ids) == len(set(ids))
    for tag, attrs in page.tags:
        if tag == "svg":
            assert attrs.get("aria-hidden") == "true" or (attrs["role"], bool(attrs["aria-label"])) == ("img", True)
        if tag == "th":
            assert attrs["scope"] in {"col", "row"}
        if attrs.get("class") == "scroll":
            assert attrs["tabindex"] == "0"
            assert attrs.get("aria-labelledby") in ids or attrs.get("aria-label")
        if tag == "input" and attrs.get("type") != "hidden":
            assert any(one == "label" and more.get("for") == attrs["id"] for one, more in page.tags)


async def test_a_job_is_told_with_its_runs_metrics_and_lanes(tmp_path: Path) -> None:
    """What the status says, what the journal says, and where to look further."""
    publish_scene(tmp_path)
    async with staged(tmp_path, JOB) as stage:
        page = await look(stage, f"/jobs/{JOB}")

    for expected in (
        "attention",
        "status 503",
        "partial",
        "2 windows, 1 committed",
        "no_value",
        "120 in all",
        "joules",
    ):
        assert expected in page.words
    assert RUN in page.links()


async def test_a_job_tells_what_is_doubtful_of_its_newest_run(tmp_path: Path) -> None:
    """A job that is well may hold a metric of which nothing ever comes: its page says so, and not the run's alone."""
    publish_scene(tmp_path, attack="the newest is after the window")
    async with staged(tmp_path, JOB) as stage:
        job = await look(stage, f"/jobs/{JOB}")
    assert "Newest run: the newest is after the window" in job.text


async def test_a_run_is_explained_stage_by_stage(tmp_path: Path) -> None:
    """The plan, the request without its credentials, what was read, decided, committed and published."""
    publish_scene(tmp_path)
    async with staged(tmp_path, JOB) as stage:
        page = await look(stage, RUN)

    stages = ["Plan", "Ask", "Read", "Decide", "Commit", "Publish"]
    places = [
        page.text.index(f"\n{title}\n") if f"\n{title}\n" in page.text else page.text.index(title) for title in stages
    ]
    assert places == sorted(places)
    for expected in (
        "GET https://energy.internal/pods?start=2026-01-01T00:00:00Z&key=***",
        "Authorization: Bearer <secret>",
        "and 1 more request.",
        "$.a[0].v: null",
        "18 new: counted now",
        "1 of 2 windows durable",
        "3 series on the page",
    ):
        assert expected in page.words


def test_every_count_of_a_run_has_words() -> None:
    """What the ledger counts is told in a sentence, and no more than that."""
    assert set(COUNT_WORDS) == {part.name for part in fields(Counts)}


async def test_series_are_found_by_words_of_their_labels(tmp_path: Path) -> None:
    """All words must be there, in any case; the form keeps what was asked."""
    publish_scene(tmp_path, series=200)
    async with staged(tmp_path, JOB) as stage:
        page = await look(stage, f"/series?job={JOB}&metric={GAUGE}&q=CART-0015+namespace%3D%22shop%22")
        none = await look(stage, f"/series?job={JOB}&metric={GAUGE}&q=cart-00150+blog")

    assert "1 to 10 of 10" in page.words
    assert "cart-00159" in page.text
    assert ("input", 'CART-0015 namespace="shop"') in [(tag, attrs.get("value")) for tag, attrs in page.tags]
    assert "No series holds all of these words" in none.words


async def test_ten_thousand_series_come_in_parts(tmp_path: Path) -> None:
    """Fifty at a time, with a way to the next, the last and back; a page is small however many there are."""
    publish_scene(tmp_path, series=10_000)
    path = f"/series?job={JOB}&metric={GAUGE}"
    async with staged(tmp_path, JOB) as stage:
        first, last = await look(stage, path), await look(stage, f"{path}&page=200")
        middle = await look(stage, f"{path}&page=100")
        size = len((await stage.ask(path)).body)

    assert "1 to 50 of 10 000" in first.words.replace("\u202f", " ")
    assert "cart-00000" in first.text
    assert "cart-09999" in last.text
    assert [link for link in middle.links() if "page=" in link][:4] == [
        f"{path}&page={page}" for page in (1, 99, 101, 200)
    ]
    assert size < 400_000


async def test_one_series_has_a_chart_and_a_table(tmp_path: Path) -> None:
    """The picture is described, and whoever cannot see it has the values."""
    publish_scene(tmp_path)
    async with staged(tmp_path, JOB) as stage:
        gauge = await look(stage, PAGES[8])
        counter = await look(stage, PAGES[8].replace(GAUGE, COUNTER))

    for page, drawn in ((gauge, "line"), (counter, "bars")):
        assert [attrs for tag, attrs in page.tags if tag == "path" and attrs["class"] == drawn]
        assert "48 timepoints as a table" in page.words
        assert len([tag for tag, _ in page.tags if tag == "tr"]) == 49


async def test_a_metric_that_is_sent_shows_what_is_sent(tmp_path: Path) -> None:
    """It is not at /metrics: its series are those of the journal."""
    publish_scene(tmp_path)
    async with staged(tmp_path, JOB) as stage:
        page = await look(stage, f"/series?job={JOB}&metric={SENT}&q=cart-00001")
    assert "Sent to central" in page.words
    assert "1 to 1 of 1" in page.words


async def test_receivers_show_what_waits_and_why(tmp_path: Path) -> None:
    """State, why, since when, how near the end of its window the oldest sample is, and that nothing is lost."""
    publish_scene(tmp_path)
    async with staged(tmp_path, JOB) as stage:
        page = await look(stage, "/receivers")
        links = (await look(stage, "/")).links()
    words = page.words.replace("\u202f", " ")

    assert "held since" in words
    assert "91 % of the 55m" in words
    assert (
        "5 000 enqueued = 3 794 acknowledged + 3 dead + 1 200 waiting + 2 late amounts, which later totals have"
        " + 1 dismissed."
    ) in words
    assert "/receivers" in links


@pytest.mark.parametrize(
    "query", ["page=0", "page=-1", "page=x", "page=99999999999999999999", "page=", "page=2&page=3", "q=%00%ff"]
)
async def test_a_part_that_is_not_there_is_no_error(tmp_path: Path, query: str) -> None:
    """Whatever a query says, the page says what there is."""
    publish_scene(tmp_path)
    async with staged(tmp_path, JOB) as stage:
        await look(stage, f"/series?job={JOB}&metric={GAUGE}&{query}")
        await look(stage, f"/jobs/{JOB}/lanes?{query}")


@pytest.mark.parametrize(
    "path",
    [
        "/jobs/",
        "/jobs/other",
        "/jobs/~poller",
        f"/jobs/{JOB}/",
        f"/jobs/{JOB}/runs",
        f"/jobs/{JOB}/runs/1",
        f"/jobs/{JOB}/runs/-1",
        f"/jobs/{JOB}/runs/99999999999999999999",
        f"/jobs/{JOB}/../../config/x",
        f"/jobs/..%2f{JOB}",
        "/series/",
        "/series?job=other&metric=x",
        f"/series?job={JOB}",
        f"/series?job={JOB}&metric=other",
        f"/series/one?job={JOB}&metric={GAUGE}&series=%7B%7D",
        f"/series/one?job={JOB}&metric={GAUGE}",
        "/series/one",
        "/receivers/x",
        "/config.yaml",
    ],
)
async def test_what_is_not_there_is_not_found(tmp_path: Path, path: str) -> None:
    """A page of something that is not in the config, or no longer told, is 404 and says where to go."""
    publish_scene(tmp_path)
    async with staged(tmp_path, JOB) as stage:
        answer = await stage.ask(path)
    assert answer.status == 404
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("path", ["/", f"/jobs/{JOB}", f"/jobs/{JOB}/lanes", "/series", "/receivers", "/config"])
async def test_before_anything_is_told_there_is_a_page(tmp_path: Path, path: str) -> None:
    """An exporter that has just started, or whose journal is damaged, shows what is known."""
    publish_job(tmp_path, JOB)
    for file in (runs_path(tmp_path, JOB), recent_path(tmp_path, JOB), config_path(tmp_path)):
        file.write_bytes(b"damaged")
    async with staged(tmp_path, JOB) as stage:
        await look(stage, path)


@pytest.mark.parametrize("path", PAGES[1:])
async def test_pages_can_be_switched_off(tmp_path: Path, path: str) -> None:
    """Then only the list of jobs is there, without links to the others."""
    publish_scene(tmp_path)
    async with staged(tmp_path, JOB, settings=ServerSettings(status_pages=False)) as stage:
        answer, links = await stage.ask(path), (await look(stage, "/")).links()
    assert answer.status == 404
    assert links == ["#main", "/", "/metrics", "/-/healthy", "/-/ready"]


@pytest.mark.parametrize("path", PAGES)
async def test_pages_can_only_be_read(tmp_path: Path, path: str) -> None:
    """Nothing on them changes anything, so nothing but GET and HEAD is taken (A22)."""
    publish_scene(tmp_path)
    async with staged(tmp_path, JOB) as stage:
        posted, headed = await stage.ask(path, "POST"), await stage.ask(path, "HEAD")
    assert (posted.status, posted.headers["allow"]) == (405, "GET, HEAD")
    assert (headed.status, headed.body) == (200, b"")


async def test_pages_are_behind_the_users_of_the_web_config(tmp_path: Path) -> None:
    """Without a password there is no page (A37)."""
    web = tmp_path / "web.yaml"
    web.write_text("basic_auth_users: {sre: $2b$10$abcdefghijklmnopqrstuuJ0bCyRWQ2DBNWXRr7dC6uCQZ2CMd4QC}")
    published = tmp_path / "published"
    publish_scene(published)
    async with staged(published, JOB, web=web) as stage:
        for path in PAGES:
            assert (await stage.ask(path)).status == 401


async def test_many_who_ask_at_once_wait_or_come_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One page is made at a time, a few wait, the others are told when; a scrape is answered meanwhile."""
    publish_scene(tmp_path)
    go_on, made = threading.Event(), 0

    def slow(*_: Any) -> str:
        nonlocal made
        made += 1
        go_on.wait(600)
        return "made"

    monkeypatch.setattr("timepoint.server.pages.router.config_page", slow)
    async with staged(tmp_path, JOB) as stage:
        asking = [asyncio.create_task(stage.ask("/config")) for _ in range(WAITING + 4)]
        refused = asyncio.as_completed(asking)
        for _ in range(4):
            assert (await next(refused)).status == 503
        assert (await stage.ask("/metrics")).status == 200
        go_on.set()
        answers = await asyncio.gather(*asking)
    assert sorted(answer.status for answer in answers) == [200] * WAITING + [503] * 4
    assert made == WAITING
    assert {answer.headers.get("retry-after") for answer in answers if answer.status == 503} == {"1"}
