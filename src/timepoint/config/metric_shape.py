"""The shape of ``metrics``, and of the rules that may stand at a job as defaults of its metrics (R2).

Owns: the keys of a metric and what they mean to users. Must not know: how a document is mapped.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from timepoint.config.checks import Check
from timepoint.config.kinds import (
    Bounds,
    Duration,
    FilledText,
    Json,
    JsonPath,
    OneOf,
    PathOrNumber,
    PositiveDuration,
    Shape,
    Stamp,
    States,
    Strip,
    Text,
    TextOrParts,
    as_different,
    as_list,
    described,
    refuse,
    required,
)


class TimeShape(Shape):
    """When a point is. A path alone, or a list of parts, is `at`."""

    place: ClassVar[str] = "time"

    at: Stamp | None = described(
        "The path of the timepoint, or one of `{window.start}`, `{window.end}` and `{fire_time}`. A list holds the "
        "parts of a timepoint, which are joined by blanks: paths, texts, and templates with a strftime pattern.",
        "$p.timestamp",
        ["$p.date", "$p.hour"],
        ["{window.start:%Y-%m-%d}", "$p.hour"],
    )
    start: TextOrParts | None = described(
        "The path of the start of the interval, or with `step` the start of the first of a list of values; "
        "or its parts.",
        "$p.from",
        "{window.start}",
    )
    end: Stamp | None = described("The end of the interval, as `at`.", "$p.to")
    step: Text | None = described(
        "The length of each interval of a list of values that begins at `start`: a duration such as `5m` or `PT5M`, a "
        "number of seconds, `day`, `week`, `month`, `quarter`, `year`, or the path of one.",
        "5m",
        "$b.period",
    )
    index: JsonPath | None = described(
        "The path of the position of this row in the list that begins at `start`, counted from `first`.", "$i"
    )
    first: Annotated[int, Field(ge=0, le=9999)] | None = described(
        "The number that `index` gives to the first position. Default: `0`.", 1
    )
    interval: Text | None = described(
        "The length of the interval that `at` names, written as `step` is.", "1h", "day", "$.interval"
    )
    labelled: Literal["start", "end"] | None = described(
        "Whether `at` is the start or the end of its interval. Default: `start`.", "end"
    )
    length_unit: Literal["milliseconds", "seconds", "minutes", "hours"] | None = described(
        "What a number counts that the path of `step` or `interval` finds. Default: `seconds`.", "minutes"
    )
    format: FilledText | None = described(
        "How timepoints are written: `unix`, `unix_ms`, `unix_us`, `unix_ns` or a strptime pattern. Without it ISO "
        "8601 and epoch seconds are recognised.",
        "unix_ms",
        "%d.%m.%Y %H:%M",
    )
    timezone: FilledText | None = described(
        "The time zone of timepoints that do not say theirs, and of days, weeks, months and years: a name or a path. "
        "Default: `UTC`.",
        "Europe/Berlin",
        "$.timezone",
    )


def _as_time(value: Any) -> Any:
    return {"at": value} if isinstance(value, str | list) else value


Time = Annotated[TimeShape, BeforeValidator(_as_time, json_schema_input_type=Stamp | TimeShape)]


class UnitShape(Shape):
    """Conversion of the API's unit into the unit of the metric."""

    place: ClassVar[str] = "unit"

    from_: FilledText = required(
        "The unit of the API's values. A number before it is a factor.", "Wh", "0.1 celsius", alias="from"
    )
    to: FilledText = required("The unit of the metric. The metric's name ends in it (before `_total`).", "joules")


class RelabelShape(Shape):
    """One of Prometheus' relabel rules; it sees the labels of a row and `__name__`."""

    place: ClassVar[str] = "a relabel rule"

    source_labels: list[FilledText] | None = described("Labels whose values are joined and matched.", ["pod_name"])
    separator: Text | None = described("What joins the values. Default: `;`.", ";")
    regex: Text | None = described(
        "An RE2 expression that must match all of the text. Default: `(.*)`.", "(.+)-[a-z0-9]+"
    )
    modulus: Annotated[int, Field(ge=1)] | None = described("The modulus of `hashmod`.", 8)
    target_label: FilledText | None = described("The label that is written.", "deployment")
    replacement: Text | None = described("The new value; `$1` is the first group. Default: `$1`.", "$1")
    action: (
        Literal[
            "replace", "keep", "drop", "keepequal", "dropequal", "hashmod", "labelmap", "labeldrop", "labelkeep",
            "lowercase", "uppercase",
        ]
        | None
    ) = described("What a match does. Default: `replace`.", "drop")  # fmt: skip


Combine = Literal["sum", "min", "max", "mean", "first", "last"]
PointsWord = Literal["last", "sum", "mean", "min", "max", "count"]


def _without_paths(values: list[Any]) -> list[Any]:
    """Values as they are; a path would be taken for the text that it is."""
    for value in values:
        if isinstance(value, str) and value.startswith("$") and not value.startswith("$$"):
            refuse(
                Check.LITERAL, f"{value!r} would be a path, and only values stand here: write the value, or ${value}"
            )
    return [value[1:] if isinstance(value, str) and value.startswith("$$") else value for value in values]


class RulesShape(Shape):
    """What may stand at a job as the default of its metrics, and at a metric."""

    labels: dict[str, Text | None] | None = described(
        "Labels by name: a path, or a text. `null` takes a label away. The name `*` makes every member of an object a "
        "label. At a job: the default of its metrics, merged by name.",
        {"pod_name": "$pod.name", "stage": "production"},
    )
    time: Time | None = described(
        "When a point is. Without it a point of a counter is about the window, if the request names it; any other is "
        "about the planned time of the run.",
        "$p.timestamp",
        {"start": "{window.start}", "step": "5m"},
    )
    relabel: list[RelabelShape] | None = described(
        "Prometheus' relabel rules: split, drop, rename labels, drop rows. The rules of the job come before those of "
        "the metric.",
        [{"source_labels": ["pod_name"], "regex": "(.+)-[a-z0-9]+", "target_label": "deployment"}],
    )
    missing: Annotated[list[Json], AfterValidator(_without_paths)] | None = described(
        "Values that mean: no value. They give no sample, and never 0. `null` always does.", ["", "ND", -999999]
    )
    decimal: Literal[".", ","] | None = described("The decimal mark of numbers in texts. Default: `.`.", ",")
    strip: Annotated[Strip, AfterValidator(_without_paths)] | None = described(
        "What is taken out of values that are texts before they are read as numbers: a unit, a sign for thousands.",
        ["%"],
        [",", " kWh"],
        ["$$"],
    )
    unit: UnitShape | None = described("Conversion of units.", {"from": "Wh", "to": "joules"})
    points: PointsWord | None = described(
        "Which timepoints of a run a gauge shows: the newest, or what they come to. Default: `last`.", "mean"
    )
    combine: Combine | None = described(
        "How rows with the same labels and time are joined. Without it the first one counts and others are rejects.",
        "sum",
    )
    deliver: Literal["scrape", "remote_write"] | None = described(
        "How points reach Prometheus. `scrape`: the newest value stands on the page. `remote_write`: each timepoint is "
        "sent with its own timestamp, and nothing of the metric is on the page. Default: `scrape`.",
        "remote_write",
    )
    receivers: Annotated[list[FilledText], AfterValidator(as_different)] | None = described(
        "Which receivers of `remote_write` get the timepoints, by name. Default: all.", ["central"]
    )


Horizons = Annotated[
    list[Duration],
    BeforeValidator(as_list, json_schema_input_type=Duration | list[Duration]),
    AfterValidator(as_different),
]


class MetricShape(RulesShape):
    """One metric family and how its points are read."""

    place: ClassVar[str] = "a metric"
    groups: ClassVar[tuple[OneOf, ...]] = (
        OneOf("horizon", "points"),
        OneOf("value", "buckets", "quantiles"),
        OneOf("bounds", "buckets"),
    )

    type: Literal["gauge", "counter", "histogram", "summary", "info", "stateset", "unknown"] = required(
        "What the metric is. `counter` adds up amounts, `gauge` shows a state.", "counter"
    )
    temporality: Literal["delta", "cumulative"] | None = described(
        "For counter, histogram and summary: whether a value is the amount of its interval (`delta`) or a running "
        "reading (`cumulative`). It must be said, since a guess would count twice.",
        "delta",
    )
    help: Text = required(
        "One sentence that says what is measured. Source, period and delay are added to it.",
        "Energy consumed by the pod.",
    )
    value: PathOrNumber | None = described(
        "The path of the value, or of a list with one value per timepoint; or a number.", "$pod.energy_consumed", 1
    )
    row: FilledText | None = described("The walk that the metric is taken from, if its paths do not say so.", "pod")
    map: dict[str, float] | None = described(
        "Numbers for values, by the text of the value: `UP`, `3`, `true`.", {"UP": 1, "DOWN": 0}
    )
    short_list: Literal["align_start", "align_end"] | None = described(
        "Where the values of a list belong that is shorter than the window. Without it such a list is a reject.",
        "align_end",
    )
    states: States | None = described("The states of a stateset.", ["running", "stopped", "failed"])
    bounds: Bounds | None = described(
        "The upper bounds of a histogram that counts the values it sees.", [0.1, 0.5, 1, 5]
    )
    buckets: JsonPath | None = described(
        "The path of a histogram's buckets: an object or pairs of upper bound and count up to it.", "$r.buckets"
    )
    quantiles: JsonPath | None = described(
        "The path of a summary's quantiles: an object or pairs of quantile and value.", "$r.quantiles"
    )
    sum: JsonPath | None = described("The path of the sum of a histogram or summary.", "$r.sum")
    count: JsonPath | None = described("The path of the count of a histogram or summary.", "$r.count")
    horizon: Horizons | None = described(
        "For a gauge that shows a forecast: the point that holds this long after the planned time of the run. A list "
        "gives one series each, with the label `horizon`.",
        "1h",
        ["0s", "1h", "24h"],
    )
    max_age: PositiveDuration | None = described("As at the job, for this metric.", "2h")
    zero_first: Duration | None = described("As at the job, for this counter.", "2m")
    created_timestamps: bool | None = described(
        "As at the job, for this counter.",
        True,  # noqa: FBT003 - an example is given as a value
    )
    forget_after: PositiveDuration | None = described("As at the job, for this counter.", "30d")
    max_series: Annotated[int, Field(ge=1)] | None = described(
        "As at the job, for this metric. Default: what the job allows.", 10000
    )
    on_revision: Literal["debt", "ignore"] | None = described(
        "What a changed value of a timepoint that was already counted does. `debt`: a rise is added, a fall is owed "
        "and paid by later increments. `ignore`: nothing. Default: `debt`.",
        "debt",
    )
