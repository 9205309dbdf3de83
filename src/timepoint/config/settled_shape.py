"""The shape of ``window.settled_until``: where an answer says up to when its data are final.

Owns: its keys, its spec, and the checks of what must stand beside it. Must not know: how the path is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator

from timepoint.config.checks import Check
from timepoint.config.kinds import FilledText, JsonPath, Shape, described, required
from timepoint.config.places import Findings, Path
from timepoint.mapping.spec import SettledSpec
from timepoint.request.spec import WindowSpec

if TYPE_CHECKING:
    from timepoint.config.job_shape import JobShape


class SettledShape(Shape):
    """Where an answer says up to when its data are final. A path alone is `at`."""

    place: ClassVar[str] = "settled_until of a window"

    at: JsonPath = required(
        "The path of the instant before which the API changes nothing any more. Of several the earliest counts; `null` "
        "and an empty text mean that nothing is final yet. An answer without it fails the run.",
        "$.metadata.complete_until",
    )
    format: FilledText | None = described("How it is written: as in `time`.", "unix")
    timezone: FilledText | None = described(
        "The time zone of an instant that does not say its own. Default: `UTC`.", "Europe/Berlin"
    )


def _as_settled(value: Any) -> Any:
    return {"at": value} if isinstance(value, str) else value


Settled = Annotated[SettledShape, BeforeValidator(_as_settled, json_schema_input_type=JsonPath | SettledShape)]


def settled_spec(job: JobShape) -> SettledSpec | None:
    """What the mapping must know of it."""
    shape = job.window.settled_until if job.window is not None else None
    if shape is None:
        return None
    is_mapping = len(shape.model_fields_set) > 1
    return SettledSpec(shape.at, shape.format, shape.timezone or "UTC", is_mapping)


def check_settled(
    where: Path, window: WindowSpec, findings: Findings, *, cuts_windows: bool, counts_windows: bool
) -> None:
    """Adds what a boundary inside a window does not go with.

    ``cuts_windows``: what is used depends on where a window ends. ``counts_windows``: a counter has no time of its own.
    """
    at = (*where, "window", "settled_until")
    if counts_windows:
        message = (
            "cannot cut a window that a counter counts as a whole: say under time when each value is, or leave it out"
        )
        findings.add(Check.WINDOW, at, message)
    elif cuts_windows and not window.step:
        message = (
            "needs step, the grid of the API's timepoints: a window that ended between two of them might hold none, "
            "and series would vanish"
        )
        findings.add(Check.WINDOW, at, message)
