"""``timepoint backfill`` as a process that is killed: called again until it is done, it has loaded all, and once.

The API is a process of the test with a known truth, which counts who asks for what.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.backfill.stage import BEGIN, CONFIG, Stage, body, totals
from tests.system.support import PATIENCE
from timepoint.clock import DAY, HOUR
from timepoint.failpoints import VARIABLE
from timepoint.model import Window

pytestmark = pytest.mark.system

END = BEGIN + 3 * DAY
KILLS = 5


class Api:
    """Answers for any window; ``windows`` are those that were asked for."""

    def __init__(self) -> None:
        self.windows: list[Window] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                window = Window(int(query["start"][0]), int(query["end"][0]))
                api.windows.append(window)
                data = json.dumps(body(window)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except ConnectionError:
                    """A killed client breaks its connection: that is the test."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def api() -> Iterator[Api]:
    """The API, served in a thread."""
    api = Api()
    thread = threading.Thread(target=api.server.serve_forever)
    thread.start()
    try:
        yield api
    finally:
        api.server.shutdown()
        thread.join(PATIENCE)
        api.server.server_close()


@pytest.fixture
def command(tmp_path: Path, api: Api) -> list[str]:
    """The call, in pieces of six hours."""
    text = CONFIG.format(source="", window="", job="", metrics="", params="")
    text = text.replace("https://api.example", api.url)
    text = text.replace("{window.start}", "{window.start:unix_ms}", 1).replace(
        "{window.end}", "{window.end:unix_ms}", 1
    )
    config = tmp_path / "config.yaml"
    config.write_text(dedent(text), encoding="utf-8")
    times = ["--from", str(BEGIN // 1000), "--to", str(END // 1000), "--span", "6h"]
    where = ["--openmetrics", str(tmp_path / "out"), "--data-dir", str(tmp_path / "data")]
    return [sys.executable, "-m", "timepoint", "backfill", str(config), *times, *where]


def call(command: list[str], **environ: str) -> int:
    """One call; its exit code."""
    done = subprocess.run(command, env={**os.environ, **environ}, capture_output=True, check=False, timeout=PATIENCE)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode


def check(tmp_path: Path, api: Api, most: int) -> None:
    """All is there, exact and once, and only windows that were under way were asked for again."""
    found = Stage(tmp_path).samples()
    assert found == {("x_total", f"p{pod}"): totals(pod, BEGIN, END) for pod in range(3)}
    assert set(api.windows) == {Window(at, at + 6 * HOUR) for at in range(BEGIN, END, 6 * HOUR)}
    assert len(api.windows) <= 12 + most
    left = [path.name for path in (tmp_path / "out" / ".backfill" / "spool").iterdir()]
    assert left == []


@pytest.mark.parametrize(
    "point", ["after_fetch:5", "before_commit:5", "in_commit:5", "after_commit:5", "before_rename:2", "after_rename:2"]
)
def test_killed_at_a_point(command: list[str], api: Api, tmp_path: Path, point: str) -> None:
    """Killed between any two steps, it goes on from there."""
    assert call(command, **{VARIABLE: point}) == -signal.SIGKILL
    assert call(command) == 0
    check(tmp_path, api, most=1)


def test_killed_at_random_moments(command: list[str], api: Api, tmp_path: Path) -> None:
    """Killed again and again, each time after another while, it comes to its end."""
    chance = random.Random(5)
    kills = 0
    while kills < KILLS:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        asked = len(api.windows)
        waiting = threading.Event()
        begun = _until(lambda: len(api.windows) > asked or process.poll() is not None)  # noqa: B023 - used in this round
        assert begun
        waiting.wait(chance.random() * 0.05)
        process.kill()
        if process.wait(PATIENCE) == 0:
            break
        kills += 1
    assert call(command) == 0
    check(tmp_path, api, most=kills)


def _until(condition: Any) -> bool:
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.002)):
        if condition():
            return True
        pause.wait(0.002)
    return False
