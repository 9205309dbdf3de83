"""``POST /-/reload`` asked for by whoever should not: the one thing on the port that changes something."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.server.support import Answer as HttpAnswer
from tests.server.support import Stage, staged
from tests.server.web.test_users import FILE, GOOD, write
from timepoint.reload import Answer
from timepoint.server.lifecycle import PATH
from timepoint.server.settings import ServerSettings

ALLOWED = ServerSettings(lifecycle=True)


class Asked:
    """The other end of a reload: counts how often it was asked, and says that all is well."""

    def __init__(self) -> None:
        self.times = 0

    async def reload(self, within: float) -> Answer | None:
        self.times += 1
        return Answer(good=True, text="1 job")


def listening(stage: Stage) -> Asked:
    """Lets a stage have an end to ask at."""
    asked = Asked()
    stage.app.reload = asked  # type: ignore[assignment] # all that the server calls of it is there
    return asked


async def as_a_browser(stage: Stage, **headers: str) -> HttpAnswer:
    """A POST without a body, as a form or a script makes it."""
    reader, writer = await stage.connect()
    lines = [f"POST {PATH} HTTP/1.1", f"Host: exporter.example:{stage.port}", "Connection: close", "Content-Length: 0"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    async with asyncio.timeout(60):
        raw = await reader.read()
    head, _, body = raw.partition(b"\r\n\r\n")
    return HttpAnswer(int(head.split()[1]), {}, body)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec_Fetch_Site": "same-site", "Origin": "https://other.example"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://exporter.example.evil.example"},
        {"Origin": "http://exporter.example:1"},
        {"Origin": "http://[broken"},
        {"Origin": "file://"},
    ],
)
async def test_a22_no_page_of_another_site_reloads_the_config(tmp_path: Path, headers: dict[str, str]) -> None:
    """A22: what a browser sends for somebody else's page is refused before anything is asked."""
    async with staged(tmp_path, settings=ALLOWED) as stage:
        asked = listening(stage)
        answer = await as_a_browser(stage, **headers)
    assert (answer.status, asked.times) == (403, 0)


async def test_a22_our_own_pages_and_plain_clients_may(tmp_path: Path) -> None:
    """A22: a client without a browser's headers, a typed address, and a page of the exporter itself are let through."""
    async with staged(tmp_path, settings=ALLOWED) as stage:
        asked = listening(stage)
        own = f"http://exporter.example:{stage.port}"
        answers = [
            await as_a_browser(stage),
            await as_a_browser(stage, Sec_Fetch_Site="none"),
            await as_a_browser(stage, Sec_Fetch_Site="same-origin", Origin=own),
        ]
    assert ([answer.status for answer in answers], asked.times) == ([200, 200, 200], 3)


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
async def test_a22_no_link_or_image_reloads_the_config(tmp_path: Path, method: str) -> None:
    """A22: a method that a page needs no script for, or none at all, is 405."""
    async with staged(tmp_path, settings=ALLOWED) as stage:
        asked = listening(stage)
        assert (await stage.ask(PATH, method)).status == 405
    assert asked.times == 0


async def test_a22_without_the_switch_nobody_may(tmp_path: Path) -> None:
    """A22: where ``--web.enable-lifecycle`` was not given the port changes nothing."""
    async with staged(tmp_path) as stage:
        asked = listening(stage)
        assert (await stage.ask(PATH, "POST")).status == 403
    assert asked.times == 0


async def test_a22_with_users_a_reload_wants_a_password(tmp_path: Path) -> None:
    """A22: 401 before anything else is looked at; whoever may read may reload, if it was switched on."""
    async with staged(tmp_path, "a", settings=ALLOWED, web=write(tmp_path, FILE)) as stage:
        asked = listening(stage)
        assert (await stage.ask(PATH, "POST")).status == 401
        assert asked.times == 0
        assert (await stage.ask(PATH, "POST", Authorization=GOOD)).status == 200
    assert asked.times == 1
