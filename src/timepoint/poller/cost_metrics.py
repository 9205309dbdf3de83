"""The metrics of what the poller's process costs, and of the size of the ledger.

Owns: their names, types and help, and how they are read from a ``ProcessCost``. Must not know: other metrics,
rendering, how the cost is found out. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from timepoint.model import FamilySpec, MetricType

_GAUGE, _COUNTER = MetricType.GAUGE, MetricType.COUNTER


@dataclass(frozen=True, slots=True)
class ProcessCost:
    """What the poller's process costs: seconds of CPU, bytes, counts; None for what the system does not tell.

    ``longest_stall`` is how many seconds its event loop came late at worst, ``ledger_size`` and ``log_size`` are bytes.
    """

    cpu_seconds: float
    resident_memory: int | None = None
    open_fds: int | None = None
    longest_stall: float | None = None
    ledger_size: int | None = None
    log_size: int | None = None


OF_PROCESS: tuple[tuple[FamilySpec, Callable[[ProcessCost], float | None]], ...] = (
    (
        FamilySpec("timepoint_poller_cpu_seconds_total", _COUNTER, "CPU time of the poller's process.", unit="seconds"),
        lambda cost: cost.cpu_seconds,
    ),
    (
        FamilySpec(
            "timepoint_poller_resident_memory_bytes", _GAUGE, "Resident memory of the poller's process.", unit="bytes"
        ),
        lambda cost: cost.resident_memory,
    ),
    (
        FamilySpec("timepoint_poller_open_fds", _GAUGE, "Open file descriptors of the poller's process."),
        lambda cost: cost.open_fds,
    ),
    (
        FamilySpec(
            "timepoint_poller_longest_stall_seconds",
            _GAUGE,
            "How late the poller's event loop came at worst since the process started. Beyond 5 s the log says where.",
            unit="seconds",
        ),
        lambda cost: cost.longest_stall,
    ),
    (
        FamilySpec("timepoint_ledger_size_bytes", _GAUGE, "Size of the ledger's file.", unit="bytes"),
        lambda cost: cost.ledger_size,
    ),
    (
        FamilySpec(
            "timepoint_ledger_log_size_bytes",
            _GAUGE,
            "Size of the ledger's log (-wal). It is emptied at 64 MiB, unless somebody reads the ledger for long.",
            unit="bytes",
        ),
        lambda cost: cost.log_size,
    ),
)
