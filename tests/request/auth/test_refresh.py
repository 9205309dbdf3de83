"""Refresh tokens that work once: spent once, kept, and lost only loudly."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.request.auth.authority import Authority, answering
from tests.request.auth.test_oauth2 import session
from tests.request.wire import serving
from timepoint.request.auth import refresh
from timepoint.request.spec import SecretSource
from timepoint.secret import Secret


def names_in(directory: Path) -> list[str]:
    """The files of a directory."""
    return [path.name for path in directory.iterdir()]


def keeping(authority: Authority, tmp_path: Path) -> dict[str, Any]:
    """The refresh grant with a file for what comes next."""
    given = SecretSource(text=Secret(authority.grant()))
    return {
        "grant": "refresh_token",
        "refresh_token": given,
        "rotated_file": SecretSource(file=tmp_path / "rotated"),
    }


async def test_rotated_refresh_tokens(tmp_path: Path) -> None:
    """Refresh tokens that work once are used once, also by the process after this one."""
    authority = Authority(lifetime=100)
    given = keeping(authority, tmp_path)
    async with answering(authority.answer) as wire:
        for _ in range(3):
            async with session(authority, wire, **given) as client:
                for _ in range(3):
                    await client.get()
                    authority.clock.seconds += 100
    assert (len(authority.served), authority.replayed) == (9, [])
    assert (tmp_path / "rotated").stat().st_mode & 0o777 == 0o600
    assert names_in(tmp_path) == ["rotated"]


async def test_two_sources_share_a_refresh_token(tmp_path: Path) -> None:
    """Two who use the same file take turns, so that neither spends what the other has spent."""
    authority = Authority(lifetime=1)
    given = keeping(authority, tmp_path)
    async with (
        answering(authority.answer) as wire,
        session(authority, wire, **given) as one,
        session(authority, wire, **given) as other,
    ):
        await asyncio.gather(*(client.get() for client in (one, other)))
    assert (len(authority.served), authority.replayed) == (2, [])


async def test_the_file_may_be_the_one_that_was_given(tmp_path: Path) -> None:
    """One file may hold the first refresh token and all that follow; a link to it stays a link."""
    authority = Authority(lifetime=100)
    (tmp_path / "real").mkdir()
    file = tmp_path / "real" / "token"
    file.write_text(authority.grant() + "\n")
    link = tmp_path / "link"
    link.symlink_to(file)
    given = {
        "grant": "refresh_token",
        "refresh_token": SecretSource(file=link),
        "rotated_file": SecretSource(file=link),
    }
    async with answering(authority.answer) as wire, session(authority, wire, **given) as client:
        for _ in range(3):
            await client.get()
            authority.clock.seconds += 100
    assert authority.replayed == []
    assert link.is_symlink()
    assert file.read_text().startswith("canary-refresh-")


async def test_a_refresh_token_without_a_file(caplog: pytest.LogCaptureFixture) -> None:
    """Without a file a rotated token lives in memory, and the log says once that it will be lost."""
    authority = Authority(lifetime=100)
    given = {"grant": "refresh_token", "refresh_token": SecretSource(text=Secret(authority.grant()))}
    async with answering(authority.answer) as wire, session(authority, wire, **given) as client:
        for _ in range(3):
            await client.get()
            authority.clock.seconds += 100
    assert (len(authority.served), authority.replayed) == (3, [])
    assert [record.getMessage() for record in caplog.records].count("refresh_token_not_kept") == 1


async def test_a_new_refresh_token_in_the_config(tmp_path: Path) -> None:
    """When the kept token was ended, one that a person put into the config is tried."""
    authority = Authority()
    (tmp_path / "rotated").write_text("ended long ago\n")
    async with answering(authority.answer) as wire, session(authority, wire, **keeping(authority, tmp_path)) as client:
        await client.get()
    assert (len(authority.asked), len(authority.served)) == (2, 1)


async def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """Where no new token could be kept the one that is there is not spent."""
    authority = Authority()
    given = keeping(authority, tmp_path) | {"rotated_file": SecretSource(file=tmp_path / "none" / "rotated")}
    async with answering(authority.answer) as wire, session(authority, wire, **given) as client:
        error = await client.fail()
        assert "the refresh token was not used, since a new one could not be written to" in str(error)
        assert f"{tmp_path}/none/rotated: No such file or directory" in str(error)
        assert authority.asked == []
        (tmp_path / "none").mkdir()
        authority.clock.seconds += 31
        await client.get()
    assert authority.replayed == []


async def test_a_token_that_is_being_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails in the worst moment: the error says that the token is being lost, and it is not, if mended."""
    authority = Authority()

    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    async with answering(authority.answer) as wire, session(authority, wire, **keeping(authority, tmp_path)) as client:
        real = refresh._replace
        monkeypatch.setattr(refresh, "_replace", full)
        error = await client.fail()
        assert f"cannot be written to {tmp_path}/rotated: No space left on device" in str(error)
        assert "is being lost" in str(error)
        authority.clock.seconds += 31
        assert "is being lost" in str(await client.fail())
        assert len(authority.asked) == 1, "nothing is spent while nothing can be kept"
        monkeypatch.setattr(refresh, "_replace", real)
        authority.clock.seconds += 31
        await client.get()
    assert authority.replayed == []


async def test_the_end_waits_for_a_refresh(tmp_path: Path) -> None:
    """A stop while a refresh token is being spent waits for its successor and keeps it."""
    authority = Authority()
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received = wire.received[-1]
        asked.set()
        await go_on.wait()
        writer.write(authority.answer(received))

    async with serving(slow) as wire:
        async with session(authority, wire, **keeping(authority, tmp_path)) as client:
            waiting = asyncio.create_task(client.get())
            await asked.wait()
            waiting.cancel()
            asyncio.get_running_loop().call_later(0.05, go_on.set)
        await asyncio.gather(waiting, return_exceptions=True)
    assert (tmp_path / "rotated").read_text().startswith("canary-refresh-")
