"""What an API itself says of its limits.

Owns: the dialects of rate-limit headers, and what they come to: how much is left, and until when. Must not know:
clocks, waiting, which requests there are. Pure.

There is no standard yet, so names are taken apart: a header that speaks of a rate limit says one thing (``limit``,
``remaining``, ``reset``, ``retry-after``) of one scope, which may be empty (``requests``, ``tokens``, ``minute``).

    RateLimit: "default";r=50;t=30                              IETF draft, from its version 8 on; several, by comma
    RateLimit: limit=100, remaining=50, reset=30                version 7
    RateLimit-Remaining: 50, RateLimit-Reset: 30                up to version 6, PagerDuty; GitLab (epoch s)
    X-RateLimit-Remaining, -Reset                               GitHub (epoch s), Datadog (s), Opendatasoft (date)
    X-Rate-Limit-Remaining, -Reset                              Okta, X (epoch s)
    X-RateLimit-Reset-After, X-RateLimit-Remaining-Minute       Discord, Kong
    x-ratelimit-remaining-requests, x-ratelimit-reset-requests  OpenAI (1s, 6m0s, 20ms)
    anthropic-ratelimit-requests-remaining, ...-reset           Anthropic (RFC 3339)
    x-ms-ratelimit-remaining-subscription-reads                 Azure, without a reset
    Retry-After, retry-after-ms, x-ms-retry-after-ms,           RFC 9110; OpenAI; Cosmos DB; Azure Cost Management
    x-ms-ratelimit-microsoft.costmanagement-qpu-retry-after

A reset of 10 digits is an epoch in seconds, one of 13 in milliseconds, one of 16 in microseconds, a shorter one is a
number of seconds. An instant is compared with the ``Date`` of the same answer, so a clock that is wrong here does not
matter. Source: draft-ietf-httpapi-ratelimit-headers; the documentation of the APIs that are named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from timepoint.request.retry import parse_http_date

LONGEST = 3600.0
"""The longest that is waited for what an API says, in seconds: a day of silence is too dear for a wrong number."""
IMPLAUSIBLE = 7 * 86400.0
UNBELIEVED = 300.0
"""What is waited if it says more than a week: that is a mistake, and it may be over soon."""

_NAME = re.compile(
    r"(?P<vendor>(?:[a-z0-9]+[-.])*?)rate-?limit-?(?P<first>.*)|(?P<retry>.*retry-after)(?:-(?P<unit>ms|seconds))?",
    re.ASCII,
)
_ROLES = ("retry-after", "reset-after", "remaining", "reset")
_ITEM = re.compile(r'(?:"(?P<name>[^"]*)"|(?P<token>[^\s;,="]+))\s*(?P<parameters>(?:;[^;,]*)*)')
_PAIR = re.compile(r"(limit|remaining|reset)\s*=\s*(\d+)", re.ASCII)
_NUMBER = re.compile(r"\d{1,18}(?:\.\d{1,9})?", re.ASCII)
_LENGTH = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?", re.ASCII)
_UNITS = (86400.0, 3600.0, 60.0, 1.0, 0.001)
_SCOPES = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0, "daily": 86400.0, "month": 2_678_400.0}
_EPOCHS = ((1e15, 1e6), (1e12, 1e3), (1e9, 1.0))  # from this number on it is an epoch, in so many parts of a second
REFUSALS = frozenset({403, 429, 500, 502, 503, 504})
"""Statuses with which a Retry-After speaks for the whole source."""


@dataclass(slots=True)
class _Scope:
    """What was said of one scope: how much is left, and the seconds until there is more."""

    remaining: float | None = None
    reset: float | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer says. ``wait``: seconds in which nothing may be asked, 0 if it may.

    ``remaining`` requests may be made in the next ``reset`` seconds, None if it does not say.
    """

    wait: float = 0.0
    remaining: int | None = None
    reset: float | None = None
    words: str = field(default="", compare=False)


NOTHING = Told()


def read_limits(headers: Iterable[tuple[str, str]], status: int, now: int, date: str | None = None) -> Told:
    """What the headers of an answer say. ``now`` in milliseconds, ``date`` is its ``Date``."""
    relevant = [(name.lower(), value.strip()) for name, value in headers if _may_tell(name)]
    if not relevant:
        return NOTHING
    said_at = parse_http_date(date)
    here = now / 1000 if said_at is None else said_at / 1000
    scopes: dict[str, _Scope] = {}
    asked: list[tuple[float, str]] = []
    for name, value in relevant:
        match = _NAME.fullmatch(name)
        if match is None:
            continue
        if match["retry"] is not None:
            if status in REFUSALS:
                _note_retry(asked, name, value, match["unit"], here)
        elif match["first"]:
            _note(scopes, asked, match["first"], value, here)
        else:
            _note_fields(scopes, value, here)
    return _sum_up(scopes, asked)


def _may_tell(name: str) -> bool:
    lower = name.lower()
    return "ratelimit" in lower or "rate-limit" in lower or "retry-after" in lower


def _note_retry(asked: list[tuple[float, str]], name: str, value: str, unit: str | None, here: float) -> None:
    seconds = _seconds(value, here, is_epoch_possible=False)
    if seconds is not None:
        asked.append((seconds / 1000 if unit == "ms" else seconds, f"{name}: {value[:40]}"))


def _note(scopes: dict[str, _Scope], asked: list[tuple[float, str]], rest: str, value: str, here: float) -> None:
    """One of the headers that say one thing each."""
    for role in _ROLES:
        if role not in rest:
            continue
        unit = next((end for end in ("-ms", "-milliseconds") if rest.endswith(end)), "")
        scope = rest.removesuffix(unit).replace(role, "").strip("-.")
        if role == "remaining":
            number = _least(value)
            if number is not None:
                _scope(scopes, scope).remaining = number
            return
        seconds = _seconds(value, here, is_epoch_possible=not unit and role == "reset")
        if seconds is None:
            return
        seconds = seconds / 1000 if unit else seconds
        if role == "retry-after":
            asked.append((seconds, f"{rest}: {value[:40]}"))
        else:
            _scope(scopes, scope).reset = seconds
        return


def _note_fields(scopes: dict[str, _Scope], value: str, here: float) -> None:
    """The one field of the later drafts."""
    pairs = dict(_PAIR.findall(value))
    if pairs:
        found = _scope(scopes, "")
        found.remaining = float(pairs["remaining"]) if "remaining" in pairs else None
        found.reset = _seconds(pairs.get("reset", ""), here)
        return
    for item in _ITEM.finditer(value):
        parameters = dict(_parameters(item["parameters"]))
        found = _scope(scopes, item["name"] or item["token"] or "")
        found.remaining = _least(parameters.get("r", ""))
        found.reset = _seconds(parameters.get("t", ""), here, is_epoch_possible=False)


def _parameters(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            yield name.strip(), value.strip()


def _scope(scopes: dict[str, _Scope], name: str) -> _Scope:
    return scopes.setdefault(name, _Scope())


def _least(value: str) -> float | None:
    """The least of the numbers in a header: some give several windows at once."""
    numbers = [float(text) for part in value.split(",") if _NUMBER.fullmatch(text := part.strip())]
    return min(numbers, default=None)


def _seconds(value: str, here: float, *, is_epoch_possible: bool = True) -> float | None:
    """The seconds until what a reset says: a number, a length such as 6m0s, or a date."""
    if _NUMBER.fullmatch(value):
        number = float(value)
        for least, parts in _EPOCHS if is_epoch_possible else ():
            if number >= least:
                return max(0.0, number / parts - here)
        return number
    match = _LENGTH.fullmatch(value)
    if match is not None and value:
        return sum(float(text) * unit for text, unit in zip(match.groups(), _UNITS, strict=True) if text)
    moment = _moment(value)
    return None if moment is None else max(0.0, moment - here)


def _moment(value: str) -> float | None:
    """Seconds since the epoch of a date: that of HTTP, or ISO 8601."""
    said = parse_http_date(value)
    if said is not None:
        return said / 1000
    try:
        moment = datetime.fromisoformat(value.replace(" Z", "Z").replace(" UTC", "Z"))
    except ValueError:
        return None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def _sum_up(scopes: Mapping[str, _Scope], asked: list[tuple[float, str]]) -> Told:
    """All scopes must have something left; the one with the least is the one that binds."""
    common = scopes.get("", _Scope()).reset
    wait, words = max(asked, default=(0.0, ""))
    remaining: int | None = None
    reset: float | None = None
    for name, scope in scopes.items():
        if scope.remaining is None:
            continue
        ends = scope.reset if scope.reset is not None else _SCOPES.get(name.rpartition("-")[2], common)
        if ends is None:  # without an end there is nothing to wait for: a refusal will tell
            continue
        if scope.remaining < 1:
            wait, words = max((wait, words), (ends, f"nothing is left of the limit {name}".rstrip()))
        elif remaining is None or scope.remaining < remaining:
            remaining, reset = int(scope.remaining), believed(ends)
    return Told(believed(wait), remaining, reset, words)


def believed(seconds: float) -> float:
    """How long is waited for what an API says."""
    return UNBELIEVED if seconds > IMPLAUSIBLE else min(seconds, LONGEST)
