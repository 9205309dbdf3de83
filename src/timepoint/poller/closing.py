"""How a run, or one lane of it, ends.

Owns: what an error means as a closing word, and how the ends of lanes become the end of a run. Must not know: what the
stages of a run do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Self

from timepoint.clock import Clock
from timepoint.errors import ClockError, HeldBackError, MappingError, PublishError, SourceError, StoreError
from timepoint.model import Outcome
from timepoint.poller.report import NO_FAILURES, NOTHING_NEW, LanesReport, RunReport


class Failed(Exception):  # noqa: N818 - not an error of its own: it carries a closing word out of the stages
    """A window that could not be committed, and the closing word that this means.

    ``ends_run``: the other lanes would fare the same, so they are not tried.
    """

    def __init__(
        self,
        outcome: Outcome,
        reason: str,
        error: str,
        *,
        bug: BaseException | None = None,
        ends_run: bool = False,
    ) -> None:
        self.outcome, self.reason, self.error, self.bug = outcome, reason, error, bug
        self.ends_run = ends_run
        super().__init__(error)

    def bare(self) -> Self:
        """Itself without where it was raised: who keeps a failure shall not keep those frames, which hold a body."""
        self.__cause__ = self.__context__ = None
        return self.with_traceback(None)

    @property
    def is_failure(self) -> bool:
        """Whether something is wrong; nothing new, or nothing final, is no failure."""
        return self.reason not in NO_FAILURES


@contextlib.contextmanager
def taking(report: RunReport, stage: str, clock: Clock) -> Iterator[None]:
    """Adds the time of the block to a stage."""
    begin = clock.monotonic()
    try:
        yield
    finally:
        report.stages[stage] = report.stages.get(stage, 0.0) + clock.monotonic() - begin


@contextlib.contextmanager
def closing(outcome: Outcome, reason: str) -> Iterator[None]:
    """Turns an error into the closing word that it means; ``outcome`` is that of an error nobody foresaw."""
    try:
        yield
    except Failed:
        raise
    except HeldBackError as error:
        outcome = Outcome.SKIPPED if error.is_skip else Outcome.SOURCE_ERROR
        raise Failed(outcome, error.reason, str(error), ends_run=True) from error
    except SourceError as error:
        raise Failed(Outcome.SOURCE_ERROR, error.reason, str(error)) from error
    except ClockError as error:
        raise Failed(Outcome.SKIPPED, "clock", str(error)) from error
    except MappingError as error:
        raise Failed(Outcome.MAPPING_ERROR, reason, str(error)) from error
    except (StoreError, PublishError) as error:
        raise Failed(Outcome.STORE_ERROR, reason, str(error), ends_run=True) from error
    except Exception as error:
        raise Failed(outcome, "bug", f"{type(error).__name__}: {error}", bug=error) from error


def close(report: RunReport, failure: Failed | None) -> None:
    """The closing word of a run of a job without a fan-out, or of one that failed before its lanes."""
    if failure is None:
        report.close(Outcome.OK if report.points else Outcome.EMPTY)
        return
    report.close(Outcome.PARTIAL if report.committed else failure.outcome, failure.reason, failure.error)
    report.bug = failure.bug


def close_lanes(report: RunReport, lanes: LanesReport, stopped: Failed | None) -> None:
    """The closing word of a run of a fan-out: ``partial`` if some lanes were committed and others failed.

    ``stopped`` is what ended the run before all lanes had their turn.
    """
    if stopped is not None and stopped.bug is not None:
        report.bug = stopped.bug
    if not lanes.failed and not lanes.unreached and stopped is None:
        if lanes.listed and lanes.idle == lanes.listed:
            report.close(Outcome.SKIPPED, NOTHING_NEW, "no data time is new since the last run")
        else:
            report.close(Outcome.OK if report.points else Outcome.EMPTY)
        return
    outcome, reason = _worst(lanes, stopped)
    report.close(Outcome.PARTIAL if report.committed else outcome, reason, lanes_text(lanes, stopped))


def _worst(lanes: LanesReport, stopped: Failed | None) -> tuple[Outcome, str]:
    """What ended the run, else what most of the failed lanes met."""
    if stopped is not None:
        return stopped.outcome, stopped.reason
    return max(lanes.reasons, key=lambda met: lanes.reasons[met])


def lanes_text(lanes: LanesReport, stopped: Failed | None) -> str:
    """A sentence about the lanes that did not end well; of many the first few."""
    parts = []
    if lanes.failed:
        shown = "; ".join(lanes.examples)
        more = f"; and {lanes.failed - len(lanes.examples)} more" if lanes.failed > len(lanes.examples) else ""
        parts.append(f"{lanes.failed} of {lanes.listed} lanes failed: {shown}{more}")
    if stopped is not None:
        parts.append(stopped.error)
    if lanes.unreached:
        parts.append(f"{lanes.unreached} of {lanes.listed} lanes were not reached: the next run begins with them")
    return ". ".join(parts)
