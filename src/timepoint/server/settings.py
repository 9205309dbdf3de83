"""What the scrape side is told when it starts.

Owns: the settings of the server process and the limits it keeps against slow or hostile clients.
Must not know: the command line they come from, jobs, sources.
"""

from __future__ import annotations

from dataclasses import dataclass

from timepoint.clock import MINUTE


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much one client may take. Seconds and bytes.

    ``keepalive`` is longer than the five minutes after which Prometheus drops an idle connection by itself, so that the
    server never closes one under a request that is on its way.
    """

    head_deadline: float = 10.0
    keepalive: float = 330.0
    write_deadline: float = 60.0
    stop_deadline: float = 3.0
    max_line: int = 8 * 1024
    max_field: int = 8 * 1024
    max_headers: int = 64


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Settings of the server process. ``poller_deadline`` in milliseconds.

    ``ready_requires_fresh``: every metric must be fresh for ``/-/ready``, too.
    ``poller_required`` is False where ``timepoint poll --once`` fills the directory: no heartbeat is expected then.
    """

    telemetry_path: str = "/metrics"
    ready_requires_fresh: bool = False
    poller_deadline: int = 2 * MINUTE
    poller_required: bool = True
    limits: Limits = Limits()
