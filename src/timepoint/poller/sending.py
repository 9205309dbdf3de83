"""Remote write beside the job loops: one sender for each receiver.

Owns: that senders begin and end with the ledger, and begin anew after a bug; what is logged and published of them. Must
not know: jobs and runs, what a sample is, what an answer of a receiver means.

A sender shares the worker with the runs, as all that the ledger does, and asks for it in small pieces: a slice to be
read, a slice to be settled. What a receiver does reaches no job. What senders have counted outlives a ledger that is
opened anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from timepoint import log
from timepoint.clock import Clock, format_duration
from timepoint.errors import StoreError
from timepoint.ledger.store import Store
from timepoint.poller.errands import Errand, tidy, waiting
from timepoint.poller.timing import Timing
from timepoint.poller.worker import Worker
from timepoint.remote_write.facts import SenderFacts, State
from timepoint.remote_write.letters import Choice, Deed, do_some
from timepoint.remote_write.outbox import Queues
from timepoint.remote_write.post import Post, open_post
from timepoint.remote_write.sender import Sender
from timepoint.remote_write.spec import ReceiverSpec
from timepoint.request.shown import shown_url
from timepoint.request.spec import SourceSpec

LOGGER = logging.getLogger(__name__)

OpenPost = Callable[[SourceSpec, Clock], AbstractAsyncContextManager[Post]]
"""Opens the way to a receiver."""

_AFTER_BUG = 60.0
_LOOK_EVERY = 10.0
_ERRANDS_EVERY = 2.0
_WELL = frozenset({State.IDLE, State.SENDING})
_LEVELS = {State.RETRYING: logging.WARNING}


class ReceiverStanding(NamedTuple):
    """A receiver, how its sender stands, and how many of its samples are dead, by reason."""

    spec: ReceiverSpec
    facts: SenderFacts
    dead: dict[str, int]


@dataclass(slots=True)
class _Told:
    """What the log was told of a receiver: states of the trouble that lasts, since when, and what was given up."""

    states: set[State]
    since: float = 0.0
    given_up: Mapping[str, int] = field(default_factory=dict)
    warned: bool = False


class Sending:
    """The senders of a runner. ``changed`` is called when trouble with a receiver begins or ends."""

    def __init__(
        self,
        receivers: Sequence[ReceiverSpec],
        timing: Timing,
        opening: OpenPost = open_post,
        changed: Callable[[], object] = lambda: None,
    ) -> None:
        now = timing.clock.now()
        self.receivers = tuple(receivers)
        self.standing = [
            ReceiverStanding(spec, SenderFacts(limit=spec.max_samples, since=now), {}) for spec in receivers
        ]
        self._timing = timing
        self._opening = opening
        self._changed = changed
        self._told = {spec.name: _Told(set()) for spec in receivers}
        self._senders: dict[str, Sender] = {}
        self._make: dict[str, Callable[[], Sender]] = {}
        self._look: Callable[[], Awaitable[None]]
        self._do: Callable[[Deed, Choice, int], Awaitable[tuple[int, int | None]]]

    def successor(self, receivers: Sequence[ReceiverSpec]) -> Sending:
        """Those of another config. What was counted of a receiver, and what the log was told of it, goes on."""
        other = Sending(receivers, self._timing, self._opening, self._changed)
        before = {spec.name: facts for spec, facts, _ in self.standing}
        for place, (spec, new, dead) in enumerate(other.standing):
            facts = before.get(spec.name, new)
            facts.state, facts.why, facts.since = new.state, new.why, new.since
            facts.version, facts.limit = None, spec.max_samples
            other.standing[place] = ReceiverStanding(spec, facts, dead)
            other._told[spec.name] = self._told.get(spec.name, other._told[spec.name])
        return other

    async def open(self, store: Store, worker: Worker, stack: AsyncExitStack) -> None:
        """Makes a sender for each receiver; the stack closes their connections. Raises StoreError."""
        clock, outbox = self._timing.clock, store.outbox
        for spec, facts, _ in self.standing:
            post = await stack.enter_async_context(self._opening(spec.http, clock))
            self._make[spec.name] = partial(self._made, spec, facts, partial(Sender, spec, outbox, worker, post, clock))
            self._senders[spec.name] = self._make[spec.name]()
        self._look = lambda: worker.do(partial(self._count, outbox))
        self._do = lambda deed, choice, after: worker.do(partial(do_some, outbox, deed, choice, after))
        await self._look()  # what waits is shown before anything is sent

    def _count(self, outbox: Queues) -> None:
        """Looks how the queues stand. Runs in the worker. Raises StoreError."""
        for spec, facts, dead in self.standing:
            facts.counts = outbox.counts(spec.name)
            reasons = outbox.reasons(spec.name)
            dead.clear()
            dead.update(reasons)

    def _made(self, spec: ReceiverSpec, facts: SenderFacts, make: Callable[..., Sender]) -> Sender:
        sender = make(sleep=self._timing.sleep, tell=partial(self._tell, spec.name, facts))
        sender.facts = facts
        return sender

    def wake(self) -> None:
        """Something may have been enqueued."""
        for sender in self._senders.values():
            sender.wake()

    def loops(self, errands: Path) -> list[Coroutine[Any, Any, None]]:
        """What serves the receivers until it is cancelled. ``errands`` is where commands leave what they want done."""
        if not self._senders:
            return []
        return [self._run_errands(errands), self._look_forever(), *(self._serve(name) for name in self._senders)]

    async def _run_errands(self, directory: Path) -> None:
        """Does what commands ask for while the ledger is ours."""
        while True:
            await self._timing.sleep(_ERRANDS_EVERY)
            for errand in waiting(directory):
                done, error = 0, ""
                try:
                    after: int | None = 0
                    while after is not None:
                        some, after = await self._do(errand.deed, errand.choice, after)
                        done += some
                except StoreError as raised:
                    error = str(raised)
                _say_done(errand, done, error)
                with contextlib.suppress(OSError):  # who asked waits no longer, and looks himself
                    errand.close(done, error)
                with contextlib.suppress(StoreError):  # an alert on dead letters shall end at once
                    await self._look()
                self.wake()
            tidy(directory, self._timing.clock.now() / 1000)

    async def _look_forever(self) -> None:
        """A sender that waits for its receiver does not see what joins its queue meanwhile."""
        while True:
            await self._timing.sleep(_LOOK_EVERY)
            with contextlib.suppress(StoreError):  # runs and senders meet it, too, and say it
                await self._look()
            self.watch()

    async def _serve(self, name: str) -> None:
        """One bad receiver costs one receiver, and a bug of its sender a minute."""
        while True:
            try:
                await self._senders[name].run()
            except Exception:
                LOGGER.exception("BUG: the sender to receiver %s begins anew", name)
            await self._timing.sleep(_AFTER_BUG)
            self._senders[name] = self._make[name]()

    async def drain(self, seconds: float) -> None:
        """Sends what waits, for so long at most; says what then still does."""
        deadline = self._timing.clock.monotonic() + seconds
        await asyncio.gather(*(self._drain(sender, deadline) for sender in self._senders.values()))
        for spec, facts, _ in self.standing:
            if rest := facts.counts.pending:
                log.event(
                    LOGGER,
                    logging.WARNING,
                    "not_sent",
                    receiver=spec.name,
                    pending=rest,
                    state=facts.state.value,
                    error=facts.why or None,
                )
        self.watch()

    async def _drain(self, sender: Sender, deadline: float) -> None:
        async def until_idle() -> None:
            while not await sender.turn():
                pass

        with contextlib.suppress(TimeoutError, StoreError):  # the ledger's own trouble is said by who needs it next
            await self._timing.within(deadline, until_idle())

    def watch(self) -> None:
        """Says what has been given up since, and once what soon will be if nobody does anything."""
        now = self._timing.clock.now()
        for spec, facts, _ in self.standing:
            told = self._told[spec.name]
            given_up = {
                reason: count - told.given_up.get(reason, 0)
                for reason, count in facts.dropped.items()
                if count > told.given_up.get(reason, 0)
            }
            if given_up:
                told.given_up = dict(facts.dropped)
                reasons = ", ".join(f"{reason} {count}" for reason, count in given_up.items())
                log.event(
                    LOGGER, logging.ERROR, "given_up", receiver=spec.name, samples=reasons, hint="timepoint outbox"
                )
            warnings = facts.warnings(spec, now)
            if warnings and not told.warned:
                log.event(LOGGER, logging.WARNING, "backlog", receiver=spec.name, error="; ".join(warnings))
            told.warned = bool(warnings)

    def _tell(self, name: str, facts: SenderFacts, state: State, why: str) -> None:
        """One line for each kind of trouble, and one when it is over: half of all requests may fail for hours."""
        told, now = self._told[name], self._timing.clock.monotonic()
        if state in _WELL:
            if told.states and (state is State.IDLE or told.states - {State.RETRYING}):
                after = format_duration(round(now - told.since) * 1000)
                log.event(LOGGER, logging.INFO, "receiver_well", receiver=name, after=after)
                told.states.clear()
                self._changed()
        elif state not in told.states:
            told.since = told.since if told.states else now
            told.states.add(state)
            log.event(
                LOGGER,
                _LEVELS.get(state, logging.ERROR),
                "receiver_trouble",
                receiver=name,
                state=state.value,
                pending=facts.counts.pending,
                error=why,
            )
            self._changed()

    def status(self) -> list[dict[str, Any]]:
        """The entries of the receivers in the status of the poller. Instants and durations in milliseconds."""
        now = self._timing.clock.now()
        return [_status(standing, now) for standing in self.standing]

    def sums(self) -> dict[str, Any]:
        """What adds up, by receiver, as JSON can hold it."""
        return {spec.name: {key: getattr(facts, key) for key in _SUMS} for spec, facts, _ in self.standing}

    def take_up(self, sums: Mapping[str, Any]) -> None:
        """Goes on from the sums of a process before; those of another release begin at 0."""
        for spec, facts, _ in self.standing:
            with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
                found = sums[spec.name]
                dropped = {str(reason): int(count) for reason, count in found["dropped"].items()}
                for key in _SUMS[1:]:
                    setattr(facts, key, type(getattr(facts, key))(found[key]))
                facts.dropped = dropped
                self._told[spec.name].given_up = dict(dropped)


def _say_done(errand: Errand, done: int, error: str) -> None:
    level = logging.ERROR if error else logging.INFO
    name, said = errand.choice.receiver, error or None
    if errand.deed is Deed.RETRY:
        log.event(LOGGER, level, "letters_wait_again", receiver=name, samples=done, error=said)
    else:
        log.event(LOGGER, level, "letters_dismissed", receiver=name, samples=done, error=said)


_SUMS = ("dropped", "requests", "attempted", "sent", "retried", "unwritten", "sent_bytes", "seconds", "exchanges")


def _status(standing: ReceiverStanding, now: int) -> dict[str, Any]:
    spec, facts, dead = standing
    counts = facts.counts
    return {
        "name": spec.name,
        "url": shown_url(spec.http),
        "state": facts.state.value,
        "why": facts.why,
        "since": facts.since,
        "version": facts.version.value if facts.version is not None else None,
        "pending": counts.pending,
        "parked": counts.parked,
        "oldest_age": facts.oldest_age(now),
        "window": spec.oldest,
        "is_strict": spec.is_strict,
        "enqueued": counts.enqueued,
        "acknowledged": counts.acknowledged,
        "sent": facts.sent,
        "dead": counts.dead,
        "letters": counts.letters,
        "late_amounts": counts.late_amounts,
        "dismissed": counts.dismissed,
        "dead_by_reason": dict(dead),
        "last_success": facts.last_success,
        "newest_sent": facts.newest_sent,
        "skew": facts.skew,
        "warnings": facts.warnings(spec, now),
    }
