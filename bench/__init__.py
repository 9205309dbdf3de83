"""The benchmark: timepoint beside its peers, in one run on one machine. Start it with ``bench/run``."""
