"""The parent's part in a reload of the config: it hears who asks, has the poller load it, and tells what came of it.

Owns: that one reload runs at a time, that askings in the meantime become one more, and what a process that is started
later begins with. Must not know: configs, HTTP, how processes are started.

The poller loads the new config, since it must have it anyway: a config that takes seconds to check, or brings its
reader down, costs neither the parent nor a scrape anything. What is in force is what the poller has answered for; a
poller that dies without an answer is started again with the config of before. While no poller lives, it is started at
once and asked: that may be just what ends a row of crashes.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from timepoint import log
from timepoint.clock import Clock
from timepoint.notifier import Notifier
from timepoint.reload import Answer, AskedEnd, AskingEnd, ReloadFacts, connected, receive, send_answer, send_asking

LOGGER = logging.getLogger(__name__)

POLLER, SERVER = "poller", "server"


@dataclass(slots=True)
class InForce:
    """The config in force: the names of its jobs, and its bytes, None for those that the exporter was started with."""

    jobs: Sequence[str]
    facts: ReloadFacts
    raw: bytes | None = None


class Switchboard:
    """Lives in the parent, which has neither threads nor an event loop; a child has a copy, and uses its end."""

    def __init__(self, jobs: Sequence[str], clock: Clock, notifier: Notifier | None = None) -> None:
        self.in_force = InForce(jobs, ReloadFacts(clock.now()))
        self._notifier = notifier or Notifier(clock)
        self._ends: dict[str, socket.socket] = {}  # ours, by child
        self._theirs: socket.socket | None = None  # of the child that is being started, or that this is
        self._is_busy = False
        self._is_asked_again = False
        self._askings = self._later_askings = 0  # of the server: for the reload under way, for the one after it

    # ------------------------------------------------------------------ for a child

    def asked_end(self) -> AskedEnd:
        """The end of this process, which is the poller."""
        assert self._theirs is not None, "BUG: not a child that is asked"
        return AskedEnd(self._theirs)

    def asking_end(self) -> AskingEnd:
        """The end of this process, which is the server."""
        assert self._theirs is not None, "BUG: not a child that asks"
        return AskingEnd(self._theirs)

    # ------------------------------------------------------------------ for the supervisor

    @property
    def wants(self) -> str | None:
        """The child that should be started at once."""
        return POLLER if self._is_busy and POLLER not in self._ends else None

    def before_fork(self, child: str) -> None:
        """Raises OSError."""
        if child in (POLLER, SERVER):
            self._ends[child], self._theirs = connected()
            self._ends[child].settimeout(0)

    def in_child(self) -> None:
        for end in self._ends.values():
            end.close()

    def after_fork(self, child: str, *, lives: bool) -> None:
        if self._theirs is not None:
            self._theirs.close()
            self._theirs = None
        if not lives:
            self._hang_up(child)
        elif child == POLLER and self._is_busy:
            self._ask_poller()

    def ended(self, child: str, how: str) -> None:
        """A child is gone."""
        self._hang_up(child)
        if child == SERVER:
            self._askings = self._later_askings = 0
        elif child == POLLER and self._is_busy:
            text = f"the poller ended ({how}) while it was to take up the config; the one before stays in force"
            log.event(LOGGER, logging.ERROR, "config_unusable", error=text, kept=True)
            self._close(Answer(good=False, text=text))

    def descriptors(self) -> Collection[int]:
        """What may become readable."""
        return [end.fileno() for end in self._ends.values()]

    def hear(self, descriptor: int) -> None:
        """One of them has become readable."""
        child = next((child for child, end in self._ends.items() if end.fileno() == descriptor), None)
        if child is None:
            return  # it was hung up in the same turn
        try:
            answer = receive(self._ends[child])
        except BlockingIOError:
            return
        except (EOFError, OSError):
            self._hang_up(child)  # that the child has ended is told by the system
            return
        if answer is None:
            self.ask(askings=1)
        elif self._is_busy:
            self._close(answer)

    def ask(self, *, askings: int = 0) -> None:
        """A reload is wanted, by the system, or by the server for so many clients."""
        if self._is_busy:
            self._is_asked_again = True
            self._later_askings += askings
            return
        self._is_busy, self._askings = True, askings
        self._notifier.reloading()
        self._ask_poller()

    # ------------------------------------------------------------------ within

    def _ask_poller(self) -> None:
        if POLLER in self._ends:  # else it is asked when it has been started
            with contextlib.suppress(OSError):  # it is just ending, which is noticed in a moment
                send_asking(self._ends[POLLER])

    def _close(self, answer: Answer) -> None:
        """The reload under way is over."""
        before = self.in_force
        if answer.good:
            self.in_force = InForce(answer.jobs, ReloadFacts(answer.at), answer.raw)
        else:
            self.in_force = InForce(before.jobs, ReloadFacts(before.facts.at, answer.text), before.raw)
        for _ in range(self._askings):
            with contextlib.suppress(OSError, KeyError):  # whoever asked is gone
                send_answer(self._ends[SERVER], Answer(answer.good, answer.text, answer.at))
        self._is_busy, self._askings = False, 0
        kept = "A changed config cannot be used; the one before stays in force: "
        self._notifier.reloaded(answer.text if answer.good else kept + answer.text)
        if self._is_asked_again:
            self._is_asked_again = False
            askings, self._later_askings = self._later_askings, 0
            self.ask(askings=askings)

    def _hang_up(self, child: str) -> None:
        if child in self._ends:
            self._ends.pop(child).close()
