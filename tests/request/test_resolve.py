"""Names are looked up beside the event loop, and a lookup that hangs holds up nobody."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import aiohttp
import pytest

from tests.request.wire import lookup
from timepoint.request.resolve import ThreadPerLookup

V4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))
V6 = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 80, 0, 0))
LINK = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 80, 0, 3))


async def test_addresses_in_their_order() -> None:
    """All addresses of a name are given in the system's order, a link's address with its interface."""
    found = await ThreadPerLookup(lambda *_: [V6, V4, LINK]).resolve("api.test", 80)
    assert [(one["host"], one["port"], one["family"]) for one in found] == [
        ("2001:db8::1", 80, socket.AF_INET6),
        ("192.0.2.1", 80, socket.AF_INET),
        ("fe80::1%3", 80, socket.AF_INET6),
    ]


async def test_the_system_resolver() -> None:
    """Without a fake the system's resolver is asked."""
    found = await ThreadPerLookup().resolve("127.0.0.1", 80)
    assert [one["host"] for one in found] == ["127.0.0.1"]


@pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_AGAIN, "try again"), ValueError("odd")])
async def test_a_lookup_that_fails(error: Exception) -> None:
    """Whatever a lookup raises, an OSError reaches the one who waits."""

    def fail(*_: Any) -> list[Any]:
        raise error

    with pytest.raises(OSError, match=r"try again|the resolver failed: odd"):
        await ThreadPerLookup(fail).resolve("api.test")


async def test_lookups_that_hang() -> None:
    """Fifty lookups that hang keep neither another one nor a thread of the loop's pool from going on."""
    release = threading.Event()
    threads: list[threading.Thread] = []

    def answer(host: str, *_: Any) -> list[Any]:
        threads.append(threading.current_thread())
        if host == "dead.test":
            release.wait()
        return [V4]

    resolver = ThreadPerLookup(answer)
    waiting = [asyncio.create_task(resolver.resolve("dead.test")) for _ in range(50)]
    try:
        assert len(await resolver.resolve("api.test")) == 1
        assert await asyncio.to_thread(lambda: 1) == 1
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert all(thread.daemon for thread in threads)
    finally:
        release.set()
        for thread in threads:
            thread.join()


async def test_a_lookup_under_aiohttp() -> None:
    """A client session takes the resolver, and tells a failed lookup from a failed connection."""
    connector = aiohttp.TCPConnector(resolver=ThreadPerLookup(lookup))
    async with aiohttp.ClientSession(connector=connector) as session:
        with pytest.raises(aiohttp.ClientConnectorDNSError):
            await session.get("http://api.invalid/")
