"""What one writes in an afternoon: asks the energy API now and then, and shows what it says.

It is here to be compared with timepoint, as a competent person would write it: errors are caught and logged, the
interval is configurable, amounts become a counter, the newest value a gauge. See ../experiment.md for what it misses.

    python sixty_lines.py http://energy.internal/api/v1/pods 8000 1800 300
"""

import json
import logging
import sys
import time
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta

from prometheus_client import Counter, Gauge, start_http_server

LABELS = ["cluster", "app", "namespace", "pod_name"]
NEWEST = Gauge("script_energy_joules", "Energy of the pod in the newest timepoint.", LABELS)
TOTAL = Counter("script_pod_energy_joules", "Energy consumed by the pod.", LABELS)


def ask(url, start, end, step):
    """The answer for a range of time."""
    query = {"start": start.isoformat(), "end": end.isoformat(), "step": f"{step}s"}
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(query)}", timeout=30) as answer:
        return json.load(answer)


def poll(url, every, step):
    """Asks for the time since the last poll and shows what comes."""
    end = datetime.now(UTC)
    body = ask(url, end - timedelta(seconds=every), end, step)
    for cluster, apps in body.items():
        for app, namespaces in apps.items():
            for namespace, pods in namespaces.items():
                for pod in pods:
                    values = [value * 3600 for value in pod["energy_consumed"] if value is not None]
                    if values:
                        labels = (cluster, app, namespace, pod["name"])
                        NEWEST.labels(*labels).set(values[-1])
                        TOTAL.labels(*labels).inc(sum(values))


def main():
    """Serves and polls for ever."""
    logging.basicConfig(level=logging.INFO)
    url, port, every, step = sys.argv[1], *map(int, sys.argv[2:5])
    start_http_server(port)
    while True:
        try:
            poll(url, every, step)
        except Exception:
            logging.exception("the poll failed")
        time.sleep(every)


if __name__ == "__main__":
    main()
