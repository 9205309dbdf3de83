"""The shape of ``jobs``: schedule, request, window and the defaults of a job's metrics.

Owns: the keys of a job and what they mean to users. Must not know: how a job runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from timepoint.config.auth_shape import HeaderShape
from timepoint.config.checks import Check
from timepoint.config.kinds import (
    Duration,
    FilledText,
    Json,
    JsonPath,
    OneOf,
    PathOrTexts,
    PositiveDuration,
    Shape,
    Span,
    Status,
    Step,
    Text,
    TextOrNull,
    Texts,
    described,
    kind_of,
    refuse,
    required,
)
from timepoint.config.lookup_shape import LookupShape
from timepoint.config.metric_shape import MetricShape, RulesShape
from timepoint.config.paging_shape import PagingShape
from timepoint.config.report_shape import ReportShape
from timepoint.config.settled_shape import Settled
from timepoint.config.signal_shape import SignalShape
from timepoint.config.transform_shape import TransformShape
from timepoint.request.decoders.registry import DECODERS

if TYPE_CHECKING:
    DecoderName = str
else:  # known only when the registry is loaded, which a type checker does not do
    DecoderName = Literal[tuple(DECODERS)]


class CsvShape(Shape):
    """How a CSV body is read. Every line becomes an object by the names of the columns; every cell is text."""

    place: ClassVar[str] = "csv of a request"

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = described(
        "The sign between two cells; a blank stands for any number of them. Default: the one of `,`, `;`, tab and `|` "
        "that the first line holds most often.",
        ";",
        " ",
    )
    header_line: Annotated[int, Field(ge=1)] | None = described(
        "The number of the line that names the columns. Default: the first line that is no comment.", 3
    )
    columns: list[str] | None = described("The names of the columns, if no line holds them.", ["time", "value"])
    comment: str | None = described(
        "How a line begins that is left out; an empty text for none. In a body that begins with such a line, a blank "
        "line begins a table with columns of its own. Default: `#`.",
        "//",
    )


class RequestShape(Shape):
    """The request of a job. Path, params, header values and body may hold templates."""

    place: ClassVar[str] = "the request of a job"
    groups: ClassVar[tuple[OneOf, ...]] = (
        OneOf("get", "post", required=True),
        OneOf("json", "form", "text"),
        OneOf("paging", "report"),
    )

    get: Text | None = described(
        'A GET request to this path, which is appended to the URL of the source. `""` asks that URL itself.', "/pods"
    )
    post: Text | None = described("A POST request to this path.", "/query")
    params: dict[str, Texts] | None = described(
        "The query of the URL. A list repeats the name.",
        {"start": "{window.start}", "end": "{window.end:unix}", "zone": ["DE", "FR"]},
    )
    http_headers: dict[str, HeaderShape] | None = described(
        "Headers of this request, by name. They win over those of the source.",
        {"Accept": {"values": ["application/json"]}},
    )
    json_: Json | None = described(
        "The body of a POST request as JSON. A text that is nothing but a template of a number, such as a `unix` one, "
        "becomes a number.",
        {"from": "{window.start:unix_ms}", "to": "{window.end:unix_ms}"},
        alias="json",
    )
    form: dict[str, Texts] | None = described(
        "The body of a POST request as a form. A list repeats the name.", {"query": "energy", "from": "{window.start}"}
    )
    text: FilledText | None = described(
        "The body of a POST request as it stands: SOAP, SQL, Flux, lines of JSON. Say what it is with the header "
        "`Content-Type`, which else is `text/plain`. Values of templates stand in it unescaped.",
        "SELECT * FROM energy WHERE time >= '{window.start}' FORMAT JSONEachRow",
    )
    timezone: FilledText | None = described(
        "The time zone in which templates are written. Default: `UTC`.", "Europe/Berlin"
    )
    decode: DecoderName | None = described(
        "What the body is, whatever its Content-Type says. The lines of `ndjson`, `csv` and `lines` (text of no known "
        "format) are read as one array. Default: as the Content-Type says.",
        "json",
    )
    charset: FilledText | None = described(
        "The charset of the body, whatever its Content-Type says. Default: as header or body say, else UTF-8.",
        "windows-1252",
    )
    member: FilledText | None = described(
        "Which files of a zip are read, as a shell's pattern; the documents of several are read one after the other. "
        "Default: the only one there is. That a body is a zip or gzip is seen by its first bytes.",
        "*.csv",
    )
    conditional: bool | None = described(
        "With `true` the API is asked to send nothing if its answer has not changed since (`ETag`, `Last-Modified`); "
        "the answer of before, up to 16 MB, is then used once more. Default: `false`.",
        True,  # noqa: FBT003 - an example is given as a value
    )
    cost: Annotated[int, Field(ge=1, le=1_000_000)] | None = described(
        "How much of the `rate` and the `quota` of the source one request takes, where an API weighs requests. "
        "Default: `1`.",
        5,
    )
    csv: CsvShape | None = described("How a CSV body is read, where the body itself does not tell.", {"header_line": 3})
    paging: PagingShape | None = described(
        "How the next page is found, if an answer comes in several.",
        {"cursor": {"path": "$.next_page", "param": "page"}},
    )
    report: ReportShape | None = described(
        "How the answer is waited for and fetched, if the request only orders it.",
        {"id": "$.id", "poll": {"get": "/reports/{report.id}", "done": {"$.status": "completed"}}},
    )


class WindowShape(Shape):
    """Which range of data time a run asks for. It ends at the planned time of the run less `delay`."""

    place: ClassVar[str] = "the window of a job"

    step: Step | None = described(
        "The grid of the API's timepoints: windows begin and end on it. A duration is counted from 1970 in UTC, so "
        "`1d` is 24 hours; a `day` is one of the calendar of `timezone`, which may have 23 or 25. A `week` begins on "
        "Monday. Default: no grid.",
        "5m",
        "day",
    )
    align: Duration | None = described(
        "By how much later the steps begin: `6h` with `step: day` for days from six to six on the clock on the wall. "
        "Default: `0s`.",
        "6h",
    )
    timezone: FilledText | None = described(
        "The calendar of a `step` or `max_span` in days, weeks, months, quarters or years. Default: the `timezone` of "
        "the request, or `UTC`.",
        "Europe/Berlin",
    )
    delay: Duration | None = described(
        "How old data must be before the API no longer changes it. Default: `0s`.", "10m"
    )
    settled_until: Settled | None = described(
        "Where the answer itself says up to when its data are final: a path, or one with `format` and `timezone`. The "
        "window then ends there, if that is earlier; later points are left for the next run.",
        "$.metadata.complete_until",
        {"at": "$.meta.last_report_at", "format": "unix"},
    )
    overlap: Duration | None = described(
        "How much of what was already asked for is asked for again, to see late and revised values; with a step of the "
        "calendar as many whole steps as it takes. Default: `0s`.",
        "1h",
    )
    catch_up: PositiveDuration | None = described(
        "How far back a run reaches after failed runs or a downtime, widened to whole steps. Default: `7d`.", "2d"
    )
    initial: Duration | None = described(
        "How far back the very first run reaches, widened to whole steps. Default: the period of the job, or `step` if "
        "that is longer.",
        "24h",
    )
    max_span: Span | None = described(
        "The longest range that the API answers at once; a longer window becomes several requests, of as many whole "
        "steps as fit in. `7 days` and `1 month` are of the calendar, `7d` is 168 hours. Default: no limit.",
        "1d",
        "7 days",
    )


class EmptyStatusShape(Shape):
    """A status that means that there is nothing, if a text stands in the beginning of the body."""

    place: ClassVar[str] = "an item of empty_status"

    status: Status = required("The status.", 400)
    body: FilledText | None = described("A text in the first 4 KiB of the body. Default: any body.", "No Data found")


def _as_empty_status(value: Any) -> Any:
    if isinstance(value, str):
        refuse(Check.WRONG_KIND, f"must be a status such as 404, or {{status, body}}, not {kind_of(value)}")
    return {"status": value} if isinstance(value, int) and not isinstance(value, bool) else value


EmptyStatus = Annotated[
    EmptyStatusShape, BeforeValidator(_as_empty_status, json_schema_input_type=Status | EmptyStatusShape)
]


class ExpectShape(Shape):
    """What a usable answer looks like. Any other answer fails the run, and nothing of it is used."""

    place: ClassVar[str] = "expect of a job"

    equal: dict[str, Json] | None = described("Path and the value that it must have.", {"$.status": "success"})
    present: list[JsonPath] | None = described("Paths that must be there and not be empty.", ["$.data"])
    absent: list[JsonPath] | None = described("Paths that must not be there, or be empty.", ["$.error"])
    empty_status: list[EmptyStatus] | None = described(
        "Statuses that mean: nothing there yet. Such an answer counts as an accepted answer without rows. Where a "
        "status means other things too, say a text that stands in the body then.",
        [404],
        [{"status": 400, "body": "No Data found"}],
    )

    empty: SignalShape | None = described(
        "What an answer has that means: nothing there yet. It counts as an accepted answer without rows.",
        {"present": ["$.Acknowledgement_MarketDocument"]},
    )
    partial: SignalShape | None = described(
        "What an answer has in which something is missing. Its values are used, the run ends as `partial`, and the "
        "window is asked for again.",
        {"equal": {"$.timed_out": True}, "present": ["$.warnings"]},
    )
    partial_status: list[Status] | None = described("Statuses that mean the same as `partial`.", [416])

    min_series_ratio: Annotated[float, Field(ge=0, le=1)] | None = described(
        "The share of the series on the page that an answer must hold, if ten or more are there. Without it an answer "
        "must hold any; `0` believes everything.",
        0.5,
    )
    max_refusals: Annotated[int, Field(ge=1, le=100)] | None = described(
        "After so many runs in a row that were refused for `min_series_ratio` the answer is believed: the change is "
        "real. Default: `1`, or `3` where `min_series_ratio` is set.",
        3,
    )


class WalkShape(Shape):
    """A path, or a walk over arrays whose elements have names that stand elsewhere."""

    place: ClassVar[str] = "an entry of rows"

    path: JsonPath = required("The path of the walk.", "$s.values[*]")
    columns: PathOrTexts | None = described(
        "The names of the elements, as a list or as a path to one. Each array that the walk passes becomes an object.",
        "$s.columns",
        ["time", "mean"],
    )


def _as_walk(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


Walk = Annotated[WalkShape, BeforeValidator(_as_walk, json_schema_input_type=JsonPath | WalkShape)]


class EachShape(Shape):
    """The values of one name: a list, a file that holds one, or a request whose answer does."""

    place: ClassVar[str] = "each of a job"

    values: PathOrTexts | None = described(
        "The values themselves; or, with `request` or `file`, the path of the values in the document. With `rows` it "
        "begins at one of these. Default with `file`: the file is a plain list.",
        ["DE", "FR"],
        "$.zones[*].id",
    )
    file: FilledText | None = described(
        "A file that holds the values, read again when it changes: JSON or YAML (`.json`, `.yaml`, `.yml`), or one "
        "value to a line. Relative to the config.",
        "zones.txt",
    )
    request: RequestShape | None = described(
        "A request whose answer holds the values. `{window.start}` to `{window.end}` is the time from `every` ago to "
        "the fire time.",
        {"get": "/zones"},
    )
    source: FilledText | None = described("The source of `request`. Default: that of the job.", "accounts")
    every: PositiveDuration | None = described(
        "How old the answer of `request` may be: the first run after it asks again. Default: `1h`.", "6h"
    )
    rows: dict[str, Walk] | None = described(
        "Walks through the document, as in a job, if a value has more to tell than itself.",
        {"site": "$.sites[?@.active == true]"},
    )
    labels: dict[str, Text | None] | None = described(
        "What else is known of a value: a label, and `{each.NAME}` in the request. A name that begins with `__` is no "
        "label.",
        {"site_name": "$site.name"},
    )
    label: TextOrNull = described(
        "The name of the label that the value becomes, `null` for none: then the answers themselves must tell lanes "
        "apart. Default: the name of the values.",
        "country",
    )
    beside: FilledText | None = described(
        "The name of other values: each of these belongs to the one at the same place there, instead of to all of "
        "them.",
        "zone",
    )


def _as_each(value: Any) -> Any:
    return {"values": value} if isinstance(value, list) else value


Each = Annotated[EachShape, BeforeValidator(_as_each, json_schema_input_type=list[Text] | EachShape)]


class JobShape(RulesShape):
    """One request to a source, its schedule and its mapping to metrics."""

    place: ClassVar[str] = "a job"
    groups: ClassVar[tuple[OneOf, ...]] = (OneOf("every", "cron", required=True),)

    source: FilledText = required("The name of the source.", "energy")
    every: PositiveDuration | None = described(
        "The period of the job. Runs are planned on a grid of this length, not counted from the end of the last run.",
        "30m",
    )
    cron: FilledText | None = described("A cron expression of five fields, instead of `every`.", "15 * * * *")
    timezone: FilledText | None = described("The time zone of `cron`. Default: `UTC`.", "Europe/Berlin")
    jitter: Duration | None = described(
        "By how much the job may be moved on its grid, so that not all jobs ask at once. Each job keeps its own place "
        "for ever. Default: a tenth of the period, at most `1m`; none with `cron`.",
        "0s",
    )
    timeout: PositiveDuration | None = described(
        "How long a whole run may take, with all attempts, windows and lanes. Default: `5m`, or nine tenths of the "
        "period if that is shorter; always nine tenths with `each`.",
        "2m",
    )
    each: dict[str, Each] | None = described(
        "A fan-out: the request is made for each of these values, which stand in it as `{each.NAME}` and become "
        "labels. Of several names all combinations are asked for.",
        {"zone": ["DE", "FR"]},
    )
    max_lanes: Annotated[int, Field(ge=1, le=100_000)] | None = described(
        "How many values, or combinations of them, a fan-out may have. More are refused, so that a slip in a list does "
        "not become a flood of requests; the list of before stays. Default: `1000`.",
        10000,
    )
    request: RequestShape = required("What is asked.", {"get": "/pods", "params": {"start": "{window.start}"}})
    window: WindowShape | None = described("Which range of data time is asked for.", {"step": "5m", "delay": "10m"})
    expect: ExpectShape | None = described(
        "What a usable answer looks like.", {"equal": {"$.status": "success"}, "empty_status": [404]}
    )
    transform: TransformShape | None = described(
        "What is done with each decoded answer before it is mapped.", {"jq": ".d | fromjson"}
    )
    rows: dict[str, Walk] | None = described(
        "Named walks through the document, each starting at `$` or at a walk above it. Without it the document is the "
        "one row.",
        {"pod": "$.{cluster}.{app}.{namespace}[*]"},
    )
    lookups: dict[str, LookupShape] | None = described(
        "Named nodes that are looked up for each row in another branch of the answer, by a key: `$NAME` is then read "
        "as a walk is.",
        {"sensor": {"path": "$.sensors[*]", "key": "$sensor.id", "equals": "$r.sensor_id"}},
    )
    max_age: PositiveDuration | None = described(
        "How long a value may be shown after the run that gave it. Default: three periods (or three of the window's "
        "`step`, if that is longer) and the `delay`.",
        "2h",
    )
    zero_first: Duration | None = described(
        "How long a counter series that is new is shown as 0 before its total, from its commit on. Should be longer "
        "than two scrape intervals and 15 s: a run that takes longer is shown every 15 s. `0s` turns it off. "
        "Default: `2m`.",
        "2m",
    )
    created_timestamps: bool | None = described(
        "Whether OpenMetrics pages say when each total began, as a sample `_created` beside it, for counters, "
        "histograms and summaries of amounts (`delta`). Prometheus keeps these as series of their own, unless it is "
        "told otherwise. Default: `false`.",
        True,  # noqa: FBT003 - an example is given as a value
    )
    forget_after: PositiveDuration | None = described(
        "How long the total of a counter series that is gone is kept. Default: `7d`.", "30d"
    )
    label_length: Annotated[int, Field(ge=32, le=65536)] | None = described(
        "The most characters of a label's value. A longer one is cut and ends with a hash, so that two values stay "
        "two. Default: `256`.",
        512,
    )
    max_series: Annotated[int, Field(ge=1)] | None = described(
        "How many series of the job are kept at most, on the page or since they left it. Those that are kept work on, "
        "new ones beyond it are rejects. Default: `1000000`.",
        100000,
    )
    overflow: Literal["drop", "aggregate"] | None = described(
        "What becomes of the values of series beyond `max_series`. `aggregate` adds them up in one series with the "
        'label `overflow="true"`, for counters of amounts (`delta`) and gauges with `combine: sum`. Default: `drop`.',
        "aggregate",
    )
    metrics: dict[str, MetricShape] = required(
        "The metrics that the job makes, by name.",
        {"pod_energy_joules_total": {"type": "counter", "temporality": "delta", "value": "$pod.energy"}},
    )
