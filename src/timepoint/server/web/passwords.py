"""Checking of users without holding up anybody.

Owns: the reading of Basic credentials, the one thread that hashes, who may wait for it, and what is remembered of its
answers. Must not know: requests, files.

- bcrypt runs in a thread of its own and without the interpreter's lock; a scrape never waits for it in the loop.
- A good password is remembered until the process ends or the user's hash is another one. Wrong ones are remembered
  apart, and few: whatever is guessed, it cannot push out a good one.
- A client may have two guesses waiting, all clients together eight. Who was let in before has places of its own.
- An unknown user costs what a known one costs, so that the time of an answer tells nobody which names there are.

Measured: 200 wrong passwords a second (cost 10) beside a scraper with a good one; docs/design/0017 has the figures.
Source: RFC 7617; exporter-toolkit, CVE-2022-46146 (a cache key without lengths let the hash itself in).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from collections import Counter, OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import TypeVar

MAX_PASSWORD = 72
"""Bytes: bcrypt looks at no more, so that a longer password would be one with many spellings."""

_WRONG_KEPT = 256
_KNOWN_KEPT = 256
_OF_ONE = 2
_OF_STRANGERS, _OF_ALL = 8, 16
Key = TypeVar("Key", bytes, str)
_NEVER = b"$" + b"......................" + b"." * 31  # a salt and a digest; no password is known for it


class Verdict(Enum):
    """The answer to credentials."""

    GOOD = "good"
    WRONG = "wrong"
    BUSY = "busy"
    """Too many guesses wait, of this client or of all; nothing was checked."""


def read_basic(header: str | None) -> tuple[bytes, bytes] | None:
    """User and password of an ``Authorization`` header, None if it holds none. Source: RFC 7617, section 2."""
    scheme, _, given = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(given.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None


class Passwords:
    """Says whether credentials are good. For one event loop."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._good: OrderedDict[bytes, None] = OrderedDict()
        self._wrong: OrderedDict[bytes, None] = OrderedDict()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._waiting: Counter[str] = Counter()
        self._asked: dict[bytes, asyncio.Future[bool]] = {}
        self._pool: ThreadPoolExecutor | None = None

    async def check(self, users: Mapping[bytes, bytes], peer: str, header: str | None) -> Verdict:
        """Compares the credentials of a header with the hashes of ``users``. ``peer`` is who may wait how often."""
        user, password = read_basic(header) or (b"", b"")
        if not 0 < len(password) <= MAX_PASSWORD or b"\0" in password:
            return Verdict.WRONG
        stored = users.get(user)
        hashed = stored if stored is not None else self._decoy(users, user)
        key = self._key(user, hashed, password)
        if key in self._good or key in self._wrong:
            return Verdict.GOOD if key in self._good else Verdict.WRONG
        is_same = await self._compare(key, peer, password, hashed)
        if is_same is None:
            return Verdict.BUSY
        if is_same and stored is not None:
            _keep(self._good, key, 2 * len(users))  # each user has one; twice that outlives a change of hashes
            _keep(self._known, peer, _KNOWN_KEPT)
            return Verdict.GOOD
        _keep(self._wrong, key, _WRONG_KEPT)
        return Verdict.WRONG

    def close(self) -> None:
        """Drops the guesses that wait."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def _compare(self, key: bytes, peer: str, password: bytes, hashed: bytes) -> bool | None:
        """Whether the password gives the hash; None if there is no place to wait. The same guess is made once."""
        running = self._asked.get(key)
        if running is None:
            limit = _OF_ALL if peer in self._known else _OF_STRANGERS
            if self._waiting[peer] >= _OF_ONE or self._waiting.total() >= limit:
                return None
            self._waiting[peer] += 1
            running = self._asked[key] = asyncio.ensure_future(self._hash(key, peer, password, hashed))
        return await asyncio.shield(running)

    async def _hash(self, key: bytes, peer: str, password: bytes, hashed: bytes) -> bool:
        import bcrypt

        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, bcrypt.checkpw, password, hashed)
        finally:
            del self._asked[key]
            self._waiting[peer] -= 1
            if not self._waiting[peer]:
                del self._waiting[peer]

    def _key(self, *parts: bytes) -> bytes:
        whole = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self._secret, whole, hashlib.sha256)

    def _decoy(self, users: Mapping[bytes, bytes], user: bytes) -> bytes:
        """A hash for an unknown user: always the same one, with the cost of one of the users that there are."""
        hashes = sorted(users.values())
        number = int.from_bytes(self._key(b"decoy", user)[:4], "big") % len(hashes)
        return hashes[number][:6] + _NEVER


def _keep(kept: OrderedDict[Key, None], key: Key, most: int) -> None:
    """Adds a key; of more than ``most``, the oldest are forgotten."""
    kept[key] = None
    while len(kept) > most:
        kept.popitem(last=False)
