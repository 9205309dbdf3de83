"""The disk fails the exporter: what was committed is served on, and nothing is lost or doubled afterwards."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path

import psutil
import pytest

from tests.system.hostile import HostileApi, good
from tests.system.support import Exporter, Samples, milliseconds, wait_for
from tests.system.test_delays import CONFIG, JOB, runs, shown, started
from timepoint.clock import SystemClock
from timepoint.datadir import Layout

pytestmark = pytest.mark.system

TOTAL = "quick_joules_total"
FAILURES = "timepoint_job_run_failures_total"
STORE = "store_error"
RESTART = "restart to begin a new one"
FULL = 16 * 1024
"""A size of files at which the ledger can no longer be written, while the log still can."""


def exporter_of(api: HostileApi, directory: Path) -> Exporter:
    """An exporter with one job, every second."""
    config = directory / "config.yaml"
    config.write_text(CONFIG.format(url=api.url, jobs=JOB.format(name="quick", max_age="1h")))
    return Exporter(config, directory / "data", {})


def store_errors(samples: Samples) -> float:
    """How many runs failed at the ledger or at the page, as the exporter counts them."""
    return sum(
        value for (name, labels), value in samples.items() if name == FAILURES and ("outcome", "store_error") in labels
    )


def seconds_asked(exporter: Exporter) -> float:
    """How many seconds lie between the first window and the last one that was committed: one joule each."""
    lines = [line for line in exporter.log("run") if line["outcome"] == "ok" or line.get("reason") == "publish"]
    return (milliseconds(lines[-1]["window_end"]) - milliseconds(lines[0]["window_start"])) / 1000


def total_of(exporter: Exporter) -> float:
    """The total on the page, which must be there."""
    (total,) = shown(exporter.samples(), TOTAL)
    return total


def wait_for_two_runs(exporter: Exporter) -> float:
    """The total after two runs."""
    wait_for("two runs", lambda: runs(exporter, "quick") >= 2)
    wait_for("the page", lambda: shown(exporter.samples(), TOTAL))
    return total_of(exporter)


def test_a_full_disk_costs_nothing_that_was_committed(tmp_path: Path) -> None:
    """While nothing can be written the last state is served; afterwards each second is counted once (D1)."""
    api = HostileApi({"/quick": [good]})
    with api.running(), started(exporter_of(api, tmp_path)) as exporter:
        before = wait_for_two_runs(exporter)
        poller = psutil.Process(exporter.pid("poller"))
        _, most = poller.rlimit(resource.RLIMIT_FSIZE)
        poller.rlimit(resource.RLIMIT_FSIZE, (FULL, most))
        clock = SystemClock()
        end = clock.monotonic() + 4
        wait_for(
            "failed runs, over some seconds",
            lambda: _still_served(exporter, before) and clock.monotonic() > end and runs(exporter, "quick", STORE) >= 2,
        )
        failed = runs(exporter, "quick", STORE)
        poller.rlimit(resource.RLIMIT_FSIZE, (most, most))
        good_so_far = runs(exporter, "quick")
        wait_for("good runs again", lambda: runs(exporter, "quick") >= good_so_far + 2)
        wait_for("the count of failures", lambda: store_errors(exporter.samples()) >= failed)
        wait_for("each second to be counted once", lambda: total_of(exporter) == seconds_asked(exporter))
        assert total_of(exporter) > before
    errors = {line["error"] for line in exporter.log("run") if line["outcome"] == STORE}
    assert all("ledger.sqlite" in error or ".snapshot" in error for error in errors), errors


def _still_served(exporter: Exporter, at_least: float) -> bool:
    assert total_of(exporter) >= at_least
    return True


def delete(directory: Path) -> None:
    """Deletes a directory in one step for who writes into it: one who came in between would keep it from going."""
    shutil.rmtree(directory.rename(directory.with_name("deleted")))


def test_a_deleted_data_directory_takes_nothing_off_the_page(tmp_path: Path) -> None:
    """Who deletes the directory of a running exporter sees it fail by name, while it serves on what it has (D7)."""
    api = HostileApi({"/quick": [good]})
    with api.running(), started(exporter_of(api, tmp_path)) as exporter:
        before = wait_for_two_runs(exporter)
        delete(exporter.data_dir)
        wait_for(
            "runs that fail",
            lambda: _still_served(exporter, before) and store_errors(exporter.samples()) >= 3,
        )
        # A run that was under way may have failed at another step; each later one finds the ledger gone.
        _, *errors = [line["error"] for line in exporter.log("run") if line["outcome"] == STORE]
        status = exporter.stop()
    (error,) = set(errors)
    assert error == f"{Layout(exporter.data_dir).ledger}: it is gone (No such file or directory); {RESTART}"
    assert status == 0


def test_a_deleted_page_is_put_back(tmp_path: Path) -> None:
    """Snapshots that somebody deletes come back, and no scrape is without them."""
    api = HostileApi({"/quick": [good]})
    with api.running(), started(exporter_of(api, tmp_path)) as exporter:
        before = wait_for_two_runs(exporter)
        published = Layout(exporter.data_dir).published
        delete(published)
        wait_for(
            "the page to be there", lambda: _still_served(exporter, before) and len(list(published.glob("*"))) >= 2
        )
        wait_for("the total to grow", lambda: total_of(exporter) > before)
