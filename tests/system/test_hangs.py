"""A process that hangs is ended and started again, and neither a count nor a scrape is lost by it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.system.hostile import HostileApi, good
from tests.system.support import Exporter, wait_for
from tests.system.test_delays import CONFIG, JOB, runs, started
from tests.system.test_disk import seconds_asked, total_of, wait_for_two_runs

pytestmark = pytest.mark.system

ENDS = "timepoint_child_ends_total"


def exporter_of(api: HostileApi, directory: Path) -> Exporter:
    """An exporter with one job, every second, whose processes hang after five."""
    config = directory / "config.yaml"
    config.write_text(CONFIG.format(url=api.url, jobs=JOB.format(name="quick", max_age="1h")))
    return Exporter(config, directory / "data", {}, ["--hang-deadline=5s"])


def hang(exporter: Exporter, child: str) -> None:
    """Stops a process for good; returns when another one is in its place."""
    pid = exporter.pid(child)
    os.kill(pid, signal.SIGSTOP)
    wait_for(f"another {child}", lambda: exporter.pid(child) != pid)
    assert [line["how"] for line in exporter.log("child_died") if line["child"] == child] == ["hung"]


def test_a_poller_that_hangs_is_started_again_and_each_second_counts_once(tmp_path: Path) -> None:
    """The page is served meanwhile, the next poller catches up, and the page tells how often it happened (X9)."""
    api = HostileApi({"/quick": [good]})
    with api.running(), started(exporter_of(api, tmp_path)) as exporter:
        before = wait_for_two_runs(exporter)
        os.kill(exporter.pid("poller"), signal.SIGSTOP)
        wait_for("the hang to be seen", lambda: exporter.log("child_hangs"))
        assert total_of(exporter) >= before
        wait_for("another poller", lambda: len(exporter.log("child_started")) == 3)
        so_far = runs(exporter, "quick")
        wait_for("good runs again", lambda: runs(exporter, "quick") >= so_far + 2)
        wait_for("each second to be counted once", lambda: total_of(exporter) == seconds_asked(exporter))
        samples = exporter.samples()

    ends = {labels: value for (name, labels), value in samples.items() if name == ENDS}
    assert {labels: value for labels, value in ends.items() if value} == {(("child", "poller"), ("how", "hung")): 1}
    assert len(ends) == 4


def test_a_server_that_hangs_is_started_again_on_the_same_port(tmp_path: Path) -> None:
    """Who asks meanwhile waits for the next one, and the poller goes on (X9)."""
    api = HostileApi({"/quick": [good]})
    with api.running(), started(exporter_of(api, tmp_path)) as exporter:
        wait_for_two_runs(exporter)
        poller = exporter.pid("poller")
        hang(exporter, "server")
        wait_for("a page that goes on", lambda: total_of(exporter) == seconds_asked(exporter))
        assert exporter.pid("poller") == poller
