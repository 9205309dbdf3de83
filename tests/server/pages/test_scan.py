"""Series of a published family."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.support import NOW
from timepoint.exposition.family import FamilySnapshot, JobSnapshot, SampleBatch
from timepoint.exposition.publish import pack, unpack
from timepoint.exposition.segment import PublishedFamily
from timepoint.model import FamilySpec, MetricType, series_text
from timepoint.server.pages.scan import search, value_of

SPEC = FamilySpec("pod_watts", MetricType.GAUGE, "Power.", "watts")


def published(*batches: SampleBatch) -> PublishedFamily:
    """A family as the server holds it."""
    snapshot = JobSnapshot("j", [FamilySnapshot(SPEC, batches)], 1, NOW)
    return unpack(b"".join(bytes(piece) for piece in pack(snapshot))).families[0]


LABELS = st.lists(st.text('abcXYZ "\\\n<{},=é\U0001f600', min_size=1, max_size=6), unique=True, max_size=30)


@settings(max_examples=100, deadline=None)
@given(
    LABELS,
    st.lists(st.sampled_from(["a", "xy", "pod", "é", '="', "\\n"]), max_size=2),
    st.integers(0, 9),
    st.integers(1, 9),
)
def test_a_part_of_a_search_is_that_part_of_all_that_match(
    names: list[str], words: list[str], first: int, most: int
) -> None:
    """Whatever stands in labels: the same series, in the same order, as if all lines were read and compared."""
    texts = [series_text({"pod": name}) for name in names]
    family = published(SampleBatch(texts, [float(place) for place in range(len(texts))]))

    def small(text: str) -> str:
        return "".join(letter.lower() if letter.isascii() else letter for letter in text)

    matching = [text for text in texts if all(small(word) in small(text) for word in words)]
    found = search(family, NOW, words, first, most)
    assert found.total == len(matching)
    assert [text for text, _ in found.rows] == matching[first : first + most]
    for place, text in enumerate(texts):
        assert value_of(family, NOW, text) == f"{float(place)}"
    assert value_of(family, NOW, '{pod="other"}') is None


def test_only_what_is_shown_now_is_found() -> None:
    """What appears later or has vanished is not on the page."""
    family = published(
        SampleBatch(['{pod="gone"}'], [1.0], visible_until=NOW),
        SampleBatch(['{pod="young"}'], [0.0], visible_until=NOW + 5),
        SampleBatch(['{pod="young"}'], [7.0], visible_from=NOW + 5),
    )
    assert search(family, NOW, (), 0, 9).rows == [('{pod="young"}', "0.0")]
    assert search(family, NOW + 5, (), 0, 9).rows == [('{pod="young"}', "7.0")]
    assert value_of(family, NOW, '{pod="gone"}') is None


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 20_000])
def test_any_number_of_series_is_counted(count: int, tmp_path: Path) -> None:
    """Also where the lines come in several pieces."""
    texts = [series_text({"pod": f"{number:0120d}"}) for number in range(count)]
    family = published(SampleBatch(texts, [1.0] * count))
    found = search(family, NOW, (), max(0, count - 3), 50)
    assert found.total == count
    assert [text for text, _ in found.rows] == texts[max(0, count - 3) :]
    assert search(family, NOW, ("POD",), 0, 1).total == count
