"""What of a request may stand on a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.request.test_canary import canaries
from tests.request.wire import WINDOW, Client, reply, serving
from timepoint.request.prepare import prepare
from timepoint.request.shown import ShownRequest, shown_request, shown_url
from timepoint.request.spec import Authorization, RequestSpec, SecretSource, SourceSpec
from timepoint.request.template import Moment
from timepoint.secret import Secret

ENERGY = SourceSpec(
    "energy", "https://energy.internal/v1", authorization=Authorization(SecretSource(text=Secret("canary-token")))
)
PODS = RequestSpec(
    method="POST",
    path="/pods?plan=canary",
    params=(("start", "{window.start}"), ("key", "canary")),
    headers={"X-Key": SecretSource(text=Secret("canary-key"))},
    body={"from": "{window.start}", "deep": [{"pin": 1234, "word": "canary"}], "on": True, "none": None},
)


async def test_an_answer_and_a_failure_tell_what_was_asked() -> None:
    """Method, URL, headers and body travel with what came of the request."""
    async with serving(reply(), reply(500)) as wire:
        source = SourceSpec("s", wire.url, attempts=1)
        answer = await Client(source).fetch(RequestSpec(path="/pods", params=(("start", "{window.start}"),)))
        error = await Client(source).fail(RequestSpec(path="/pods"))

    assert answer.asked == ShownRequest("GET", f"{wire.url}/pods?start=2026-01-01T00:00:00Z")
    assert error.asked == ShownRequest("GET", f"{wire.url}/pods")


@pytest.mark.parametrize("scheme", ["userinfo", "basic", "bearer", "file"])
async def test_no_canary_in_what_was_asked(scheme: str, tmp_path: Path) -> None:
    """Whatever may be a credential is masked, in an answer as in an error (A18)."""
    async with serving(reply(), reply(500)) as wire:
        source, request = canaries(scheme, wire.url, tmp_path)
        answer = await Client(source).fetch(request)
        error = await Client(source).fail(request)

    for asked in (answer.asked, error.asked):
        assert asked is not None
        assert "canary" not in repr(asked)
        assert asked.method == "POST"
        assert {"X-API-Key", "Cookie", "Content-Type"} <= {name for name, _ in asked.headers}
    assert "canary" not in shown_url(source) + shown_request(request)


def test_what_helps_is_shown() -> None:
    """Instants, names, the shape of the body, and which way to authenticate was taken."""
    prepared = prepare(ENERGY, PODS, Moment(WINDOW, WINDOW.end, {}))

    assert prepared.shown == "https://energy.internal/v1/pods?plan=***&start=2026-01-01T00:00:00Z&key=***"
    assert '"from": "2026-01-01T00:00:00Z"' in prepared.shown_body
    assert '"pin": "***"' in prepared.shown_body
    assert '"on": true' in prepared.shown_body
    assert shown_url(ENERGY) == "https://energy.internal/v1"
    assert shown_request(PODS) == "POST /pods?plan=***&start={window.start}&key=***"
