"""Rows about a port that is abused while it is scraped.

Owns: the floods, and how long scrapes take beside them. Must not know: how the table is printed.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import select
import shutil
import socket
import ssl
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import bcrypt

from bench import fresh
from bench.bodies import Shape, make_bodies
from bench.exporter import fill, write_config
from bench.processes import Program, free_port, timepoint
from bench.setting import Setting
from bench.table import Row, judged

HALF_OPEN, SILENT, GUESSES = 1000, 500, 200
_USER, _PASSWORD, _COST = "prometheus", "the good one", 10
_AGO = 10 * 60 * 1000
_EVERY = 0.05
_PACE = 5  # guesses a second on one connection


def rows(setting: Setting) -> list[Row]:
    """Scrapes beside half-open requests, silent TLS handshakes and wrong passwords; and without anything beside."""
    shape = Shape(setting.scraped_series, setting.points, setting.overlap)
    bodies = make_bodies(setting.work, shape, 3)
    directory = Path(tempfile.mkdtemp(dir=setting.work))
    found: dict[str, dict[str, float]] = {}
    try:
        fill(directory, shape, bodies[:1], time.time_ns() // 1_000_000 - _AGO)
        config, port = write_config(directory / "config.yaml", shape), free_port()
        web = ["--web.config.file", str(_write_web_config(directory))]
        for name, options in (("plain", []), ("secured", web)):
            command = [*timepoint("serve", config, directory, port), *options]
            with Program(command, directory / f"{name}.log", port):
                found |= {f"{name}, {flood}": figures for flood, figures in _beside(name, port, setting, directory)}
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return [_row(what, figures, shape.pods) for what, figures in found.items()]


def _beside(name: str, port: int, setting: Setting, directory: Path) -> Iterator[tuple[str, dict[str, float]]]:
    ca = str(directory / "cert.pem") if name == "secured" else ""
    scrapes = {"port": port, "seconds": setting.seconds, "ca": ca}
    floods: list[tuple[str, str, dict[str, object]]] = [("half-open", "half_open", {"count": HALF_OPEN})]
    if ca:
        floods = [("silent", "half_open", {"count": HALF_OPEN + SILENT, "head": ""}), ("guesses", "guess", {"ca": ca})]
    yield "alone", fresh.call("bench.port:scrape", **scrapes)
    for what, function, arguments in floods:
        command = fresh.command(f"bench.port:{function}", port=port, seconds=setting.seconds + 5, **arguments)
        flood = subprocess.Popen(command, cwd=fresh.ROOT, stdout=subprocess.PIPE, text=True)
        time.sleep(2)  # until it has begun
        figures = fresh.call("bench.port:scrape", **scrapes)
        out, _ = flood.communicate()
        yield what, figures | {f"flood_{key}": value for key, value in _last(out).items()}


def _last(out: str) -> dict[str, float]:
    found: dict[str, float] = json.loads(out.splitlines()[-1])
    return found


def _row(what: str, figures: dict[str, float], series: int) -> Row:
    limit = 250.0 if "guesses" in what else 200.0 if "alone" not in what else 50.0
    beside = {
        "plain, alone": "nothing",
        "secured, alone": "nothing, with TLS and a user",
        "plain, half-open": f"{HALF_OPEN} half-open requests",
        "secured, silent": f"{HALF_OPEN + SILENT} connections without a handshake",
        "secured, guesses": f"{GUESSES} wrong passwords a second (bcrypt, cost {_COST})",
    }[what]
    measured = f"{figures['p99']:.1f} ms, new connections {figures['fresh_p99']:.1f} ms, {figures['failed']:.0f} failed"
    closed = figures.get("flood_closed")
    how = f"{figures['scrapes']:.0f} scrapes, one every {_EVERY * 1000:.0f} ms, in turns on keep-alive and on a new one"
    if "flood_per_second" in figures:
        how += f"; {figures['flood_per_second']:.0f} guesses a second were answered"
    if closed is not None:
        how += f"; the last half-open one was closed after {closed:.1f} s"
    worst = max(figures["p99"], figures["fresh_p99"])
    is_met = judged(worst if not figures["failed"] else float("inf"), limit)
    work = f"p99 of a {series:,}-series scrape beside {beside}"
    return Row(work, measured, f"<= {limit:g} ms", verdict=is_met, how=how, figures=figures)


def _write_web_config(directory: Path) -> Path:
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]
    files = ["-keyout", str(directory / "key.pem"), "-out", str(directory / "cert.pem")]
    subprocess.run(["openssl", "req", "-x509", *kind, *files, *subject], check=True, capture_output=True)
    hashed = bcrypt.hashpw(_PASSWORD.encode(), bcrypt.gensalt(_COST)).decode()
    path = directory / "web.yaml"
    tls = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n"
    path.write_text(f"{tls}basic_auth_users:\n  {_USER}: {hashed}\n", encoding="utf-8")
    return path


def _connection(port: int, ca: str) -> http.client.HTTPConnection:
    if ca:
        context = ssl.create_default_context(cafile=ca)
        return http.client.HTTPSConnection("localhost", port, timeout=30, context=context)
    return http.client.HTTPConnection("127.0.0.1", port, timeout=30)


def _authorization(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{_USER}:{password}".encode()).decode()}


def scrape(port: int, seconds: float, ca: str) -> dict[str, float]:
    """Scrapes in turns on a connection that is kept and on new ones; milliseconds from when each was due."""
    kept = _connection(port, ca)
    headers = {**_authorization(_PASSWORD), "Accept-Encoding": "gzip"}

    def ask(connection: http.client.HTTPConnection) -> None:
        connection.request("GET", "/metrics", headers=headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise OSError(answer.status)

    ask(kept)
    took: dict[str, list[float]] = {"kept": [], "fresh": []}
    failed = 0
    begin = due = time.perf_counter()
    while due < begin + seconds:
        time.sleep(max(0.0, due - time.perf_counter()))
        which = "fresh" if len(took["kept"]) > len(took["fresh"]) else "kept"
        try:
            if which == "kept":
                ask(kept)
            else:
                with contextlib.closing(_connection(port, ca)) as new:
                    ask(new)
        except (OSError, http.client.HTTPException):
            failed += 1
            if which == "kept":
                kept = _connection(port, ca)
        took[which].append((time.perf_counter() - due) * 1000)
        due = max(due + _EVERY, time.perf_counter())
    p99 = {name: statistics.quantiles(values, n=100, method="inclusive")[98] for name, values in took.items()}
    most = max(max(values) for values in took.values())
    scrapes = sum(map(len, took.values()))
    return {"p99": p99["kept"], "fresh_p99": p99["fresh"], "most": most, "scrapes": scrapes, "failed": failed}


def half_open(port: int, seconds: float, count: int, head: str = "GET /metrics HTTP/1.1\r\nX: ") -> dict[str, float]:
    """Opens so many connections, says half a head on each, and waits until all of them are closed."""
    begin = time.perf_counter()
    opened = []
    for _ in range(count):
        with contextlib.suppress(OSError):
            client = socket.create_connection(("127.0.0.1", port), 30)
            client.sendall(head.encode())
            client.settimeout(0)
            opened.append(client)
    made = time.perf_counter()
    poller = select.poll()
    by_fd = {client.fileno(): client for client in opened}
    for fd in by_fd:
        poller.register(fd, select.POLLIN)
    while by_fd and time.perf_counter() < made + 60:
        for fd, _ in poller.poll(1000):
            with contextlib.suppress(OSError):
                if by_fd[fd].recv(100):
                    continue
            poller.unregister(fd)
            by_fd.pop(fd).close()
    closed = time.perf_counter() - made
    _wait_until(begin + seconds)
    return {"opened": len(opened), "closed": closed, "left": len(by_fd)}


def guess(port: int, seconds: float, ca: str) -> dict[str, float]:
    """Wrong passwords at an even pace, each another one, on connections that are kept."""
    begin = time.perf_counter()
    statuses: list[int] = []

    def go_on(number: int) -> None:
        connection = _connection(port, ca)
        for turn in range(int(seconds * _PACE)):
            _wait_until(begin + (turn + number * _PACE / GUESSES) / _PACE)
            if time.perf_counter() > begin + seconds:
                return
            try:
                connection.request("GET", "/metrics", headers=_authorization(f"wrong {number} {turn}"))
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)
            except (OSError, http.client.HTTPException):
                connection = _connection(port, ca)

    threads = [threading.Thread(target=go_on, args=(number,)) for number in range(GUESSES // _PACE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = {str(status): float(statuses.count(status)) for status in set(statuses)}
    return counts | {"per_second": len(statuses) / (time.perf_counter() - begin)}


def _wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.perf_counter()))
