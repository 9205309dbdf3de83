"""A server on the loopback that stands for an example's API, and the example moved to it."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.examples.support import ENVIRON, EXAMPLES, FIRE_TIME, first_lane
from timepoint.clock import DAY, SystemClock
from timepoint.config.load import load_config
from timepoint.job import HttpPolling, Job
from timepoint.model import Window
from timepoint.request.answer import Answer
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
    """A server that gives one body to every request, and a token at the login, and remembers what it was asked.

    ``first`` is what it gives to the first request instead, with ``link`` as a header.
    """

    def __init__(self) -> None:
        self.body = b""
        self.first: bytes | None = None
        self.link = ""
        self.asked: list[Asked] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if request.path.endswith(("/token", "/login")):
            return web.json_response({"access_token": CREDENTIAL, "token": CREDENTIAL, "expires_in": 3600})
        self.asked.append(Asked(request.method, request.raw_path, headers, await request.text()))
        is_first = len(self.asked) == 1 and self.first is not None
        told = {"Link": self.link} if is_first and self.link else {}
        return web.Response(body=self.first if is_first else self.body, content_type="application/json", headers=told)


@asynccontextmanager
async def serve() -> AsyncIterator[Api]:
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


def google_key() -> str:
    """The key file of a service account."""
    key = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return json.dumps({"client_email": "reader@example", "private_key_id": "1", "private_key": key.decode()})


def moved(name: str, api: Api, directory: Path) -> Job:
    """The job of an example whose API is the server and whose credentials are files in ``directory``."""
    text = (EXAMPLES / f"{name}.yaml").read_text("utf-8")
    for file in re.findall(r"/run/secrets/([\w.]+)", text):
        (directory / file).write_text(google_key() if file.endswith(".json") else CREDENTIAL, "utf-8")
    text = text.replace("    service_account:\n", f"    service_account:\n      token_url: {api.url}/token\n")
    text = re.sub(r"(?<=(?:url|get): )https?://[^/\s]+", api.url, text)
    text = re.sub("/run/secrets|/var/lib/timepoint-secrets", str(directory), text)
    path = directory / f"{name}.yaml"
    path.write_text(text, "utf-8")
    (job,) = load_config(path, ENVIRON).jobs
    return job


async def ask(job: Job) -> tuple[Answer, ...]:
    """The pages that a job gets for its first lane."""
    assert isinstance(job.polling, HttpPolling)
    async with HttpFetcher(job.polling.source) as fetcher:
        deadline = SystemClock().monotonic() + 60
        values = first_lane(job).values
        return await fetcher.fetch(job.polling.request, WINDOW, deadline, fire_time=FIRE_TIME, values=values)
