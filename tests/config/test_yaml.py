"""YAML as data with places."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint.config.places import Findings, Mark, Places
from timepoint.config.yaml import MAX_DEPTH, MAX_EXPANDED, Written, YamlStopError, read_yaml


def read(text: str) -> tuple[Any, Findings]:
    """The data of a text and what was found on the way."""
    findings = Findings(Places("config.yaml"))
    return read_yaml(text, findings), findings


def data(text: str) -> Any:
    """The data of a text that is good."""
    value, findings = read(text)
    assert findings.all == []
    return value


def said(text: str) -> list[str]:
    """What a user reads about a text."""
    findings = Findings(Places("config.yaml"))
    with suppress(YamlStopError):
        read_yaml(text, findings)
    return [str(problem) for problem in findings.problems(warnings=False)]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("NO", "NO"),
        ("yes", "yes"),
        ("on", "on"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("nULL", "nULL"),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("0b1", "0b1"),
        ("1_000", "1_000"),
        ("-12", -12),
        ("12:30", "12:30"),
        ("12:30:45", "12:30:45"),
        ("2024-01-01", "2024-01-01"),
        ("1.50", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("-.inf", -math.inf),
        ("+.INF", math.inf),
        ("inf", "inf"),
        ("1.2.3", "1.2.3"),
        ("=", "="),
        ("'010'", "010"),
        ('"true"', "true"),
        ("!!str 010", "010"),
        ("! 010", "010"),
        ("$pod.name", "$pod.name"),
        ("$.{cluster}.{app}[*]", "$.{cluster}.{app}[*]"),
        ("5m", "5m"),
    ],
)
def test_scalars(written: str, value: Any) -> None:
    """A plain scalar is what YAML 1.2 says, not what YAML 1.1 said (A24)."""
    found = data(f"a: {written}\n")["a"]
    assert found == value
    assert isinstance(found, type(value))


def test_nan() -> None:
    """``.nan`` is the number that equals nothing."""
    assert math.isnan(data("a: .nan\n")["a"])


@pytest.mark.parametrize("written", ["1.10", "010", "1e3", "0x1F", "-0"])
def test_numbers_know_how_they_were_written(written: str) -> None:
    """A number keeps its text, for the places where a text is wanted."""
    found = data(f"a: {written}\n")["a"]
    assert isinstance(found, Written)
    assert found.written == written


def test_keys_are_text() -> None:
    """A key is the text that stands there, whatever it would be as a value."""
    assert data("{NO: 1, 010: 2, true: 3, 1.50: 4, ~: 5}\n") == {"NO": 1, "010": 2, "true": 3, "1.50": 4, "~": 5}


def test_places() -> None:
    """Every key and value knows its line and column, counted from 1."""
    _, findings = read("a:\n  b: [x, {c: y}]\nd: z\n")
    assert findings.places.keys == {
        ("a",): Mark(1, 1),
        ("a", "b"): Mark(2, 3),
        ("a", "b", 1, "c"): Mark(2, 11),
        ("d",): Mark(3, 1),
    }
    assert findings.places.values == {
        (): Mark(1, 1),
        ("a",): Mark(2, 3),
        ("a", "b"): Mark(2, 6),
        ("a", "b", 0): Mark(2, 7),
        ("a", "b", 1): Mark(2, 10),
        ("a", "b", 1, "c"): Mark(2, 14),
        ("d",): Mark(3, 4),
    }


def test_place_of_what_is_not_there() -> None:
    """A problem with something that is missing stands at the key of what lacks it."""
    _, findings = read("a:\n  b:\n    c: 1\n")
    assert findings.places.mark(("a", "b", "d", "e")) == Mark(2, 3)


def test_aliases() -> None:
    """An alias is the value of its anchor, placed where the alias stands."""
    value, findings = read("a: &x {b: 1}\nc: *x\n")
    assert value == {"a": {"b": 1}, "c": {"b": 1}}
    assert findings.places.values["c",] == Mark(2, 4)


def test_alias_as_key() -> None:
    """An alias of a text may be a key."""
    assert data("a: &x name\n*x : 1\n") == {"a": "name", "name": 1}


def test_merge_keys() -> None:
    """``<<`` adds the members of mappings; the own ones win, then the earlier."""
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], x: 3}\nd: {<<: *b}\n"
    value = data(text)
    assert value["c"] == {"x": 3, "y": 1, "z": 2}
    assert value["d"] == {"y": 2, "z": 2}


def test_merge_of_merged() -> None:
    """A merged mapping brings what it merged itself."""
    assert data("a: &a {x: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b}\n")["c"] == {"x": 1, "y": 2}


def test_all_duplicates() -> None:
    """Every duplicate key of a file is reported, each with the line of the first (A24, C3)."""
    assert said("a: 1\nb: {c: 1, c: 2}\na: 2\na: 3\n") == [
        "config.yaml:2:11: duplicate key 'c': it stands first in line 2",
        "config.yaml:3:1: duplicate key 'a': it stands first in line 1",
        "config.yaml:4:1: duplicate key 'a': it stands first in line 1",
    ]


def test_depth_bomb() -> None:
    """A mebibyte of brackets is refused at once, not by the end of the process (A24, C2)."""
    assert said("[" * 1_000_000) == [f"config.yaml:1:{MAX_DEPTH + 1}: nested more than {MAX_DEPTH} levels deep"]


@pytest.mark.parametrize("use", ["b: *a\nc: *a\n", "b: {<<: *a}\nc: {<<: *a}\n", "b: {<<: [*a, *a]}\nc: [*a]\n"])
def test_expansion_is_bounded(use: str) -> None:
    """However aliases are used, they cannot blow up a file (A24, C2)."""
    members = ", ".join(f"k{number}: 1" for number in range(MAX_EXPANDED // 2 + 1))
    assert "aliases expand to more than" in said(f"a: &a {{{members}}}\n{use}")[0]


def test_large_file_without_aliases() -> None:
    """Only aliases are bounded: a config may have more values than that."""
    count = MAX_EXPANDED + 1
    assert len(data("".join(f"k{number}: 1\n" for number in range(count)))) == count


def test_crlf_and_comments() -> None:
    """Line ends of other systems and comments change nothing."""
    assert data("# first\r\na: 1 # second\r\nb: |\r\n  x\r\n") == {"a": 1, "b": "x\n"}


_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
_texts = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=8)
_documents = st.recursive(
    _scalars | _texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4),
    max_leaves=12,
)


@given(_documents)
@settings(max_examples=150)
def test_json_is_yaml(document: Any) -> None:
    """JSON reads as JSON does: every JSON document is YAML 1.2."""
    document = {"root": document}
    if "<<" not in json.dumps(document):
        assert data(json.dumps(document, ensure_ascii=False)) == document


@given(_documents)
@settings(max_examples=100)
def test_places_point_at_values(document: Any) -> None:
    """The mark of every text is where the text begins."""
    text = json.dumps({"root": document}, ensure_ascii=False, indent=1)
    if "<<" in text:
        return
    value, findings = read(text)
    lines = text.split("\n")
    for path, mark in findings.places.values.items():
        node = value
        for part in path:
            node = node[part]
        if not isinstance(node, Written):
            begins = json.dumps(node, ensure_ascii=False)
            begins = begins[0] if isinstance(node, dict | list) else begins
            assert lines[mark.line - 1][mark.column - 1 :].startswith(begins)


@given(st.text(max_size=60))
@settings(max_examples=200)
def test_any_text_ends_well(text: str) -> None:
    """Any text is data or a finding, never another exception."""
    findings = Findings(Places("config.yaml"))
    try:
        read_yaml(text, findings)
    except YamlStopError:
        assert findings.all != []


@given(st.text("[]{}:,-*&!|>'\"#%@` \n\tab$.", max_size=40))
@settings(max_examples=300)
def test_any_yaml_like_text_ends_well(text: str) -> None:
    """So is any text of YAML's own characters (A24)."""
    findings = Findings(Places("config.yaml"))
    try:
        read_yaml(text, findings)
    except YamlStopError:
        assert findings.all != []
