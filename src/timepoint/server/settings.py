"""What the scrape side is told when it starts.

Owns: the settings of the server process and the limits it keeps against slow or hostile clients.
Must not know: the command line they come from, jobs, sources.
"""

from __future__ import annotations

from dataclasses import dataclass

from timepoint.clock import MINUTE
from timepoint.server.web.spec import WebSource


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much one client may take. Seconds, bytes and connections.

    ``keepalive`` is longer than the five minutes after which Prometheus drops an idle connection by itself, so that the
    server never closes one under a request that is on its way. ``slow`` is when a client that reads its page may have
    to go for another one: the default timeout of a scrape. ``local`` are the clients that only the limit in all counts
    for: a proxy on this machine speaks for many.
    """

    head_deadline: float = 10.0
    keepalive: float = 330.0
    write_deadline: float = 60.0
    stop_deadline: float = 3.0
    max_line: int = 8 * 1024
    max_field: int = 8 * 1024
    max_headers: int = 64
    max_head: int = 16 * 1024
    handshake_deadline: float = 5.0
    connections: int = 256
    connections_per_peer: int = 32
    slow: float = 10.0
    local: frozenset[str] = frozenset(("127.0.0.1", "::1", "unix"))


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Settings of the server process. ``poller_deadline`` in milliseconds.

    ``ready_requires_fresh``: every metric must be fresh for ``/-/ready``, too.
    ``status_pages``: there are more pages for people than the one at ``/``.
    ``web`` is the web config, None for plain HTTP without users. ``lifecycle``: POST /-/reload is answered.
    ``poller_required`` is False where ``timepoint poll --once`` fills the directory: no heartbeat is expected then.
    """

    telemetry_path: str = "/metrics"
    ready_requires_fresh: bool = False
    poller_deadline: int = 2 * MINUTE
    poller_required: bool = True
    status_pages: bool = True
    web: WebSource | None = None
    limits: Limits = Limits()
    lifecycle: bool = False
