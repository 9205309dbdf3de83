"""``POST /-/reload``: who may ask, and what is answered."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.server.support import Stage, staged
from timepoint.reload import Answer, AskedEnd, AskingEnd, connected
from timepoint.server.settings import ServerSettings

GOOD = Answer(good=True, text="3 jobs: 1 new (gas), 2 as before")
BAD = Answer(good=False, text="energy.yaml:3:5: jobs.gas: unknown key\nenergy.yaml:9:5: jobs.oil: unknown key")


class Told:
    """A server, and a poller that always gives the same answer; ``asked`` counts how often it is asked."""

    def __init__(self, stage: Stage, end: AskedEnd, answer: Answer) -> None:
        self.stage = stage
        self.asked = 0
        self._end = end
        self._answer = answer

    async def poll(self) -> None:
        while True:
            await self._end.asked()
            self.asked += 1
            self._end.answer(self._answer)


@contextlib.asynccontextmanager
async def lifecycle(directory: Path, answer: Answer = GOOD, *, allowed: bool = True) -> AsyncIterator[Told]:
    """A server that may be asked for a reload."""
    ours, theirs = connected()
    with ours, theirs:
        async with staged(directory, settings=ServerSettings(lifecycle=allowed)) as stage:
            stage.app.reload = AskingEnd(ours)
            told = Told(stage, AskedEnd(theirs), answer)
            task = asyncio.create_task(told.poll())
            try:
                yield told
            finally:
                task.cancel()
                asyncio.get_running_loop().remove_reader(ours.fileno())


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_reload_is_answered_when_it_is_over(tmp_path: Path, method: str) -> None:
    """200, and what changed, in a sentence."""
    async with lifecycle(tmp_path) as told:
        answer = await told.stage.ask("/-/reload", method)
        assert answer.status == 200
        assert answer.body == b"The config was reloaded. 3 jobs: 1 new (gas), 2 as before.\n"
        assert answer.headers["cache-control"] == "no-store"


async def test_a_bad_config_is_answered_with_all_its_problems(tmp_path: Path) -> None:
    """500, that the config before stays, and a line for each problem (C1)."""
    async with lifecycle(tmp_path, BAD) as told:
        answer = await told.stage.ask("/-/reload", "POST")
        assert answer.status == 500
        assert answer.body.decode().splitlines() == [
            "The config was not reloaded; the one before stays in force.",
            *BAD.text.splitlines(),
        ]


async def test_without_the_option_nobody_is_asked(tmp_path: Path) -> None:
    """403 and what turns it on, as Prometheus answers."""
    async with lifecycle(tmp_path, allowed=False) as told:
        answer = await told.stage.ask("/-/reload", "POST")
        assert answer.status == 403
        assert b"--web.enable-lifecycle" in answer.body
        assert told.asked == 0


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
async def test_reading_reloads_nothing(tmp_path: Path, method: str) -> None:
    """A link, or a browser that looks ahead, cannot reload."""
    async with lifecycle(tmp_path) as told:
        answer = await told.stage.ask("/-/reload", method)
        assert answer.status == 405
        assert answer.headers["allow"] == "POST, PUT"
        assert told.asked == 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://test:1"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Sec_Fetch_Site": "same-origin", "Origin": "http://test"}, 200),
        ({"Sec_Fetch_Site": "none"}, 200),
    ],
)
async def test_the_page_of_another_site_cannot_reload(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    """A browser says where a request comes from, and may send a password along that the site never saw (A22)."""
    async with lifecycle(tmp_path) as told:
        assert (await told.stage.ask("/-/reload", "POST", b"", tls=None, **headers)).status == status
        assert told.asked == (status == 200)


async def test_a_body_is_refused(tmp_path: Path) -> None:
    """A config is not taken over HTTP: whoever sends one should not believe that it was."""
    async with lifecycle(tmp_path) as told:
        assert (await told.stage.ask("/-/reload", "POST", b"jobs: {}")).status == 400
        assert told.asked == 0


async def test_a_reload_that_takes_long_holds_no_scrape_up(tmp_path: Path) -> None:
    """The page is served while clients wait for the end of a reload."""
    ours, theirs = connected()
    with ours, theirs:
        async with staged(tmp_path, settings=ServerSettings(lifecycle=True)) as stage:
            stage.app.reload = AskingEnd(ours)
            waiting = [asyncio.create_task(stage.ask("/-/reload", "POST")) for _ in range(8)]
            assert (await stage.ask("/metrics")).status == 200
            for _ in waiting:
                await AskedEnd(theirs).asked()
            for _ in waiting:
                AskedEnd(theirs).answer(GOOD)
            assert {(await answer).status for answer in waiting} == {200}
            asyncio.get_running_loop().remove_reader(ours.fileno())


async def test_an_exporter_that_does_not_answer_is_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503: it is not known yet how the reload ends, and where that will be told."""
    monkeypatch.setattr("timepoint.server.lifecycle.WITHIN", 0.0)
    ours, theirs = connected()
    with ours, theirs:
        async with staged(tmp_path, settings=ServerSettings(lifecycle=True)) as stage:
            stage.app.reload = AskingEnd(ours)
            answer = await stage.ask("/-/reload", "POST")
            assert answer.status == 503
            assert b"timepoint_config_last_reload_successful" in answer.body
            asyncio.get_running_loop().remove_reader(ours.fileno())
