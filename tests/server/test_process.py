from __future__ import annotations

from pathlib import Path

from timepoint.server.live import ServerFacts, live_families
from timepoint.server.process import read_process, read_python, read_start_time


def test_the_facts_of_this_process_are_plausible() -> None:
    """CPU, memory, descriptors and start are positive numbers on a system that tells them."""
    start = read_start_time()
    facts = read_process(start)

    assert facts.cpu_seconds > 0
    assert facts.open_fds is None or facts.open_fds > 0
    assert start is None or start > 1_600_000_000
    assert facts.resident_memory is None or 1 << 20 < facts.resident_memory <= (facts.virtual_memory or 0)


def test_what_the_system_does_not_tell_is_left_off(tmp_path: Path) -> None:
    """Without /proc there is no memory and no start time, and no family with a made-up value."""
    facts = read_process(read_start_time(tmp_path), tmp_path)

    names = {
        family.spec.name
        for family in live_families(ServerFacts(poller_up=True, read_failures=0, rendered_at={}), facts, read_python())
    }

    assert "process_cpu_seconds_total" in names
    assert not names & {"process_start_time_seconds", "process_resident_memory_bytes"}


def test_live_families_tell_what_is_served() -> None:
    """The poller's life, unreadable snapshots and the age of each snapshot are there with their values."""
    facts = ServerFacts(poller_up=False, read_failures=3, rendered_at={"b": 2000, "a": 1500})

    families = {f.spec.name: f.batches[0] for f in live_families(facts, read_process(None), read_python())}

    assert list(families["timepoint_poller_up"].values) == [0.0]
    assert list(families["timepoint_snapshot_read_failures_total"].values) == [3.0]
    snapshots = families["timepoint_snapshot_timestamp_seconds"]
    assert list(zip(snapshots.texts, snapshots.values, strict=True)) == [
        ('{job_name="a"}', 1.5),
        ('{job_name="b"}', 2.0),
    ]
