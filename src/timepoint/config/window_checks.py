"""The window of a job and the metrics that depend on it.

Owns: which keys of a window fit together; the checks that a list of values which begins at the window can fill it
exactly (R17), that what is said of a window (or of refusals) has an effect, and that values are shown until new ones
come. Must not know: how times are made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from timepoint.clock import DAY, HOUR, format_duration
from timepoint.config.checks import Check
from timepoint.config.job_shape import JobShape
from timepoint.config.metric_shape import MetricShape, TimeShape
from timepoint.config.places import Findings, Path
from timepoint.config.zones import zone_doubt
from timepoint.mapping.paths import is_path
from timepoint.mapping.stamps import Length, parse_length
from timepoint.mapping.unusable import Unusable
from timepoint.request.spec import WindowSpec

_MOST_WINDOWS = 100_000  # a run plans all of them before it asks for the first: 9 MB


def window_complaints(window: WindowSpec) -> Iterator[tuple[str, str]]:
    """The keys of a window that do not fit together, and why."""
    step, span = window.step, window.max_span
    shown = str(step) if isinstance(step, Length) else format_duration(step)
    if isinstance(step, int) and step and window.overlap % step:
        yield "overlap", f"must be a multiple of step, {shown}"
    if window.align and not step:
        yield "align", "moves the steps of a window, and there are none: write step, too"
    elif window.align and window.align >= (step.shortest if isinstance(step, Length) else step):
        yield "align", f"must be shorter than step, {shown}"
    reach = span.longest if isinstance(span, Length) else span
    if span and reach < window.longest_step:
        hint = ""
        if isinstance(step, Length) and not isinstance(span, Length):
            hint = f", which may have {format_duration(step.longest)}: write max_span: {step}"
        yield "max_span", f"must not be shorter than step, {shown}{hint}"
    elif span and (pieces := max(window.catch_up, window.initial) // reach) > _MOST_WINDOWS:
        farthest = format_duration(max(window.catch_up, window.initial))
        yield "max_span", f"would make {pieces} requests of {farthest}: make it longer, or catch_up and initial shorter"


def check_grid(
    where: Path, job: JobShape, metrics: Mapping[str, MetricShape], window: WindowSpec, findings: Findings
) -> None:
    """Adds what is wrong between the window's ``step`` and the ``step`` of times that begin at the window."""
    times = {(*where, "time"): job.time}
    times.update({(*where, "metrics", name, "time"): shape.time for name, shape in metrics.items()})
    for at, time in times.items():
        length = step_from_window(time)
        complaint = _misfit(window, length, time) if time and length else None
        if complaint:
            findings.add(Check.WINDOW_GRID, (*at, "step"), complaint)


def _misfit(window: WindowSpec, length: Length, time: TimeShape) -> str | None:
    """What is wrong with a list of values every ``length`` from the start of the window."""
    if not _fills(window, length):
        step = window.step if isinstance(window.step, Length) else format_duration(window.step)
        have = f"is {step}" if window.step else "is not set"
        return (
            f"values every {length} from the start of the window need a window that is a multiple of {length}: "
            f"window.step {have}, write window: {{step: {length}}}"
        )
    zone, own = time.timezone or "UTC", window.timezone if isinstance(window.step, Length) else "UTC"
    if length.exact is None and zone != own and not zone.startswith("$"):
        return f"is a {length} of {zone}, and windows are of {own}: write timezone: {own} beside it"
    return None


def _fills(window: WindowSpec, length: Length) -> bool:
    """Whether every window holds a whole number of lengths, on days of 23 and of 25 hours, too."""
    step = window.step
    if isinstance(step, Length):
        if length.exact is not None:
            return (DAY if window.timezone == "UTC" else HOUR) % length.exact == 0
        if length.months:
            return step.months % length.months == 0 and step.months > 0
        return length.days == 1 or (step.days > 0 and step.days % length.days == 0)
    if length.exact is None:  # 24 hours are a day where clocks are never moved
        return length == Length(days=1) and step > 0 and step % DAY == 0 and not window.align
    return step > 0 and step % length.exact == 0


def check_effect(where: Path, job: JobShape, metrics: Iterable[MetricShape], findings: Findings) -> None:
    """Warns of keys of a window that the request does not name, and that therefore do nothing.

    Which of the points that an API sends a counter may count is the window's to say, asked for or not.
    """
    counts = any(metric.temporality for metric in metrics)
    for key in ("max_span",) if counts else ("overlap", "catch_up", "initial", "max_span"):
        if getattr(job.window, key, None) is not None:
            message = "has no effect, since the request does not name the window, as in {window.start}"
            findings.add(Check.WINDOW_UNUSED, (*where, "window", key), message)


def check_once(where: Path, window: WindowSpec, findings: Findings) -> None:
    """Adds an ``overlap`` of windows that are themselves what counters count."""
    if window.asks_once and window.overlap:
        message = (
            "would count twice: a counter without time counts the window as a whole. Leave it out, or say under time "
            "when each value is"
        )
        findings.add(Check.WINDOW, (*where, "window", "overlap"), message)


def check_times(where: Path, job: JobShape, metrics: Mapping[str, MetricShape], findings: Findings) -> None:
    """Warns of what is said of times and does nothing."""
    times = {(*where, "time"): job.time}
    for name, shape in metrics.items():
        at = (*where, "metrics", name)
        times[*at, "time"] = shape.time
        time = shape.time or job.time
        if shape.short_list is not None and (time is None or time.step is None or time.index is not None):
            message = "has no effect without a list of values and time: {start, step}"
            findings.add(Check.NO_EFFECT, (*at, "short_list"), message)
    for at, time in times.items():
        if time is not None and time.first is not None and time.index is None:
            findings.add(Check.NO_EFFECT, (*at, "first"), "has no effect without index, whose first number it is")
        if time is not None and time.length_unit is not None and not is_path(time.interval or time.step or ""):
            message = (
                "has no effect without the path of a number as interval or step: write the length itself, as in 15m"
            )
            findings.add(Check.NO_EFFECT, (*at, "length_unit"), message)
        if time is not None and time.labelled is not None and time.interval is None:
            message = "has no effect without interval: an instant has one time only"
            findings.add(Check.NO_EFFECT, (*at, "labelled"), message)


def check_zones(where: Path, job: JobShape, metrics: Mapping[str, MetricShape], findings: Findings) -> None:
    """Warns of zones that mostly are others than was meant."""
    named = {
        (*where, "timezone"): job.timezone,
        (*where, "request", "timezone"): job.request.timezone,
        (*where, "window", "timezone"): job.window.timezone if job.window is not None else None,
        (*where, "time", "timezone"): job.time.timezone if job.time is not None else None,
    }
    for name, shape in metrics.items():
        named[*where, "metrics", name, "time", "timezone"] = shape.time.timezone if shape.time is not None else None
    for at, zone in named.items():
        if zone is not None and (doubt := zone_doubt(zone)):
            findings.add(Check.ZONE_DOUBT, at, doubt)


def check_expect(where: Path, job: JobShape, findings: Findings) -> None:
    """Warns of a number of refusals where nothing is refused."""
    expect = job.expect
    if expect is not None and expect.max_refusals is not None and expect.min_series_ratio == 0:
        message = "has no effect, since min_series_ratio 0 refuses nothing"
        findings.add(Check.NO_EFFECT, (*where, "expect", "max_refusals"), message)


def check_max_age(
    where: Path, job: JobShape, metrics: Mapping[str, MetricShape], rhythm: int, findings: Findings
) -> None:
    """Warns of values that may not be shown until the next run. ``rhythm``: the time between two runs with new data."""
    said = {(*where, "max_age"): job.max_age}
    said.update({(*where, "metrics", name, "max_age"): shape.max_age for name, shape in metrics.items()})
    for at, max_age in said.items():
        if max_age is not None and max_age < rhythm:
            message = f"is shorter than {format_duration(rhythm)}: series vanish before new values come"
            findings.add(Check.MAX_AGE, at, message)


def step_from_window(time: TimeShape | None) -> Length | None:
    """The step of a time that begins at the window, None for any other time."""
    if time is None or not isinstance(time.step, str):
        return None
    if not isinstance(time.start, str) or not time.start.startswith("{window."):
        return None
    try:
        return parse_length(time.step)
    except Unusable:
        return None
