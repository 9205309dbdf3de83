"""The families that are true only at the moment of the scrape.

Owns: names, types and help of what the server tells about itself. Scrapes are not counted: Prometheus does that.
Pure: facts come in, families go out. Must not know: where facts come from, how families are rendered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from timepoint.exposition.family import FamilySnapshot, SampleBatch
from timepoint.model import FamilySpec, MetricType, series_text
from timepoint.server.process import ProcessFacts, PythonFacts


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server knows about what it serves. ``poller_up`` is None where no poller is expected.

    ``rendered_at`` maps a job's name to milliseconds since the epoch; ``problems`` counts contradictions between jobs.
    """

    poller_up: bool | None
    read_failures: int
    rendered_at: Mapping[str, int]
    problems: int = 0


def live_families(server: ServerFacts, process: ProcessFacts, python: PythonFacts) -> list[FamilySnapshot]:
    """The server's own families, sorted by name."""
    families = [
        *_server_families(server),
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
    poller_up = FamilySpec(
        "timepoint_poller_up",
        MetricType.GAUGE,
        "1 if the poller gave a sign of life within --poller-deadline, else 0. Absent under timepoint serve.",
    )
    return [
        _family(poller_up, {} if server.poller_up is None else {"": float(server.poller_up)}),
        _family(
            FamilySpec(
                "timepoint_page_problems",
                MetricType.GAUGE,
                "Contradictions between jobs, for each of which something was left off the page; the log names them.",
            ),
            {"": float(server.problems)},
        ),
        _family(
            FamilySpec(
                "timepoint_snapshot_read_failures_total",
                MetricType.COUNTER,
                "Published snapshots that could not be read or were damaged; the one before stayed in use.",
            ),
            {"": float(server.read_failures)},
        ),
        _family(
            FamilySpec(
                "timepoint_snapshot_timestamp_seconds",
                MetricType.GAUGE,
                "When the snapshot that is served of a job was rendered.",
                unit="seconds",
            ),
            {series_text({"job_name": name}): at / 1000 for name, at in sorted(server.rendered_at.items())},
        ),
    ]


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
