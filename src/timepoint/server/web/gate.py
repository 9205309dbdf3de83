"""What stands between a request and the pages: the rate, the users, the headers.

Owns: the order of the checks, the answers to who may not pass, and their count. The same for every path, as in
exporter-toolkit. Must not know: what is served.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from timepoint.clock import Clock
from timepoint.server.live import WebFacts
from timepoint.server.web.current import CurrentWeb
from timepoint.server.web.passwords import Passwords, Verdict
from timepoint.server.web.rate import Rates

REASONS = ("password", "too_many_guesses", "rate_limit")
"""Why a request was not let through."""


class Gate:
    """Lets requests through, or answers them."""

    def __init__(self, current: CurrentWeb, clock: Clock) -> None:
        self.current = current
        self.refused: Counter[str] = Counter(dict.fromkeys(REASONS, 0))
        self._clock = clock
        self._passwords = Passwords()
        self._rates = Rates()

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of every answer."""
        return self.current.loaded.spec.headers

    @property
    def facts(self) -> WebFacts:
        """What the page tells of the web config."""
        reload = self.current.facts
        return WebFacts(reload.good, reload.at, dict(self.refused))

    async def refusal(self, request: web.BaseRequest, peer: str) -> web.Response | None:
        """The answer to a request that may not pass, None for one that may."""
        spec = self.current.loaded.spec
        if spec.rate is not None and not self._rates.take(spec.rate, peer, self._clock.monotonic()):
            return self._refuse(
                "rate_limit", HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": _seconds(spec.rate.interval)}
            )
        if not spec.users:
            return None
        verdict = await self._passwords.check(spec.users, peer, request.headers.get("Authorization"))
        if verdict is Verdict.WRONG:
            challenge = {"WWW-Authenticate": 'Basic realm="timepoint", charset="UTF-8"'}
            return self._refuse("password", HTTPStatus.UNAUTHORIZED, challenge)
        if verdict is Verdict.BUSY:
            return self._refuse("too_many_guesses", HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": "1"})
        return None

    def close(self) -> None:
        self._passwords.close()

    def _refuse(self, reason: str, status: HTTPStatus, headers: Mapping[str, str]) -> web.Response:
        self.refused[reason] += 1
        return web.Response(status=status, text=f"{status.phrase}\n", headers=headers)


def _seconds(interval: float) -> str:
    return str(max(1, round(interval)))
