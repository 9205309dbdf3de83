"""The JSONPath Compliance Test Suite, run through this project's own compiler."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonpath_rfc9535
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint.mapping.nodes import location_text
from timepoint.mapping.paths import PathError, parse_path
from timepoint.mapping.selectors import Writer, query_function

CASES = 703


def _cases(shared_dir: Path) -> list[dict[str, Any]]:
    text = (shared_dir / "conformance" / "rfc9535-cts.json").read_text(encoding="utf-8")
    cases: list[dict[str, Any]] = json.loads(text)["tests"]
    return cases


def _select(selector: str, document: Any) -> tuple[list[Any], list[str]]:
    writer = Writer()
    query = writer.compile(query_function(writer, parse_path(selector).segments))
    found = list(query(document, document))
    return [node for _, node in found], [location_text(location) for location, _ in found]


def test_suite_is_whole(shared_dir: Path) -> None:
    """The suite holds the number of cases that this project claims to pass."""
    assert len(_cases(shared_dir)) == CASES


def test_valid_selectors(shared_dir: Path) -> None:
    """Each valid selector gives nodes, and normalized paths, that the suite allows."""
    failed = []
    for case in _cases(shared_dir):
        if case.get("invalid_selector"):
            continue
        nodes, paths = _select(case["selector"], case["document"])
        results = case["results"] if "results" in case else [case["result"]]
        locations = case["results_paths"] if "results_paths" in case else [case.get("result_paths", paths)]
        if nodes not in results or paths not in locations:
            failed.append((case["name"], nodes, paths))
    assert failed == []


def test_invalid_selectors(shared_dir: Path) -> None:
    """Each selector that the suite calls invalid is refused, so captures and bound nodes are a strict extension."""
    accepted = []
    for case in _cases(shared_dir):
        if not case.get("invalid_selector"):
            continue
        try:
            path = parse_path(case["selector"])
        except PathError:
            continue
        if not path.start and not path.captures:
            accepted.append(case["name"])
    assert accepted == []


@pytest.mark.parametrize("selector", ["$.日本語", "$..日本", "$[?@.日本 == 1]", "$.a.ключ"])
def test_names_beyond_latin(selector: str) -> None:
    """A name in shorthand may have any letters beyond ASCII in any place (RFC 9535, 2.5.1.1)."""
    document = {"日本語": 1, "a": {"日本": 1, "ключ": 1}}
    assert _select(selector, document)[0] != []


_LEAF = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from([0.0, 1.0, 1.5]), st.sampled_from("abx")
)
_DOCUMENT = st.recursive(
    _LEAF,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from("abx"), inner)),
    max_leaves=20,
)
_SELECTORS = (
    *("$.a.b", "$[0]", "$[-1].a", "$.*.*", "$..a", "$..[0]", "$..*", "$[1:]", "$[::-1]", "$['a','b',0]", "$[*,*]"),
    *("$[?@.a]", "$[?@.a == 1]", "$[?@.a != @.b]", "$[?@.a < 1 || @.b >= 'a']", "$[?!@.x]", "$..[?@ == null]"),
    *("$[?@.a == $.b]", "$[?length(@) > 1]", "$[?count(@.*) == 2]", "$[?match(@, 'a|b')]", "$[?value(@..a) == true]"),
    *("$..[?@.a[0] == @['b']]", "$[?(@.a && @.b) || @.x == false].a", "$[?search(@.a, '[ab]')]", "$[?@.* == 1]"),
)


@settings(max_examples=100)
@given(_DOCUMENT)
def test_compiled_paths_select_what_the_library_selects(document: Any) -> None:
    """On any document, compiled paths give the nodes and places that the library's own evaluator gives."""
    for selector in _SELECTORS:
        try:
            found = jsonpath_rfc9535.find(selector, document)
        except jsonpath_rfc9535.JSONPathError:
            continue
        nodes, paths = _select(selector, document)
        assert (list(map(repr, nodes)), paths) == (list(map(repr, found.values())), found.paths()), selector
