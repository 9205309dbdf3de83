"""Modules of json_exporter with a body: what json_exporter says of them is recorded, and ours must say the same.

``says`` is ours where it differs on purpose, as lines of the page; ``why`` says why. The bodies and metrics are those
of json_exporter's own examples rebuilt, and what its issues and client-go's own tests show to be in use.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

EXAMPLE = {
    "counter": 4321,
    "timestamp": 1714557600000,
    "location": "venus",
    "values": [
        {"id": "id-1", "count": 10, "some_boolean": True, "state": "ON", "timestamp": "1714557600000"},
        {"id": "id-2", "count": 20, "some_boolean": True, "state": "OFF", "timestamp": "1714557600000"},
        {"id": "id-3", "count": 30, "some_boolean": False, "state": "ON", "timestamp": "1714557600000"},
    ],
}
ANIMALS = [
    {"noun": "lion", "population": 123, "predator": True},
    {"noun": "deer", "population": 456, "predator": False},
    {"noun": "pigeon", "population": 789, "predator": False},
]
ODD = {
    "a.b": {"c d": 1, "e/f": 2, 'q"t': 3, "ünï": 4},
    "deep": {"list": [[1, 2], [3, 4]], "only": {"leaf": 7}},
    "texts": {"number": "12.5", "exponent": "1e3", "true": "true", "upper": "TRUE", "blank": " 5", "words": "five"},
    "null": None,
    "zero": 0,
    "big": 1234567,
    "small": 0.000001,
    "items": [
        {"k": "a", "n": 1, "on": True, "f": 1.5, "tag": "x;y"},
        {"k": "b", "n": 2, "on": False, "f": 2.5},
        {"k": "c", "n": 3, "on": True, "f": 3.5, "tag": ""},
        {"k": "d", "n": None, "on": True, "f": -4, "tag": "z"},
    ],
}


@dataclass(frozen=True)
class Case:
    """One module and one body."""

    name: str
    metrics: list[dict[str, Any]]
    body: Any = field(default_factory=lambda: ODD)
    says: list[str] | None = None
    why: str = ""

    def question(self) -> str:
        """What the oracle is asked."""
        return json.dumps({"metrics": self.metrics, "body": json.dumps(self.body)})


def value(name: str, path: str, **others: Any) -> Case:
    """One sample of the document."""
    says, why = others.pop("says", None), others.pop("why", "")
    return Case(name, [{"name": "m", "path": path, **others}], says=says, why=why)


def rows(name: str, path: str, values: dict[str, Any], **others: Any) -> Case:
    """One sample for each object."""
    says, why, body = others.pop("says", None), others.pop("why", ""), others.pop("body", ODD)
    return Case(name, [{"name": "m", "type": "object", "path": path, "values": values, **others}], body, says, why)


_WORKS = "json_exporter cannot compare a number with an integer, and gives nothing"

CASES = [
    Case(
        "its first example",
        [
            {
                "name": "global_value",
                "path": "{ .counter }",
                "labels": {"stage": "beta", "planet": "planet-{ .location }"},
            },
            {
                "name": "value",
                "type": "object",
                "path": '{ .values[?(@.state == "ON")] }',
                "labels": {"stage": "beta", "id": "{ .id }"},
                "values": {"active": "1", "number": "{ .count }", "boolean": "{ .some_boolean }"},
            },
            {
                "name": "stamped",
                "type": "object",
                "path": '{ .values[?(@.state == "OFF")] }',
                "epochTimestamp": "{ .timestamp }",
                "labels": {"stage": "beta"},
                "values": {"count": "{ .count }"},
            },
        ],
        EXAMPLE,
    ),
    rows(
        "its second example",
        "{ [*] }",
        {"population": "{ .population }"},
        labels={"name": "{ .noun }", "predator": "{ .predator }"},
        body=ANIMALS,
    ),
    value("a member", "{.zero}"),
    value("blanks inside the braces", "{  .zero  }"),
    value("a dollar in front", "{$.zero}"),
    value("an at in front", "{@.zero}"),
    value("a member of a member", "{.deep.only.leaf}"),
    value("a member that is not there", "{.nothing}"),
    value("a member of nothing", "{.nothing.more}"),
    value("null", "{.null}"),
    value("a number as a text", "{.texts.number}"),
    value("an exponent", "{.texts.exponent}"),
    value("a text with a blank", "{.texts.blank}", says=["m 5.0"], why="blanks around a number are no part of it"),
    value("a text that is none", "{.texts.words}"),
    value(
        "a text that is a boolean",
        "{.texts.true}",
        says=[],
        why="only JSON's own booleans are numbers; map says others",
    ),
    value("a boolean", "{.items[0].on}"),
    value("another boolean", "{.items[1].on}"),
    value("a list", "{.deep.list}"),
    value("an object", "{.deep.only}"),
    value("a large number", "{.big}"),
    value("a small number", "{.small}"),
    value("an element", "{.deep.list[1][0]}"),
    value("the last element", "{.items[-1].f}"),
    value("the last element as a slice", "{.items[-1:].f}"),
    value("the first as a slice", "{.items[:1].f}"),
    value("one in the middle as a slice", "{.items[1:2].f}"),
    value("the last but one as a slice", "{.items[-2:-1].f}"),
    value("empty brackets", "{.items[].f}"),
    value("an element beyond the end", "{.items[9].f}"),
    value("brackets with a name", "{['deep']['only']['leaf']}"),
    value("brackets with two names", "{['deep.only.leaf']}"),
    value("a dot that is escaped", r"{.a\.b.c\ d}"),
    value("a dot that is escaped in brackets", r"{['a\.b']['e/f']}"),
    value("a name that is not ASCII", r"{.a\.b.ünï}"),
    value("a quote in a name", r"{.a\.b.q\"t}"),
    value("any depth", "{..leaf}"),
    value("any depth below", "{.deep..leaf}"),
    value("a filter with a text", '{.items[?(@.k=="b")].f}'),
    value("a filter with single quotes", "{.items[?(@.k=='b')].f}"),
    value("a filter with not equal", '{.items[?(@.k!="b")].f}'),
    value("a filter with a fraction", "{.items[?(@.f>3.0)].f}"),
    value("a filter with an integer", "{.items[?(@.f==-4)].f}", says=["m -4.0"], why=_WORKS),
    value("a filter with less", "{.items[?(@.f<0.0)].f}"),
    value("a filter with a boolean", "{.items[?(@.on==false)].f}"),
    value("a filter that nothing fits", "{.items[?(@.missing)].f}"),
    value("a filter of two paths", "{.items[?(@.k==@.k)].f}"),
    value("a constant", "42"),
    value("a constant in braces", "{42}"),
    value("a boolean constant", "true"),
    value("a text around", "1{.zero}", says=[], why="texts are not joined into numbers"),
    value("a loop", "{range .items[*]}{.f}{end}"),
    value("a word without a dot", "{items}"),
    value("a path without braces", ".zero"),
    value("a brace without its end", "{.zero"),
    value("double quotes in brackets", '{["zero"]}'),
    value("a lone dot", "{.}"),
    value("a label", "{.zero}", labels={"x": "y"}),
    value("a label from the body", "{.zero}", labels={"x": "{.texts.words}"}),
    value("a label that is not there", "{.zero}", labels={"x": "{.nothing}"}),
    value("a label of text and nothing", "{.zero}", labels={"x": "a-{.nothing}"}),
    value("a label of several", "{.zero}", labels={"x": "{.texts.words}-{.texts.true}/{.items[0].k}"}),
    value("a label with glue in it", "{.zero}", labels={"x": "{.items[0].tag}|{.items[0].k}"}),
    value("a label with a dollar", "{.zero}", labels={"x": "$5"}),
    value("a label with a dollar and a path", "{.zero}", labels={"x": "$1-{.items[0].k}"}),
    value("a label that is a boolean", "{.zero}", labels={"x": "{.items[0].on}"}),
    value("a label that is a small number", "{.zero}", labels={"x": "{.items[0].n}"}),
    value("a label that is a fraction", "{.zero}", labels={"x": "{.items[0].f}"}),
    value(
        "a label that is a large number",
        "{.zero}",
        labels={"x": "{.big}"},
        says=['m{x="1234567"} 0.0'],
        why="json_exporter writes 1.234567e+06",
    ),
    value("a label that is null", "{.zero}", labels={"x": "{.null}"}, says=["m 0.0"], why="json_exporter writes null"),
    value("a label that is a quoted text", "{.zero}", labels={"x": "{'quoted'}"}),
    rows("all elements", "{.items[*]}", {"f": "{.f}"}, labels={"k": "{.k}"}),
    rows("some elements", "{.items[1:3]}", {"f": "{.f}"}, labels={"k": "{.k}"}),
    rows("every other element", "{.items[::2]}", {"f": "{.f}"}, labels={"k": "{.k}"}),
    rows("two elements", "{.items[0,2]}", {"f": "{.f}"}, labels={"k": "{.k}"}),
    rows("one element", "{.items[0]}", {"f": "{.f}"}, labels={"k": "{.k}"}),
    rows("one object", "{.deep.only}", {"leaf": "{.leaf}"}),
    rows("the document", "{@}", {"zero": "{.zero}", "big": "{.big}"}),
    rows("members", "{.a\\.b.*}", {"here": "{@}"}, says=["m_here 1.0"], why="the first of many, others are rejects"),
    rows("values that are null", "{.items[*]}", {"n": "{.n}"}, labels={"k": "{.k}"}),
    rows("labels that are not everywhere", "{.items[*]}", {"f": "{.f}"}, labels={"k": "{.k}", "tag": "{.tag}"}),
    rows("a number for each", "{.items[*]}", {"is": "1"}, labels={"k": "{.k}"}),
    rows("a number for each without labels", "{.items[?(@.k=='b')]}", {"is": "1"}),
    rows("nested lists", "{.deep.list[*]}", {"first": "{[0]}"}, labels={"second": "{[1]}"}),
    rows("objects at any depth", "{..only}", {"leaf": "{.leaf}"}),
    rows("a list without a star", "{.items}", {"f": "{.f}"}, says=[], why="neither gives anything"),
    rows("a filter with greater", "{.items[?(@.f>=2.5)]}", {"f": "{.f}"}, labels={"k": "{.k}"}),
    rows("a filter with existence", "{.items[?(@.tag)]}", {"f": "{.f}"}, labels={"k": "{.k}"}),
    rows(
        "a filter with an integer",
        "{.items[?(@.n==2)]}",
        {"f": "{.f}"},
        labels={"k": "{.k}"},
        says=['m_f{k="b"} 2.5'],
        why=_WORKS,
    ),
]
