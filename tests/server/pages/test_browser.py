"""The status pages in a real browser: what strangers say does nothing, the keyboard is enough, darkness is dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.server.pages.browser import PROGRAM, browsing
from tests.server.pages.scene import ATTACK, COUNTER, GAUGE, JOB, publish_scene, texts_of
from tests.server.support import NOW, staged
from timepoint.clock import MINUTE

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not PROGRAM, reason="Chromium is not here"),
]

ONE = quote(texts_of(0, ATTACK)[0])
PAGES = [
    "/",
    f"/jobs/{JOB}",
    f"/jobs/{JOB}/runs/{NOW - MINUTE}",
    f"/jobs/{JOB}/lanes",
    "/series",
    f"/series?job={JOB}&metric={COUNTER}&page=200",
    f"/series?job={JOB}&metric={GAUGE}&q={quote(ATTACK)}",
    f"/series/one?job={JOB}&metric={COUNTER}&series={ONE}",
    "/receivers",
    "/config",
]

FOCUS = (
    "[document.activeElement.tagName, document.activeElement.getAttribute('href') || document.activeElement.name || '']"
)


async def test_a21_nothing_of_a_stranger_runs_and_every_page_fits(tmp_path: Path) -> None:
    """A21: with 10,000 series and markup wherever a stranger's text may stand, light and dark, wide and narrow.

    No script, no dialog, no complaint in the console, no element out of a text, and no page is wider than its window.
    """
    published = tmp_path / "published"
    publish_scene(published, series=10_000, attack=ATTACK)
    seen: dict[str, Any] = {}
    async with staged(published, JOB) as stage, browsing(tmp_path / "profile") as browser:
        for dark, width in ((False, 1200), (True, 1200), (False, 400)):
            await browser.look(dark=dark, width=width)
            for path in PAGES:
                await browser.open(f"http://127.0.0.1:{stage.port}{path}")
                seen[f"{path} {width}"] = await browser.ask(
                    "[document.querySelectorAll('script,img,iframe,object,[onmouseover],[onerror]').length,"
                    " document.documentElement.scrollWidth <= innerWidth, document.querySelectorAll('h1').length]"
                )
        assert browser.trouble == []
    assert {key: found for key, found in seen.items() if found != [0, True, 1]} == {}


async def test_a_phone_shows_the_whole_of_each_job(tmp_path: Path) -> None:
    """On a narrow screen nothing of the list of jobs has to be scrolled into sight, above all why a job fails."""
    publish_scene(tmp_path / "published", attack=ATTACK)
    async with staged(tmp_path / "published", JOB) as stage, browsing(tmp_path / "profile") as browser:
        await browser.look(dark=False, width=400)
        await browser.open(f"http://127.0.0.1:{stage.port}/")
        seen = await browser.ask(
            "[...document.querySelectorAll('tbody th, tbody td, tbody .reason')]"
            ".map(cell => cell.getBoundingClientRect()).map(box => box.left >= 0 && box.right <= innerWidth)"
        )
    assert len(seen) > 8
    assert all(seen)


async def test_the_browser_would_tell_of_a_script(tmp_path: Path) -> None:
    """A script that did stand on a page is refused by the policy, and the console says so: the test above can fail."""
    publish_scene(tmp_path / "published")
    async with staged(tmp_path / "published", JOB) as stage, browsing(tmp_path / "profile") as browser:
        await browser.open(f"http://127.0.0.1:{stage.port}/")
        await browser.call(
            "Runtime.evaluate",
            expression="document.body.appendChild(document.createElement('script')).text = 'window.ran = 1'",
        )
        assert await browser.ask("window.ran || 0") == 0
        assert any("Content Security Policy" in text for text in browser.trouble)


async def test_the_keyboard_is_enough(tmp_path: Path) -> None:
    """The first Tab shows the way past the links; a filter is reached, filled and sent; the focus can be seen."""
    publish_scene(tmp_path / "published", series=500)
    async with staged(tmp_path / "published", JOB) as stage, browsing(tmp_path / "profile") as browser:
        await browser.look(dark=False)
        await browser.open(f"http://127.0.0.1:{stage.port}/series?job={JOB}&metric={GAUGE}")
        await browser.press("Tab")
        assert await browser.ask(FOCUS) == ["A", "#main"]
        assert await browser.ask("document.activeElement.getBoundingClientRect().left >= 0") is True
        assert await browser.ask("parseFloat(getComputedStyle(document.activeElement).outlineWidth) >= 2") is True
        for _ in range(20):
            await browser.press("Tab")
            if await browser.ask(FOCUS) == ["INPUT", "q"]:
                break
        for letter in "cart-00123":
            await browser.press(letter, letter)
        await browser.submit()
        assert await browser.ask("new URL(location).searchParams.get('q')") == "cart-00123"
        assert await browser.ask("document.querySelectorAll('tbody tr').length") == 1
        await browser.press("Tab")
        assert await browser.ask(FOCUS) == ["A", "#main"]


async def test_whatever_can_be_scrolled_or_opened_takes_the_focus(tmp_path: Path) -> None:
    """Tables, requests and details of a run are reached by Tab alone."""
    publish_scene(tmp_path / "published")
    async with staged(tmp_path / "published", JOB) as stage, browsing(tmp_path / "profile") as browser:
        await browser.look(dark=False)
        await browser.open(f"http://127.0.0.1:{stage.port}/jobs/{JOB}/runs/{NOW - MINUTE}")
        reached = set()
        for _ in range(40):
            await browser.press("Tab")
            reached.add((await browser.ask(FOCUS))[0])
    assert {"A", "SUMMARY", "PRE"} <= reached


async def test_who_likes_darkness_gets_it(tmp_path: Path) -> None:
    """The page follows the user's wish, in both directions."""
    publish_scene(tmp_path / "published")
    shown = []
    async with staged(tmp_path / "published", JOB) as stage, browsing(tmp_path / "profile") as browser:
        for dark in (True, False):
            await browser.look(dark=dark)
            await browser.open(f"http://127.0.0.1:{stage.port}/jobs/{JOB}")
            color = await browser.ask("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
            shown.append(sum(color) / 3)
    assert shown[0] < 40
    assert shown[1] > 230
