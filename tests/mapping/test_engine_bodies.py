"""Bodies as they come: cut into parts or whole, broken, hostile, with a key twice."""

from __future__ import annotations

import contextlib
import functools
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mapping.build import mapping_of, run, values
from timepoint.errors import ContentError, MappingError
from timepoint.mapping.documents import _count, _holds_all
from timepoint.mapping.reasons import REASONS

PARTS = '{rows: {v: "$.{zone}[*]"}, metrics: {x: {value: $v.mw, labels: {name: $v.name}}}}'
WHOLE = '{rows: {v: "$..{zone}[*]"}, metrics: {x: {value: $v.mw, labels: {name: $v.name}}}}'
BESIDE = """
expect: {equal: {$.status: ok}, present: [$.data]}
rows: {v: "$.data[*]"}
labels: {zone: "$.meta.zones[0]"}
metrics: {x: {value: $v.mw, labels: {name: $v.name}}, total: {value: $.total}}
"""
_mapping = functools.cache(mapping_of)
both = pytest.mark.parametrize("config", [PARTS, WHOLE], ids=["parts", "whole"])


def test_these_are_cut_or_not() -> None:
    """A body is cut where only the rows look, and not where a path may look anywhere."""
    cut = [mapping for mapping in map(mapping_of, (PARTS, BESIDE, WHOLE)) if mapping.cut is not mapping.whole]
    assert len(cut) == 2


@pytest.mark.parametrize(
    "config",
    [
        '{rows: {v: "$[*]"}, metrics: {x: {value: $v.a, labels: {l: "$[0].b"}}}}',
        '{rows: {v: "$[*]"}, metrics: {x: {value: $v.a}, n: {value: "$[1].a"}}}',
        '{rows: {v: "$.a[?@.b == $.c]"}, metrics: {x: {value: $v.b}}}',
        '{expect: {present: ["$.a[0]"]}, rows: {v: "$.a[*]"}, metrics: {x: {value: $v.b}}}',
        '{rows: {v: "$.a[*]", w: "$.*[*]"}, metrics: {x: {value: $v.b}, y: {value: $w.b, labels: {a: $w.a}}}}',
        '{rows: {v: {path: "$.a[*]", columns: "$.*"}}, metrics: {x: {value: $v.b}}}',
    ],
)
@pytest.mark.parametrize("document", [{"a": [{"a": 1, "b": 2}], "c": 2}, [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]])
def test_parts_that_others_look_at(config: str, document: Any) -> None:
    """Whatever else a mapping looks at, a body and its decoded value come to the same."""
    mapping = mapping_of(config)
    body = json.dumps(document).encode()
    try:
        expected = run(mapping, document)
    except ContentError:
        with pytest.raises(ContentError):
            run(mapping, body)
        return
    found = run(mapping, body)
    assert (values(found), found.rejects) == (values(expected), expected.rejects)


def test_paths_beside_the_rows() -> None:
    """Other paths may look beside the parts of a body that is cut."""
    body = b'{"status": "ok", "meta": {"zones": ["DE:1"]}, "total": 9, "data": [{"name": "a", "mw": 1}]}'
    assert values(run(BESIDE, body)) == {'x{name="a",zone="DE:1"}': [1.0], 'total{zone="DE:1"}': [9.0]}


@both
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<!DOCTYPE html><html><body>Sign in</body></html>",
        b'{"DE": [{"name": "a", "mw": 1}',
        b'{"DE": [{"name": "a", "mw": 1}]} trailing',
        b"\xff\xfe\x00",
        b'{"DE":' + b"[" * 200_000,
        b"[" * 200_000 + b"]" * 200_000,
    ],
    ids=["empty", "html", "truncated", "trailing", "bytes", "deep", "deep-closed"],
)
def test_no_document(config: str, body: bytes) -> None:
    """A body that is no JSON is refused with its first characters, fit for a log."""
    with pytest.raises(ContentError) as caught:
        run(config, body)
    assert caught.value.reason == "not_a_document"
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250


def test_a_large_body_that_broke_off_is_not_built() -> None:
    """Of a body that broke off nothing is made before it is refused, as pods of many bytes take ten times as many."""
    body = b'{"DE": [' + b'{"name": "a", "mw": [1, 2]}, ' * 100_000
    tracemalloc.start()
    try:
        with pytest.raises(ContentError, match=f"it has {len(body)} bytes and does not end with }}"):
            run(PARTS, body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * len(body)


@both
@pytest.mark.parametrize("body", [b'"maintenance"', b"0", b"-1.5", b"true", b'""'])
def test_a_scalar_is_no_document(config: str, body: bytes) -> None:
    """Where rows are looked for, a body that can hold none is refused: it must not pass for an answer without rows."""
    with pytest.raises(ContentError, match="alone, in which there can be no rows"):
        run(config, body)


@both
@pytest.mark.parametrize("name", ['{"a": 1, "a": 2}', "9" * 5000, "1e999"])
def test_what_has_no_text_is_no_label(config: str, name: str) -> None:
    """An object that is not certain and a number that cannot be held are no names of series."""
    mapped = run(config, f'{{"DE": [{{"name": {name}, "mw": 1}}, {{"name": "b", "mw": 2}}]}}'.encode())
    assert values(mapped) == {'x{name="b",zone="DE"}': [2.0]}
    assert mapped.rejects.counts["not_a_label"] == 1


@both
@pytest.mark.parametrize("body", [b"null", b"{}", b"[]"])
def test_nothing_is_an_answer_without_rows(config: str, body: bytes) -> None:
    """Null and what is empty are how APIs write that there is nothing."""
    assert run(config, body).rows == 0


def test_a_scalar_is_a_row_where_the_document_is_one() -> None:
    """Without rows the document may be a number."""
    assert values(run("{metrics: {x: {value: $}}}", b"7")) == {"x": [7.0]}


@both
def test_html_is_shown(config: str) -> None:
    """The message shows how the body begins."""
    with pytest.raises(ContentError, match="begins with '<html>Sign in"):
        run(config, b"<html>Sign in</html>")


@both
def test_byte_order_mark(config: str) -> None:
    """A byte order mark is no reason to refuse a body."""
    assert values(run(config, b'\xef\xbb\xbf{"DE": [{"name": "a", "mw": 1}]}')) == {'x{name="a",zone="DE"}': [1.0]}


@both
@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e400", "9" * 5000, "1" * 400])
def test_tokens_that_are_no_numbers(config: str, token: str) -> None:
    """A token beyond JSON or beyond float64 costs its value, not the answer."""
    mapped = run(config, f'{{"DE": [{{"name": "a", "mw": {token}}}, {{"name": "b", "mw": 2}}]}}'.encode())
    assert values(mapped) == {'x{name="b",zone="DE"}': [2.0]}
    assert mapped.rejects.total == 1


@both
def test_big_integers_are_numbers(config: str) -> None:
    """2^64 is a number."""
    mapped = run(config, f'{{"DE": [{{"name": "a", "mw": {2**64}}}]}}'.encode())
    assert values(mapped) == {'x{name="a",zone="DE"}': [float(2**64)]}


@both
def test_lone_surrogates(config: str) -> None:
    """A lone surrogate in a key or text becomes the replacement character."""
    mapped = run(config, b'{"D\\ud800": [{"name": "\\udc00a", "mw": 1}]}')
    assert values(mapped) == {'x{name="\ufffda",zone="D\ufffd"}': [1.0]}


@both
def test_lone_surrogate_in_the_key_of_a_number(config: str) -> None:
    """A key is mended whatever its value is."""
    spread = config.replace("name: $v.name", '"*": $v.tags')
    mapped = run(spread, b'{"DE": [{"mw": 1, "tags": {"a\\ud800": 1.5}}]}')
    assert list(values(mapped)) == ['x{a_="1.5",zone="DE"}']


@both
def test_deep_part_costs_itself(config: str) -> None:
    """A part that is nested too deep for Python is refused without a crash."""
    deep = b"[" * 900 + b"]" * 900
    body = b'{"DE": [{"name": "a", "mw": ' + deep + b'}, {"name": "b", "mw": 2}]}'
    mapped = run(config, body)
    assert mapped.rejects.total == 1


def test_broken_text_costs_its_part() -> None:
    """A part that is not UTF-8 is a reject, its neighbours stay."""
    mapped = run(PARTS, b'{"DE": [{"name": "\xff", "mw": 1}, {"name": "b", "mw": 2}]}')
    assert values(mapped) == {'x{name="b",zone="DE"}': [2.0]}
    assert mapped.rejects.counts == {"undecodable": 1}


class TestDoubledKeys:
    """A key that stands twice in an object is never silent."""

    @both
    def test_in_a_row(self, config: str) -> None:
        """An object with a key twice is not used and is counted with its path."""
        mapped = run(config, b'{"DE": [{"name": "a", "mw": 1, "mw": 2}, {"name": "b", "mw": 2}]}')
        assert values(mapped) == {'x{name="b",zone="DE"}': [2.0]}
        assert mapped.rejects.examples["duplicate_key"] == ["$['DE'][0]: an object that holds 'mw' twice"]

    @both
    def test_deep_in_a_row(self, config: str) -> None:
        """An object with a key twice costs no more than itself."""
        mapped = run(config, b'{"DE": [{"name": "a", "mw": 1, "more": [1, {"t": 1, "t": 1}]}]}')
        assert values(mapped) == {'x{name="a",zone="DE"}': [1.0]}
        assert mapped.rejects.counts == {"duplicate_key": 1}

    @both
    @pytest.mark.parametrize("space", [b"", b" ", b"\n\t"])
    def test_beside_colons_in_texts(self, config: str, space: bytes) -> None:
        """Colons in texts hide no doubled key, with any space around them."""
        good = b'{"name": "a: \\"b\\" : c", "at": "12:00:00", "mw" : 1}'
        bad = b'{"name": "12:30", "mw"%s: 1, "mw"%s:2}' % (space, space)
        mapped = run(config, b'{"DE": [%s, %s]}' % (good, bad))
        assert (len(values(mapped)), mapped.rejects.counts) == (1, {"duplicate_key": 1})

    @pytest.mark.parametrize("text", ['{"a": 1, "b":2}', "a\\", "a\\\\", "12:00", '":"'])
    def test_texts_raise_no_doubt(self, text: str) -> None:
        """Most texts with quotes and colons, JSON among them, do not send a body to the slow decoder."""
        node = {"text": text, "n": [1, {"m": [text]}]}
        body = json.dumps(node, separators=(",", ":")).encode()
        assert _holds_all(body, node)
        assert _holds_all(memoryview(body), node)

    def test_pieces_lose_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is counted piece by piece is counted once, wherever a piece ends."""
        body = memoryview(b'{"a":1,"b":[{"c\\\\":2}],"d":{}}')
        for size in range(1, len(body) + 1):
            monkeypatch.setattr("timepoint.mapping.documents._PIECE", size)
            assert [_count(body, pattern) for pattern in (b":", b'":', b'\\\\":')] == [4, 4, 1]

    def test_above_the_rows(self) -> None:
        """A branch that stands twice above the rows fails the document: rows would be lost by the number."""
        with pytest.raises(ContentError, match="holds 'DE' twice"):
            run(PARTS, b'{"DE": [{"name": "a", "mw": 1}], "DE": [{"name": "b", "mw": 2}]}')

    def test_above_the_rows_and_below_the_root(self) -> None:
        """The same holds for any level above the rows."""
        deeper = PARTS.replace("$.{zone}", "$.{country}.{zone}")
        with pytest.raises(ContentError, match=r"a key stands twice: \$\['EU'\]: an object that holds 'DE' twice"):
            run(deeper, b'{"EU": {"DE": [{"name": "a", "mw": 1}], "DE": [{"name": "b", "mw": 2}]}}')

    def test_root_of_a_whole_document(self) -> None:
        """A doubled key in the outermost object fails the document."""
        with pytest.raises(ContentError, match="holds 'DE' twice"):
            run(WHOLE, b'{"DE": [{"name": "a", "mw": 1}], "DE": [{"name": "b", "mw": 2}]}')

    @pytest.mark.parametrize("key", [b"D:E", b"D\\u003aE", b'D\\":E', b"D\\\\"])
    def test_odd_keys_are_no_doubled_keys(self, key: bytes) -> None:
        """Colons, quotes and backslashes in the keys above the rows are no cause for doubt."""
        mapped = run(PARTS, b'{"%s": [{"name": "a", "mw": 1}], "FR": []}' % key)
        assert (len(values(mapped)), mapped.rejects.total) == (1, 0)

    def test_doubled_key_beside_an_escaped_colon(self) -> None:
        """An escaped colon hides no doubled key above the rows."""
        with pytest.raises(ContentError, match="twice"):
            run(PARTS, b'{"D\\u003aE": [], "FR": [], "FR": [{"name": "a", "mw": 1}]}')

    @settings(max_examples=60)
    @given(st.data())
    def test_any_document_without_doubled_keys(self, data: st.DataObject) -> None:
        """No document that Python writes has doubled keys, whatever stands in its texts."""
        text = st.text(alphabet='a:"\\ {}[],ü', max_size=5)
        leaf = st.one_of(st.none(), st.booleans(), st.integers(), text)
        node = st.recursive(
            leaf,
            lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(text, inner, max_size=3)),
            max_leaves=8,
        )
        document = data.draw(st.dictionaries(text, st.lists(node, max_size=3), max_size=3))
        indent = data.draw(st.sampled_from([None, 2]))
        body = json.dumps(document, indent=indent, ensure_ascii=data.draw(st.booleans())).encode()
        for config in (PARTS, WHOLE):
            assert "duplicate_key" not in run(_mapping(config), body).rejects.counts


GOOD: dict[str, Any] = {
    "status": "ok",
    "meta": {"zones": ["DE"], "columns": ["at", "mw"]},
    "total": 3,
    "data": [
        {"name": "a", "at": "2024-01-01T00:00Z", "mw": 1.5, "list": [1, 2, 3], "rows": [["2024-01-01", 1]]},
        {"name": "b", "at": "2024-01-01T00:00Z", "mw": "2.5", "list": [1, None, 3], "rows": []},
    ],
}
EVERYTHING = """
rows:
  v: "$.data[*]"
  r: {path: "$v.rows[{i}]", columns: $.meta.columns}
labels: {zone: "$.meta.zones[0]", name: $v.name}
metrics:
  x: {value: $v.mw, time: $v.at}
  y_total: {type: counter, value: $v.list, time: {start: "{window.start}", step: 5m}}
  z: {value: $r.mw, time: {at: $r.at, interval: day}}
  s: {type: stateset, value: $v.name, states: [a, b], labels: {name: null, id: $v.name}}
  t: {value: $.total}
"""
ODD: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1e308,
    2**70,
    "",
    "x",
    "\ud800",
    "NaN",
    [],
    [1],
    [[]],
    {},
    {"a": 1},
    [None, "x", {}],
]


def _places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, child in below for place in _places(child, (*path, key)))]


def _replaced(node: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    copy = dict(node) if isinstance(node, dict) else list(node)
    copy[path[0]] = _replaced(node[path[0]], path[1:], odd)
    return copy


def test_the_good_document_has_no_rejects() -> None:
    """The document that the next tests spoil is good."""
    mapped = run(EVERYTHING, json.dumps(GOOD).encode())
    assert (mapped.rejects.total, len(values(mapped))) == (0, 10)


@pytest.mark.parametrize("place", _places(GOOD), ids=str)
def test_any_type_in_any_place(place: tuple[Any, ...]) -> None:
    """Any JSON value in any place of a document ends as points, or as counted rejects, or as a refused document."""
    mapping = _mapping(EVERYTHING)
    for odd in ODD:
        document = _replaced(GOOD, place, odd)
        for form in (document, json.dumps(document).encode()):
            try:
                mapped = run(mapping, form)
            except (ContentError, MappingError):
                continue
            assert set(mapped.rejects.counts) <= set(REASONS), mapped.rejects


@pytest.mark.parametrize("place", [p for p in _places(GOOD) if p[:1] == ("data",) and len(p) > 1], ids=str)
def test_one_odd_row_costs_no_other(place: tuple[Any, ...]) -> None:
    """What is odd in one row takes nothing from another row."""
    mapping = _mapping(EVERYTHING)
    other = "b" if place[1] == 0 else "a"
    kept = {text: found for text, found in values(run(mapping, GOOD)).items() if f'name="{other}"' in text}
    for odd in ODD:
        found = values(run(mapping, json.dumps(_replaced(GOOD, place, odd)).encode()))
        assert {text: found.get(text) for text in kept} == kept, odd


_KEYS = st.sampled_from(["status", "meta", "total", "data", "name", "at", "mw", "list", "rows", "zones", "columns"])
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(["2024-01-01", "1.5", "a", "NaN", 1_700_000_000]),
)
_ANYTHING = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_KEYS, inner, max_size=5)),
    max_leaves=25,
)


@settings(max_examples=120)
@given(_ANYTHING)
def test_any_document(document: Any) -> None:
    """Any document ends as points, or as counted rejects, or is refused; as a value and as a body."""
    mapping = _mapping(EVERYTHING)
    for form in (document, json.dumps(document).encode()):
        try:
            mapped = run(mapping, form)
        except (ContentError, MappingError):
            continue
        assert set(mapped.rejects.counts) <= set(REASONS)
        for series in mapped.series.values():
            for found in series.values():
                ends = list(zip(found.times.ends, found.times.starts, strict=True))
                assert ends == sorted(set(ends))
                assert len(ends) == len(found.values) > 0


@settings(max_examples=100)
@given(st.binary(max_size=60))
def test_any_bytes(body: bytes) -> None:
    """Any bytes are a document or refused with ContentError."""
    with contextlib.suppress(ContentError):
        assert run(_mapping(EVERYTHING), body).rejects.total <= len(body)
