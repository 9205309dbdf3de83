"""Names become addresses, off the event loop.

Owns: asking the system's resolver, each time in a daemon thread of its own. Must not know: connections, caches.

The threads of the loop's pool will not do: there are six on two cores, so a few sources whose name server is dead would
hold up all others, and Python waits for them when it ends (a lookup may take 30 s, an exit must not).
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

_AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
Lookup = Callable[[str, int, int], list[_AddressInfo]]
"""Host, port and address family to what ``socket.getaddrinfo`` gives. Raises OSError."""


def system_lookup(host: str, port: int, family: int) -> list[_AddressInfo]:
    """What the system says: /etc/hosts, DNS and whatever else it asks."""
    infos = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [(int(kind), int(sort), protocol, name, address) for kind, sort, protocol, name, address in infos]


class ThreadPerLookup(AbstractResolver):
    """One lookup, one thread."""

    def __init__(self, lookup: Lookup = system_lookup) -> None:
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host. Raises OSError."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[_AddressInfo]] = loop.create_future()

        def ask() -> None:
            infos: list[_AddressInfo] = []
            error = None
            try:
                infos = self._lookup(host, port, family)
            except OSError as raised:
                error = raised
            except Exception as raised:  # noqa: BLE001 - nobody looks at a thread: it ends at the one who waits
                error = OSError(f"the resolver failed: {raised}")
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(_settle, found, infos, error)

        threading.Thread(target=ask, name=f"resolve {host}", daemon=True).start()
        return [_result(host, info) for info in await found]

    async def close(self) -> None:
        """There is nothing to close: a thread that still waits for an answer ends by itself."""


def _settle(found: asyncio.Future[list[_AddressInfo]], infos: list[_AddressInfo], error: OSError | None) -> None:
    if found.done():  # nobody waits any more
        return
    if error is not None:
        found.set_exception(error)
    else:
        found.set_result(infos)


def _result(host: str, info: _AddressInfo) -> ResolveResult:
    family, _, protocol, _, address = info
    # The address of a link carries the number of its interface.
    scope = f"%{address[3]}" if family == socket.AF_INET6 and address[3] else ""
    return ResolveResult(
        hostname=host,
        host=f"{address[0]}{scope}",
        port=address[1],
        family=family,
        proto=protocol,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
