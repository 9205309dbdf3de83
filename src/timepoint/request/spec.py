"""What a request says: the source, its credentials and limits, the request of a job, its window.

Owns: the value objects that the config hands to this room. Must not know: YAML, aiohttp, the mapping.
All durations in milliseconds, sizes in bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from timepoint.clock import BELIEVED_AHEAD, DAY, SECOND
from timepoint.mapping.stamps import Length
from timepoint.mapping.weight import DEFAULT_MEMORY
from timepoint.request.paging.spec import PagingSpec
from timepoint.request.politeness.spec import BreakerSpec, QuotaSpec, RateSpec
from timepoint.request.report.spec import ReportSpec
from timepoint.secret import Secret

HIDDEN_LENGTH = 8  # a literal that is shorter is hardly a credential


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where a credential comes from: given (by ``${ENV}``), or a file that is read anew for every request.

    ``written`` is what the config calls the file if the environment says where it is: whoever puts a password where the
    name of its file belongs shall not find it in a log. ``is_plain``: it stands in the config itself, where words that
    are no secret may stand, too.
    """

    text: Secret | None = None
    file: Path | None = field(default=None, repr=False)
    written: str = ""
    is_plain: bool = False

    @property
    def shown(self) -> str:
        """The file as errors may name it."""
        return self.written or str(self.file)

    @property
    def is_word(self) -> bool:
        """Whether it is hardly a credential: masking words like "json" would garble what an API says."""
        return self.is_plain and self.text is not None and len(self.text.reveal()) < HIDDEN_LENGTH


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """User name and password of the Basic scheme (RFC 7617)."""

    username: SecretSource
    password: SecretSource


@dataclass(frozen=True, slots=True)
class Authorization:
    """The ``Authorization`` header: ``type`` (``Bearer`` unless said) and the credentials."""

    credentials: SecretSource
    type: str = "Bearer"


class AuthSpec:
    """Base of what the config says about ways to authenticate that have a module of their own in ``auth``."""

    __slots__ = ()

    @property
    def sets_authorization(self) -> bool:
        """Whether the header ``Authorization`` is what it sets."""
        return True


@dataclass(frozen=True, slots=True)
class TlsSpec:
    """Prometheus' ``tls_config``, outbound."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    server_name: str | None = None
    insecure_skip_verify: bool = False


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """An API: base URL, credentials, limits.

    ``max_body`` bounds the body before and after decompression, ``max_memory`` what may come of it when it is decoded.
    ``attempts`` counts all tries of one request; redirects inside the origin belong to their try. ``min_interval``
    lies between the beginnings of any two tries. ``concurrency`` is how many requests may be under way at once.
    ``clock_tolerance`` is how far this machine's clock may be ahead of an answer's ``Date``, 0 for as far as it likes.
    ``hidden`` are texts of the URL that are masked wherever they would be shown, for instance what the environment put
    there; credentials, query values and userinfo need not be in it.
    ``params`` go into the query of every request and are never shown. At most one of ``basic_auth``, ``authorization``
    and ``auth`` is set.
    """

    name: str
    url: str = field(repr=False)  # may hold credentials, as all that is left out of a repr here
    headers: Mapping[str, SecretSource] = field(default_factory=dict)
    params: Mapping[str, SecretSource] = field(default_factory=dict)
    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    auth: AuthSpec | None = None
    tls: TlsSpec | None = None
    proxy_url: str | None = field(default=None, repr=False)
    connect_timeout: int = 5 * SECOND
    timeout: int = 60 * SECOND
    max_body: int = 256 * 1024 * 1024
    max_memory: int = DEFAULT_MEMORY
    attempts: int = 3
    min_interval: int = 0
    concurrency: int = 4
    rate: RateSpec | None = None
    quotas: tuple[QuotaSpec, ...] = ()
    circuit_breaker: BreakerSpec = field(default_factory=BreakerSpec)
    clock_tolerance: int = BELIEVED_AHEAD
    hidden: tuple[Secret, ...] = ()

    @property
    def sets_authorization(self) -> bool:
        """Whether the header ``Authorization`` of its requests is its own."""
        return bool(self.authorization or self.basic_auth or (self.auth and self.auth.sets_authorization))


@dataclass(frozen=True, slots=True)
class CsvSpec:
    """How a CSV body is read. Empty: as the body suggests.

    ``header_line`` is the number of the line that names the columns, from 1, 0 for the first that is no comment;
    ``columns`` are the names if no line holds them. Lines that begin with ``comment`` are left out.
    """

    delimiter: str = ""
    header_line: int = 0
    columns: tuple[str, ...] = ()
    comment: str = "#"


@dataclass(frozen=True, slots=True)
class RequestSpec:
    """The request of a job. Path, params, headers and body may hold window templates (``{window.start:unix}``).

    ``params`` keeps the order of the config and allows a name more than once. ``body`` is JSON data, ``form`` pairs,
    ``text`` a body that is sent as it stands; at most one of them is set. ``timezone`` is the zone in which templates
    are written. ``decode`` is None when the Content-Type decides, ``charset`` when header and body do; ``member`` is a
    pattern for the files of a zip.
    ``empty_status`` mean that there is nothing yet, ``empty_bodies`` are statuses that do if a text stands in the body.
    ``hidden`` is as in the source. ``cost`` is what one request takes of the rate and the quotas of its source;
    ``conditional`` asks the API to send nothing if its answer has not changed.
    """

    method: str = "GET"
    path: str = field(default="", repr=False)
    params: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    headers: Mapping[str, SecretSource] = field(default_factory=dict)
    body: Any = field(default=None, repr=False)
    form: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    text: str | None = field(default=None, repr=False)
    timezone: str = "UTC"
    decode: str | None = None
    charset: str | None = None
    member: str | None = None
    csv: CsvSpec = field(default_factory=CsvSpec)
    paging: PagingSpec | None = None
    report: ReportSpec | None = None
    empty_status: tuple[int, ...] = ()
    empty_bodies: tuple[tuple[int, str], ...] = ()
    partial_status: tuple[int, ...] = ()
    cost: int = 1
    conditional: bool = False
    hidden: tuple[Secret, ...] = ()


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """How the window of a run follows from its fire time and the watermark (architecture, "Time").

    end = floor(fire time - delay, step); start = watermark - overlap, never before end - catch_up; split by max_span.
    ``step`` 0 means that the window is not aligned; a ``Length`` is one day, week, month, quarter or year of the
    calendar of ``timezone``. ``align`` is how much later than the epoch (or than midnight, Monday, the first) the steps
    begin. ``initial`` is how far back a job without a watermark begins; 0 means max(every, step). ``overlap``,
    ``initial`` and ``catch_up`` are widened to whole steps. ``max_span`` 0 means that there is no limit.

    ``asks_once``: no instant may be asked for twice, since the window itself is the interval that a counter counts.
    """

    step: int | Length = 0
    delay: int = 0
    overlap: int = 0
    catch_up: int = 7 * DAY
    initial: int = 0
    max_span: int | Length = 0
    align: int = 0
    timezone: str = "UTC"
    asks_once: bool = False

    @property
    def longest_step(self) -> int:
        """The milliseconds of the longest step; 0 if there is none."""
        return self.step.longest if isinstance(self.step, Length) else self.step


def secrets_in(spec: object) -> Iterator[SecretSource]:
    """Every credential in what a config says, however deep."""
    if isinstance(spec, SecretSource):
        if not spec.is_word:
            yield spec
    elif isinstance(spec, Mapping):
        for value in spec.values():
            yield from secrets_in(value)
    elif isinstance(spec, tuple):
        for value in spec:
            yield from secrets_in(value)
    elif is_dataclass(spec):
        for part in fields(spec):
            yield from secrets_in(getattr(spec, part.name))
