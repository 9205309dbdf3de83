"""The examples, sent to a server on the loopback that answers as the API did, ask what they say and read what comes."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import pytest
from aiohttp import web

from tests.examples.support import ENVIRON, EXAMPLES, FIRE_TIME, first_lane, mapped, own_body, produced, run
from timepoint.clock import DAY, SystemClock
from timepoint.config.load import load_config
from timepoint.job import HttpPolling, Job
from timepoint.model import Window
from timepoint.request.fetch import HttpFetcher

CREDENTIAL = "a-credential"
WINDOW = Window(FIRE_TIME - FIRE_TIME % DAY - DAY, FIRE_TIME - FIRE_TIME % DAY)


class Asked(NamedTuple):
    """One request as the server saw it."""

    method: str
    target: str
    headers: dict[str, str]
    body: str


class Api:
    """A server that gives one body to every request, and a token at the login, and remembers what it was asked."""

    def __init__(self) -> None:
        self.body = b""
        self.asked: list[Asked] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if request.path.endswith(("/token", "/login")):
            return web.json_response({"access_token": CREDENTIAL, "token": CREDENTIAL, "expires_in": 3600})
        self.asked.append(Asked(request.method, request.raw_path, headers, await request.text()))
        return web.Response(body=self.body, content_type="application/json")


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """The server, on a port that the system chooses."""
    api = Api()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    api.url = site.name
    yield api
    await runner.cleanup()


def _moved(name: str, api: Api, directory: Path) -> Job:
    """The job of an example whose API is the server and whose credentials are files in ``directory``."""
    text = (EXAMPLES / f"{name}.yaml").read_text("utf-8")
    for file in re.findall(r"/run/secrets/(\w+)", text):
        (directory / file).write_text(CREDENTIAL, "utf-8")
    text = re.sub(r"(?<=(?:url|get): )https?://[^/\s]+", api.url, text)
    text = re.sub("/run/secrets|/var/lib/timepoint-secrets", str(directory), text)
    path = directory / f"{name}.yaml"
    path.write_text(text, "utf-8")
    (job,) = load_config(path, ENVIRON).jobs
    return job


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.yaml")))
async def test_example_asks_and_reads(name: str, api: Api, tmp_path: Path) -> None:
    """One request goes out, whole and with its credential, and its answer gives the points of the body."""
    api.body = own_body(name).read_bytes()
    job = _moved(name, api, tmp_path)
    assert isinstance(job.polling, HttpPolling)
    async with HttpFetcher(job.polling.source) as fetcher:
        deadline = SystemClock().monotonic() + 10
        values = first_lane(job).values
        (answer,) = await fetcher.fetch(job.polling.request, WINDOW, deadline, fire_time=FIRE_TIME, values=values)
    assert produced(mapped(job.polling, answer, WINDOW)) == produced(run(name, api.body, WINDOW))

    (asked,) = api.asked
    assert not any(word in asked.target + asked.body for word in ("{window", "{each", "{fire_time", "%7Beach"))
    assert not values or any(value in unquote(asked.target) + asked.body for value in values.values())
    if "/run/secrets" in (EXAMPLES / f"{name}.yaml").read_text("utf-8"):
        sent = " ".join([asked.target, *asked.headers.values()])
        pairs = (f"{CREDENTIAL}:", f"reader:{CREDENTIAL}", f"{CREDENTIAL}:{CREDENTIAL}")
        assert any(text in sent for text in (CREDENTIAL, *(base64.b64encode(text.encode()).decode() for text in pairs)))


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("uk_carbon_intensity", "/intensity/2027-01-14T00:00Z/2027-01-15T00:00Z"),
        ("prometheus", "/api/v1/query_range?query=up&start=1799884800&end=1799971200&step=15s"),
        (
            "nordpool_exchanges",
            "/api/v2/PowerSystem/Exchanges/ByAreas?areas=FI&date=2027-01-15",
        ),
    ],
)
async def test_targets(name: str, target: str, api: Api, tmp_path: Path) -> None:
    """Path and query are those of the API's documentation."""
    api.body = b"{}"
    job = _moved(name, api, tmp_path)
    assert isinstance(job.polling, HttpPolling)
    async with HttpFetcher(job.polling.source) as fetcher:
        deadline = SystemClock().monotonic() + 10
        await fetcher.fetch(job.polling.request, WINDOW, deadline, fire_time=FIRE_TIME)
    assert api.asked[0].target.replace("%3A", ":") == target
