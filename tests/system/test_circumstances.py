"""The whole exporter under odd circumstances: slow disks, few descriptors, no inodes, no rights, deadly answers."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.proof.tracing import attached, require_strace
from tests.system.hostile import HostileApi, good
from tests.system.support import Exporter, wait_for
from tests.system.test_delays import CONFIG, JOB, Scrapes, runs, shown, started
from tests.system.test_disk import STORE, TOTAL, seconds_asked, total_of, wait_for_two_runs
from timepoint.datadir import Layout

pytestmark = pytest.mark.system


@dataclass
class WrappedExporter(Exporter):
    """An exporter that another program starts, whose words stand in front."""

    wrapper: list[str] = field(default_factory=list)

    def command(self) -> list[str]:
        return [*self.wrapper, *super().command()]


def config_of(api: HostileApi, directory: Path, jobs: str = "") -> Path:
    """A config with one job, every second, and perhaps others."""
    config = directory / "config.yaml"
    config.write_text(CONFIG.format(url=api.url, jobs=JOB.format(name="quick", max_age="1h") + jobs))
    return config


def test_d5_a_sync_that_takes_seconds_delays_no_scrape(tmp_path: Path) -> None:
    """D5: while each sync of the poller takes a second, scrapes begin and end; each second is counted once."""
    require_strace()
    slow = ("-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:delay_exit=1000000")
    api = HostileApi({"/quick": [good]})
    with api.running(), started(Exporter(config_of(api, tmp_path), tmp_path / "data", {})) as exporter:
        wait_for_two_runs(exporter)
        with (
            Scrapes(exporter.url).running() as scrapes,
            attached(exporter.pid("poller"), slow, is_stopped=False),
        ):
            before = len(scrapes.spans)
            so_far = runs(exporter, "quick")
            wait_for("a run with slow syncs", lambda: runs(exporter, "quick") > so_far)
            during = len(scrapes.spans) - before
        so_far = runs(exporter, "quick")
        wait_for("a run after it", lambda: runs(exporter, "quick") > so_far)
        wait_for("each second to be counted once", lambda: total_of(exporter) == seconds_asked(exporter))
    assert during > 10
    assert scrapes.statuses == {200}


def test_d11_few_descriptors_are_enough(tmp_path: Path) -> None:
    """D11: with 64 descriptors for each process and 200 idle connections, scrapes are answered and runs go on."""
    if shutil.which("prlimit") is None:
        pytest.skip("prlimit is not installed (apt-get install util-linux)")
    api = HostileApi({"/quick": [good]})
    wrapper = ["prlimit", "--nofile=64:64", "--"]
    with (
        api.running(),
        started(WrappedExporter(config_of(api, tmp_path), tmp_path / "data", {}, wrapper=wrapper)) as exporter,
        ExitStack() as idle,
    ):
        before = wait_for_two_runs(exporter)
        for _ in range(200):
            with suppress(OSError):
                idle.enter_context(socket.create_connection(("127.0.0.1", exporter.port), timeout=10))
        assert psutil.Process(exporter.pid("server")).rlimit(resource.RLIMIT_NOFILE) == (64, 64)
        wait_for("the total to grow on the page", lambda: total_of(exporter) > before + 2)
        assert not exporter.log("child_died")


@contextmanager
def disk_with_few_inodes(directory: Path, inodes: int) -> Iterator[Path]:
    """A file system of its own, in memory, for so many files. Skips the test where that cannot be mounted."""
    directory.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    command = ["mount", "-t", "tmpfs", "-o", f"nr_inodes={inodes},size=64m,mode=700", "timepoint", str(directory)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk is not allowed here")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def test_d12_without_inodes_the_last_state_is_served(tmp_path: Path) -> None:
    """D12: where no file can be made runs fail and say so, the page stays; afterwards each second is counted once."""
    api = HostileApi({"/quick": [good]})
    with (
        disk_with_few_inodes(tmp_path / "disk", 60) as disk,
        api.running(),
        started(Exporter(config_of(api, tmp_path), disk / "data", {})) as exporter,
    ):
        before = wait_for_two_runs(exporter)
        fillers = []
        with suppress(OSError):
            for number in range(1000):
                (disk / f"filler-{number}").touch()
                fillers.append(disk / f"filler-{number}")
        assert len(fillers) < 1000, "the inodes did not end"
        wait_for("runs that fail", lambda: total_of(exporter) >= before and runs(exporter, "quick", STORE) >= 2)
        for filler in fillers:
            filler.unlink()
        so_far = runs(exporter, "quick")
        wait_for("good runs again", lambda: runs(exporter, "quick") >= so_far + 2)
        wait_for("each second to be counted once", lambda: total_of(exporter) == seconds_asked(exporter))
        errors = [line["error"] for line in exporter.log("run") if line["outcome"] == STORE]
    assert all("No space left" in error for error in errors), errors


@contextmanager
def directory_of_nobody() -> Iterator[Path]:
    """A directory that uid 65534 owns and reaches, unlike those of the test runner."""
    directory = Path(tempfile.mkdtemp(prefix="timepoint-nobody-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def test_x11_nothing_but_the_data_directory_can_be_written() -> None:
    """X11, A39: on a read-only root, as uid 65534, without HOME, /tmp or a right to write, it polls and ends well."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("mounting a small disk needs root")
    with directory_of_nobody() as directory:
        data = directory / "data"
        data.mkdir()
        os.chown(data, 65534, 65534)
        # The interpreter may stand where nobody else looks: reading is allowed everywhere, writing is not.
        caps = (
            "--inh-caps=-all,+dac_read_search --ambient-caps=-all,+dac_read_search --bounding-set=-all,+dac_read_search"
        )
        script = (
            f"mount --make-rprivate / && mount --bind {data} {data} && mount -o remount,ro,bind / && "
            f"{{ ! touch /tmp/x 2>/dev/null; }} && "
            f'exec env -u HOME -u TMPDIR setpriv --reuid=65534 --regid=65534 --clear-groups {caps} -- "$@"'
        )
        api = HostileApi({"/quick": [good]})
        wrapper = ["unshare", "-m", "sh", "-c", script, "sh"]
        probe = subprocess.run([*wrapper, "true"], capture_output=True, check=False)
        if probe.returncode:
            pytest.skip("mounting a small disk is not allowed here")
        with (
            api.running(),
            started(WrappedExporter(config_of(api, directory), data, {}, wrapper=wrapper)) as exporter,
        ):
            before = wait_for_two_runs(exporter)
            wait_for("the total to grow", lambda: total_of(exporter) > before)
            poller = psutil.Process(exporter.pid("poller"))
            assert poller.uids().effective == 65534
            assert "HOME" not in poller.environ()
            assert exporter.stop() == 0
        assert Layout(data).ledger.stat().st_uid == 65534


def test_x12_only_the_poller_holds_the_ledger(tmp_path: Path) -> None:
    """X12: parent and server, which fork or are forked, never have it open, so that no fork can share a connection."""
    api = HostileApi({"/quick": [good]})
    with api.running(), started(Exporter(config_of(api, tmp_path), tmp_path / "data", {})) as exporter:
        wait_for_two_runs(exporter)
        assert exporter.process is not None
        pids = {"parent": exporter.process.pid, "server": exporter.pid("server"), "poller": exporter.pid("poller")}
        has = {
            name: any("ledger.sqlite" in str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir())
            for name, pid in pids.items()
        }
        cores = {psutil.Process(pid).rlimit(resource.RLIMIT_CORE)[0] for pid in pids.values()}
    assert has == {"parent": False, "server": False, "poller": True}
    assert cores == {0}, "a core dump would hold every secret (A18)"


KILLER = """
import os, signal

def kill(document):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_x7_an_answer_that_kills_the_poller_costs_its_own_job_alone(tmp_path: Path) -> None:
    """X7: it is asked for once per fire time, scrapes go on, and the other job counts each of its seconds once."""
    (tmp_path / "killing.py").write_text(KILLER)
    deadly = JOB.format(name="deadly", max_age="1h").replace("every: 1s", "every: 5s")
    deadly = deadly.replace("rows:", 'transform: {python: "killing:kill"}\n    rows:')
    api = HostileApi({"/quick": [good], "/deadly": [good]})
    with (
        api.running(),
        started(Exporter(config_of(api, tmp_path, deadly), tmp_path / "data", {})) as exporter,
    ):
        wait_for("the first death", lambda: exporter.log("child_died"))
        before = wait_for_two_runs(exporter)
        with Scrapes(exporter.url).running() as scrapes:
            wait_for("more deaths", lambda: len(exporter.log("child_died")) >= 3)
            wait_for("the other job to go on", lambda: (shown(exporter.samples(), TOTAL) or [0])[0] > before)
        deaths, asked = len(exporter.log("child_died")), len(api.asked["/deadly"])
        fired = {line["window_end"] for line in exporter.log("run") if line["job"] == "deadly"}
    assert {line["child"] for line in exporter.log("child_died")} == {"poller"}
    assert asked in (deaths, deaths + 1)
    assert not fired, "no run of it ends"
    assert scrapes.statuses == {200}
    assert len(scrapes.spans) > 10
