"""When a token is asked for."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.request.wire import FakeClock
from timepoint.errors import SourceError, TokenError
from timepoint.request.auth.endpoint import lifetime_of
from timepoint.request.auth.tokens import QUIET, Token, TokenKeeper
from timepoint.secret import Secret


@dataclass
class Giver:
    """Gives numbered tokens, or fails if ``fails`` says how; waits for ``gate`` first."""

    clock: FakeClock = field(default_factory=FakeClock)
    lifetime: float | None = 600.0
    fails: SourceError | None = None
    gate: asyncio.Event | None = None
    given: list[float] = field(default_factory=list)
    asked: int = 0
    at_once: int = 0

    async def ask(self) -> Token:
        self.asked += 1
        self.at_once += 1
        assert self.at_once == 1, "two requests for a token at a time"
        if self.gate is not None:
            await self.gate.wait()
        self.at_once -= 1
        if self.fails is not None:
            raise self.fails
        self.given.append(self.clock.monotonic())
        return Token(Secret(f"token {len(self.given)}"), self.lifetime)

    def keeper(self) -> TokenKeeper:
        return TokenKeeper("s", self.clock, self.ask)


async def test_a_token_that_worked_may_be_refused_soon_after_another_was() -> None:
    """A new token is asked for at once, though one was just before; without the good answer it would not be."""
    for works in (True, False):
        giver = Giver()
        keeper = giver.keeper()
        deadline = giver.clock.seconds + 60
        assert keeper.refused(await keeper.current(deadline))
        second = await keeper.current(deadline)
        if works:
            keeper.accepted(second)
        assert keeper.refused(second) is works


async def test_one_who_gives_up_costs_nobody_else() -> None:
    """A run that is cancelled while it waits leaves the request to those who wait, too."""
    giver = Giver(gate=asyncio.Event())
    keeper = giver.keeper()
    waiting = [asyncio.create_task(keeper.current(giver.clock.seconds + 60)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    assert giver.gate is not None
    giver.gate.set()
    tokens = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(tokens[0], asyncio.CancelledError)
    assert tokens[1] is tokens[2]
    assert giver.asked == 1


async def test_a_deadline_before_the_token() -> None:
    """Who must end before a token comes is told so; the token is there for the next one."""
    giver = Giver(gate=asyncio.Event())
    keeper = giver.keeper()
    with pytest.raises(TokenError, match="the deadline of the run came before a token") as caught:
        await keeper.current(giver.clock.seconds)
    assert caught.value.may_pass
    assert giver.gate is not None
    giver.gate.set()
    token = await keeper.current(giver.clock.seconds + 60)
    assert (token.text.reveal(), giver.asked) == ("token 1", 1)


async def test_the_end_ends_a_request() -> None:
    """A keeper that is closed waits for nothing that hangs."""
    giver = Giver(gate=asyncio.Event())
    keeper = giver.keeper()
    waiting = asyncio.create_task(keeper.current(giver.clock.seconds + 60))
    await asyncio.sleep(0)
    await keeper.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.parametrize(("passing", "times"), [(True, [0.5, 1, 2, 4, 8, 16, 30, 30]), (False, [QUIET] * 4)])
async def test_pauses_after_failures(times: list[float], *, passing: bool) -> None:
    """What may pass is asked again after growing pauses, a flat no after half a minute; each error says how long."""
    giver = Giver(fails=TokenError("no", 0.0, may_pass=passing))
    keeper = giver.keeper()
    for asked, pause in enumerate(times, 1):
        for _ in range(3):
            with pytest.raises(TokenError, match="no") as caught:
                await keeper.current(giver.clock.seconds + 60)
        assert giver.asked == asked
        assert caught.value.retry_after == pause
        giver.clock.seconds += pause


async def test_the_wall_clock_ends_no_token() -> None:
    """A wall clock that jumps a year neither ends a token nor keeps it (K1)."""
    giver = Giver()
    keeper = giver.keeper()
    first = await keeper.current(giver.clock.seconds + 60)
    giver.clock.wall += 365 * 86_400_000
    assert await keeper.current(giver.clock.seconds + 60) is first
    giver.clock.seconds += 541
    assert await keeper.current(giver.clock.seconds + 60) is not first


@settings(max_examples=60, deadline=None)
@given(
    lifetime=st.floats(1, 100_000), steps=st.lists(st.floats(0, 5000), min_size=1, max_size=30), seed=st.integers(0, 99)
)
def test_no_token_is_used_after_its_end(lifetime: float, steps: list[float], seed: int) -> None:
    """Whenever requests come and whatever is refused, a token is used within its life and asked for only if needed."""
    chance = random.Random(seed)

    async def live() -> None:
        giver = Giver(lifetime=lifetime)
        keeper = giver.keeper()
        refusals = 0
        for step in steps:
            giver.clock.seconds += step
            token = await keeper.current(giver.clock.seconds + 60)
            number = int(token.text.reveal().split()[1])
            assert number == len(giver.given)
            assert giver.clock.seconds - giver.given[-1] < lifetime
            if chance.random() < 0.2 and keeper.refused(token):
                refusals += 1
        needed = sum(steps) / (lifetime * 0.9) + 1
        assert giver.asked <= needed + refusals

    asyncio.run(live())


@pytest.mark.parametrize("value", [10**400, "9" * 400, "nan", "inf", -1, 0, True, None, [], {}])
def test_what_is_no_lifetime(value: object) -> None:
    """A number of hundreds of digits ends no token, and raises nothing that nobody foresees."""
    assert lifetime_of(value) is None
