"""Prometheus servers on two levels, started from the files of ``examples/prometheus``.

Owns: the servers' processes, and what in an example becomes an address of the loopback or a shorter interval. Must not
know: what is asserted, the exporter.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode

import yaml

from tests.system.support import PATIENCE, Prometheus, free_port, get, wait_for

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "prometheus"
Metadata = dict[str, str]


def localized(text: str, addresses: Mapping[str, int], *, own_port: int) -> str:
    """An example with ports of the loopback for its hosts and a second for its intervals; all else as it stands.

    ``addresses`` are hosts with port, as the example writes them.
    """
    for address, port in {**addresses, "localhost:9090": own_port}.items():
        text = text.replace(address, f"127.0.0.1:{port}")
    assert ".example:" not in text, "a host of the example has no port here"
    for interval in ("scrape_interval: 30s", "evaluation_interval: 1m"):
        text = text.replace(interval, interval.split(":")[0] + ": 1s")
    return text.replace("  scrape_interval: 1s\n", "  scrape_interval: 1s\n  scrape_timeout: 1s\n")


class Server(Prometheus):
    """A Prometheus that is started, ended and started again on the same data, from an example or a text."""

    def __init__(self, binary: str, directory: Path, options: Sequence[str] = ()) -> None:
        self.port = free_port()
        self._binary = binary
        self._directory = directory
        self._config = directory / "prometheus.yml"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True)

    def configure(self, text: str, addresses: Mapping[str, int], place: Path = EXAMPLES) -> None:
        """Writes its config and copies of its rules; ``place`` is what the text's paths are relative to."""
        config = yaml.safe_load(localized(text, addresses, own_port=self.port))
        copies = []
        for file in config.get("rule_files", []):
            copies.append(f"rules-{Path(file).name}")
            rules = (place / file).read_text("utf-8").replace("interval: 1m", "interval: 1s")
            (self._directory / copies[-1]).write_text(rules)
        self._config.write_text(yaml.safe_dump(config | {"rule_files": copies}))

    def example(self, name: str, addresses: Mapping[str, int], **replaced: str) -> None:
        """Takes its config from a file of ``examples/prometheus``; ``replaced`` are words, hyphens as underscores."""
        path = EXAMPLES / name
        text = path.read_text("utf-8")
        for word, other in replaced.items():
            text = text.replace(word.replace("_", "-"), other)
        self.configure(text, addresses, path.parent)

    def start(self) -> None:
        """Starts it; it is not ready yet."""
        command = [self._binary, f"--config.file={self._config}", f"--web.listen-address=127.0.0.1:{self.port}"]
        command += [f"--storage.tsdb.path={self._directory / 'tsdb'}", "--log.level=warn", *self._options]
        with (self._directory / "prometheus.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def wait(self) -> None:
        """Returns when it is ready."""
        wait_for(f"Prometheus in {self._directory.name} to be ready", self._ready)

    def stop(self) -> None:
        """SIGTERM, and its end; nothing if it does not run."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE)
            self._process = None

    def kill(self) -> None:
        """SIGKILL: who sends to a receiver that has ended would try for a minute before it ends."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)

    def types(self) -> Metadata:
        """The type of each family, as this server knows it."""
        status, body = get(f"http://127.0.0.1:{self.port}/api/v1/metadata")
        assert status == 200, body
        return {name: entries[0]["type"] for name, entries in json.loads(body)["data"].items()}

    def series(self, selector: str) -> list[dict[str, str]]:
        """Every series that it has ever stored and that a selector matches."""
        status, body = get(f"http://127.0.0.1:{self.port}/api/v1/series?{urlencode({'match[]': selector})}")
        assert status == 200, body
        found: list[dict[str, str]] = json.loads(body)["data"]
        return found

    def complaints(self) -> list[str]:
        """What it logged about samples that it did not store."""
        lines = (self._directory / "prometheus.log").read_text().splitlines()
        return [line for line in lines if "out-of-order" in line or "out of order" in line or "duplicate" in line]
