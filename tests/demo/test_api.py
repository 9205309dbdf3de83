"""The demo's API: what it answers, and how it misbehaves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import BaseTestServer, TestServer

from timepoint.clock import MINUTE, SECOND, format_instant
from timepoint.demo.api import TOKEN, EnergyApi, Habits, rows
from timepoint.demo.world import World

NOON = 1_767_268_800_000  # 2026-01-01T12:00:00Z
WELL_BEHAVED = Habits(settle=10 * SECOND, failures=0, oddities=0)


class Noon:
    """A clock that stands still at noon."""

    def now(self) -> int:
        return NOON

    def monotonic(self) -> float:
        return 0.0


def _api(habits: Habits = WELL_BEHAVED) -> EnergyApi:
    return EnergyApi(World(lifetime=20 * MINUTE), Noon(), habits)


@pytest.fixture
async def server() -> AsyncIterator[BaseTestServer]:
    """A well-behaved API on a free port of the loopback."""
    async with TestServer(_api().application()) as running:
        yield running


async def _get(server: BaseTestServer, token: str = TOKEN, **params: str) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        ClientSession(headers=headers) as session,
        session.get(server.make_url("/api/v1/pods"), params=params) as answer,
    ):
        return answer.status, await answer.json()


async def test_an_answer_holds_a_value_per_timepoint(server: BaseTestServer) -> None:
    """A window of 30 minutes in steps of 5 has lists of six."""
    status, body = await _get(server, start=format_instant(NOON - 30 * MINUTE), end=format_instant(NOON), step="5m")
    assert (status, {len(pod["energy_consumed"]) for _, pod in rows(body)}) == (200, {6})


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"start": "2026-01-01T00:00:00Z"}, "the parameter 'end' is missing"),
        ({"start": "today", "end": "2026-01-01T00:00:00Z"}, "start='today' is not an RFC 3339 time"),
        ({"start": "2026-01-01T00:00:00", "end": "2026-01-01T01:00:00Z"}, "start='2026-01-01T00:00:00' has no zone"),
    ],
)
async def test_a_bad_range_is_refused_with_a_reason(
    server: BaseTestServer, params: dict[str, str], message: str
) -> None:
    """A request that cannot be answered gets 400 and a sentence."""
    assert await _get(server, **params) == (400, {"error": message})


async def test_a_wrong_token_is_refused(server: BaseTestServer) -> None:
    """Without the token there is no data."""
    assert (await _get(server, token="guess"))[0] == 401


def test_a_timepoint_comes_out_low_until_it_has_settled() -> None:
    """A timepoint that ended a moment ago is lower than the truth; an older one is exact."""
    api = _api()
    (_, row), pod = next(rows(api.body(NOON - MINUTE, NOON, 30 * SECOND))), next(api.world.pods(NOON - MINUTE, NOON))
    settled, fresh = row["energy_consumed"]
    assert settled == api.world.energy(pod, NOON - MINUTE, NOON - 30 * SECOND)
    assert fresh < api.world.energy(pod, NOON - 30 * SECOND, NOON)


def test_some_requests_fail_and_some_answers_hold_odd_rows() -> None:
    """With its default habits the API adds rows that are no pods to some answers."""
    api = _api(Habits(failures=0, oddities=0.5))
    odd = 0
    for api.requests in range(100):
        body = api.body(NOON - MINUTE, NOON, MINUTE)
        odd += any(pod == "evicted" or pod["energy_consumed"] == "n/a" for _, pod in rows(body))
    assert 20 < odd < 80
