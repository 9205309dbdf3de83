"""timepoint turns any time-based HTTP API into Prometheus metrics. This module is the Python API."""

from timepoint.version import __version__

__all__ = ["__version__"]
