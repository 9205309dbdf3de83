"""Receivers for tests: what a real Prometheus does with a request, as it was measured, and faults on the way.

Owns: the rules R1 to R18, that is those of Prometheus 2.42 without and with an out-of-order window, and what 3.x does
with 2.0. Must not know: the sender.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.remote_write.wire_format import WireRequest, WireSample, WireSeries, read_v1, read_v2

HOUR = 3_600_000
Key = tuple[tuple[tuple[str, str], ...], int]
Labels = tuple[tuple[str, str], ...]

V1_TYPE = "application/x-protobuf"
V2_TYPE = "application/x-protobuf;proto=io.prometheus.write.v2.Request"


@dataclass
class Answer:
    """A status, and headers."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Heard:
    """One request, as it was understood."""

    headers: dict[str, str]
    request: WireRequest
    answer: Answer


@dataclass
class Receiver:
    """A Prometheus. ``window`` is its out-of-order window in ms; ``speaks_2`` is what 3.x does and 2.42 does not.

    ``poison`` says for which samples it fails with 500; ``refuses`` which it refuses. ``most`` is the greatest body in
    samples. ``down`` is a status for everything.
    """

    window: int = 0
    speaks_2: bool = False
    poison: Callable[[Labels, int], bool] = lambda labels, at: False
    refuses: Callable[[Labels, int], bool] = lambda labels, at: False
    most: int = 1_000_000
    down: int = 0
    stored: dict[Key, float] = field(default_factory=dict)
    bits: dict[Key, int] = field(default_factory=dict)
    newest: dict[Labels, int] = field(default_factory=dict)
    head: int | None = None
    heard: list[Heard] = field(default_factory=list)

    def hear(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """The answer to a request."""
        is_2 = headers["Content-Type"] == V2_TYPE
        request = read_v2(body) if is_2 else read_v1(body)
        answer = self._answer(request, is_2=is_2)
        self.heard.append(Heard(dict(headers), request, answer))
        return answer

    def statuses(self) -> list[int]:
        return [heard.answer.status for heard in self.heard]

    def put(self, labels: Labels, at: int, value: float) -> None:
        """What somebody else has written."""
        self._store(labels, WireSample(at, value, 0))

    def _answer(self, request: WireRequest, *, is_2: bool) -> Answer:
        if self.down:
            return Answer(self.down)
        if is_2 and not self.speaks_2:
            return Answer(204)  # F17: read as 1.0, all fields unknown, nothing stored
        if len(request.samples) > self.most:
            return Answer(413)
        return self._answer_2(request) if is_2 else self._answer_1(request)

    def _answer_1(self, request: WireRequest) -> Answer:
        statuses = [self._status(series, sample) for series in request.series for sample in series.samples]
        worst = max(statuses, default=204)
        if worst == 204:
            for series in request.series:
                for sample in series.samples:
                    self._store(series.labels, sample)
        return Answer(worst)  # R8: one bad sample, and nothing is stored

    def _answer_2(self, request: WireRequest) -> Answer:
        written, worst = 0, 204
        for series in request.series:
            for sample in series.samples:
                status = self._status(series, sample)
                worst = max(worst, status)
                if status == 204:
                    self._store(series.labels, sample)
                    written += 1
        return Answer(worst, {"X-Prometheus-Remote-Write-Samples-Written": str(written)})

    def _status(self, series: WireSeries, sample: WireSample) -> int:
        names = [name for name, _ in series.labels]
        if not names or len(set(names)) < len(names) or self.poison(series.labels, sample.at):
            return 500  # R13
        if self.refuses(series.labels, sample.at):
            return 400
        if self.head is not None and sample.at < self.head - (self.window or HOUR):
            return 500 if self.window else 400  # R14; R9, R11
        return self._order(series.labels, sample) if not self.window else 204

    def _order(self, labels: Labels, sample: WireSample) -> int:
        newest = self.newest.get(labels)
        is_other = newest == sample.at and self.bits[labels, sample.at] != sample.bits  # R5
        is_older = newest is not None and sample.at < newest  # R3
        return 400 if is_older or is_other else 204

    def _store(self, labels: Labels, sample: WireSample) -> None:
        if not self.window and sample.at < self.newest.get(labels, sample.at):
            return  # R6: in one request, unsorted
        # R2, R7: what is stored stays. R16: out of order, a query is given what came later.
        if (labels, sample.at) not in self.stored or (self.window and sample.at < self.newest[labels]):
            self.stored[labels, sample.at] = sample.value
            self.bits[labels, sample.at] = sample.bits
        self.newest[labels] = max(sample.at, self.newest.get(labels, sample.at))
        self.head = max(sample.at, self.head if self.head is not None else sample.at)
