from __future__ import annotations

import asyncio
import errno
import socket
from pathlib import Path

import pytest

from tests.server.support import staged


class Failing:
    """A socket that cannot accept, for a reason, until it is told to."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self._sock = sock
        self._number = number
        self.asked = 0

    def accept(self) -> tuple[socket.socket, object]:
        self.asked += 1
        raise OSError(self._number, "no")

    def fileno(self) -> int:
        return self._sock.fileno()


async def test_without_files_for_connections_an_idle_one_makes_room(tmp_path: Path) -> None:
    """A process that may open no more files ends a connection that is missed least, and goes on accepting (D11)."""
    async with staged(tmp_path) as stage:
        reader, _ = await stage.connect()
        async with asyncio.timeout(60):
            while not stage.scrape_connections():  # noqa: ASYNC110 - the server tells no event for it
                await asyncio.sleep(0)
            acceptor = stage.app.acceptor
            assert acceptor is not None
            (listener,) = acceptor._sockets
            acceptor._accept(Failing(listener, errno.EMFILE))  # type: ignore[arg-type] # as much of a socket as is used

            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await reader.readexactly(1)
        assert (await stage.ask("/metrics")).status == 200


async def test_without_any_connection_to_end_it_waits_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It does not spin: for a second it accepts nobody, and the log says why (D11)."""
    async with staged(tmp_path) as stage:
        acceptor = stage.app.acceptor
        assert acceptor is not None
        (listener,) = acceptor._sockets
        acceptor._accept(Failing(listener, errno.ENFILE))  # type: ignore[arg-type] # as much of a socket as is used

        assert [record.message for record in caplog.records] == ["cannot_accept"]
        acceptor._resume(listener)  # what the loop does after that second
        assert (await stage.ask("/metrics")).status == 200


async def test_a_network_that_is_gone_is_nobodys_concern(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An error of the connection that accept() would have given is no error of the server."""
    async with staged(tmp_path) as stage:
        acceptor = stage.app.acceptor
        assert acceptor is not None
        (listener,) = acceptor._sockets
        acceptor._accept(Failing(listener, errno.ENETDOWN))  # type: ignore[arg-type] # as much of a socket as is used

        assert (await stage.ask("/metrics")).status == 200
        assert not caplog.records
