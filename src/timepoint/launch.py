"""The exporter as a whole: data directory, socket, server and poller.

Owns: what is opened before the processes part, and what each of them is made of. The command line, the demo and the
Python API all start the exporter here. Must not know: where jobs come from, how a command is written.

    lock the data directory ──> listen ──> supervise ──┬── server   published snapshots -> pages
                                                       └── poller   jobs -> ledger -> published snapshots

All modules are imported before the processes part, so that they share the memory of the code.
"""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import socket
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from timepoint.clock import MINUTE, SystemClock
from timepoint.datadir import DataDirectory, Layout
from timepoint.errors import ConfigError
from timepoint.job import Workload
from timepoint.log import event
from timepoint.notifier import Notifier
from timepoint.poller import main as poller
from timepoint.server.listening import Address, ListenAddress, UnixAddress, listening, systemd_sockets
from timepoint.server.serve import serve
from timepoint.server.settings import ServerSettings
from timepoint.supervisor import Child, supervise
from timepoint.switchboard import POLLER, SERVER, Switchboard
from timepoint.version import __version__
from timepoint.vitals import Vitals

LOGGER = logging.getLogger(__name__)


DEFAULT_ADDRESS = ListenAddress("0.0.0.0", 8080)  # noqa: S104 - scrapers are other machines


@dataclass(frozen=True, slots=True)
class LaunchSettings:
    """Where the exporter keeps its data and where it listens. ``systemd``: on the sockets that systemd passes, only.

    ``hang_deadline``: after how many ms without a sign of life a process is ended and started again; 0 for never.
    """

    data_dir: Path = Path("timepoint-data")
    addresses: Sequence[Address] = (DEFAULT_ADDRESS,)
    systemd: bool = False
    server: ServerSettings = field(default_factory=ServerSettings)
    hang_deadline: int = MINUTE


def launch(
    work: Workload, settings: LaunchSettings, beside: Sequence[Child] = (), *, load: poller.Load | None = None
) -> int:
    """Runs the exporter until SIGTERM or SIGINT; the exit code of the program.

    ``beside`` are further processes that live and end with it. ``load`` reads the config anew when a reload is asked
    for, or takes the bytes that a process is to go on with; without it nothing is reloaded. Must be called with one
    thread and no running event loop. Raises DataDirectoryError (InUseError if another exporter has the directory) and
    ListenError; nothing was started then.
    """
    leave_no_core()
    with (
        DataDirectory(settings.data_dir) as data,
        open_sockets(settings) as bound,
        Vitals() as of_server,
        Vitals() as of_poller,
    ):
        sockets = [sock for _, sock in bound]
        announce(settings, [address for address, _ in bound], len(work.jobs))
        vitals = {SERVER: of_server, POLLER: of_poller}
        notifier = Notifier.of_environ(os.environ, os.getpid(), SystemClock())
        board = None if load is None else Switchboard([job.name for job in work.jobs], SystemClock(), notifier)

        def serving() -> int:
            names = [job.name for job in work.jobs] if board is None else board.in_force.jobs
            end = None if board is None else board.asking_end()
            return serve(sockets, data.layout.published, names, settings.server, end, vitals)

        def polling() -> int:
            for sock in sockets:
                sock.close()  # the server's; the poller must not keep the port
            if board is None or load is None:
                return poller.poll_forever(work, data.layout.ledger, data.layout.published, vitals=of_poller)
            return poll_in_force(work, load, board, data.layout, of_poller)

        children = [Child(SERVER, serving, of_server), Child(POLLER, polling, of_poller), *beside]
        return supervise(children, aside=board, notifier=notifier, hang_deadline=settings.hang_deadline / 1000)


def serve_only(work: Workload, settings: LaunchSettings) -> int:
    """Serves a data directory that ``timepoint poll --once`` fills, until SIGTERM or SIGINT. Raises ListenError.

    It reads published snapshots alone and takes no lock, so it may run beside the polling.
    """
    layout = Layout(settings.data_dir)
    with open_sockets(settings) as bound, Vitals() as vitals:
        sockets = [sock for _, sock in bound]
        announce(settings, [address for address, _ in bound], len(work.jobs))
        if not layout.published.is_dir():
            event(
                LOGGER, logging.WARNING, "nothing_published", directory=layout.published, hint="timepoint poll --once"
            )
        names = [job.name for job in work.jobs]

        def serving() -> int:
            return serve(sockets, layout.published, names, settings.server, vitals={SERVER: vitals})

        notifier = Notifier.of_environ(os.environ, os.getpid(), SystemClock())
        return supervise(
            [Child(SERVER, serving, vitals)], notifier=notifier, hang_deadline=settings.hang_deadline / 1000
        )


def poll_once(work: Workload, data_dir: Path, *, force: bool = False, only: Collection[str] = ()) -> int:
    """Runs each job that is due once; 1 if a run failed. ``force`` runs those too that are not due.

    Raises DataDirectoryError.
    """
    leave_no_core()
    with DataDirectory(data_dir) as data:
        return poller.poll_once(work, data.layout.ledger, data.layout.published, force=force, only=only)


def leave_no_core() -> None:
    """Has the kernel write no core of this process and its children: all credentials would stand in it."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))


@contextlib.contextmanager
def open_sockets(settings: LaunchSettings) -> Iterator[list[tuple[Address, socket.socket]]]:
    """The sockets to serve on, each with its address. Raises ListenError."""
    if not settings.systemd:
        with listening(settings.addresses) as bound:
            yield bound
        return
    passed = systemd_sockets(os.environ, os.getpid())
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)
    try:
        yield passed
    finally:
        for _, sock in passed:
            sock.close()


def announce(settings: LaunchSettings, addresses: Sequence[Address], jobs: int) -> None:
    """The log lines that say where to look."""
    web = settings.server.web
    scheme = "https" if web is not None and web.first.context is not None else "http"
    for address in addresses:
        url = None if isinstance(address, UnixAddress) else address.url_of(scheme)
        event(
            LOGGER,
            logging.INFO,
            "listening",
            version=__version__,
            jobs=jobs,
            address=address,
            open=f"{url}/" if url is not None else None,
            metrics=f"{url}{settings.server.telemetry_path}" if url is not None else None,
            data_dir=settings.data_dir,
        )


def _load_again(load: poller.Load, raw: bytes) -> Workload:
    """What is in force; if it can run no longer, what stands in the file now. Raises ConfigError."""
    for source in (raw, None):
        try:
            return load(source).work
        except ConfigError as error:  # it was good: what it names, such as a file with a credential, must be gone
            event(LOGGER, logging.ERROR, "config_unusable", error=error, kept=False)
            if source is None:
                raise
    raise AssertionError("BUG: neither read nor refused")


def poll_in_force(first: Workload, load: poller.Load, board: Switchboard, layout: Layout, vitals: Vitals) -> int:
    """The main of the poller process where the config may have been reloaded: it begins with what is in force."""
    work, raw = first, board.in_force.raw
    if raw is not None:
        try:
            work = _load_again(load, raw)
        except ConfigError:  # both are told of
            return 1
    reloads = poller.FileReloads(board.asked_end(), load, board.in_force.facts)
    return poller.poll_forever(work, layout.ledger, layout.published, reloads, vitals)
