"""Many clients at once: scrapers of one large page, and who guesses passwords beside them."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import tracemalloc
from pathlib import Path

import bcrypt

from tests.server.support import publish_job, publish_large_job, staged
from tests.server.web.test_users import basic

SERIES = 80_000
MIB = 1 << 20


async def test_s3_fifty_scrapers_share_one_page(tmp_path: Path) -> None:
    """S3: fifty ask at once for a page of 10 MB and do not read yet: what is held is not a copy for each."""
    publish_large_job(tmp_path)
    async with staged(tmp_path, "large") as stage:
        assert (await stage.ask("/metrics")).body.count(b"\nlarge_watts{") == SERIES
        tracemalloc.start()
        try:
            clients = [await stage.connect() for _ in range(50)]
            for _, writer in clients:
                writer.write(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            for reader, _ in clients:
                async with asyncio.timeout(60):
                    await reader.readuntil(b"\r\n\r\n")
            assert len(stage.scrape_connections()) == 50
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 50 * 2 * MIB  # 64 MiB when this was written, with what the clients of the test had taken in


async def test_s3_each_of_fifty_gets_the_whole_page(tmp_path: Path) -> None:
    """S3: all of them have every series, compressed once for all."""
    publish_large_job(tmp_path)
    async with staged(tmp_path, "large") as stage:
        answers = await asyncio.gather(*[stage.ask("/metrics", Accept_Encoding="gzip") for _ in range(50)])

    assert {answer.status for answer in answers} == {200}
    pages = [gzip.decompress(answer.body) for answer in answers[::10]]
    assert {page.count(b"\nlarge_watts{") for page in pages} == {SERIES}
    assert max(len(answer.body) for answer in answers) - min(len(answer.body) for answer in answers) < 1000


async def test_s9_a_flood_of_wrong_passwords_refuses_and_delays_no_good_scrape(tmp_path: Path) -> None:
    """S9: beside hundreds of guesses from the same address each good scrape is a page and does not wait for all."""
    publish_job(tmp_path, "a")
    web = tmp_path / "web.yml"
    web.write_text(f"basic_auth_users:\n  prometheus: {bcrypt.hashpw(b'good', bcrypt.gensalt(10)).decode()}\n")
    good, number = basic("prometheus", "good"), itertools.count()
    refused: list[int] = []

    async with staged(tmp_path, "a", web=web) as stage:

        async def guess() -> None:
            while len(refused) < 400:
                refused.append(
                    (await stage.ask("/metrics", Authorization=basic("prometheus", f"x{next(number)}"))).status
                )

        assert (await stage.ask("/metrics", Authorization=good)).status == 200
        guesses = [asyncio.create_task(guess()) for _ in range(20)]
        scrapes = []
        while len(refused) < 400:
            begun = len(refused)
            assert (await stage.ask("/metrics", Authorization=good)).status == 200
            scrapes.append(len(refused) - begun)
        await asyncio.gather(*guesses)

    assert set(refused) == {401, 429}
    assert len(scrapes) > 5
    assert max(scrapes) < 100  # guesses answered before it; 19 when this was written, however busy the machine was
