"""Prometheus servers on two levels, started from the files of ``examples/prometheus``.

Owns: the servers' processes, what in an example becomes an address of the loopback or a shorter interval, and which
files and exporters make a layout. Must not know: what happens to them, what is asserted.
"""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import yaml

from tests.system.support import PATIENCE, Exporter, Prometheus, config, get, wait_for

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "prometheus"
COUNTER = "pod_energy_joules_total"
CLUSTERS = ("eu-west", "us-east")
LAYOUTS = ("one-exporter", "exporter-per-cluster")
WAYS = ("scrape", "federate", "receive")

Labels = tuple[tuple[str, str], ...]
Sums = dict[str, float]
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


def held_port(stack: ExitStack) -> int:
    """A free port that no connection takes as its own end before, or between two lives of, who will listen on it.

    A socket that is bound and does not listen holds it; a listener with SO_REUSEADDR may still have it.
    """
    holder = stack.enter_context(socket.socket())
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    port: int = holder.getsockname()[1]
    return port


class Server(Prometheus):
    """A Prometheus that is started, ended and started again on the same data, from an example or a text."""

    def __init__(self, binary: str, directory: Path, port: int, options: Sequence[str] = ()) -> None:
        self.port = port
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
        wait_for(f"Prometheus in {self._directory.name} to be ready", self._is_up)

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._directory / "prometheus.log").read_text()[-2000:]
        return self._ready()

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
        """What it logged about samples that it did not store.

        Not those of its own rules: one that it comes to evaluate late, on a busy machine, it may evaluate twice.
        """
        lines = (self._directory / "prometheus.log").read_text().splitlines()
        words = ("out of order", "out-of-order", "duplicate", "same timestamp", "non-recoverable")
        others = [line for line in lines if 'component="rule manager"' not in line]
        return [line for line in others if any(word in line.lower() for word in words)]


def totals(server: Server, selector: str = COUNTER, by: str = "cluster", at: float | None = None) -> Sums:
    """The sum of the totals that a server shows now, or at an instant in seconds, by a label."""
    found = server.query(f"sum by ({by}) ({selector})", at)
    return {dict(series).get(by, ""): value for series, value in found.items()}


def expected(layout: str, server: str) -> set[str]:
    """The clusters that a server should know."""
    if server in CLUSTERS:
        return {server}
    # A cluster without a Prometheus of its own is seen by who scrapes the exporter, and by nobody else.
    return {*CLUSTERS, "eu-north"} if (layout, server) == ("one-exporter", "scrape") else set(CLUSTERS)


@dataclass
class Layout:
    """The servers and exporters of one layout."""

    name: str
    exporters: dict[str, Exporter]
    clusters: dict[str, Server]
    centres: dict[str, Server]

    def servers(self) -> dict[str, Server]:
        """All servers by name."""
        return self.clusters | self.centres

    def page(self, server: str) -> Sums:
        """The sums on the exporters' pages, of the clusters that a server should know."""
        page: Sums = {}
        for exporter in self.exporters.values():
            for (name, labels), value in exporter.samples().items():
                if name == COUNTER:
                    cluster = dict(labels)["cluster"]
                    page[cluster] = page.get(cluster, 0.0) + value
        return {cluster: page[cluster] for cluster in expected(self.name, server)}

    def about_itself(self, server: str) -> int:
        """How many exporters a server should know by what they tell of themselves; 0 says nothing of it."""
        return 0 if server not in WAYS else len(self.exporters)


def make_layout(name: str, binary: str, directory: Path, environ: dict[str, str], stack: ExitStack) -> Layout:
    """Both levels of a layout, configured and not started; ``stack`` holds their ports."""
    exporters = {}
    for served in ["all"] if name == "one-exporter" else CLUSTERS:
        place = directory / f"exporter-{served}"
        place.mkdir(parents=True)
        text = config(every="4s", zero_first="0s")
        if served != "all":
            text = text.replace("{cluster}", f'{{cluster=\\"{served}\\"}}')
        (place / "config.yaml").write_text(text)
        exporters[served] = Exporter(place / "config.yaml", place / "data", environ, port=held_port(stack))
    clusters = {cluster: Server(binary, directory / cluster, held_port(stack)) for cluster in CLUSTERS}
    receiver = ("--web.enable-remote-write-receiver",)
    centres = {
        way: Server(binary, directory / way, held_port(stack), receiver if way == "receive" else ()) for way in WAYS
    }
    hosts = {"timepoint.example:8080": exporters["all"].port} if "all" in exporters else {}
    hosts |= {f"timepoint.{served}.example:8080": exporter.port for served, exporter in exporters.items()}
    hosts |= {f"prometheus.{cluster}.example:9090": server.port for cluster, server in clusters.items()}
    hosts["prometheus.example:9090"] = centres["receive"].port
    if name == "one-exporter":
        clusters["eu-west"].example(f"{name}/cluster-of-the-exporter.yml", hosts)
        clusters["us-east"].example(f"{name}/cluster.yml", hosts)
    else:
        clusters["eu-west"].example(f"{name}/cluster.yml", hosts)
        clusters["us-east"].example(f"{name}/cluster.yml", hosts, eu_west="us-east")
    centres["scrape"].example(f"{name}/central.yml", hosts)
    centres["federate"].example("central-federate.yml", hosts)
    centres["receive"].example("central-receive.yml", hosts)
    return Layout(name, exporters, clusters, centres)
