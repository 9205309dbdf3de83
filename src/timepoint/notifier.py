"""Tells the manager of services how the exporter is: systemd, or whoever speaks its protocol.

Owns: the protocol (``sd_notify(3)``), which is a datagram for each message; what is told only once, or only in turn.
Must not know: what makes the exporter ready, what a reload does.

Where there is no manager every method does nothing. A message that does not come through is nobody's concern: the
manager acts on what it does not hear. Only READY is told again if the manager has too much to read: it would take a
start, or a reload, that it does not hear the end of for one that failed.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import MutableMapping

from timepoint.clock import Clock

_SOCKET, _USEC, _PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
_PARTS = 3  # of the time in which the manager wants a sign of life: systemd asks for two, and one may come late


class Notifier:
    """The parent's end of the line to its manager. ``address`` is None if there is no manager.

    ``alive_every``: the seconds after which the manager wants to hear ``alive`` again, or None.
    """

    def __init__(self, clock: Clock, address: str | None = None, alive_every: float | None = None) -> None:
        self.alive_every = alive_every
        self._clock = clock
        self._address = address
        self._is_ready = self._ends = False

    @classmethod
    def of_environ(cls, environ: MutableMapping[str, str], pid: int, clock: Clock) -> Notifier:
        """As the environment of the process ``pid`` says; takes that out of it, since it holds for no child."""
        address = environ.pop(_SOCKET, "")
        within, of = environ.pop(_USEC, ""), environ.pop(_PID, str(pid))
        if not address.startswith(("/", "@")):
            return cls(clock)
        is_watched = within.isdigit() and int(within) > 0 and of == str(pid)
        return cls(clock, address, int(within) / 1e6 / _PARTS if is_watched else None)

    @property
    def awaits_ready(self) -> bool:
        """Whether there is a manager that has not heard yet that all has begun."""
        return self._address is not None and not self._is_ready and not self._ends

    def ready(self) -> None:
        """All has begun."""
        if self.awaits_ready:
            self._is_ready = self._tell("READY=1")

    def reloading(self) -> None:
        """A reload has begun."""
        if self._is_ready and not self._ends:
            self._tell("RELOADING=1", f"MONOTONIC_USEC={int(self._clock.monotonic() * 1e6)}")

    def reloaded(self, status: str) -> None:
        """The reload is over; what came of it."""
        if self._is_ready and not self._ends:
            self._is_ready = self._tell("READY=1", _status(status))

    def status(self, text: str) -> None:
        """What a person is to see of the exporter."""
        self._tell(_status(text))

    def alive(self) -> None:
        """The parent does its work."""
        self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """The end has begun."""
        self._ends = True
        self._tell("STOPPING=1")

    def _tell(self, *lines: str) -> bool:
        """Whether there is no use in saying it once more."""
        if self._address is None:
            return True
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.settimeout(0)
            try:
                end.sendto("\n".join(lines).encode(), address)
            except BlockingIOError:  # as many wait there as the kernel lets: ``net.unix.max_dgram_qlen``
                return False
        return True


def _status(text: str) -> str:
    return "STATUS=" + " ".join(text.split())[:500]
