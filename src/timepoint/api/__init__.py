"""The Python API: a function that yields points is a job like any other.

Owns: ``Exporter`` and what a user declares with it. Must not know: how a job runs, the form of a config file.

    from timepoint import Counter, Exporter, Point

    exporter = Exporter()

    @exporter.job(every="30m", step="5m", delay="10m", metrics=[Counter("pod_energy_joules_total", "Energy used.")])
    def pod_energy(window):
        for row in ask_my_api(window.start, window.end):
            yield Point("pod_energy_joules_total", row["joules"], {"pod_name": row["pod"]},
                        start=row["from"], end=row["to"])

    if __name__ == "__main__":
        exporter.run()

A mistake in a declaration is a ValueError where it stands; a mistake in a point is a reject, and costs that point.

Read in this order:

    declared        metrics and windows, as users have them in their hands
    keywords        what the keywords of a job mean
    agreement       what jobs of a program and of a file must agree on
    exporter        the exporter that is made of them
"""

from timepoint.api.declared import Counter, Gauge, JobWindow
from timepoint.api.exporter import Exporter
from timepoint.poller.function_points import Point

__all__ = ["Counter", "Exporter", "Gauge", "JobWindow", "Point"]
