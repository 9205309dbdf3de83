"""What whole answers say: nothing yet, something is missing, or nothing that the mapping knows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.mapping.build import run, spec_of, values
from timepoint.errors import ContentError
from timepoint.mapping.engine import Mapping, compile_mapping
from timepoint.mapping.spec import ExpectSpec, SignalSpec, SpecError

FORMS = [lambda document: document, lambda document: json.dumps(document).encode()]
ROWS = 'rows: {r: "$.data[*]"}, metrics: {x: {value: $r.v}}'


def mapping(text: str = ROWS, **expect: Any) -> Mapping:
    """A mapping with what it expects."""
    return compile_mapping(replace(spec_of(f"{{{text}}}"), expect=ExpectSpec(**expect)))


def refusal(document: Any, text: str = ROWS, **expect: Any) -> str:
    """The sentence for a document that is refused."""
    with pytest.raises(ContentError) as caught:
        run(mapping(text, **expect), document)
    assert caught.value.reason == "expect"
    return str(caught.value)


EMPTY = SignalSpec(equal={"$.Ack.code": "999"}, present=("$.message",), absent=("$.data", "$.rows"))


@pytest.mark.parametrize(
    "document",
    [
        {"Ack": {"code": "999"}, "data": [{"v": 1}], "rows": [1]},
        {"message": "no data", "data": [{"v": 1}], "rows": [1]},
        {"message": None, "data": [], "rows": [1]},
        {"data": [{"v": 1}]},
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_any_signal_declares_an_answer_empty(document: Any, form: Any) -> None:
    """A value, a presence or an absence is enough, and no row of such an answer is used."""
    mapped = run(mapping(empty=EMPTY), form(document))
    assert mapped.is_declared_empty
    assert not any(values(mapped).values())


def test_an_answer_without_a_signal_is_read() -> None:
    """An answer that has none of the signals is an answer like any other."""
    mapped = run(mapping(empty=EMPTY), {"Ack": {"code": "1"}, "data": [{"v": 1}], "rows": [1]})
    assert not mapped.is_declared_empty
    assert mapped.rows == 1


def test_an_empty_page_beside_others() -> None:
    """One page that says that there is nothing does not make the answer empty."""
    mapped = run(mapping(empty=SignalSpec(present=("$.message",))), {"data": [{"v": 1}]}, {"message": "no more"})
    assert not mapped.is_declared_empty
    assert mapped.rows == 1


def test_what_is_empty_need_not_be_good() -> None:
    """What ``expect`` asks of a good answer is not asked of one that says that there is nothing."""
    mapped = run(mapping(present=("$.data",), empty=SignalSpec(present=("$.message",))), {"message": "no data"})
    assert mapped.is_declared_empty


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"results": [{"status": "Complete"}, {"status": "PartialData"}]}, "$.results[*].status is 'PartialData'"),
        ({"warnings": ["a shard is missing"]}, "$.warnings is an array"),
        ({"warnings": []}, ""),
        ({"results": [{"status": "Complete"}]}, ""),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_signals_of_missing_data(document: dict[str, Any], said: str, form: Any) -> None:
    """An answer in which something is missing is used, and says by what it is known."""
    partial = SignalSpec(equal={"$.results[*].status": "PartialData"}, present=("$.warnings",))
    mapped = run(mapping(partial=partial), form({**document, "data": [{"v": 1}]}))
    assert mapped.partial == said
    assert mapped.rows == 1


def test_one_page_is_enough_to_be_partial() -> None:
    """A signal in any page counts for the answer."""
    document = {"data": [{"v": 1}]}
    mapped = run(
        mapping(partial=SignalSpec(present=("$.warnings",))), document, {**document, "warnings": ["x"]}, document
    )
    assert mapped.partial == "$.warnings is an array"


def test_signals_that_are_no_paths() -> None:
    """A mistake in a signal stands where it is written."""
    with pytest.raises(SpecError) as caught:
        mapping(empty=SignalSpec(present=("$.{a}",)), partial=SignalSpec(equal={"$.a[": 1}, absent=("$r",)))
    assert [problem.where for problem in caught.value.problems] == [
        ("expect", "empty", "present"),
        ("expect", "partial", "equal", "$.a["),
        ("expect", "partial", "absent"),
    ]


@pytest.mark.parametrize(
    ("text", "document"),
    [
        (ROWS, {"error": "over quota", "code": 429}),
        (ROWS, [{"message": "no such indicator"}]),
        ('rows: {r: "$[1][*]"}, metrics: {x: {value: $r.v}}', [{"message": "invalid"}]),
        ('rows: {r: "$.{cluster}.{app}[*]"}, metrics: {x: {value: $r.v}}', {"error": "over quota", "code": 429}),
        ('rows: {r: "$.Publication.TimeSeries[*]"}, metrics: {x: {value: $r.v}}', {"Acknowledgement": {"code": "999"}}),
        ('rows: {r: "$.data[*]", s: "$.other[*]"}, metrics: {x: {value: $r.v}, y: {value: $s.v}}', {"error": "x"}),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_a_strange_document_is_refused(text: str, document: Any, form: Any) -> None:
    """Where rows have no place in a document, it is an error document and says nothing about data."""
    said = refusal(form(document), text)
    assert said.startswith("the answer has no place for $")
    assert "expect: {empty: {present: [" in said


@pytest.mark.parametrize(
    ("text", "document"),
    [
        (ROWS, {}),
        (ROWS, []),
        (ROWS, None),
        (ROWS, {"data": []}),
        (ROWS, {"data": None, "status": "ok"}),
        (ROWS, {"data": {}}),
        ('rows: {r: "$[*]"}, metrics: {x: {value: $r.v}}', []),
        ('rows: {r: "$[?@.ok].values[*]"}, metrics: {x: {value: $r.v}}', [{"ok": False}]),
        ('rows: {r: "$.{cluster}.{app}[*]"}, metrics: {x: {value: $r.v}}', {"cluster-a": {}}),
        ('rows: {r: "$.{cluster}.{app}[*]"}, metrics: {x: {value: $r.v}}', {"cluster-a": None}),
        ('rows: {r: "$.data[*]", s: "$.other[*]"}, metrics: {x: {value: $r.v}, y: {value: $s.v}}', {"other": []}),
    ],
)
def test_an_answer_without_data_is_believed(text: str, document: Any) -> None:
    """Where rows could stand and there are none, or there is nothing at all, there are no data."""
    assert run(mapping(text), document).rows == 0


@pytest.mark.parametrize(
    "expect", [{"absent": ("$.error",)}, {"equal": {"$.status": "ok"}}, {"present": ("$.status",)}]
)
def test_who_says_what_is_good_is_believed(expect: dict[str, Any]) -> None:
    """Where the config tells good answers from others, an API may leave out the place of its rows."""
    assert run(mapping(**expect), {"status": "ok"}).rows == 0


def test_who_says_what_is_empty_has_not_said_what_is_good() -> None:
    """An error document is refused beside documents that mean that there are no data."""
    assert "no place for $.data[*]" in refusal({"Ack": {"code": "401"}}, empty=SignalSpec(equal={"$.Ack.code": "999"}))


def test_the_sentence_for_a_strange_document() -> None:
    """The sentence names what was looked for, what is there, and what to write."""
    assert refusal({"Note": "5 calls a minute"}) == (
        "the answer has no place for $.data[*]: it is an object with Note, and Note is '5 calls a minute'. If no path "
        "is misspelt and this is no error, but means that there are no data yet, say so: "
        'expect: {empty: {present: ["$.Note"]}}'
    )
    assert "[\"$['error code']\"]" in refusal({"error code": 7})
