"""What follows from the answers of a receiver. Pure: generators that say what to do next and are told what came of it.

Owns: back-off, splitting, the search for a sample over which a receiver fails, the choice of the protocol. Must not
know: sockets, the clock, the outbox beyond its words.

    5xx, 408, 425, no answer    the same samples again, for ever, with full jitter from a tenth of a second on;
                                Retry-After up to five minutes
    5xx, again and again        if a request without samples succeeds meanwhile, one of the samples may be the cause:
                                halves, quarters ... A single one is parked if one of another series then succeeds; if
                                some of these fail, too, it is the receiver, and the samples wait together again
    400, 409, 422               halves, quarters ...; a single one is a dead letter, once it is known that the receiver
                                takes others: see ``refusals``. Else it refuses whatever it is sent, and is held
    413                         the same, and smaller slices from then on
    429                         the same samples, later
    415                         the other version of the protocol, if it may be chosen
    everything else             held: the same samples every now and then, until somebody has mended what is wrong

A half is a new request: the specification forbids that the same one is repeated after a 4xx. ``spec_strict`` does not
even split: whatever was answered with 4xx (but 429) or 3xx is given up.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass

from timepoint.clock import DAY, MINUTE, SECOND
from timepoint.remote_write.outbox import Labels, Letter, Parked, Parking, Settlement, Version
from timepoint.remote_write.refusals import Refusals
from timepoint.remote_write.reply import Meaning, Reply, meaning
from timepoint.remote_write.slices import WITNESSES, Reach, Ready, Rows, Screen
from timepoint.remote_write.spec import ReceiverSpec

LEAST_BACKOFF, FIRST_BACKOFF, MAX_BACKOFF = 0.1, 0.5, 60.0  # seconds
FIRST_HOLD, MAX_HOLD = 30.0, 300.0
MAX_RETRY_AFTER = 300.0
SUSPECT_AFTER, SUSPECT_FOR = 5, 60.0  # failures of the receiver over the same samples, and for how many seconds
PARK_FOR = 10 * MINUTE
PARKED_AT_MOST = DAY  # where no age is too old
_TRIES = 3  # witnesses from behind the slice in one search, before it is the receiver that fails
_LOGARITHM = 16  # doublings after which all back-offs have long been at their greatest


@dataclass(frozen=True, slots=True)
class Send:
    """Send these; none at all asks whether the receiver is well. ``attempt`` counts repetitions. Wants a ``Reply``."""

    rows: Rows
    version: Version
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for some seconds. ``is_held``: somebody must do something. Wants the instant then, in ms.

    ``has_samples``: what was to be sent has samples, whose age must be looked at again.
    """

    seconds: float
    why: str
    is_held: bool = False
    has_samples: bool = True


@dataclass(frozen=True, slots=True)
class Settle:
    """Make durable, before anything else. ``sent`` are the samples among it that were just stored."""

    settlement: Settlement
    sent: Rows = ()


@dataclass(frozen=True, slots=True)
class Seek:
    """Find samples beside these, as far as ``reach`` says, one of each series, ``most`` at most. Wants ``Rows``.

    None is of a series of ``beside``, and none is one of ``but``.
    """

    beside: Rows
    reach: Reach = Reach.NEAR
    but: Rows = ()
    most: int = WITNESSES


@dataclass(frozen=True, slots=True)
class Learn:
    """Remember which version the receiver speaks."""

    version: Version


Step = Send | Wait | Settle | Seek | Learn
Told = Reply | int | Rows | None
Steps = Generator[Step, Told, None]


@dataclass(slots=True)
class _Trouble:
    """How often and since when the receiver fails over the same samples. ``attempts`` counts all failures."""

    attempts: int = 0
    failures: int = 0
    since: float = 0.0
    searches: int = 0

    def note(self, reply: Reply) -> None:
        self.attempts += 1
        if reply.is_failure_of_receiver:
            self.since = reply.came_at if not self.failures else self.since
            self.failures += 1

    def is_suspect(self, reply: Reply) -> bool:
        return self.failures >= SUSPECT_AFTER and reply.came_at - self.since >= SUSPECT_FOR


class Courier:
    """The rules for one receiver, and what is learnt of it. ``known`` is the version that it was found to speak.

    ``chance`` is uniform in [0, 1). ``limit`` is how many samples a slice may have.
    """

    def __init__(self, spec: ReceiverSpec, screen: Screen, chance: Callable[[], float], known: Version | None) -> None:
        self._spec = spec
        self._screen = screen
        self._chance = chance
        self._known = spec.protocol or known
        self.version = self._known or Version.V2
        self.limit = spec.max_samples
        self._refusals = Refusals()
        self._holds = _Trouble()

    def deliver(self, rows: Rows, now: int) -> Steps:
        """Brings the samples of a slice to the receiver, until all are settled. ``now`` is when it was cut."""
        self._refusals.begin()
        parts, limit = [rows], self.limit
        while parts or self._refusals.accused:
            is_enough = self._refusals.is_enough
            if parts and not is_enough:
                parts.extend(reversed((yield from self._part(parts.pop(), now))))
            elif (self._refusals.is_proven and not is_enough) or (yield from self._takes_others(parts, now)):
                yield from self._give_up(self._refusals.condemn())
            else:
                self.limit = limit  # it refuses single ones, too, so it was not their number
                now = yield from self._hold(parts)

    def greet(self) -> Steps:
        """Asks the receiver without any sample, until it gives an answer of whatever kind."""
        trouble = _Trouble()
        while (reply := (yield from self._send((), trouble.attempts))).status is None:
            trouble.note(reply)
            yield from self._wait(meaning(reply), reply, trouble, has_samples=False)

    def again(self, parked: Parked, now: int) -> Steps:
        """Tries a parked sample once more; it is given up when it is too old."""
        row = parked.row
        overtaken = self._spec.is_strict and row.sent_until is not None and row.at <= row.sent_until
        expired = self._screen.is_too_old(row, now) or now - parked.since > (self._spec.oldest or PARKED_AT_MOST)
        if overtaken or expired:
            yield Settle(Settlement(buried=(Letter(row.number, "poison_5xx", parked.status),)))
            return
        ready = self._screen.ready(row)
        reply = yield from self._send((ready,), 0)
        found = self._meaning(reply)
        if found is Meaning.STORED:
            yield from self._stored((ready,))
        elif found in (Meaning.REFUSED, Meaning.TOO_LARGE) and (
            self._spec.spec_strict or (yield from self._is_credible(1))
        ):
            yield self._bury((ready,), reply, now)
        else:
            status = reply.status if reply.is_failure_of_receiver else parked.status
            yield Settle(Settlement(parked=(Parking(row.number, now + PARK_FOR, status),)))

    def _part(self, part: Rows, now: int) -> Generator[Step, Told, tuple[Rows, ...]]:
        """Sends a part until it is settled, or until it must be split: then its halves."""
        trouble = _Trouble()
        while part:
            reply = yield from self._send(part, trouble.attempts)
            found = self._meaning(reply)
            if found is Meaning.STORED:
                yield from self._stored(part)
                return ()
            if self._learns(found):
                continue
            if self._spec.spec_strict and found not in (Meaning.FAILED, Meaning.SLOWER) and not reply.is_ours:
                yield self._bury(part, reply, now)
                return ()
            if found in (Meaning.REFUSED, Meaning.TOO_LARGE):
                if reply.written:
                    yield from self._give_up(self._refusals.prove())  # it has stored some of these
                return self._split(part, found, reply, now)
            trouble.note(reply)
            if found is Meaning.FAILED and trouble.is_suspect(reply) and not self._spec.spec_strict:
                left = yield from self._search(part, trouble, now)
                trouble.failures = 0
                if left != part:
                    return (left,) if left else ()
            now = yield from self._wait(found, reply, trouble)
            part = yield from self._without_old(part, now)
        return ()

    def _send(self, rows: Rows, attempt: int) -> Generator[Step, Told, Reply]:
        reply = yield Send(rows, self.version, attempt)
        assert isinstance(reply, Reply), "BUG: a request was sent and no reply given"
        if self.version == Version.V2 and rows and meaning(reply) is Meaning.STORED and reply.written is None:
            # Receivers of before 2.0 read it as a 1.0 request of fields that they do not know, and store nothing.
            words = "the answer does not say how much was stored, so the receiver does not know 2.0 and stored nothing"
            return Reply(415, words, said_at=reply.said_at, came_at=reply.came_at)
        return reply

    def _meaning(self, reply: Reply) -> Meaning:
        """What a reply means here: a 400 may be the way in which a receiver of 1.0 refuses 2.0 as a whole."""
        found = meaning(reply)
        is_unsure = self._known is None and self.version == Version.V2 and reply.written is None
        if found is Meaning.REFUSED and is_unsure and not self._spec.spec_strict:
            return Meaning.OTHER_VERSION
        return found

    def _learns(self, found: Meaning) -> bool:
        """Whether the other version of the protocol is worth a try, which is then chosen."""
        if found is not Meaning.OTHER_VERSION or self._spec.protocol is not None:
            return False
        if self.version == Version.V2:
            self.version, self._known = Version.V1, None
            return True
        if self._known == Version.V1:  # it was understood once: the receiver is another one now
            self.version, self._known = Version.V2, None
            return True
        return False

    def _stored(self, rows: Rows) -> Steps:
        """They are, and with that it is proven of those that were refused before that it was they."""
        stored = tuple(ready.row.number for ready in rows)
        yield Settle(Settlement(acknowledged=stored, buried=self._refusals.prove()), rows)
        self._holds = _Trouble()
        if self._known != self.version:
            self._known = self.version
            yield Learn(self.version)

    def _split(self, part: Rows, found: Meaning, reply: Reply, now: int) -> tuple[Rows, ...]:
        """Halves of what was refused. A single one waits until it is known that the receiver takes others."""
        if len(part) == 1:
            self._refusals.accuse(part[0], self._letter(part[0], reply, now), reply)
            return ()
        middle = len(part) // 2
        if found is Meaning.TOO_LARGE:
            self.limit = max(1, min(self.limit, middle))
        return part[:middle], part[middle:]

    def _give_up(self, letters: tuple[Letter, ...]) -> Steps:
        if letters:
            yield Settle(Settlement(buried=letters))

    def _takes_others(self, parts: list[Rows], now: int) -> Generator[Step, Told, bool]:
        """Whether the receiver takes anything at all, after some samples were refused one by one.

        What else there is to be sent is tried: of this slice, then near behind it. What lies farther away is tried
        where there is nothing nearer, or the second time: once a receiver has it, it may refuse what lies between. But
        a receiver that takes nothing so old must not be kept from what is young.
        """
        refusals = self._refusals
        refusals.hearings += 1
        asked = refusals.strangers(_joined(parts))
        for witness in asked:
            if (yield from self._is_taken(witness, parts, now)):
                return True
        for reach in Reach:
            if (reach is not Reach.NEAR and asked and refusals.hearings == 1) or not self._may_reach(reach):
                break
            accused, left = tuple(ready for ready, _ in refusals.accused), _joined(parts)
            beside = (*accused, *left) if reach in (Reach.NEAR, Reach.WIDE) else left if self._spec.is_strict else ()
            found = yield Seek(beside, reach, (*accused, *left), self._spec.max_samples)
            assert isinstance(found, tuple), "BUG: sought, and nothing given"
            asked += (others := refusals.strangers(found))
            for witness in others:
                if (yield from self._is_taken(witness, parts, now)):
                    return True
        if asked:
            return False
        return refusals.is_proven or (refusals.series == 1 and (yield from self._is_credible(len(refusals.accused))))

    def _is_taken(self, witness: Ready, parts: list[Rows], now: int) -> Generator[Step, Told, bool]:
        """Whether one sample is stored. What is settled with that, or refused, is taken out of what is to be sent.

        A receiver that cannot be asked is waited for; one that fails may fail over this sample, so it proves nothing.
        """
        trouble = _Trouble()
        while True:
            reply = yield from self._send((witness,), trouble.attempts)
            found = self._meaning(reply)
            if found is Meaning.STORED:
                yield from self._stored((witness,))
                _take_out(witness, parts)
                return True
            if found in (Meaning.REFUSED, Meaning.TOO_LARGE):
                if _take_out(witness, parts):
                    self._refusals.accuse(witness, self._letter(witness, reply, now), reply)
                return False
            if reply.is_failure_of_receiver:
                return False
            if not self._learns(found):
                trouble.note(reply)
                yield from self._wait(found, reply, trouble)

    def _may_reach(self, reach: Reach) -> bool:
        """The newest sample makes all others of its series too old for a strict receiver, and some may still leave.

        It is tried where samples may be older than such a receiver takes: that they are refused is then no wonder.
        """
        is_young = self._spec.is_strict and 0 < self._spec.oldest <= self._spec.window
        return reach is not Reach.NEWEST or not is_young

    def _is_credible(self, count: int) -> Generator[Step, Told, bool]:
        """Whether it may be the fault of samples that they were refused, where there are no others to be tried.

        A receiver that refuses a request without any sample refuses whatever it is sent; and beyond a few in a row,
        nobody is believed.
        """
        if meaning((yield from self._send((), 0))) is not Meaning.STORED:
            return False
        return self._refusals.may_believe(count)

    def _hold(self, parts: list[Rows]) -> Generator[Step, Told, int]:
        """Waits for somebody to mend a receiver that refuses whatever it is sent; then all is to be sent again."""
        refusals = self._refusals
        reply, words = refusals.last, refusals.words
        rows = _joined([*parts, tuple(ready for ready, _ in refusals.accused)])
        refusals.begin()
        if self._known is None:
            self.version = self._spec.protocol or Version.V2
        self._holds.note(reply)
        now = yield from self._wait(Meaning.HELD, reply, self._holds, why=words)
        left = yield from self._without_old(rows, now)
        parts[:] = [left] if left else []
        return now

    def _bury(self, rows: Rows, reply: Reply, now: int) -> Settle:
        return Settle(Settlement(buried=tuple(self._letter(ready, reply, now) for ready in rows)))

    def _letter(self, ready: Ready, reply: Reply, now: int) -> Letter:
        return Letter(ready.row.number, self._why(ready, reply, now), reply.status, reply.problem)

    def _why(self, ready: Ready, reply: Reply, now: int) -> str:
        if self._spec.spec_strict:
            return "refused"
        if meaning(reply) is Meaning.TOO_LARGE:
            return "too_large"
        return "receiver_window" if ready.row.at < now - self._spec.window else "conflict"

    def _wait(
        self, found: Meaning, reply: Reply, trouble: _Trouble, *, has_samples: bool = True, why: str = ""
    ) -> Generator[Step, Told, int]:
        doublings = min(trouble.attempts - 1, _LOGARITHM)
        is_held = found not in (Meaning.FAILED, Meaning.SLOWER)
        if is_held:
            seconds = min(MAX_HOLD, FIRST_HOLD * (1 << doublings))
        else:
            seconds = max(LEAST_BACKOFF, self._chance() * min(MAX_BACKOFF, FIRST_BACKOFF * (1 << doublings)))
        asked = min(max(reply.retry_after or 0.0, 0.0), MAX_RETRY_AFTER)
        now = yield Wait(max(seconds, asked), why or reply.words, is_held, has_samples)
        assert isinstance(now, int), "BUG: waited, and not told until when"
        return now

    def _without_old(self, part: Rows, now: int) -> Generator[Step, Told, Rows]:
        """What may still leave after a wait; the rest is too old by now."""
        old = {ready.row.number for ready in part if self._screen.is_too_old(ready.row, now)}
        if not old:
            return part
        yield Settle(Settlement(buried=tuple(Letter(number, "receiver_window") for number in old)))
        return tuple(ready for ready in part if ready.row.number not in old)

    def _search(self, part: Rows, trouble: _Trouble, now: int) -> Generator[Step, Told, Rows]:
        """Looks for samples over which the receiver fails, and parks them; gives what is not settled.

        Each single one that fails needs a witness: a request with a sample of another series that was stored since the
        last one failed. Without that it is the receiver that fails, whatever it is sent.
        """
        if meaning((yield from self._send((), 0))) is not Meaning.STORED:
            return part
        trouble.searches += 1
        pieces = _halves(part)
        well: set[Labels] = set()
        while pieces:
            piece = pieces.pop()
            others = well - {piece[0].labels}
            reply = yield from self._send(piece, 1)
            found = self._meaning(reply)
            if found is Meaning.STORED:
                yield from self._stored(piece)
                well.update(ready.labels for ready in piece)
            elif len(piece) > 1 and (reply.is_failure_of_receiver or found in (Meaning.REFUSED, Meaning.TOO_LARGE)):
                pieces += _halves(piece)
            elif found in (Meaning.REFUSED, Meaning.TOO_LARGE):
                self._refusals.accuse(piece[0], self._letter(piece[0], reply, now), reply)
                if self._refusals.is_enough:
                    return _joined(pieces)
            elif reply.is_failure_of_receiver and (others or (yield from self._has_witness(pieces, piece, trouble))):
                until = now + int((reply.came_at - trouble.since) * SECOND) + PARK_FOR
                yield Settle(Settlement(parked=(Parking(piece[0].row.number, until, reply.status),)))
                well.clear()
            else:
                return _joined([*pieces, piece])
        return ()

    def _has_witness(self, pieces: list[Rows], failed: Rows, trouble: _Trouble) -> Generator[Step, Told, bool]:
        """Whether the receiver takes a sample of another series now.

        The first is of the slice, the newest; then some from behind it, since bad samples often stand side by side.
        Each search asks others, so no bad witness decides for ever. One that is newer by more than the window could
        make what failed too old, so it is asked only where nothing nearer can be: else a sample that is too old
        already, over which a receiver fails, would hold up all others for ever.
        """
        inside = [ready for ready in _joined(pieces) if ready.labels != failed[0].labels][::-1]
        if inside:
            first = inside[(trouble.searches - 1) % len(inside)]
            if (yield from self._bears_witness(first, pieces)):
                return True
        beside = (*failed, *_joined(pieces))
        found = yield Seek(beside)
        if not found or trouble.searches > 1:
            found = yield Seek(beside, Reach.WIDE)
        assert isinstance(found, tuple), "BUG: sought, and nothing given"
        start = (trouble.searches - 1) * _TRIES % len(found) if found else 0
        for witness in (found[start:] + found[:start])[:_TRIES]:
            if (yield from self._bears_witness(witness, pieces)):
                return True
        return False

    def _bears_witness(self, witness: Ready, pieces: list[Rows]) -> Generator[Step, Told, bool]:
        """Sends one sample; where it is stored, it is taken out of what is still to be sent."""
        reply = yield from self._send((witness,), 0)
        if self._meaning(reply) is not Meaning.STORED:
            return False
        yield from self._stored((witness,))
        _take_out(witness, pieces)
        return True


def _take_out(ready: Ready, pieces: list[Rows]) -> bool:
    """Leaves a sample out of what is to be sent; whether it was there."""
    left = [tuple(other for other in piece if other is not ready) for piece in pieces]
    was_there = sum(map(len, left)) < sum(map(len, pieces))
    pieces[:] = [piece for piece in left if piece]
    return was_there


def _halves(part: Rows) -> list[Rows]:
    """Both halves, the older one last, since that is the next to be taken."""
    middle = len(part) // 2
    return [half for half in (part[middle:], part[:middle]) if half]


def _joined(pieces: Iterable[Rows]) -> Rows:
    rows = [ready for piece in pieces for ready in piece]
    return tuple(sorted(rows, key=lambda ready: (ready.row.at, ready.row.number)))
