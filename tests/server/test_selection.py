from __future__ import annotations

from pathlib import Path

import pytest

from tests.server.support import publish_job, staged
from timepoint.exposition.page import Pages
from timepoint.server.selection import KEPT, Selection, Selections


@pytest.mark.parametrize(
    ("query", "shown", "left_out"),
    [
        ("?job_name=a", [b"\na_watts{"], [b"b_watts", b"process_cpu"]),
        ("?job_name=a&job_name=b", [b"\na_watts{", b"\nb_watts{"], [b"c_watts", b"process_cpu"]),
        ("?name[]=b_watts", [b"\nb_watts{"], [b"a_watts", b"process_cpu"]),
        ("?name[]=process_cpu_seconds_total", [b"\nprocess_cpu_seconds_total "], [b"a_watts", b"process_open"]),
        ("?name%5B%5D=a_watts&job_name=b", [], [b"watts"]),
        ("?job_name=nobody", [], [b"watts"]),
        ("?other=1", [b"\na_watts{", b"\nprocess_cpu_seconds_total "], []),
    ],
)
async def test_a_query_selects_a_part_of_the_page(
    tmp_path: Path, query: str, shown: list[bytes], left_out: list[bytes]
) -> None:
    """Jobs by job_name, families and samples by name[]; anything else in the query is ignored."""
    for name in "abc":
        publish_job(tmp_path, name)
    async with staged(tmp_path, "a", "b", "c") as stage:
        answer = await stage.ask(f"/metrics{query}")

    page = b"\n" + answer.body
    assert answer.status == 200
    assert all(text in page for text in shown)
    assert not [text for text in left_out if text in page]


def test_selections_are_kept_with_their_pages_and_only_a_few() -> None:
    """The same question of the same pages is answered once; new pages and many questions let old ones go."""
    selections, first, second = Selections(), Pages(()), Pages(())
    question = Selection(frozenset({"a"}))

    made = selections.of(first, question)

    assert selections.of(first, question) is made
    assert selections.of(second, question) is not made
    for number in range(3 * KEPT):
        selections.of(second, Selection(frozenset({str(number)})))
    assert len(selections._made) <= KEPT
