from __future__ import annotations

from pathlib import Path

from tests.server.support import NOW, publish_poller, staged
from timepoint.clock import MINUTE
from timepoint.server.settings import ServerSettings

SERVE_ONLY = ServerSettings(poller_required=False)


async def test_healthy_while_heartbeats_come(tmp_path: Path) -> None:
    """200 and a sentence that Prometheus' own endpoint has too."""
    publish_poller(tmp_path)
    async with staged(tmp_path) as stage:
        answer = await stage.ask("/-/healthy")

    assert (answer.status, answer.body) == (200, b"timepoint is healthy.\n")


async def test_unhealthy_when_the_heartbeat_is_older_than_the_deadline(tmp_path: Path) -> None:
    """503 tells an orchestrator to start the exporter again (X9)."""
    publish_poller(tmp_path)
    async with staged(tmp_path) as stage:
        stage.clock.advance(2 * MINUTE)
        answer = await stage.ask("/-/healthy")

    assert answer.status == 503


async def test_a_heartbeat_of_long_ago_does_not_make_a_start_unhealthy(tmp_path: Path) -> None:
    """After a restart the poller has the whole deadline to speak, whatever an earlier one left behind."""
    publish_poller(tmp_path, at=NOW - 1000 * MINUTE)
    async with staged(tmp_path) as stage:
        fresh = await stage.ask("/-/healthy")
        stage.clock.advance(2 * MINUTE)
        late = await stage.ask("/-/healthy")

    assert (fresh.status, late.status) == (200, 503)


async def test_serve_mode_needs_no_poller(tmp_path: Path) -> None:
    """Where poll --once fills the directory, silence is no illness."""
    async with staged(tmp_path, settings=SERVE_ONLY) as stage:
        stage.clock.advance(1000 * MINUTE)
        assert (await stage.ask("/-/healthy")).status == 200


async def test_ready_when_each_job_has_ended_a_first_run(tmp_path: Path) -> None:
    """The poller's status decides, as soon as this poller has spoken."""
    async with staged(tmp_path, "a", "b") as stage:
        first = await stage.ask("/-/ready")
        publish_poller(tmp_path, {"jobs": {"a": {"ready": True}, "b": {"ready": False}}})
        stage.app.loader.refresh()
        half = await stage.ask("/-/ready")
        publish_poller(tmp_path, {"jobs": {"a": {"ready": True}, "b": {"ready": True}}})
        stage.app.loader.refresh()
        whole = await stage.ask("/-/ready")

    assert first.status == 503
    assert (half.status, half.body) == (503, b"timepoint is not ready: 1 of 2 jobs without an ended first run.\n")
    assert (whole.status, whole.body) == (200, b"timepoint is ready.\n")


async def test_readiness_may_require_that_data_are_fresh(tmp_path: Path) -> None:
    """With the option a page that gets old makes the exporter unready by itself, without a word of the poller."""
    phases = [["fresh", NOW + MINUTE], ["expired", None]]
    publish_poller(tmp_path, {"jobs": {"a": {"ready": True, "freshness": {"x": phases}}}})
    settings = ServerSettings(ready_requires_fresh=True, poller_required=False)
    async with staged(tmp_path, "a", settings=settings) as stage:
        fresh = await stage.ask("/-/ready")
        stage.clock.advance(MINUTE)
        expired = await stage.ask("/-/ready")

    assert fresh.status == 200
    assert (expired.status, expired.body) == (503, b"timepoint is not ready: a is expired.\n")


async def test_head_of_a_health_endpoint_has_the_status_alone(tmp_path: Path) -> None:
    """Probes may use HEAD."""
    async with staged(tmp_path, settings=SERVE_ONLY) as stage:
        answer = await stage.ask("/-/healthy", "HEAD")

    assert (answer.status, answer.body) == (200, b"")
