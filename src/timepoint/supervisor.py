"""The parent process: forks the children, starts the dead again, ends those that hang, and at last all of them.

Owns: forking, signals, back-off, the patience with a child that hangs, the end, and that no child outlives its parent.
Must not know: what a child does, what a reload is, sockets, the event loop.

The parent has neither threads nor an event loop, so that it can fork a child again, at any time, from the same clean
state; that is why a user's functions need not be imported anew. What the children share (the listening socket, the lock
of the data directory) is opened before and inherited.

- A child that ends, with any exit code, is started again after 1 s, doubling to 30 s; a child that lived for a minute
  begins at 1 s again.
- A child with ``vitals`` gives a sign of life several times a second. The parent looks twelve times within
  ``hang_deadline``; if there was none for so long, the child hangs: it gets SIGABRT, upon which it writes down where
  it stands, and SIGKILL at the first look 5 s or more after that. Then it has ended like any other.
- SIGTERM or SIGINT: every child gets SIGTERM; who still lives 4.5 s later gets SIGKILL, and so does everybody at a
  second signal, half a second or more after the first. SIGHUP asks whoever sits aside for a reload of the config, and
  does nothing in a child.
- The parent alone holds the write end of a pipe. When it dies, by whatever means, the kernel closes that end, and a
  thread in each child that waits for it ends the child at once. A child needs no care: nothing that it holds is lost.
  One that is stopped, or whose interpreter is held by an endless call, has no thread that could run: Linux ends it.
- As process 1 of a container it has handlers of its own (the kernel ignores signals to process 1 without them) and
  reaps the orphans that come to it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import math
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
from timepoint.notifier import Notifier
from timepoint.processor import processor_time
from timepoint.vitals import DIED, HUNG, Silence, Vitals

LOGGER = logging.getLogger(__name__)

STOP_WITHIN = 4.5
REPEATED = 0.5  # coreutils' timeout signals its child and then the child's whole group: that is one wish, not two
FIRST_PAUSE, LONGEST_PAUSE, STEADY = 1.0, 30.0, 60.0
HANG_DEADLINE = 60.0
"""The event loop stood still for 0.2 s at worst in a first run of 4.8 million samples: 0022-signs-of-life.md."""
LOOKS = 12
_EARLY = 0.5  # of a look: a child that works all the time gets a little less than the whole of a processor
_BEGUN_WITHIN = 0.05  # seconds between two looks whether all have begun, where a manager of services waits for it

_STOPS = (signal.SIGTERM, signal.SIGINT)
_HANDLED = (*_STOPS, signal.SIGHUP, signal.SIGCHLD)
_ORPHANED = 70
_WORDS_WITHIN = 5.0  # that a child which hangs has to write down where it stands: the next look may come in 0.1 s
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Child:
    """A process to keep alive: its name in the log, and its main, which returns an exit code.

    A main that gives signs of life does so by ``vitals``; without them nobody looks whether it hangs.
    """

    name: str
    main: Callable[[], int]
    vitals: Vitals | None = None

    @property
    def has_begun(self) -> bool:
        """Whether it has got to its work in some life of it, or has shown that it cannot."""
        return self.vitals is None or self.vitals.beats > 0 or any(self.vitals.ends.values())


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
    silence: Silence = field(default_factory=lambda: Silence(0))
    hangs: bool = False
    kill_at: float = math.inf  # once it was told to write down where it stands


def supervise(
    children: Sequence[Child],
    *,
    aside: Aside | None = None,
    notifier: Notifier | None = None,
    stop_within: float = STOP_WITHIN,
    hang_deadline: float = HANG_DEADLINE,
) -> int:
    """Runs the children until SIGTERM or SIGINT; the exit code: 0 when all ended by themselves, 1 when one was killed.

    ``notifier`` tells the manager of services. With a ``hang_deadline`` (seconds) of 0 no child is taken to hang.
    Must be called from a process with one thread and without a running event loop.
    """
    if threading.active_count() != 1:
        raise AssertionError("BUG: the supervisor forks and must be the only thread of its process")
    gc.collect()
    gc.freeze()  # what exists now is never freed: the collector of a child shall not copy its pages
    clock = SystemClock()
    supervisor = _Supervisor([_Life(child) for child in children], aside, notifier or Notifier(clock), clock)
    supervisor.stop_within, supervisor.look_every = stop_within, hang_deadline / LOOKS
    try:
        return supervisor.run()
    finally:
        supervisor.close()
        gc.unfreeze()


class _Supervisor:
    """The loop of the parent: wakes up for signals, for children whose pause is over, and to look at those alive."""

    def __init__(self, lives: Sequence[_Life], aside: Aside | None, notifier: Notifier, clock: Clock) -> None:
        self.lives = lives
        self.aside = aside
        self.notifier = notifier
        self.clock = clock
        self.stop_within = STOP_WITHIN
        self.look_every = HANG_DEADLINE / LOOKS
        self.look_at = self.alive_at = -math.inf
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
            self._look(now)
            ends = self.aside.descriptors() if self.aside is not None else ()
            readable, _, _ = select.select([self.wake_read, *ends], [], [], self._timeout(now))
            for number in self._signals():
                self._handle(number)
            for descriptor in readable:
                if self.aside is not None and descriptor != self.wake_read:
                    self.aside.hear(descriptor)
            self._reap()

    def _timeout(self, now: float) -> float | None:
        moments = [self.look_at, self.alive_at]
        if self.kill_at is None:
            moments += [life.start_at for life in self.lives if life.pid is None]
        elif not self.killed:
            moments.append(self.kill_at)
        if self.notifier.awaits_ready:
            moments.append(now + _BEGUN_WITHIN)
        moment = min(moments)
        return max(0.0, moment - now) if moment < math.inf else None

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
        self.notifier.stopping()
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

    def _look(self, now: float) -> None:
        """Whether all children live as they should, and that the parent does."""
        if self.notifier.awaits_ready and all(life.child.has_begun for life in self.lives):
            self.notifier.ready()
        if now >= self.alive_at:
            self.notifier.alive()
            self.alive_at = now + (self.notifier.alive_every or math.inf)
        if now >= self.look_at:
            self.look_at = now + (self.look_every or math.inf)
            watches = self.look_every > 0 and self.kill_at is None
            for life in self.lives if watches else ():
                if life.pid is not None and life.child.vitals is not None:
                    self._look_at(life.pid, life, life.child.vitals, now)

    def _look_at(self, pid: int, life: _Life, vitals: Vitals, now: float) -> None:
        silent = life.silence.look(vitals.beats, processor_time(pid))
        if silent < self.look_every * (LOOKS - _EARLY):
            return
        if not life.hangs:
            life.hangs, life.kill_at = True, now + _WORDS_WITHIN
            log.event(LOGGER, logging.ERROR, "child_hangs", child=life.child.name, pid=pid, seconds=round(silent, 1))
            os.kill(pid, signal.SIGABRT)
        elif now >= life.kill_at:  # it is stopped, or hangs where no signal can reach it
            os.kill(pid, signal.SIGKILL)

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
        vitals = life.child.vitals
        words = vitals.take_words() if vitals is not None else ""
        if self.kill_at is not None:
            log.event(LOGGER, logging.DEBUG, "child_ended", child=life.child.name, pid=pid, how=how)
            return
        how = "hung" if life.hangs else how
        if vitals is not None:
            vitals.note_end(HUNG if life.hangs else DIED)
        name = life.child.name
        if self.aside is not None:
            self.aside.ended(name, how)
        pause = life.backoff.after(now - life.started_at)
        life.start_at = now + pause
        log.event(
            LOGGER, logging.ERROR, "child_died", child=name, pid=pid, how=how, restart_in=pause, stack=words or None
        )
        self.notifier.status(f"The {name} died ({how}) and is started again in {pause:g} s; the log says more.")

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
        life.silence, life.hangs = Silence(self.look_every), False
        log.event(LOGGER, logging.INFO, "child_started", child=name, pid=pid)
        if all(other.pid is not None for other in self.lives):
            self.notifier.status(f"Runs: {', '.join(other.child.name for other in self.lives)}.")

    def _be(self, child: Child) -> NoReturn:
        """The whole life of a child process. Never comes back into the parent's code."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in _HANDLED:
                signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else signal.SIG_DFL)
            _die_with_parent()
            for fd in (self.alive_write, self.wake_read, self.wake_write):
                os.close(fd)
            if self.aside is not None:
                self.aside.in_child()
            if child.vitals is not None:
                child.vitals.leave_words()
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


def _die_with_parent() -> None:
    """Has the kernel send SIGKILL to this process when its parent ends. Source: prctl(2), PR_SET_PDEATHSIG."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def _end_with_parent(fd: int) -> None:
    os.read(fd, 1)  # nothing is ever written: this returns at the end of the parent
    os._exit(_ORPHANED)
