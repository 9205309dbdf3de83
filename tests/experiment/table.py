"""The figures of the experiment side by side.

Owns: what is compared with what, and how that is printed. Must not know: processes, HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.experiment.extrapolation import Increase, Samples, increase
from tests.experiment.feed import PERIOD, PODS
from tests.experiment.story import Story


@dataclass(frozen=True, slots=True)
class Line:
    """One pod between two scrapes, in joules; None where Prometheus has nothing.

    ``api`` is the API's own sum of the timepoints committed between the two scrapes, ``explained`` what ``increase()``
    must give for the samples that there are. ``gauge`` is the script's newest timepoint, averaged and multiplied by the
    number of timepoints: the best that can be made of it.
    """

    pod: str
    story: str
    api: int
    difference: float | None
    increase: float | None
    explained: Increase | None
    script_difference: float | None
    script_increase: float | None
    gauge: float | None


def difference(samples: Samples, begin: float, end: float) -> float | None:
    """Last minus first sample between two scrapes, resets counted as a start from 0."""
    found = increase(samples, begin, end)
    return None if found is None else found.growth


def lines(story: Story) -> Iterator[Line]:
    """The table, pod by pod."""
    begin, end = story.begin, story.end
    first, last = story.watermarks()
    for pod in PODS:
        name = pod.name
        newest = story.script_newest.get(name)
        yield Line(
            pod=name,
            story=pod.story,
            api=story.feed.joules(pod, first, last),
            difference=difference(story.counters.get(name, ()), begin, end),
            increase=story.increases.get(name),
            explained=increase(story.counters.get(name, ()), begin, end),
            script_difference=difference(story.script_counters.get(name, ()), begin, end),
            script_increase=story.script_increases.get(name),
            gauge=None if newest is None else newest * (last - first) / story.feed.step,
        )


HEAD = (
    "| pod | it | API's own sum | last - first | `increase()` | factor | script, last - first | script, `increase()` "
    "| script, gauge x time |\n|---|---|---:|---:|---:|---:|---:|---:|---:|"
)


def rendered(story: Story) -> str:
    """The table in Markdown, in kJ with a line for the sums."""
    found = list(lines(story))
    rows = [_row(line.pod, line.story, _figures(line), line.explained) for line in found]
    columns = zip(*(_figures(line) for line in found), strict=True)
    sums = [sum(value for value in column if value is not None) for column in columns]
    rows.append(_row("**all**", "", sums, None))
    return "\n".join([HEAD, *rows])


def _figures(line: Line) -> list[float | None]:
    script = (line.script_difference, line.script_increase, line.gauge)
    return [line.api, line.difference, line.increase, *script]


def _row(pod: str, story: str, figures: list[float | None] | list[float], explained: Increase | None) -> str:
    cells = ["none" if value is None else f"{value / 1000:,.1f}" for value in figures]
    cells.insert(3, "" if explained is None else f"{explained.factor:.4f}")
    return f"| {pod} | {story} | " + " | ".join(cells) + " |"


def summary(story: Story) -> str:
    """What there was, in two lines."""
    return (
        f"A range of {story.end - story.begin:.1f} s, {len(story.page_at)} scrapes in all, "
        f"{len(story.pages)} pages; a poll each {PERIOD * story.pace} s, a timepoint each {story.pace} s.\n"
        f"Runs that failed: {', '.join(story.failures)}. Gone, and still shown by the script: "
        f"{', '.join(sorted(story.script_shown - story.shown))}."
    )
