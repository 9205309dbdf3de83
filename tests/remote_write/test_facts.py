"""What can be seen of a sender."""

from __future__ import annotations

from tests.remote_write.building import NOW, Scene, backlog, series, spec
from tests.remote_write.receiver import Receiver
from timepoint.clock import HOUR, MINUTE
from timepoint.model import METRIC_NAME
from timepoint.remote_write.facts import OF_RECEIVERS, SenderFacts, State
from timepoint.remote_write.outbox import Counts
from timepoint.remote_write.slices import REASONS
from timepoint.remote_write.spec import Caps


def shown(scene: Scene) -> dict[tuple[str, tuple[str, ...]], float]:
    """All metrics, by name and label values."""
    return {
        (family.name, values): value
        for family, _, read in OF_RECEIVERS
        for values, value in read(scene.sender.facts, scene.spec)
    }


async def test_metrics_of_a_story() -> None:
    """One conflict, one sample too old, one answer lost: each stands where Prometheus would count it."""
    scene = Scene(spec(), Receiver(speaks_2=True))
    scene.receiver.put(series(1).labels, NOW - 10, 99.0)
    scene.enqueue((1, 10, 1.0), (2, 10, 1.0), (3, 2 * HOUR, 1.0))
    scene.post.loses = lambda number: number == 3
    await scene.turns()
    found = shown(scene)
    assert found["prometheus_remote_storage_samples_total", ()] == 2 + 1 + 1 + 1
    assert found["prometheus_remote_storage_samples_failed_total", ()] == 1
    assert found["prometheus_remote_storage_samples_dropped_total", ("receiver_window",)] == 1
    assert found["prometheus_remote_storage_samples_retried_total", ()] == 1
    assert found["prometheus_remote_storage_samples_pending", ()] == 0
    assert found["prometheus_remote_storage_queue_highest_sent_timestamp_seconds", ()] == (NOW - 10) / 1000
    assert found["timepoint_remote_write_receiver_window_seconds", ()] == 55 * 60
    assert found["timepoint_remote_write_state", ("idle",)] == 1
    assert sum(value for (name, _), value in found.items() if name == "timepoint_remote_write_state") == 1


async def test_the_balance_can_be_checked_on_the_page() -> None:
    """Q21: enqueued is the sum of all places, of metrics alone."""
    scene = Scene()
    backlog(scene, 3, 30)
    await scene.turns()
    found = shown(scene)
    assert found["timepoint_remote_write_enqueued_total", ()] == 90
    assert (
        found["timepoint_remote_write_acknowledged_total", ()]
        + found["timepoint_remote_write_dead", ()]
        + found["prometheus_remote_storage_samples_pending", ()]
        + found["timepoint_remote_write_late_amounts_total", ()]
        + found["timepoint_remote_write_dismissed_total", ()]
    ) == 90


def test_names_are_those_of_metrics() -> None:
    """Each is a legal name, has a help, and says ``_total`` exactly where it counts."""
    for family, _, _ in OF_RECEIVERS:
        assert METRIC_NAME.fullmatch(family.name)
        assert family.help.endswith(".")
        assert (family.type == "counter") == family.name.endswith("_total")


def test_reasons_are_short_words() -> None:
    """Fit for the value of a label."""
    assert all(reason.isidentifier() for reason in REASONS)


async def test_the_state_is_told_once(scene: Scene) -> None:
    """A receiver that fails for a while is one word, not one for each try."""
    scene.receiver.down = 503
    backlog(scene, 2, 2)
    scene.after_waits[9] = lambda: setattr(scene.receiver, "down", 0)
    await scene.turns()
    assert [state for state, _ in scene.told] == [State.RETRYING, State.SENDING, State.IDLE]
    assert scene.told[0][1] == "status 503"


def test_there_is_no_alarm_without_a_reason() -> None:
    """Nothing waits, no cap is set, no age is too old."""
    assert SenderFacts().warnings(spec(), NOW) == []
    full = SenderFacts(counts=Counts(pending=10, oldest=NOW - 40 * MINUTE))
    assert full.warnings(spec(max_age=0, caps=Caps(rows=0)), NOW) == []
    assert len(full.warnings(spec(caps=Caps(rows=11)), NOW)) == 2
