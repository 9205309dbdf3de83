"""Whether and when a failed attempt is made again. Pure.

Owns: which failures may pass, the back-off, the Retry-After header. Must not know: sockets, sleeping, chance. All
durations are seconds, as on the monotonic clock.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from timepoint.errors import SourceError, StatusError, TokenError

FIRST_BACKOFF = 0.5
MAX_BACKOFF = 30.0
MAX_RETRY_AFTER = 300.0

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110, 9.2.1
_PASSING_REASONS = frozenset({"connect", "timeout", "transport"})
_PASSING_STATUSES = frozenset({429, 500, 502, 503, 504})
_NOT_PROCESSED = frozenset({429, 503})  # statuses by which a server says that it did not begin
_SECONDS = re.compile(r"[0-9]{1,18}")


def may_pass(error: SourceError, method: str) -> bool:
    """Whether another attempt could succeed and cannot do harm: an unsafe method only where nothing was processed."""
    if isinstance(error, TokenError):
        return error.may_pass  # the request itself was not sent
    if isinstance(error, StatusError):
        return error.is_limit or error.status in (_PASSING_STATUSES if method in SAFE_METHODS else _NOT_PROCESSED)
    return error.reason in _PASSING_REASONS if method in SAFE_METHODS else error.reason == "connect"


def pause(error: SourceError, attempt: int, chance: float) -> float:
    """How long to wait after attempt number ``attempt`` (from 1) has failed.

    Exponential with full jitter: ``chance`` is uniform in [0, 1). Never less than what the answer asked for.
    """
    longest = min(MAX_BACKOFF, FIRST_BACKOFF * (1 << min(attempt - 1, 16)))
    asked = error.retry_after if isinstance(error, StatusError | TokenError) else None
    return max(chance * longest, asked or 0.0)


def parse_retry_after(text: str | None, now: int) -> float | None:
    """Seconds to wait by a Retry-After header, at most five minutes; None if there is none or it is garbage.

    ``now`` in milliseconds. Source: RFC 9110, 10.2.3 and 5.6.7.
    """
    text = (text or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), MAX_RETRY_AFTER)
    moment = parse_http_date(text)
    return None if moment is None else min(max((moment - now) / 1000, 0.0), MAX_RETRY_AFTER)


def parse_http_date(text: str | None) -> int | None:
    """Milliseconds since the epoch of a Date or Retry-After header; None if there is none or it is garbage.

    Source: RFC 9110, 5.6.7.
    """
    try:
        moment = parsedate_to_datetime((text or "").strip())
    except (ValueError, OverflowError):  # the latter for a year of twenty digits
        return None
    if moment.tzinfo is None:  # the asctime form has no zone and means UTC
        moment = moment.replace(tzinfo=UTC)
    return round((moment - datetime.fromtimestamp(0, UTC)).total_seconds() * 1000)
