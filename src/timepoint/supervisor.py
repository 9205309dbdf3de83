"""The parent process: forks the children, starts the dead again, ends all of them.

Owns: forking, signals, back-off, the end, and that no child outlives its parent.
Must not know: what a child does, what a reload is, sockets, the event loop.

The parent has neither threads nor an event loop, so that it can fork a child again, at any time, from the same clean
state; that is why a user's functions need not be imported anew. What the children share (the listening socket, the lock
of the data directory) is opened before and inherited.

- A child that ends, with any exit code, is started again after 1 s, doubling to 30 s; a child that lived for a minute
  begins at 1 s again.
- SIGTERM or SIGINT: every child gets SIGTERM; who still lives 4.5 s later gets SIGKILL, and so does everybody at a
  second signal, half a second or more after the first. SIGHUP asks whoever sits aside for a reload of the config, and
  does nothing in a child.
- The parent alone holds the write end of a pipe. When it dies, by whatever means, the kernel closes that end, and a
  thread in each child that waits for it ends the child at once. A child needs no care: nothing that it holds is lost.
- As process 1 of a container it has handlers of its own (the kernel ignores signals to process 1 without them) and
  reaps the orphans that come to it.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn, Protocol

from timepoint import log
from timepoint.clock import Clock, SystemClock

LOGGER = logging.getLogger(__name__)

STOP_WITHIN = 4.5
REPEATED = 0.5  # coreutils' timeout signals its child and then the child's whole group: that is one wish, not two
FIRST_PAUSE, LONGEST_PAUSE, STEADY = 1.0, 30.0, 60.0

_STOPS = (signal.SIGTERM, signal.SIGINT)
_HANDLED = (*_STOPS, signal.SIGHUP, signal.SIGCHLD)
_ORPHANED = 70


@dataclass(frozen=True, slots=True)
class Child:
    """A process to keep alive: its name in the log, and its main, which returns an exit code."""

    name: str
    main: Callable[[], int]


class Aside(Protocol):
    """Who hears in the parent what children say, and what SIGHUP asks for. Nothing that it does may take long."""

    @property
    def wants(self) -> str | None:
        """The name of a child that does not live and should be started at once."""
        ...

    def before_fork(self, child: str) -> None:
        """A child is about to be started. Raises OSError if it cannot be."""
        ...

    def in_child(self) -> None:
        """This process is the child now."""
        ...

    def after_fork(self, child: str, *, lives: bool) -> None:
        """The child was started, or could not be."""
        ...

    def ended(self, child: str, how: str) -> None: ...

    def descriptors(self) -> Collection[int]:
        """What the parent is to wait for."""
        ...

    def hear(self, descriptor: int) -> None:
        """One of the descriptors has become readable."""
        ...

    def ask(self) -> None:
        """SIGHUP came."""
        ...


@dataclass(slots=True)
class Backoff:
    """How long to wait before a child is started again. Pure; seconds of a monotonic clock."""

    pause: float = FIRST_PAUSE

    def after(self, lived: float) -> float:
        """The pause after a life of so many seconds."""
        if lived >= STEADY:
            self.pause = FIRST_PAUSE
        pause = self.pause
        self.pause = min(self.pause * 2, LONGEST_PAUSE)
        return pause


@dataclass(slots=True)
class _Life:
    """What the parent knows of one child. ``pid`` is None while it waits for its next start at ``start_at``."""

    child: Child
    backoff: Backoff = field(default_factory=Backoff)
    pid: int | None = None
    started_at: float = 0.0
    start_at: float = 0.0


def supervise(
    children: Sequence[Child],
    *,
    aside: Aside | None = None,
    clock: Clock | None = None,
    stop_within: float = STOP_WITHIN,
) -> int:
    """Runs the children until SIGTERM or SIGINT; the exit code: 0 when all ended by themselves, 1 when one was killed.

    Must be called from a process with one thread and without a running event loop.
    """
    if threading.active_count() != 1:
        raise AssertionError("BUG: the supervisor forks and must be the only thread of its process")
    gc.collect()
    gc.freeze()  # what exists now is never freed: the collector of a child shall not copy its pages
    supervisor = _Supervisor(children, aside, clock or SystemClock(), stop_within)
    try:
        return supervisor.run()
    finally:
        supervisor.close()
        gc.unfreeze()


class _Supervisor:
    """The loop of the parent: wakes up for signals and for children whose pause is over."""

    def __init__(self, children: Sequence[Child], aside: Aside | None, clock: Clock, stop_within: float) -> None:
        self.lives = [_Life(child) for child in children]
        self.aside = aside
        self.clock = clock
        self.stop_within = stop_within
        self.kill_at: float | None = None  # set once the end has begun
        self.killed = False
        self.alive_read, self.alive_write = os.pipe()
        self.wake_read, self.wake_write = os.pipe()
        os.set_blocking(self.wake_read, False)
        os.set_blocking(self.wake_write, False)
        # Python runs handlers only between two instructions, which a select may outlast; the wake-up pipe ends it.
        self.old_wakeup = signal.set_wakeup_fd(self.wake_write, warn_on_full_buffer=False)
        self.old_handlers = {number: signal.signal(number, _nothing) for number in _HANDLED}

    def close(self) -> None:
        for number, handler in self.old_handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self.old_wakeup)
        for fd in (self.alive_read, self.alive_write, self.wake_read, self.wake_write):
            os.close(fd)

    def run(self) -> int:
        while True:
            now = self.clock.monotonic()
            if self.kill_at is None:
                wanted = self.aside.wants if self.aside is not None else None
                for life in self.lives:
                    if life.pid is None and (life.start_at <= now or life.child.name == wanted):
                        self._start(life)
            elif all(life.pid is None for life in self.lives):
                log.event(LOGGER, logging.INFO, "stopped", killed=self.killed)
                return int(self.killed)
            elif now >= self.kill_at and not self.killed:
                self._kill("the children did not end in time")
            ends = self.aside.descriptors() if self.aside is not None else ()
            readable, _, _ = select.select([self.wake_read, *ends], [], [], self._timeout(now))
            for number in self._signals():
                self._handle(number)
            for descriptor in readable:
                if self.aside is not None and descriptor != self.wake_read:
                    self.aside.hear(descriptor)
            self._reap()

    def _timeout(self, now: float) -> float | None:
        moments = [life.start_at for life in self.lives if life.pid is None] if self.kill_at is None else []
        if self.kill_at is not None and not self.killed:
            moments.append(self.kill_at)
        return max(0.0, min(moments) - now) if moments else None

    def _signals(self) -> bytes:
        try:
            return os.read(self.wake_read, 4096)
        except BlockingIOError:
            return b""

    def _handle(self, number: int) -> None:
        if number == signal.SIGHUP and self.kill_at is None:
            self._ask_for_reload()
        if number not in _STOPS:
            return
        name = signal.Signals(number).name
        if self.kill_at is not None:
            if self.clock.monotonic() < self.kill_at - self.stop_within + REPEATED:
                return
            self._kill(f"a second signal, {name}")
            return
        log.event(LOGGER, logging.INFO, "stopping", signal=name)
        self.kill_at = self.clock.monotonic() + self.stop_within
        self._send(signal.SIGTERM)

    def _ask_for_reload(self) -> None:
        if self.aside is not None:
            self.aside.ask()
            return
        why = "only timepoint run has a config to reload; start this exporter again to change its jobs"
        log.event(LOGGER, logging.WARNING, "reload_ignored", reason=why)

    def _kill(self, reason: str) -> None:
        names = ",".join(life.child.name for life in self.lives if life.pid is not None)
        log.event(LOGGER, logging.WARNING, "killing", children=names, reason=reason)
        self.killed = True
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        for life in self.lives:
            if life.pid is not None:
                os.kill(life.pid, number)  # not reaped yet, so the number is still that child's

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for life in self.lives:
                if life.pid == pid:
                    self._ended(life, os.waitstatus_to_exitcode(status))

    def _ended(self, life: _Life, code: int) -> None:
        now = self.clock.monotonic()
        pid, life.pid = life.pid, None
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        if self.kill_at is not None:
            log.event(LOGGER, logging.DEBUG, "child_ended", child=life.child.name, pid=pid, how=how)
            return
        if self.aside is not None:
            self.aside.ended(life.child.name, how)
        pause = life.backoff.after(now - life.started_at)
        life.start_at = now + pause
        log.event(LOGGER, logging.ERROR, "child_died", child=life.child.name, pid=pid, how=how, restart_in=pause)

    def _start(self, life: _Life) -> None:
        # A signal between fork and the child's own handlers would be written into the parent's wake-up pipe.
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        _flush()
        name, pid = life.child.name, -1
        try:
            if self.aside is not None:
                self.aside.before_fork(name)
            pid = os.fork()
        except OSError as error:  # no process, file or memory left: for a while, one hopes
            life.start_at = self.clock.monotonic() + life.backoff.after(0)
            log.event(LOGGER, logging.ERROR, "child_not_started", child=name, error=error)
            return
        finally:
            if pid != 0:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
                if self.aside is not None:
                    self.aside.after_fork(name, lives=pid > 0)
        if pid == 0:
            self._be(life.child)
        life.pid, life.started_at = pid, self.clock.monotonic()
        log.event(LOGGER, logging.INFO, "child_started", child=name, pid=pid)

    def _be(self, child: Child) -> NoReturn:
        """The whole life of a child process. Never comes back into the parent's code."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in _HANDLED:
                signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else signal.SIG_DFL)
            for fd in (self.alive_write, self.wake_read, self.wake_write):
                os.close(fd)
            if self.aside is not None:
                self.aside.in_child()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
            threading.Thread(target=_end_with_parent, args=(self.alive_read,), name="parent", daemon=True).start()
            code = child.main()
        except SystemExit as request:
            code = request.code if isinstance(request.code, int) else int(request.code is not None)
        except BaseException:
            LOGGER.exception("BUG: the %s process ends with an error", child.name)
        finally:
            _flush()
            os._exit(code)  # not the parent's exit handlers, nor a wait for threads that hang


def _flush() -> None:
    with contextlib.suppress(OSError, ValueError):  # a closed output is nobody's concern here
        sys.stdout.flush()
        sys.stderr.flush()


def _nothing(number: int, frame: FrameType | None) -> None:
    """The signal is in the wake-up pipe already."""


def _end_with_parent(fd: int) -> None:
    os.read(fd, 1)  # nothing is ever written: this returns at the end of the parent
    os._exit(_ORPHANED)
