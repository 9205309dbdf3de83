"""What a receiver is: where, how it is asked, what it takes.

Owns: the value objects that the config hands to this room, and the rules that hold between them. Must not know: YAML,
aiohttp, the outbox. All durations in milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from timepoint.clock import HOUR, MINUTE
from timepoint.model import LABEL_NAME
from timepoint.remote_write.messages import MISSING, is_installed
from timepoint.remote_write.outbox import Version
from timepoint.request.prepare import check_url
from timepoint.request.spec import SourceSpec

RESERVED_HEADERS = frozenset(
    {"content-encoding", "content-type", "x-prometheus-remote-write-version", "user-agent", "retry-attempt"}
)
"""What the sender alone says. Source: Remote Write 1.0, "Protocol"."""

STRICT_WINDOW = HOUR
"""How far behind its newest sample Prometheus accepts others without an out-of-order window: half of its 2 h chunks."""

_MARGIN = 5 * MINUTE
_RETURNS = re.compile(r"[\r\n]")


@dataclass(frozen=True, slots=True)
class Caps:
    """How much may wait for a receiver; 0 is no limit. What is beyond leaves, the oldest first.

    ``keeps`` says whether it becomes dead letters, or is only counted as such. How old it may be is the receiver's
    ``max_age``.
    """

    rows: int = 10_000_000
    size: int = 0
    keeps: bool = True


@dataclass(frozen=True, slots=True)
class ReceiverSpec:
    """One receiver of remote write.

    ``http`` is how it is asked: its URL and all that a source may say of credentials, TLS, proxies and timeouts.
    ``protocol`` None tries 2.0, and 1.0 where that is not understood. ``out_of_order`` is the receiver's own
    out-of-order window, 0 for a strict one, which refuses whatever is older than the newest of its series.
    ``max_age`` is how old a sample may be to leave: None follows from the window (55 min without one), 0 is no limit.
    ``spec_strict``: a 4xx is never followed by another request with the same samples, as the specification says.
    ``external_labels`` are added to each series that has no label of the name. ``utf8_names``: names may hold any
    character, which receivers understand from Prometheus 3 on. ``backfill_only``: only history is sent to it, so it is
    no receiver of a metric that names none.
    """

    name: str
    http: SourceSpec
    protocol: Version | None = None
    out_of_order: int = 0
    max_age: int | None = None
    max_samples: int = 2000
    spec_strict: bool = False
    utf8_names: bool = False
    backfill_only: bool = False
    external_labels: Mapping[str, str] = field(default_factory=dict)
    caps: Caps = field(default_factory=Caps)

    @property
    def is_strict(self) -> bool:
        """Whether only one sample of a series may go in a request, so that sending it again does no harm."""
        return not self.out_of_order

    @property
    def window(self) -> int:
        """How far behind its newest sample the receiver accepts others, in ms."""
        return self.out_of_order or STRICT_WINDOW

    @property
    def span(self) -> int:
        """How far apart samples of a request may lie, in ms: repeated, the newest must not refuse the oldest."""
        return max(self.window - _MARGIN, self.window // 2)

    @property
    def oldest(self) -> int:
        """The greatest age at which a sample may leave, in ms; 0 for any."""
        return self.span if self.max_age is None else self.max_age


def check_receiver(spec: ReceiverSpec) -> None:
    """Raises ValueError with a sentence for the operator if a receiver cannot be as described, or not be served."""
    for _, complaint in complaints(spec):
        raise ValueError(complaint)


def complaints(spec: ReceiverSpec) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong with a receiver: the keys that lead there, in the words of the config, and a sentence."""
    if not is_installed():
        yield (), MISSING
    try:
        check_url(spec.http.url)
    except ValueError as error:
        yield ("url",), str(error)
    for name in sorted(spec.http.headers):
        if name.lower() in RESERVED_HEADERS:
            yield ("http_headers", name), f"the header {name} belongs to the protocol and cannot be set"
    if spec.max_samples < 1:
        yield ("max_samples",), "max_samples must be at least 1"
    if min(spec.out_of_order, spec.max_age or 0, spec.caps.rows, spec.caps.size) < 0:
        yield (), "out_of_order, max_age and caps cannot be negative"
    for name, value in spec.external_labels.items():
        if not LABEL_NAME.fullmatch(name) or name.startswith("__"):
            yield ("external_labels", name), f"external_labels: {name!r} is not the name of a label"
        elif not value or _RETURNS.search(value):
            yield ("external_labels", name), f"external_labels: the value of {name} is empty or has several lines"
