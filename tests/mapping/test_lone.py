"""A list of one that is written as its element is told, and no object that holds rows is taken for one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mapping.build import run, run_both, values
from timepoint.mapping.nodes import LoneObject

SITES = """
rows: {s: "$.Area[*].Site[*]"}
metrics: {x: {value: "$s['@Index']", labels: {site: "$s['@Code']"}}}
"""


def area(sites: Any) -> dict[str, Any]:
    """A document of two areas."""
    return {"Area": [{"Site": sites}, {"Site": [site("a", 1), site("b", 2)]}]}


def site(code: str, index: int) -> dict[str, Any]:
    """A site as XML would have it."""
    return {"@Code": code, "@Index": str(index)}


def test_an_element_in_place_of_its_list_is_a_reject() -> None:
    """Its row would be lost without a word; the lists beside it are read."""
    mapped = run_both(SITES, area(site("c", 3)))
    assert values(mapped) == {'x{site="a"}': [1.0], 'x{site="b"}': [2.0]}
    assert mapped.rejects.counts == {"lone_element": 1}


def test_the_reject_says_where_and_what_to_do() -> None:
    """The reader sees the place, the member by which it was told, and the name of the transform."""
    (example,) = run(SITES, area(site("c", 3))).rejects.examples["lone_element"]
    assert example == (
        "$['Area'][0]['Site']: an object with '@Index', which is read of elements, stands in place of their list: "
        "see lone_lists"
    )


def test_an_element_further_up_is_told_too() -> None:
    """What is read of it is the next name of the path."""
    mapped = run_both(SITES, {"Area": {"Site": [site("a", 1)]}})
    assert mapped.rejects.counts["lone_element"] == 1


def test_an_answer_of_nothing_else_is_none_without_rows() -> None:
    """Rows and rejects alone leave the window open. Below an area that stands alone no site is met."""
    mapped = run_both(SITES, {"Area": {"Site": [site("a", 1)]}})
    assert (mapped.rows, mapped.rejects.total, values(mapped)) == (1, 1, {})


@pytest.mark.parametrize("path", ["$.Site[0:9]", "$.Site[{__i}]", "$.Site[?@['@Code'] != 'z']"])
def test_other_segments_that_pass_elements_tell_it_too(path: str) -> None:
    """A slice and a place find nothing in an object, and a filter asks its members."""
    mapping = f"""{{rows: {{s: "{path}"}}, metrics: {{x: {{value: "$s['@Index']"}}}}}}"""
    assert run_both(mapping, {"Site": site("a", 1)}).rejects.counts["lone_element"] == 1


def test_a_walk_below_says_what_an_element_has() -> None:
    """A row whose value stands in a walk of its own is told by that walk's first name."""
    mapping = """
    rows: {s: "$.Series[*]", p: "$s.Point[*]"}
    metrics: {x: {value: $p.v, labels: {p: $p.p}}}
    """
    mapped = run_both(mapping, {"Series": {"Point": [{"p": 1, "v": 1}, {"p": 2, "v": 2}]}})
    assert mapped.rejects.counts == {"lone_element": 1}


@pytest.mark.parametrize(
    "sites",
    [
        [],
        None,
        {},
        "",
        {"c": site("c", 3), "d": site("d", 4)},
        {"@Index": {"@Index": "3", "@Code": "c"}},
        {"@Index": "12", "c": site("c", 3)},
        {"@Index": "12", "c": [site("c", 3)]},
        {"Code": "c"},
    ],
    ids=["empty list", "null", "empty object", "text", "members", "same name", "with a total", "with lists", "others"],
)
def test_what_holds_rows_is_no_lone_element(sites: Any) -> None:
    """Objects of rows, also with totals beside them, and answers without data are what they were."""
    assert "lone_element" not in run_both(SITES, area(sites)).rejects.counts


def test_rows_that_are_read_whole_tell_nothing() -> None:
    """Where the elements themselves are the values, an object of values is as good as a list."""
    mapping = '{rows: {v: "$.a[*]"}, metrics: {x: {value: $v, combine: sum}}}'
    mapped = run_both(mapping, {"a": {"b": 1, "c": 2}})
    assert values(mapped) == {"x": [3.0]}
    assert not mapped.rejects.total


def test_xml_itself_needs_nothing() -> None:
    """A lone element of XML is taken as a list of one, and is no reject."""
    mapped = run(SITES, {"Area": LoneObject(Site=LoneObject(site("a", 1)))})
    assert values(mapped) == {'x{site="a"}': [1.0]}
    assert not mapped.rejects.total
