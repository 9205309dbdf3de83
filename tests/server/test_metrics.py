from __future__ import annotations

import asyncio
import gzip
import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.server.support import NOW, publish_job, publish_large_job, publish_poller, staged
from timepoint.clock import MINUTE
from timepoint.server.settings import Limits, ServerSettings


def values(body: bytes) -> dict[str, float]:
    """The samples of a page by name; of names with several samples the last."""
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


async def test_the_page_is_complete_and_says_what_it_is(tmp_path: Path) -> None:
    """Text 0.0.4 for a client without Accept, with exact Content-Type and Content-Length, not to be stored."""
    publish_job(tmp_path, "a", 12.5)
    async with staged(tmp_path, "a") as stage:
        answer = await stage.ask("/metrics")

    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["cache-control"] == "no-store"
    assert "content-encoding" not in answer.headers
    assert values(answer.body)["a_watts"] == 12.5


async def test_gzip_is_the_same_page(tmp_path: Path) -> None:
    """A client that takes gzip gets one member with the same samples (S7)."""
    publish_job(tmp_path, "a", 12.5)
    async with staged(tmp_path, "a") as stage:
        answer = await stage.ask("/metrics", Accept_Encoding="gzip")

    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert values(gzip.decompress(answer.body))["a_watts"] == 12.5


async def test_prometheus_gets_openmetrics(tmp_path: Path) -> None:
    """With Prometheus' own Accept header the page is OpenMetrics and ends with its mark (S7)."""
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    async with staged(tmp_path) as stage:
        answer = await stage.ask("/metrics", Accept=accept)

    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert answer.body.endswith(b"# EOF\n")


async def test_head_is_get_without_a_body(tmp_path: Path) -> None:
    """The headers are those of GET, the length included (S8)."""
    publish_job(tmp_path, "a")
    async with staged(tmp_path, "a") as stage:
        answer = await stage.ask("/metrics", "HEAD")

    assert answer.status == 200
    assert int(answer.headers["content-length"]) > 0
    assert answer.body == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
async def test_other_methods_are_refused_with_what_is_allowed(tmp_path: Path, method: str) -> None:
    """The page can only be read (S8)."""
    async with staged(tmp_path) as stage:
        answer = await stage.ask("/metrics", method)

    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/metric", "/metrics/", "//metrics", "/-/config", "/-/style.css/../x", "/%2e%2e/"])
async def test_unknown_paths_are_not_found(tmp_path: Path, path: str) -> None:
    """Only exact paths answer (A40)."""
    async with staged(tmp_path) as stage:
        assert (await stage.ask(path)).status == 404


async def test_a_body_is_refused(tmp_path: Path) -> None:
    """A GET that carries a body is no scrape; the connection is closed after the answer."""
    async with staged(tmp_path) as stage:
        answer = await stage.ask("/metrics", body=b"x" * 10)

    assert answer.status == 400


async def test_the_path_of_the_metrics_can_be_chosen(tmp_path: Path) -> None:
    """At another telemetry path the page is there, and /metrics is not."""
    async with staged(tmp_path, settings=ServerSettings(telemetry_path="/export")) as stage:
        assert (await stage.ask("/export")).status == 200
        assert (await stage.ask("/metrics")).status == 404


async def test_max_age_holds_with_a_dead_poller(tmp_path: Path) -> None:
    """A batch leaves the page at its limit by the clock of the page, with nobody publishing."""
    publish_job(tmp_path, "a", visible_until=NOW + MINUTE)
    async with staged(tmp_path, "a") as stage:
        before = await stage.ask("/metrics")
        stage.clock.advance(MINUTE)
        after = await stage.ask("/metrics")

    assert "a_watts" in values(before.body)
    assert b"a_watts" not in after.body


async def test_the_page_says_whether_the_poller_lives(tmp_path: Path) -> None:
    """timepoint_poller_up is 1 until the last heartbeat is older than the deadline."""
    publish_poller(tmp_path)
    async with staged(tmp_path) as stage:
        alive = await stage.ask("/metrics")
        stage.clock.advance(2 * MINUTE)
        dead = await stage.ask("/metrics")

    assert values(alive.body)["timepoint_poller_up"] == 1
    assert values(dead.body)["timepoint_poller_up"] == 0


async def test_serve_mode_says_nothing_of_a_poller(tmp_path: Path) -> None:
    """Where no heartbeat is expected, an alert on timepoint_poller_up must not fire."""
    publish_poller(tmp_path)
    async with staged(tmp_path, settings=ServerSettings(poller_required=False)) as stage:
        answer = await stage.ask("/metrics")

    assert b"timepoint_poller_up" not in answer.body


async def test_promtool_finds_nothing(tmp_path: Path, promtool: str) -> None:
    """The server's own families keep the rules of naming."""
    publish_poller(tmp_path)
    publish_job(tmp_path, "a")
    async with staged(tmp_path, "a") as stage:
        answer = await stage.ask("/metrics")

    command = [promtool, "check", "metrics"]
    result = await asyncio.to_thread(subprocess.run, command, input=answer.body, capture_output=True, check=False)

    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


async def test_a_slow_reader_is_cut_off_and_disturbs_nobody(tmp_path: Path) -> None:
    """A client that does not read loses its connection at the write deadline; others are answered meanwhile (S4)."""
    publish_large_job(tmp_path)
    limits = Limits(write_deadline=0.3)
    async with staged(tmp_path, "large", settings=ServerSettings(limits=limits)) as stage:
        reader, writer = await stage.connect()
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        other = await stage.ask("/-/healthy")
        await stage.until_all_are_closed()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1 << 30)

    assert other.status == 200


async def test_an_aborted_scrape_is_not_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A client that leaves in the middle of a page leaves no line in the log."""
    publish_large_job(tmp_path)
    async with staged(tmp_path, "large") as stage:
        reader, writer = await stage.connect()
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.readexactly(1000)
        writer.transport.abort()
        await stage.until_all_are_closed()
        assert (await stage.ask("/-/healthy")).status == 200

    assert caplog.records == []
