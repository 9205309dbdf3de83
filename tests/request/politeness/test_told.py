"""What APIs say of their limits, in each dialect."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint.request.politeness.told import LONGEST, UNBELIEVED, Told, read_limits

NOW = 1_767_225_600_000  # 2026-01-01T00:00:00Z
SECONDS = NOW // 1000


def told(headers: dict[str, str], status: int = 200, now: int = NOW, date: str | None = None) -> Told:
    """What an answer with these headers says."""
    return read_limits(headers.items(), status, now, date)


EXHAUSTED = {
    "IETF draft 8": ({"RateLimit": '"default";r=0;t=30', "RateLimit-Policy": '"default";q=100;w=60'}, 30),
    "IETF draft 8, the longer of two": ({"RateLimit": '"burst";r=0;t=3, "daily";r=0;t=50'}, 50),
    "IETF draft 7": ({"RateLimit": "limit=100, remaining=0, reset=30"}, 30),
    "IETF draft 6": ({"RateLimit-Limit": "100, 100;w=60", "RateLimit-Remaining": "0", "RateLimit-Reset": "30"}, 30),
    "GitHub": ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(SECONDS + 30), "x-ratelimit-used": "60"}, 30),
    "GitLab": ({"RateLimit-Remaining": "0", "RateLimit-Reset": str(SECONDS + 30)}, 30),
    "epoch ms": ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str((SECONDS + 30) * 1000)}, 30),
    "epoch us": ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str((SECONDS + 30) * 10**6)}, 30),
    "Datadog": ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30", "X-RateLimit-Period": "60"}, 30),
    "Opendatasoft": ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "2026-01-01 00:00:30Z"}, 30),
    "Jira": ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "2026-01-01T00:00:30Z"}, 30),
    "HTTP date": ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": formatdate(SECONDS + 30, usegmt=True)}, 30),
    "Okta": ({"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": str(SECONDS + 30)}, 30),
    "Discord": ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "1.5"}, 1.5),
    "Kong": ({"X-RateLimit-Remaining-Minute": "0", "RateLimit-Reset": "12"}, 60),
    "OpenAI requests": (
        {
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "6m0s",
            "x-ratelimit-remaining-tokens": "9",
        },
        360,
    ),
    "OpenAI tokens": ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "20ms"}, 0.02),
    "Anthropic": (
        {
            "anthropic-ratelimit-requests-remaining": "0",
            "anthropic-ratelimit-requests-reset": "2026-01-01T00:00:30Z",
        },
        30,
    ),
    "HubSpot": ({"X-HubSpot-RateLimit-Daily-Remaining": "0"}, LONGEST),
    "in milliseconds": ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-Ms": "2500"}, 2.5),
}


@pytest.mark.parametrize("dialect", EXHAUSTED)
def test_nothing_is_left(dialect: str) -> None:
    """A limit that is used up is waited for, in each dialect; an instant by the clock of whoever says it."""
    headers, seconds = EXHAUSTED[dialect]
    assert told(headers).wait == pytest.approx(seconds)
    shifted = NOW + 7_200_000  # this machine is two hours ahead
    assert told(headers, now=shifted, date=formatdate(SECONDS, usegmt=True)).wait == pytest.approx(seconds)


REFUSED = {
    "RFC 9110, seconds": ({"Retry-After": "30"}, 30),
    "RFC 9110, date": ({"Retry-After": formatdate(SECONDS + 30, usegmt=True)}, 30),
    "a date that has passed": ({"Retry-After": formatdate(SECONDS - 30, usegmt=True)}, 0),
    "a fraction": ({"Retry-After": "0.25"}, 0.25),
    "milliseconds": ({"retry-after-ms": "1500"}, 1.5),
    "milliseconds win nothing over more seconds": ({"retry-after-ms": "1500", "retry-after": "2"}, 2),
    "Cosmos DB": ({"x-ms-retry-after-ms": "250"}, 0.25),
    "Azure Cost Management": ({"x-ms-ratelimit-microsoft.costmanagement-qpu-retry-after": "11"}, 11),
    "bucket4j": ({"X-Rate-Limit-Retry-After-Seconds": "9"}, 9),
    "an hour and a half": ({"Retry-After": "5400"}, LONGEST),
    "thirty years": ({"Retry-After": "1000000000"}, UNBELIEVED),
    "garbage": ({"Retry-After": "soon"}, 0),
}


@pytest.mark.parametrize("dialect", REFUSED)
@pytest.mark.parametrize("status", [403, 429, 503])
def test_a_refusal_says_when(dialect: str, status: int) -> None:
    """What a refusal asks for is waited for, as far as it is plausible."""
    headers, seconds = REFUSED[dialect]
    assert told(headers, status).wait == pytest.approx(seconds)


def test_an_accepted_answer_refuses_nothing() -> None:
    """A Retry-After beside an accepted answer is about that answer, not about the source."""
    assert told({"Retry-After": "30"}, 200) == Told()


def test_what_is_left_is_known() -> None:
    """The scope with the least left binds, until its own reset."""
    headers = {"RateLimit": '"burst";r=7;t=3, "daily";r=500;t=3600'}
    assert told(headers) == Told(0.0, 7, 3.0)


def test_a_number_without_an_end_is_no_reason_to_wait() -> None:
    """Azure tells how much is left and not until when: a refusal will say so."""
    assert told({"x-ms-ratelimit-remaining-subscription-reads": "0"}) == Told()
    assert told({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "who knows"}) == Told()


@pytest.mark.parametrize(
    "name", ["X-Limit", "Content-Type", "Ratelimit-Policy", "x-ratelimit-limit", "X-RateLimit-Used"]
)
def test_other_headers_say_nothing(name: str) -> None:
    """What is no limit of requests, or not how it stands, changes nothing."""
    assert told({name: "0"}) == Told()


_NAMES = st.sampled_from(
    [
        "RateLimit",
        "RateLimit-Remaining",
        "X-RateLimit-Reset",
        "Retry-After",
        "x-ratelimit-reset-requests",
        "retry-after-ms",
    ]
)


@given(st.dictionaries(_NAMES, st.text(st.characters(codec="latin-1"), max_size=40)), st.sampled_from([200, 429]))
@settings(max_examples=200, deadline=None)
def test_no_header_can_do_more_than_make_it_wait(headers: dict[str, str], status: int) -> None:
    """Whatever stands there, it is read without an error, and waited for at most an hour."""
    found = told(headers, status)
    assert 0 <= found.wait <= LONGEST
    assert found.remaining is None or found.remaining >= 1
