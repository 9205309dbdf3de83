"""What a Prometheus 2.42 does with requests: the same table for the receiver of the tests and for the real one.

Each row is a story: requests with the answers that they got, and what was stored then. It keeps the receiver of the
tests honest, on which all that is claimed of the sender rests.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.remote_write.receiver import Receiver
from tests.remote_write.servers import prometheus_server, running
from timepoint.clock import HOUR, MINUTE, SystemClock
from timepoint.remote_write.encode import HEADERS, body
from timepoint.remote_write.outbox import OutSeries, Pending, Version
from timepoint.remote_write.slices import Ready

Sent = list[tuple[str, int, float]]  # series, ms after now, value
Told = tuple[Sent, int]


@dataclass(frozen=True)
class Story:
    """Requests and their answers, and how many samples are stored at the end; ``window`` in hours."""

    name: str
    told: tuple[Told, ...]
    stored: dict[tuple[str, int], float]
    window: int = 0


def at(hours: float) -> int:
    """Milliseconds."""
    return round(hours * HOUR)


ONE: Sent = [("a", -3 * MINUTE, 1.0)]
THREE: Sent = [("a", -3 * MINUTE, 1.0), ("a", -2 * MINUTE, 2.0), ("a", -MINUTE, 3.0)]
BACKLOG: Sent = [("a", -10 * HOUR + 10 * MINUTE * step, float(step)) for step in range(60)]


def keep(sent: Sent) -> dict[tuple[str, int], float]:
    """What is stored where all of it is."""
    return {(name, when): value for name, when, value in sent}


def each(sent: Sent, *statuses: int) -> tuple[Told, ...]:
    """Every sample in a request of its own."""
    listed = statuses if len(statuses) > 1 else statuses * len(sent)
    return tuple(([sample], status) for sample, status in zip(sent, listed, strict=True))


STORIES = (
    Story("R1 empty", (([], 204),), {}),
    Story("R2 the newest again", ((ONE, 204), (ONE, 204)), keep(ONE)),
    Story("R3 three of one series again", ((THREE, 204), (THREE, 400)), keep(THREE)),
    Story("R4 one of each series again", (([*ONE, ("b", 0, 2.0)], 204),) * 2, keep([*ONE, ("b", 0, 2.0)])),
    Story("R5 another value", ((ONE, 204), ([("a", -3 * MINUTE, 9.0)], 400)), keep(ONE)),
    Story("R6 unsorted", (([THREE[1], THREE[0]], 204),), keep([THREE[1]])),
    Story("R7 one instant twice", (([ONE[0], ("a", -3 * MINUTE, 9.0)], 204),), keep(ONE)),
    Story("R8 one bad sample", ((THREE, 204), ([("b", 0, 1.0), THREE[0], ("c", 0, 1.0)], 400)), keep(THREE)),
    Story(
        "R9 the window of an hour",
        (([("a", 0, 1.0)], 204), ([("b", at(-59 / 60), 1.0)], 204), ([("c", at(-65 / 60), 1.0)], 400)),
        keep([("a", 0, 1.0), ("b", at(-59 / 60), 1.0)]),
    ),
    Story("R10 a backlog in order", each(BACKLOG, 204), keep(BACKLOG)),
    Story(
        "R11 the same after one of now",
        (([("b", 0, 1.0)], 204), *each(BACKLOG, *[400] * 54, *[204] * 6)),
        keep([("b", 0, 1.0), *BACKLOG[54:]]),
    ),
    Story(
        "R12 one of the future",
        (([("a", at(3), 1.0)], 204), ([("b", 0, 1.0)], 400)),
        keep([("a", at(3), 1.0)]),
    ),
    Story("R13 no labels", (([("", 0, 1.0)], 500),), {}),
    Story(
        "R14 older than the window",
        (
            ([("a", 0, 1.0)], 204),
            ([("b", at(-5), 1.0)], 204),
            ([("c", at(-7), 1.0)], 500),
            ([("d", 0, 1.0), ("c", at(-7), 1.0)], 500),
        ),
        keep([("a", 0, 1.0), ("b", at(-5), 1.0)]),
        window=6,
    ),
    Story("R15 three of one series thrice", ((THREE, 204),) * 3, keep(THREE), window=6),
    Story(
        "R16 another value of before",
        ((THREE, 204), ([("a", -3 * MINUTE, 9.0)], 204)),
        keep([("a", -3 * MINUTE, 9.0), *THREE[1:]]),
        window=6,
    ),
)


def request(sent: Sent, now: int) -> bytes:
    """A request of 1.0 with samples as they are said, whatever the sender would think of them."""
    rows = []
    for name, offset, value in sent:
        labels = (("__name__", "told"), ("series", name)) if name else ()
        rows.append(Ready(Pending(1, OutSeries(1, labels), now + offset, value), labels))
    return body(rows, Version.V1)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_the_receiver_of_the_tests_does_as_the_table_says(story: Story) -> None:
    """Answers and what is stored are those that were measured."""
    receiver = Receiver(window=story.window * HOUR)
    answers = [receiver.hear(request(sent, 0), HEADERS[Version.V1]).status for sent, _ in story.told]
    assert answers == [status for _, status in story.told]
    stored = {(dict(labels)["series"], when): value for (labels, when), value in receiver.stored.items()}
    assert stored == story.stored


Ask = Callable[[Story], tuple[list[int], dict[tuple[str, int], float]]]


@pytest.fixture
def ask(prometheus: str, tmp_path: Path) -> Ask:
    """Tells a story to a real Prometheus with nothing in it."""

    def told(story: Story) -> tuple[list[int], dict[tuple[str, int], float]]:
        now = SystemClock().now()
        with running(prometheus_server(prometheus, tmp_path, f"{story.window}h" if story.window else "")) as server:
            answers = [_post(server.url, request(sent, now)) for sent, _ in story.told]
            found = server.prometheus_samples("told", "series", now - at(12), now + at(4))
        return answers, {(name, when - now): value for (name, when), value in found.items()}

    return told


def _post(url: str, data: bytes) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, dict(HEADERS[Version.V1])), timeout=30) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.system
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_real_prometheus_does_as_the_table_says(story: Story, ask: Ask) -> None:
    """Debian's 2.42 answers and stores what the table says."""
    answers, stored = ask(story)
    assert answers == [status for _, status in story.told]
    assert stored == story.stored
