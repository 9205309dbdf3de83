"""Exposition: totals and gauges become rendered segments, published snapshots and one page."""
