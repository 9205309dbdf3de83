"""The version, in the one place that the build, ``--version`` and ``timepoint_build_info`` read."""

__version__ = "0.1.0"
