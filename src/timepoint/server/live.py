"""The families that are true only at the moment of the scrape.

Owns: names, types and help of what the server tells about itself. Scrapes are not counted: Prometheus does that.
Pure: facts come in, families go out. Must not know: where facts come from, how families are rendered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from timepoint.exposition.family import FamilySnapshot, SampleBatch
from timepoint.model import FamilySpec, MetricType, series_text
from timepoint.server.process import ProcessFacts, PythonFacts


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server knows about what it serves. ``poller_up`` is None where no poller is expected.

    ``rendered_at`` maps a job's name to milliseconds since the epoch; ``problems`` counts contradictions between jobs.
    ``longest_stall`` is how many seconds the event loop came late at worst, None if nobody watched it. ``ends``: how
    often each process of the exporter ended unasked, by how.
    """

    poller_up: bool | None
    read_failures: int
    rendered_at: Mapping[str, int]
    problems: int = 0
    connections: Connections | None = None
    web: WebFacts | None = None
    longest_stall: float | None = None
    ends: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Connections:
    """How many there are, and how many were ended before they were answered, by the word for it."""

    open: int = 0
    ended: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WebFacts:
    """Of the web config: whether its last reload was good, when the one in force was read (ms), who was refused."""

    good: bool = True
    at: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)


EVERYTHING = ServerFacts(
    poller_up=True,
    read_failures=0,
    rendered_at={"a": 0},
    connections=Connections(ended={"refused": 0}),
    web=WebFacts(refused={"password": 0}),
    longest_stall=0.0,
    ends={"poller": {"died": 0}},
)
"""Facts with which no family is missing: for the reference."""


_CHILD_ENDS = FamilySpec(
    "timepoint_child_ends_total",
    MetricType.COUNTER,
    "How often a process of the exporter died, or hung and was ended, and was started again.",
)
_LONGEST_STALL = FamilySpec(
    "timepoint_web_longest_stall_seconds",
    MetricType.GAUGE,
    "How late the server's event loop came at worst since the process started. Beyond 5 s the log says where.",
    unit="seconds",
)
_POLLER_UP = FamilySpec(
    "timepoint_poller_up",
    MetricType.GAUGE,
    "1 if there was a heartbeat of the poller within --poller-deadline, else 0. Absent under timepoint serve.",
)
_PAGE_PROBLEMS = FamilySpec(
    "timepoint_page_problems",
    MetricType.GAUGE,
    "Contradictions between jobs, for each of which something was left off the page; the log names them.",
)
_READ_FAILURES = FamilySpec(
    "timepoint_snapshot_read_failures_total",
    MetricType.COUNTER,
    "Published snapshots that could not be read or were damaged; the one before stayed in use.",
)
_RENDERED_AT = FamilySpec(
    "timepoint_snapshot_timestamp_seconds",
    MetricType.GAUGE,
    "When the snapshot that is served of a job was rendered.",
    unit="seconds",
)


def live_families(server: ServerFacts, process: ProcessFacts, python: PythonFacts) -> list[FamilySnapshot]:
    """The server's own families, sorted by name."""
    families = [
        *_server_families(server),
        *_connection_families(server.connections),
        *_web_families(server.web),
        *_process_families(process),
        _family(
            FamilySpec("python_info", MetricType.INFO, "The Python that serves this page."),
            {
                series_text(
                    {
                        "implementation": python.implementation,
                        "major": python.major,
                        "minor": python.minor,
                        "patchlevel": python.patchlevel,
                        "version": python.version,
                    }
                ): 1.0
            },
        ),
    ]
    return sorted(families, key=lambda family: family.spec.name)


def _server_families(server: ServerFacts) -> list[FamilySnapshot]:
    ends = {
        series_text({"child": child, "how": how}): float(count)
        for child, counts in sorted(server.ends.items())
        for how, count in sorted(counts.items())
    }
    rendered = {series_text({"job_name": name}): at / 1000 for name, at in sorted(server.rendered_at.items())}
    return [
        _family(_CHILD_ENDS, ends),
        _family(_LONGEST_STALL, {} if server.longest_stall is None else {"": server.longest_stall}),
        _family(_POLLER_UP, {} if server.poller_up is None else {"": float(server.poller_up)}),
        _family(_PAGE_PROBLEMS, {"": float(server.problems)}),
        _family(_READ_FAILURES, {"": float(server.read_failures)}),
        _family(_RENDERED_AT, rendered),
    ]


def _connection_families(connections: Connections | None) -> list[FamilySnapshot]:
    if connections is None:
        return []
    ended = FamilySpec(
        "timepoint_web_connections_ended_total",
        MetricType.COUNTER,
        "Connections that ended unanswered: refused or evicted because there were too many, or in their handshake.",
    )
    return [
        _family(
            FamilySpec("timepoint_web_connections", MetricType.GAUGE, "Connections that are open, idle ones too."),
            {"": float(connections.open)},
        ),
        _family(ended, _by_reason(connections.ended)),
    ]


def _web_families(web: WebFacts | None) -> list[FamilySnapshot]:
    if web is None:
        return []
    name = "timepoint_web_config_last_reload"
    good = "1 if --web.config.file could be used when it last changed; 0: the settings before stay in force."
    refused = "Requests that were not let through: by password, for too many guesses, by the rate limit."
    at = FamilySpec(
        f"{name}_success_timestamp_seconds",
        MetricType.GAUGE,
        "When the web config that is in force was read. Absent without --web.config.file.",
        unit="seconds",
    )
    return [
        _family(FamilySpec(f"{name}_successful", MetricType.GAUGE, good), {"": float(web.good)}),
        _family(at, {"": web.at / 1000}),
        _family(
            FamilySpec("timepoint_web_requests_refused_total", MetricType.COUNTER, refused), _by_reason(web.refused)
        ),
    ]


def _by_reason(counts: Mapping[str, int]) -> dict[str, float]:
    return {series_text({"reason": reason}): float(count) for reason, count in sorted(counts.items())}


def _process_families(process: ProcessFacts) -> list[FamilySnapshot]:
    """The standard names. Source: Prometheus, "Writing client libraries", "Process metrics"."""
    facts = (
        ("process_cpu_seconds_total", "seconds", "CPU time of the server process.", process.cpu_seconds),
        ("process_start_time_seconds", "seconds", "When the server process started.", process.start_time),
        ("process_resident_memory_bytes", "bytes", "Resident memory of the server process.", process.resident_memory),
        ("process_virtual_memory_bytes", "bytes", "Virtual memory of the server process.", process.virtual_memory),
        ("process_open_fds", "", "Open file descriptors of the server process.", process.open_fds),
        ("process_max_fds", "", "Most file descriptors that the server process may open.", process.max_fds),
    )
    return [
        _family(
            FamilySpec(name, MetricType.COUNTER if name.endswith("_total") else MetricType.GAUGE, text, unit),
            {"": float(value)},
        )
        for name, unit, text, value in facts
        if value is not None
    ]


def _family(spec: FamilySpec, samples: Mapping[str, float]) -> FamilySnapshot:
    return FamilySnapshot(spec, [SampleBatch(list(samples), list(samples.values()))])
