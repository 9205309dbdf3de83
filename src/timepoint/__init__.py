"""timepoint turns any time-based HTTP API into Prometheus metrics. This package is the Python API.

Its names are imported when they are first used: the command line wants none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from timepoint.version import __version__

if TYPE_CHECKING:
    from timepoint.api import Counter, Exporter, Gauge, JobWindow, Point

__all__ = ["Counter", "Exporter", "Gauge", "JobWindow", "Point", "__version__"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'timepoint' has no attribute {name!r}")
    from timepoint import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return __all__
