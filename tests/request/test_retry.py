"""The pure decisions about further attempts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timepoint.errors import ContentError, SourceError, StatusError, TransportError
from timepoint.request.retry import MAX_RETRY_AFTER, may_pass, parse_retry_after, pause

NOW = 784_111_770_000  # seven seconds before the date of RFC 9110's examples


@pytest.mark.parametrize(
    "text", ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
)
def test_dates_of_http(text: str) -> None:
    """All three forms of a date in HTTP are read."""
    assert parse_retry_after(text, NOW) == 7


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        (" 120 ", 120),
        ("999999999999", MAX_RETRY_AFTER),
        ("Sun, 06 Nov 1994 08:49:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER),
        (None, None),
        ("", None),
        ("1e3", None),
        ("+5", None),
        ("²", None),
        ("9" * 5000, None),
        ("Sun, 06 Nov 1994 99:99:99 GMT", None),
        ("Sun, 06 Nov 99999999999999999999 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 +99999999999999999999", None),
    ],
)
def test_retry_after(text: str | None, seconds: float | None) -> None:
    """Seconds and dates are read, capped at five minutes and never negative; garbage is nothing."""
    assert parse_retry_after(text, NOW) == seconds


@given(text=st.text(max_size=60))
def test_any_retry_after(text: str) -> None:
    """Whatever stands in the header, it is read or ignored."""
    seconds = parse_retry_after(text, NOW)
    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER


@given(attempt=st.integers(1, 10_000), chance=st.floats(0, 1, exclude_max=True), asked=st.none() | st.floats(0, 300))
def test_any_pause(attempt: int, chance: float, asked: float | None) -> None:
    """A pause is never longer than 30 seconds unless it was asked for, and never shorter than what was asked for."""
    seconds = pause(StatusError(503, "", asked), attempt, chance)
    assert (asked or 0) <= seconds <= max(30, asked or 0)


@pytest.mark.parametrize(
    ("error", "safe", "unsafe"),
    [
        (TransportError("connect", ""), True, True),
        (TransportError("timeout", ""), True, False),
        (TransportError("transport", ""), True, False),
        (TransportError("too_large", ""), False, False),
        (StatusError(429, ""), True, True),
        (StatusError(503, ""), True, True),
        (StatusError(500, ""), True, False),
        (StatusError(501, ""), False, False),
        (StatusError(407, ""), False, False),
        (ContentError("content_type", ""), False, False),
        (ContentError("encoding", ""), False, False),
        (SourceError("redirect", ""), False, False),
        (SourceError("secret", ""), False, False),
    ],
)
def test_what_may_pass(error: SourceError, safe: bool, unsafe: bool) -> None:  # noqa: FBT001 - a table of answers
    """Each failure of the table is tried again with a safe and an unsafe method as it says."""
    assert (may_pass(error, "GET"), may_pass(error, "POST")) == (safe, unsafe)
