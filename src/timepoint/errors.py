"""The exception tree, split by whose fault it is.

Owns: every exception that crosses a room's border. Must not know: any other module.

    TimepointError
    |-- ConfigError             the operator: the file says something that cannot work
    |-- DataDirectoryError      the operator: the data directory is foreign, damaged or not writable
    |   `-- InUseError          another process works with it
    |-- ListenError             the operator: the address cannot be listened on, for instance a taken port
    |-- MissingExtraError       the operator: a command needs a package that is not installed
    |-- BackfillError           the operator: history cannot be loaded as it was asked for
    |-- SourceError             the API: no answer, a bad status, or a body that is not what was promised
    |   |-- TransportError      no complete answer (connect, timeout, reset, size limit)
    |   |-- StatusError         an answer with a status that is not accepted
    |   |-- HeldBackError       the request was not made: the source's limits, or its state, leave no turn for it
    |   |-- TokenError          whoever gives the tokens for the API gave none
    |   `-- ContentError        an accepted status, but the body is not a usable document
    |-- MappingError            the mapping as a whole could not use the document (a row alone is a reject)
    |-- ClockError              the operator: this machine's clock contradicts what the ledger holds
    |-- StoreError              the ledger could not commit; what it holds is unknown until it is read again
    `-- PublishError            a snapshot could not be written or read

A broken invariant is our bug: it is an ``AssertionError`` or a plain Python error whose text begins with ``BUG:``.
Each error names its subject (job, file, redacted URL) in its text; a cause is chained with ``from``. An error is raised
or logged, never both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class TimepointError(Exception):
    """Base of all errors that timepoint raises on purpose."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in a config file: where it stands, what is wrong, what to do about it.

    ``line`` and ``column`` count from 1; 0 means that the place is not known. ``path`` is dotted, as in
    ``jobs.pod_energy.metrics.pod_energy_joules_total.value``.
    """

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class ConfigError(TimepointError):
    """The config cannot be used. Carries every problem of the file, in the order of its lines."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class DataDirectoryError(TimepointError):
    """The data directory is in use by another process, belongs to something else, or cannot be written."""


class InUseError(DataDirectoryError):
    """Another process works with the data directory. Whoever started this one may try again later."""


class ListenError(TimepointError):
    """The address cannot be listened on. The text says what to do."""


class BackfillError(TimepointError):
    """History cannot be loaded as it was asked for; the text says why, and what can be."""


class SourceError(TimepointError):
    """The API did not give a usable answer.

    ``reason`` is one short word from a closed set, fit for a label value: ``connect``, ``timeout``, ``transport``,
    ``too_large``, ``redirect``, ``status``, ``content_type``, ``encoding``, ``not_a_document``, ``expect``, ``secret``,
    ``token``, ``paging`` (pages that do not end, or are not all there), ``report`` (it failed, or was not ready in
    time), ``clock`` (the window lies in the source's future), ``function`` (a user's function raised).
    ``attempts`` counts the tries that were made before it was given up. The request as it may be shown is beside them,
    None if there was none.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        self.attempts = 0
        self.asked: Any = None
        super().__init__(message)


class TransportError(SourceError):
    """No complete answer came."""


class StatusError(SourceError):
    """The answer's status is not accepted. ``retry_after`` is in seconds, None if the answer did not say.

    ``is_stale``: it was the token of the request that was refused, and there may be another one now. ``is_limit``: it
    says that too much was asked, whatever the status.
    """

    def __init__(self, status: int, message: str, retry_after: float | None = None) -> None:
        self.status = status
        self.retry_after = retry_after
        self.is_stale = False
        self.is_limit = False
        super().__init__("status", message)


class TokenError(SourceError):
    """There is no token for the API, which was therefore not asked. The text names who was to give one.

    ``may_pass``: asking again may help, after ``retry_after`` seconds and not before.
    """

    def __init__(self, message: str, retry_after: float, *, may_pass: bool) -> None:
        self.retry_after = retry_after
        self.may_pass = may_pass
        super().__init__("token", message)


class HeldBackError(SourceError):
    """The request was not made, since its turn at the source would come too late.

    ``reason`` is ``min_interval``, ``rate`` or ``quota`` (the config's limits), ``rate_limit`` (the API's own) or
    ``circuit_open`` (it has failed too often in a row).
    """

    @property
    def is_skip(self) -> bool:
        """Whether it is the config's own will, and nobody's fault."""
        return self.reason in ("min_interval", "rate", "quota")


class ContentError(SourceError):
    """The status is accepted, but the body is not a usable document."""


class MappingError(TimepointError):
    """The mapping could not use the document at all."""


class ClockError(TimepointError):
    """This machine's clock and the ledger contradict each other, and nothing says which is right."""


class StoreError(TimepointError):
    """The ledger could not read or commit. The outcome of a failed commit is unknown until the ledger is read again."""


class PublishError(TimepointError):
    """A snapshot could not be published or read back."""


class MissingExtraError(TimepointError):
    """A command needs an optional extra of timepoint, which brings a package."""

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(f"{package} is not installed: pip install 'timepoint-exporter[{extra}]'")
