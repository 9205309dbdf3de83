"""Abuse of what is served: frames, ranges, paths that lead elsewhere, endpoints that exporters of others have."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.server.support import publish_job, publish_poller, staged
from timepoint.server.settings import ServerSettings

ANSWERED = ["/", "/metrics", "/-/healthy", "/-/ready", "/-/style.css", "/nothing"]


@pytest.mark.parametrize("path", ANSWERED)
async def test_a22_no_page_can_be_framed_or_taken_for_another_kind(tmp_path: Path, path: str) -> None:
    """A22: each answer forbids frames, everything active, and guesses about its type."""
    publish_job(tmp_path, "a")
    async with staged(tmp_path, "a") as stage:
        headers = (await stage.ask(path)).headers

    assert headers["x-content-type-options"] == "nosniff"
    if headers["content-type"].startswith("text/html"):
        policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["frame-ancestors"] == "'none'"
        assert "script-src" not in policy
        assert "unsafe" not in headers["content-security-policy"]


@pytest.mark.parametrize("path", ANSWERED)
async def test_a22_no_answer_may_be_read_by_another_site(tmp_path: Path, path: str) -> None:
    """A22: whatever origin asks, no header of CORS lets it read the answer."""
    publish_job(tmp_path, "a")
    async with staged(tmp_path, "a") as stage:
        answer = await stage.ask(path, Origin="https://evil.example")
        asked_first = await stage.ask(
            path, "OPTIONS", Origin="https://evil.example", Access_Control_Request_Method="POST"
        )

    for headers in (answer.headers, asked_first.headers):
        assert not [name for name in headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd",
        "/-/../../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/-/style.css/../../../etc/passwd",
        "/-/..%5c..%5cetc%5cpasswd",
        "/-/style.css%00.html",
        "/published/a.snapshot",
        "/ledger.sqlite",
        "//etc/passwd",
        "/-/templates/landing.html",
    ],
)
async def test_a23_no_path_leads_to_a_file(tmp_path: Path, path: str, caplog: pytest.LogCaptureFixture) -> None:
    """A23: paths are compared whole, so that none leads out of what is served, nor into the data directory."""
    publish_job(tmp_path, "a")
    async with staged(tmp_path, "a") as stage:
        answer = await stage.ask(path)

    assert answer.status == 404
    assert b"root:" not in answer.body
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


@pytest.mark.parametrize("wanted", ["bytes=0-1", "bytes=-1", "bytes=0-0," * 500 + "1-1", "bytes=9-1", "lines=1-2"])
@pytest.mark.parametrize("path", ["/metrics", "/", "/-/style.css"])
async def test_a23_a_range_is_not_looked_at(tmp_path: Path, path: str, wanted: str) -> None:
    """A23: the answer is whole; no parts are put together, however many are asked for."""
    publish_job(tmp_path, "a")
    async with staged(tmp_path, "a") as stage:
        whole = await stage.ask(path)
        answer = await stage.ask(path, Range=wanted)

    assert answer.status == 200
    assert answer.body.count(b"\n") == whole.body.count(b"\n")
    assert not {"content-range", "accept-ranges"} & answer.headers.keys()


@pytest.mark.parametrize(
    "path",
    [
        "/debug/pprof/",
        "/debug/pprof/goroutine?debug=2",
        "/debug/vars",
        "/debug",
        "/flags",
        "/env",
        "/api/v1/status/config",
        "/-/quit",
        "/-/dump",
        "/-/stack",
        "/threads",
        "/console",
        "/admin",
        "/.env",
        "/.git/config",
        "/server-status",
        "/actuator/env",
        "/probe",
    ],
)
async def test_a40_nothing_for_debugging_answers(tmp_path: Path, path: str) -> None:
    """A40: what other programs show there is not there, nor anything that ends or changes the exporter."""
    async with staged(tmp_path) as stage:
        for method in ("GET", "POST"):
            assert (await stage.ask(path, method)).status == 404


async def test_a37_health_tells_no_word_of_the_data(tmp_path: Path) -> None:
    """A37: without users, health says whether all is well and whose data are old, never what a source says."""
    job = {"reason": "status", "error": "https://api.internal said 403", "ready": True, "metrics": {}}
    publish_poller(tmp_path, {"jobs": {"secret_project": job}})
    async with staged(
        tmp_path, "secret_project", "other_project", settings=ServerSettings(ready_requires_fresh=True)
    ) as stage:
        answers = [await stage.ask(path) for path in ("/-/healthy", "/-/ready")]

    assert [answer.status for answer in answers] == [200, 503]
    assert not [answer.body for answer in answers if b"internal" in answer.body or b"403" in answer.body]
