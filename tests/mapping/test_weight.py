"""What a document may take in memory is told before it is decoded, and what is too heavy is refused."""

from __future__ import annotations

import json
import sys
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mapping.build import FIRE_TIME, WINDOW, mapping_of
from timepoint.errors import ContentError
from timepoint.mapping.engine import RunContext
from timepoint.mapping.weight import _PIECE, DEFAULT_MEMORY, NUMBER, SIGN, Allowance, count_signs, weigh
from timepoint.model import MappedRun

CUT = '{rows: {v: "$.{zone}[*]"}, metrics: {x: {value: $v.mw, labels: {name: $v.name}}}}'
BESIDE = '{expect: {present: [$.meta.ok]}, rows: {v: "$.data[*]"}, metrics: {x: {value: $v.mw}}}'
WHOLE = '{rows: {v: "$..{zone}[*]"}, metrics: {x: {value: $v.mw, labels: {name: $v.name}}}}'


def mapped(config: str, *documents: bytes, memory: int) -> MappedRun:
    """What comes of bodies that may weigh so much."""
    run = mapping_of(config).start(RunContext(WINDOW, FIRE_TIME), Allowance(memory))
    for document in documents:
        run.add(msgspec.Raw(document))
    return run.finish()


def refused(config: str, *documents: bytes, memory: int) -> str:
    """The sentence by which the bodies are refused."""
    with pytest.raises(ContentError) as caught:
        mapped(config, *documents, memory=memory)
    assert caught.value.reason == "too_large"
    return str(caught.value)


def entities(count: int, values: int = 0) -> bytes:
    """A body with so many entities, each with a list of so many numbers that no metric looks at."""
    return json.dumps({"DE": [{"name": f"n{i}", "mw": i, "raw": [1] * values} for i in range(count)]}).encode()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


def nodes(value: Any) -> int:
    """How many values and names there are in a value."""
    if isinstance(value, dict):
        return 1 + len(value) + sum(map(nodes, value.values()))
    return 1 + sum(map(nodes, value)) if isinstance(value, list) else 1


@given(values, st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_value_or_name_goes_uncounted(value: Any, ascii_only: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    """Each value and each name but the outermost has a sign of its own."""
    text = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")

    weight = weigh(text)

    assert weight.commas + weight.others >= (nodes(value) - 1) / 2
    assert weight.whole >= SIGN * sum(text.count(sign) for sign in (b",", b":", b"[", b"{"))


def size_of(value: Any, seen: set[int]) -> int:
    """Bytes that a value takes with all that is in it, and with what the collector and the allocator add."""
    if id(value) in seen:
        return 0
    seen.add(id(value))
    size = sys.getsizeof(value) + (16 if isinstance(value, dict | list) else 8)
    inside = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ()
    return size + sum(size_of(one, seen) for one in inside)


@given(values, st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_value_takes_hardly_more_than_its_weight(value: Any, ascii_only: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    """Small objects inside of each other, each with a name of its own, come to a third more at the worst."""
    text = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")

    assert size_of(json.loads(text), set()) <= (weigh(text).whole + SIGN) * 4 / 3


@pytest.mark.parametrize("text", ['"\U0001f600"', r'"\ud83d\ude00"', r'"\uD83D\uDE00"'])
def test_one_wide_character_makes_a_text_four_times_as_wide(text: str) -> None:
    """Python keeps all characters of a text in as many bytes as the widest of them takes."""
    raw = b'["' + b"x" * 1000 + text.encode()[1:] + b"]"

    assert weigh(raw).texts == 4 * len(raw)
    assert weigh(raw.replace(text.encode()[1:-1], "é\\n€".encode())).texts < 2 * len(raw)


def test_a_wide_character_may_stand_on_the_border_of_two_pieces() -> None:
    """A text is looked at piece by piece, and an escape that begins in one and ends in the next is found."""
    for shift in range(1, 7):
        text = b'"' + b"x" * (_PIECE - 1 - shift) + rb'\ud83d\ude00"'
        assert weigh(text).texts == 4 * len(text)


def test_signs_are_counted_over_all_pieces() -> None:
    """What is counted is what stands in the whole text."""
    text = b"a,b;c\n" * 400_000

    assert count_signs(text, b",;") == text.count(b",") + text.count(b";")
    assert (weigh(text).commas, weigh(text).others) == (400_000, 0)


def test_an_end_of_a_line_is_counted_once_however_it_is_written() -> None:
    """A table with CRLF weighs no more than the same with LF; each sign that stands alone counts."""
    assert count_signs(b"a\r\nb\nc\rd\r\n\n\r", b"\r\n") == 6


@pytest.mark.parametrize("config", [CUT, WHOLE], ids=["cut", "whole"])
def test_a_body_that_is_too_heavy_is_refused_before_it_is_decoded(config: str) -> None:
    """A list of scalars that would take 80 bytes for two is refused, and takes next to nothing (A15)."""
    body = b'{"DE":[' + b"0," * 500_000 + b"0]}"
    mapping = mapping_of(config)
    tracemalloc.start()
    try:
        run = mapping.start(RunContext(WINDOW, FIRE_TIME), Allowance(10_000_000))
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        with pytest.raises(ContentError, match="max_memory"):
            run.add(msgspec.Raw(body))
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


def test_the_error_says_how_much_and_what_to_do() -> None:
    """The sentence names both sizes, and the keys that change one of them."""
    text = refused(WHOLE, entities(1000), memory=100_000)

    assert text == (
        "decoded, the answer may take 742KB of memory, more than 97KB (max_memory): ask for less at once (max_span of "
        "the window, smaller pages), or raise max_memory of the source"
    )


def test_numbers_inside_of_rows_weigh_little_where_rows_are_read_one_by_one() -> None:
    """A body is not refused for lists in its rows, of which one is in memory at a time, while it is if read whole."""
    body = entities(100, 1000)
    weight = weigh(body)
    memory = weight.of_containers

    assert (weight.commas, SIGN / NUMBER > 3) == (100_199, True)
    assert mapped(CUT, body, memory=memory).rows == 100
    assert refused(WHOLE, body, memory=memory)
    assert refused(CUT, body, memory=memory - 1)


@pytest.mark.parametrize(
    "body",
    [
        b'{"DE":[' + b"0," * 10_000 + b"0]}",
        b'{"DE":[' + b'"",' * 10_000 + b"0]}",
        b'{"DE":[{},' + b"null," * 10_000 + b"{}]}",
        b'{"DE":[{"mw":NaN},' + b"{}," * 3000 + b"{}]}",
        b'{"DE":[' + b"{}," * 10_000,
    ],
)
def test_a_list_of_anything_but_entities_weighs_in_full(body: bytes) -> None:
    """What each comma may make a part of is not let pass as a list of numbers."""
    weight = weigh(body)
    assert refused(CUT, body, memory=max(weight.of_containers, weight.whole - 1))


def test_one_row_that_is_too_heavy_is_one_reject() -> None:
    """A row that may not be decoded by itself costs itself, where the others are light."""
    body = b'{"DE":[{"name":"a","mw":1},{"name":"b","mw":2,"raw":[' + b"0," * 20_000 + b"0]}]}"
    memory = weigh(body).of_containers

    found = mapped(CUT, body, memory=memory)

    assert list(found.series["x"]) == ['{name="a",zone="DE"}']
    assert found.rejects.counts == {"undecodable": 1}
    assert "max_memory" in found.rejects.examples["undecodable"][0]


def test_what_stands_beside_the_rows_is_weighed_too() -> None:
    """What another path looks at is decoded with all that is in it, and so it may not be heavy either."""
    body = b'{"meta":{"ok":[' + b"0," * 20_000 + b'0]},"data":[{"mw":1,"raw":[' + b"0," * 50 + b"0]}]}"

    assert refused(BESIDE, body, memory=weigh(body).of_containers)
    assert mapped(BESIDE, body, memory=weigh(body).whole).rows == 1


def test_a_key_that_stands_twice_is_not_looked_for_in_all_of_a_heavy_body() -> None:
    """Where a branch was lost, and the slow decoder would take too much to say which, the answer is refused."""
    body = entities(100, 1000)[:-1] + b',"DE":[]}'

    assert refused(CUT, body, memory=weigh(body).of_containers)


def test_the_slow_decoder_weighs_more() -> None:
    """What is nearly JSON is read with a half more memory, so less of it is read; a body that is JSON passes."""
    body = entities(100)
    odd = body.replace(b" 99,", b"NaN,")
    memory = weigh(odd).slow - 1

    assert len(mapped(WHOLE, body, memory=memory).series["x"]) == 100
    assert "slow decoder" in refused(WHOLE, odd, memory=memory)
    assert len(mapped(WHOLE, odd, memory=memory + 1).series["x"]) == 99


def test_of_earlier_documents_a_fourth_is_remembered() -> None:
    """Of pages that were read no more than points are left, so many light ones pass and too many do not."""
    page = entities(100)
    memory = weigh(page).whole * 2

    assert len(mapped(WHOLE, *[page] * 5, memory=memory).series["x"]) == 100
    assert refused(WHOLE, *[page] * 6, memory=memory)


def test_the_usual_limit_is_a_gigabyte() -> None:
    """Half a million rows of ten members pass, and twelve million numbers in one list do not."""
    assert DEFAULT_MEMORY > 500_000 * 21 * SIGN
    assert DEFAULT_MEMORY < 12_000_000 * SIGN
