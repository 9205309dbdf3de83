"""The shape of ``report``: an answer that is ordered, waited for and fetched.

Owns: the keys of a report and what they mean to users. Must not know: how a report is run.
"""

from __future__ import annotations

from typing import ClassVar

from timepoint.config.kinds import FilledText, Json, JsonPath, OneOf, PositiveDuration, Shape, Status, Text, described


class PollShape(Shape):
    """How it is found out whether a report is ready. Without `get`, `url` and `header` the request is made again."""

    place: ClassVar[str] = "poll of a report"
    groups: ClassVar[tuple[OneOf, ...]] = (OneOf("get", "url", "header"),)

    get: Text | None = described("The path to ask, with `{report.id}` where the id belongs.", "/reports/{report.id}")
    url: JsonPath | None = described("The path to a URL in the answer to the order.", "$.links.status")
    header: FilledText | None = described("The header of that answer that holds the URL.", "Location")
    every: PositiveDuration | None = described(
        "How long the first pause is. Each is half as long again as the one before, up to a minute, and never shorter "
        "than `Retry-After` says. Default: `5s`.",
        "10s",
    )
    pending_status: list[Status] | None = described("Statuses that mean: not ready yet. Default: `[202]`.", [202, 204])
    done: dict[str, Json] | None = described(
        "Paths and the value, or a list of values, that each must have. Default: any other status is enough.",
        {"$.status": "completed"},
    )
    failed: dict[str, Json] | None = described(
        "Paths and the value, or a list of values, that mean that there will be no report.",
        {"$.status": ["failed", "cancelled"]},
    )


class DownloadShape(Shape):
    """Where a report that is ready is found."""

    place: ClassVar[str] = "download of a report"
    groups: ClassVar[tuple[OneOf, ...]] = (OneOf("get", "url", "header", required=True),)

    get: Text | None = described(
        "The path to ask, with `{report.id}` where the id belongs.", "/reports/{report.id}/content"
    )
    url: JsonPath | None = described("The path to a URL in the last answer.", "$.result.url")
    header: FilledText | None = described("The header of that answer that holds the URL.", "Location")
    hosts: list[FilledText] | None = described(
        "Hosts other than the source's to which the URL may lead, `*.` for all names below. They are asked without "
        "credentials and headers. Default: none.",
        ["*.blob.core.windows.net"],
    )


class ReportShape(Shape):
    """The request of the job orders a report; its answer is then waited for and fetched, within the run."""

    place: ClassVar[str] = "report of a request"

    id: JsonPath | None = described("The path to the report's id in the answer to the order.", "$.report_id")
    poll: PollShape | None = described(
        "How it is found out whether the report is ready. Default: the request is made again until its status is no "
        "longer 202.",
        {"get": "/reports/{report.id}", "done": {"$.status": "completed"}},
    )
    download: DownloadShape | None = described(
        "Where the report is then. Default: it is the last answer to `poll`.", {"url": "$.result.url"}
    )
