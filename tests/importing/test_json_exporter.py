"""What was recorded of json_exporter is what json_exporter says, where it is installed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from tests.importing.cases import CASES, Case
from tests.importing.test_behaviour import SAID, Line, lines_of

PATIENCE = 30
_LISTENS = re.compile(r"Listening on.* address=(\S+:[0-9]+)")


class _Bodies(BaseHTTPRequestHandler):
    """Answers a path with the body of the case of that number."""

    bodies: ClassVar[list[bytes]] = [json.dumps(case.body).encode() for case in CASES]

    def do_GET(self) -> None:
        body = self.bodies[int(self.path[1:])]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def api() -> Iterator[str]:
    """The URL at which the bodies are served."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Bodies) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def running(program: str, config: Path) -> Iterator[str]:
    """The URL of a json_exporter with a config; it chooses its port, and says it in its log."""
    command = [program, f"--config.file={config}", "--web.listen-address=127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        killer = threading.Timer(PATIENCE, process.kill)
        killer.start()
        try:
            found = next((match for line in process.stderr if (match := _LISTENS.search(line))), None)
            assert found is not None, "json_exporter has ended"
            # What it logs of each bad path must be read, or it stands still once the pipe is full.
            drain = threading.Thread(target=process.stderr.read, daemon=True)
            drain.start()
            yield f"http://{found[1]}"
        finally:
            killer.cancel()
            process.kill()
            process.wait()
            drain.join(PATIENCE)


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Line]]:
    """What json_exporter exposes of each case, by its name; nothing where it takes the module for an error."""
    program = shutil.which("json_exporter")
    if program is None:
        pytest.skip("no json_exporter is here (docs/benchmarks.md says how to build it)")
    config = tmp_path_factory.mktemp("json_exporter") / "config.yml"
    modules = {f"m{number}": {"metrics": case.metrics} for number, case in enumerate(CASES)}
    config.write_text(json.dumps({"modules": modules}))
    found = {}
    with api() as target, running(program, config) as exporter:
        for number, case in enumerate(CASES):
            query = urlencode({"module": f"m{number}", "target": f"{target}/{number}"})
            try:
                with urlopen(f"{exporter}/probe?{query}", timeout=PATIENCE) as answer:
                    found[case.name] = lines_of(answer.read().decode())
            except HTTPError as error:
                error.close()
                found[case.name] = []
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_was_recorded_is_what_it_says(case: Case, probed: dict[str, list[Line]]) -> None:
    """The library that was asked, in the order that was read in the source, says what the whole program says."""
    recorded = [(s["name"], tuple(sorted(s["labels"].items())), float(s["value"])) for s in SAID[case.name]]
    if len({line[:2] for line in recorded}) < len(recorded):
        recorded = []  # the library it exposes metrics with answers 500 where a series stands twice

    found = [(name, tuple(label for label in labels if label[1]), value) for name, labels, value in probed[case.name]]

    assert Counter(found) == Counter(recorded)
