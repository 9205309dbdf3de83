"""Look-ups: a row finds its node in another branch of the document, and it is never quiet if it does not."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mapping.build import FIRE_TIME, WINDOW, mapping_of, points, problems_of, run, run_both, values
from timepoint.errors import ContentError, MappingError
from timepoint.mapping.engine import RunContext
from timepoint.mapping.weight import Allowance

FUELS = [{"id": 4, "name": "gas"}, {"id": 7, "name": "coal"}]
FUEL = 'path: "$.fuels[*]", key: $fuel.id, equals: $r.fuel'


def fuels(lookup: str = FUEL, metric: str = "value: $r.mw, labels: {fuel: $fuel.name}") -> str:
    """A mapping of rows whose fuel is looked up."""
    return f'{{rows: {{r: "$.rows[*]"}}, lookups: {{fuel: {{{lookup}}}}}, metrics: {{x: {{{metric}}}}}}}'


def rows(*found: Any, table: Any = FUELS) -> dict[str, Any]:
    """A document of rows with these fuels, whose values count from 1."""
    return {"fuels": table, "rows": [{"fuel": fuel, "mw": place} for place, fuel in enumerate(found, 1)]}


def test_a_row_finds_its_node() -> None:
    """A label is read from the node whose key the row has."""
    assert values(run_both(fuels(), rows(7, 4))) == {'x{fuel="coal"}': [1.0], 'x{fuel="gas"}': [2.0]}


def test_keys_are_compared_as_texts() -> None:
    """An id that is a text here and a number there is one id."""
    assert values(run_both(fuels(), rows("7", 4.0))) == {'x{fuel="coal"}': [1.0], 'x{fuel="gas"}': [2.0]}


def test_a_key_may_be_the_name_of_a_member() -> None:
    """An object of nodes by id is looked through by a capture."""
    mapping = fuels('path: "$.fuels.{id}", key: $id, equals: $r.fuel')
    document = rows(7, table={"4": {"name": "gas"}, "7": {"name": "coal"}})
    assert values(run_both(mapping, document)) == {'x{fuel="coal"}': [1.0]}


def test_a_key_may_be_a_place_in_a_list() -> None:
    """A number that counts the elements of a list finds a text there."""
    mapping = fuels('path: "$.fuels[{i}]", key: $i, equals: $r.fuel', "value: $r.mw, labels: {fuel: $fuel}")
    assert values(run_both(mapping, rows(1, 0, table=["gas", "coal"]))) == {
        'x{fuel="coal"}': [1.0],
        'x{fuel="gas"}': [2.0],
    }


def test_a_row_may_be_known_by_a_capture() -> None:
    """The key of the member that is walked is what is looked up."""
    mapping = """
    rows: {v: "$.readings.{__sensor}[*]"}
    lookups: {sensor: {path: "$.sensors[*]", key: $sensor.id, equals: $__sensor}}
    metrics: {x: {value: $v, labels: {name: $sensor.name}, combine: sum}}
    """
    document = {
        "readings": {"a": [1, 2], "b": [5]},
        "sensors": [{"id": "b", "name": "roof"}, {"id": "a", "name": "yard"}],
    }
    assert values(run_both(mapping, document)) == {'x{name="roof"}': [5.0], 'x{name="yard"}': [3.0]}


def test_several_paths_are_one_key() -> None:
    """Of JSON:API's resources type and id together are the key."""
    mapping = fuels('path: "$.fuels[*]", key: [$fuel.type, $fuel.id], equals: [$r.fuel.type, $r.fuel.id]')
    table = [{"type": "a", "id": "1", "name": "gas"}, {"type": "b", "id": "1", "name": "coal"}]
    document = rows({"type": "b", "id": "1"}, {"id": "1", "type": "a"}, table=table)
    assert values(run_both(mapping, document)) == {'x{fuel="coal"}': [1.0], 'x{fuel="gas"}': [2.0]}


def test_values_and_times_are_read_from_it_too() -> None:
    """What is looked up is a node like any other: a value, a list of times, a time zone."""
    mapping = """
    rows: {s: "$.series[*]"}
    lookups: {grid: {path: "$.grids[*]", key: $grid.id, equals: $s.grid}}
    metrics:
      x: {value: $s.values, time: {at: $grid.times, timezone: $grid.zone}}
      y: {value: $grid.size, labels: {s: $s.name}}
    """
    document = {
        "grids": [{"id": 1, "zone": "Europe/Berlin", "times": ["2023-11-14T23:15", "2023-11-14T23:20"], "size": 9}],
        "series": [{"name": "a", "grid": 1, "values": [1, 2]}],
    }
    found = points(run_both(mapping, document))
    assert found["x"] == [(WINDOW.start + 300_000, WINDOW.start + 300_000, 1.0), (WINDOW.end - 300_000,) * 2 + (2.0,)]
    assert found['y{s="a"}'] == [(FIRE_TIME, FIRE_TIME, 9.0)]


def test_walks_below_a_row_see_what_was_looked_up_for_it() -> None:
    """A look-up is no branch: points below a series carry the name that was found for the series."""
    mapping = """
    rows: {s: "$.series[*]", p: "$s.points[*]"}
    lookups: {fuel: {path: "$.fuels[*]", key: $fuel.id, equals: $s.fuel}}
    metrics: {x: {value: "$p[1]", time: "$p[0]", labels: {fuel: $fuel.name}}}
    """
    document = {"fuels": FUELS, "series": [{"fuel": 7, "points": [[1_700_000_000, 3]]}]}
    assert values(run_both(mapping, document)) == {'x{fuel="coal"}': [3.0]}


def test_what_was_found_may_be_looked_up_further() -> None:
    """A trip names its route, and the route its agency."""
    mapping = """
    rows: {r: "$.stops[*]"}
    lookups:
      trip: {path: "$.trips[*]", key: $trip.id, equals: $r.trip}
      route: {path: "$.routes.{id}", key: $id, equals: $trip.route}
    metrics: {x: {value: $r.delay, labels: {route: $route.name}}}
    """
    document = {
        "stops": [{"trip": "t1", "delay": 60}],
        "trips": [{"id": "t1", "route": "r9"}],
        "routes": {"r9": {"name": "S1"}},
    }
    assert values(run_both(mapping, document)) == {'x{route="S1"}': [60.0]}


def test_a_list_may_stand_in_each_block() -> None:
    """The same key means something else in the next block."""
    mapping = """
    rows: {b: "$.blocks[*]", r: "$b.rows[*]"}
    lookups: {fuel: {path: "$b.fuels[*]", key: $fuel.id, equals: $r.fuel}}
    metrics: {x: {value: $r.mw, labels: {fuel: $fuel.name}}}
    """
    other = [{"id": 7, "name": "wind"}]
    document = {"blocks": [rows(7), rows(7, table=other)]}
    assert values(run_both(mapping, document)) == {'x{fuel="coal"}': [1.0], 'x{fuel="wind"}': [1.0]}


@pytest.mark.parametrize("key", [5, None, "", {"id": 4}], ids=str)
def test_a_row_without_a_match_is_a_reject(key: Any) -> None:
    """Whether the node is not there or the row has no key: the row is counted, and the others stay."""
    mapped = run_both(fuels(), rows(key, 4))
    assert values(mapped) == {'x{fuel="gas"}': [2.0]}
    assert mapped.rejects.counts == {"no_match": 1}
    assert mapped.rows == 2


def test_a_reject_says_what_was_looked_for_and_where() -> None:
    """The reader sees the row, the list and the key."""
    mapped = run(fuels(), rows(5))
    assert mapped.rejects.examples == {"no_match": ["$['rows'][0]: no node of $.fuels[*] has $fuel.id '5'"]}


def test_a_list_that_is_not_there_is_told_as_such() -> None:
    """A misspelt path of the list is not mistaken for a wrong key."""
    mapped = run(fuels(), {"rows": [{"fuel": 4, "mw": 1}]})
    assert mapped.rejects.examples == {"no_match": ["$['rows'][0]: $.fuels[*] has no node with $fuel.id"]}


def test_keep_leaves_out_what_was_not_found() -> None:
    """The row stays, without the label."""
    mapped = run_both(fuels(f"{FUEL}, unmatched: keep"), rows(5, 4))
    assert values(mapped) == {"x": [1.0], 'x{fuel="gas"}': [2.0]}
    assert not mapped.rejects.total


def test_drop_takes_only_rows_that_are_in_the_list() -> None:
    """Dropped rows are counted as dropped, and are no rejects; nothing need be read of the node."""
    mapped = run_both(fuels(f"{FUEL}, unmatched: drop", "value: $r.mw, labels: {id: $r.fuel}"), rows(5, 4))
    assert values(mapped) == {'x{id="4"}': [2.0]}
    assert (mapped.dropped, mapped.rejects.total) == (1, 0)


def test_a_key_that_means_nothing_finds_nothing() -> None:
    """A value in ``missing`` is no key, even if a node has it."""
    mapping = f"{fuels()[:-1]}, missing: [-1]}}"
    mapped = run_both(mapping, rows(-1, 4, table=[*FUELS, {"id": -1, "name": "none"}]))
    assert values(mapped) == {'x{fuel="gas"}': [2.0]}
    assert mapped.rejects.counts == {"no_match": 1}


@pytest.mark.parametrize("unmatched", ["reject", "keep", "drop"])
def test_nodes_that_differ_under_one_key_are_not_chosen_from(unmatched: str) -> None:
    """Whatever becomes of rows without a match, one with two of them is a reject."""
    table = [*FUELS, {"id": 4, "name": "oil"}, {"id": 4, "name": "gas"}]
    mapped = run_both(fuels(f"{FUEL}, unmatched: {unmatched}"), rows(4, 7, table=table))
    assert values(mapped) == {'x{fuel="coal"}': [2.0]}
    assert mapped.rejects.counts == {"several_matches": 1}


def test_equal_nodes_under_one_key_are_one() -> None:
    """A list that names a thing twice says the same twice."""
    assert values(run_both(fuels(), rows(4, table=[*FUELS, *FUELS]))) == {'x{fuel="gas"}': [1.0]}


def test_a_body_is_still_cut_at_its_rows() -> None:
    """The list beside the rows is decoded whole, the rows one by one."""
    mapping = mapping_of(fuels())
    assert mapping.cut is not mapping.whole


def test_a_list_among_the_rows_is_looked_through_whole() -> None:
    """Nodes that are rows themselves are found, too: a child names its parent."""
    mapping = """
    rows: {r: "$.nodes[*]"}
    lookups: {parent: {path: "$.nodes[*]", key: $parent.id, equals: $r.parent, unmatched: keep}}
    metrics: {x: {value: $r.v, labels: {id: $r.id, parent: $parent.name}}}
    """
    nodes = [{"id": 1, "name": "top", "v": 1}, {"id": 2, "parent": 1, "name": "low", "v": 2}]
    assert values(run_both(mapping, {"nodes": nodes})) == {'x{id="1"}': [1.0], 'x{id="2",parent="top"}': [2.0]}


def test_each_document_has_a_list_of_its_own() -> None:
    """A page finds what stands on it, and nothing of the page before."""
    mapped = run(fuels(), rows(4), rows(4, table=[]))
    assert values(mapped) == {'x{fuel="gas"}': [1.0]}
    assert mapped.rejects.counts == {"no_match": 1}


def test_an_index_is_bounded_by_max_memory() -> None:
    """A list that fits, and whose index would not, fails the answer instead of the poller."""
    body = json.dumps({"rows": [{"fuel": 1, "mw": 1}], "fuels": list(range(4096))}).encode()
    mapping = mapping_of(fuels('path: "$.fuels[*]", key: $fuel, equals: $r.fuel', "value: $r.mw, labels: {f: $fuel}"))
    mapping.start(RunContext(WINDOW, FIRE_TIME), Allowance(1 << 20)).add(msgspec.Raw(body))
    with pytest.raises(
        ContentError, match=r"with the nodes of the look-up fuel, the answer may take .* \(max_memory\)"
    ):
        mapping.start(RunContext(WINDOW, FIRE_TIME), Allowance(800 << 10)).add(msgspec.Raw(body))


def test_the_indexes_of_several_lookups_are_bounded_together() -> None:
    """Of many look-ups into one list each fits beside it alone, and what counts is all of them."""
    names = [f"f{place}" for place in range(8)]
    lookups = ", ".join(f'{name}: {{path: "$.fuels[*]", key: ${name}, equals: $r.fuel}}' for name in names)
    labels = ", ".join(f"{name}: ${name}" for name in names)
    mapping = mapping_of(
        f'{{rows: {{r: "$.rows[*]"}}, lookups: {{{lookups}}}, metrics: {{x: {{value: $r.mw, labels: {{{labels}}}}}}}}}'
    )
    body = json.dumps({"rows": [{"fuel": 1, "mw": 1}], "fuels": list(range(4096))}).encode()
    mapping.start(RunContext(WINDOW, FIRE_TIME), Allowance(5 << 20)).add(msgspec.Raw(body))
    with pytest.raises(ContentError, match="with the nodes of the look-up f"):
        mapping.start(RunContext(WINDOW, FIRE_TIME), Allowance(2 << 20)).add(msgspec.Raw(body))


def test_the_indexes_of_one_lookup_are_bounded_one_by_one() -> None:
    """Where each node has a list of its own, the index of the node before is gone."""
    mapping = mapping_of("""
    rows: {z: "$[*]", r: "$z.rows[*]"}
    lookups: {fuel: {path: "$z.fuels[*]", key: $fuel, equals: $r.fuel}}
    metrics: {x: {value: $r.mw, labels: {f: $fuel, z: $z.id}}}
    """)
    zones = [{"id": zone, "rows": [{"fuel": 1, "mw": 1}], "fuels": list(range(4096))} for zone in range(4)]
    started = mapping.start(RunContext(WINDOW, FIRE_TIME), Allowance(25 << 17))
    started.add(msgspec.Raw(json.dumps(zones).encode()))
    assert len(started.finish().series["x"]) == 4


def test_a_key_of_endless_digits_is_no_key() -> None:
    """An integer that cannot be written as a text finds nothing and is found by nobody; a function can make one."""
    mapped = run(fuels(), rows(10**5000, 4, table=[{"id": 10**5000, "name": "none"}, *FUELS]))
    assert values(mapped) == {'x{fuel="gas"}': [2.0]}
    assert mapped.rejects.counts == {"no_match": 1}


def test_nodes_nested_without_end_fail_the_mapping_alone() -> None:
    """Two nodes of one key that are too deep to be compared are an error of the document."""
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    other: Any = []
    for _ in range(100_000):
        other = [other]
    table = [{"id": 4, "x": deep}, {"id": 4, "x": other}]
    with pytest.raises(MappingError, match="nested too deep"):
        run(fuels(), rows(4, table=table))


@given(
    st.dictionaries(st.text(min_size=1, max_size=3), st.text(alphabet="abc", min_size=1, max_size=3), max_size=6),
    st.lists(st.text(max_size=3), max_size=6),
)
@settings(max_examples=60)
def test_a_look_up_is_a_dictionary(table: dict[str, str], asked: list[str]) -> None:
    """For any keys: what has a match carries it, what has none is counted, and no row is lost."""
    listed = [{"id": key, "name": name} for key, name in table.items()]
    metric = "value: $r.mw, labels: {fuel: $fuel.name, row: $r.mw}"
    mapped = run_both(fuels(metric=metric), rows(*asked, table=listed))
    matched = {place: table[key] for place, key in enumerate(asked, 1) if key and key in table}
    assert values(mapped) == {f'x{{fuel="{name}",row="{place}"}}': [float(place)] for place, name in matched.items()}
    assert mapped.rejects.total == len(asked) - len(matched)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "1", "a", "\ud800", 1.0, 0.5]),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(["id", "name", "a"]), below, max_size=3)
    ),
    max_leaves=6,
)


@given(_JSON, st.lists(_JSON, max_size=3), st.sampled_from(["reject", "keep", "drop"]))
@settings(max_examples=80)
def test_no_list_and_no_key_breaks_a_run(table: Any, keys: list[Any], unmatched: str) -> None:
    """Whatever stands where nodes and keys should, rows come to points and known rejects."""
    mapped = run(
        fuels(f"{FUEL}, unmatched: {unmatched}", "value: $r.mw, labels: {r: $r.mw, at: $fuel.at}"),
        rows(*keys, table=table),
    )
    assert set(mapped.rejects.counts) <= {"no_match", "several_matches"}
    assert len(values(mapped)) + mapped.rejects.total + mapped.dropped == len(keys)


@pytest.mark.parametrize(
    ("lookup", "where", "sentence"),
    [
        (
            "path: $.fuels, key: $fuel.id, equals: $r.fuel",
            "path",
            "'$.fuels' is one node, and a look-up goes through many, as $.fuels[*] does",
        ),
        (
            "path: '$.fuels[*]', key: id, equals: $r.fuel",
            "key",
            "'id': a key is read from each node of the list, so it begins with $fuel",
        ),
        (
            "path: '$.fuels.{id}', key: $.id, equals: $r.fuel",
            "key",
            "'$.id': a key is read from each node of the list, so it begins with $fuel or $id",
        ),
        (
            "path: '$.fuels[*]', key: '$fuel.ids[*]', equals: $r.fuel",
            "key",
            "'$fuel.ids[*]': a key is a path of names and places alone, or a capture",
        ),
        (
            "path: '$.fuels[*]', key: $fuel.id, equals: fuel",
            "equals",
            "'fuel' is not a path: what a row looks up begins with $",
        ),
        (
            "path: '$.fuels[*]', key: $fuel.id, equals: [$r.a, $r.b]",
            "equals",
            "key and equals are compared path by path: give as many here as there",
        ),
        (
            "path: '$.fuels[*]', key: $fuel.id, equals: $fuel.id",
            "equals",
            "$fuel is a look-up, made when walks and the look-ups above it are there: these cannot begin at it",
        ),
        (
            "path: '$.fuels.{r}', key: $r, equals: $r.fuel",
            "path",
            "{r}: this name is taken; walks and captures share one set of names",
        ),
        (
            "path: '$q.fuels[*]', key: $fuel.id, equals: $r.fuel",
            "path",
            "$q: no walk, capture or look-up has this name; there is $r",
        ),
    ],
)
def test_a_mistake_is_told_at_its_key(lookup: str, where: str, sentence: str) -> None:
    """What cannot be looked up is said where it stands, and once: who reads the name hears nothing more."""
    assert problems_of(fuels(lookup)) == {f"lookups.fuel.{where}": sentence}


def test_a_look_up_of_which_nothing_is_read_is_a_mistake() -> None:
    """It could only make rejects."""
    assert problems_of(fuels(metric="value: $r.mw")) == {
        "lookups.fuel": "nothing reads $fuel; one that only sorts rows out says unmatched: drop"
    }


def test_rows_do_not_begin_at_what_is_looked_up() -> None:
    """What belongs to many is walked where it stands, and looks the one up."""
    mapping = """
    rows: {r: "$.rows[*]", p: "$fuel.points[*]"}
    lookups: {fuel: {path: "$.fuels[*]", key: $fuel.id, equals: $r.fuel}}
    metrics: {x: {value: $r.mw, labels: {fuel: $fuel.name}}}
    """
    assert problems_of(mapping) == {
        "rows.p": "$fuel is a look-up, made when walks and the look-ups above it are there: these cannot begin at it"
    }


def test_a_name_is_taken_once() -> None:
    """Walks, captures and look-ups share one set of names."""
    mapping = """
    rows: {r: "$.rows[*]"}
    lookups: {r: {path: "$.fuels[*]", key: $r.id, equals: $r.fuel}}
    metrics: {x: {value: $r.mw}}
    """
    assert "this name is taken" in problems_of(mapping)["lookups.r"]


def test_rows_of_two_branches_are_not_looked_up_together() -> None:
    """What equals names must be seen by one row."""
    mapping = """
    rows: {r: "$.rows[*]", q: "$.others[*]"}
    lookups: {fuel: {path: "$.fuels[*]", key: [$fuel.id, $fuel.kind], equals: [$r.fuel, $q.kind]}}
    metrics: {x: {value: $r.mw}}
    """
    assert problems_of(mapping) == {"lookups.fuel.equals": "$r.fuel, $q.kind are on different branches of rows"}


def test_a_list_below_another_row_is_not_seen() -> None:
    """The list stands at the document, or above the rows."""
    mapping = """
    rows: {r: "$.rows[*]", q: "$.others[*]"}
    lookups: {fuel: {path: "$q.fuels[*]", key: $fuel.id, equals: $r.fuel}}
    metrics: {x: {value: $r.mw}}
    """
    assert problems_of(mapping) == {"lookups.fuel.path": "a row of $r, which $r.fuel says, does not see $q"}
