"""Who may be connected when not all can.

Owns: the limits of connections, in all and per client, and who has to go for a newcomer. Pure. Must not know: sockets.

    new     nothing but a connection yet, or half a handshake, or half a head
    idle    between two requests
    busy    a request is being answered

A newcomer takes the place of a connection of the client that has most of them: of a new one before an idle one, an idle
one that has got a page last, and the oldest of these. A busy one goes only when it has been reading its page for longer
than any scrape takes, never before. If there is none to go, the newcomer is refused.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum


class Stage(IntEnum):
    """What a connection does."""

    NEW = 0
    IDLE = 1
    BUSY = 2


@dataclass(slots=True, eq=False)
class Guest:
    """A connection. ``since`` is when its stage began, ``served`` that it has got a page. ``end`` breaks it."""

    peer: str
    since: float
    end: Callable[[], None]
    stage: Stage = Stage.NEW
    served: bool = False

    def turns(self, stage: Stage, now: float) -> None:
        self.stage, self.since = stage, now


@dataclass(slots=True)
class Admission:
    """The guests, and their limits. Moments are seconds of a monotonic clock; ``slow`` is in seconds.

    ``unlimited`` are clients that only the limit in all counts for.
    """

    in_all: int
    per_peer: int
    slow: float
    unlimited: frozenset[str] = frozenset()
    refused: int = 0
    evicted: int = 0
    guests: dict[Guest, None] = field(default_factory=dict)
    _counts: Counter[str] = field(default_factory=Counter)

    def admit(self, peer: str, now: float, end: Callable[[], None]) -> Guest | None:
        """A place for a newcomer, made by the end of another if need be; None if it has to be refused."""
        if self._counts[peer] >= self.per_peer and peer not in self.unlimited:
            is_placed = self.evict(now, peer)
        elif len(self.guests) >= self.in_all:
            is_placed = self.evict(now)
        else:
            is_placed = True
        if not is_placed:
            self.refused += 1
            return None
        guest = Guest(peer, now, end)
        self.guests[guest] = None
        self._counts[peer] += 1
        return guest

    def leave(self, guest: Guest) -> None:
        """A connection has ended. Twice is as good as once."""
        if guest in self.guests:
            del self.guests[guest]
            self._counts[guest.peer] -= 1
            if not self._counts[guest.peer]:
                del self._counts[guest.peer]

    def evict(self, now: float, peer: str | None = None) -> bool:
        """Ends the connection that is missed least, of one client or of any; says whether there was one."""
        found = [guest for guest in self.guests if peer in {None, guest.peer} and self._may_go(guest, now)]
        if not found:
            return False
        victim = max(found, key=lambda guest: (self._counts[guest.peer], _rank(guest), now - guest.since))
        self.leave(victim)
        self.evicted += 1
        victim.end()
        return True

    def _may_go(self, guest: Guest, now: float) -> bool:
        return guest.stage is not Stage.BUSY or now - guest.since > self.slow


def _rank(guest: Guest) -> int:
    if guest.stage is Stage.BUSY:
        return 0
    return 1 if guest.served else 2 if guest.stage is Stage.IDLE else 3


def peer_of(address: object) -> str:
    """Whom an address belongs to: an IPv4 address, the /64 network of an IPv6 one, ``unix`` for a socket file."""
    if not isinstance(address, tuple) or not address:
        return "unix"
    try:
        ip = ipaddress.ip_address(str(address[0]).partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ip) if ip.is_loopback else str(ipaddress.IPv6Network((ip, 64), strict=False))
