"""Values become lanes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timepoint.request.each.lanes import LONE, ListError, lanes_of
from timepoint.request.each.lists import as_value, read_list_file, read_written, written
from timepoint.request.each.spec import EachSpec, Entry, ListFile, Values

TEXTS = st.text(min_size=1, max_size=8).filter(lambda text: text.isprintable())


def listed(name: str, *values: str, label: str | None = "", beside: str = "") -> Values:
    """Values that stand in the config; the label is called like them unless said."""
    return Values(name, tuple(map(Entry, values)), name if label == "" else label, beside)


def lanes(*values: Values, max_lanes: int = 100) -> list[tuple[str, dict[str, str], dict[str, str]]]:
    """Name, values and labels of each lane."""
    lists = {one.name: one.origin for one in values if isinstance(one.origin, tuple)}
    return [(lane.name, dict(lane.values), dict(lane.labels)) for lane in lanes_of(EachSpec(values, max_lanes), lists)]


def test_each_value_is_a_lane() -> None:
    """In the order of the list, with the value as template and label."""
    assert lanes(listed("zone", "DE", "FR")) == [
        ("zone=DE", {"zone": "DE"}, {"zone": "DE"}),
        ("zone=FR", {"zone": "FR"}, {"zone": "FR"}),
    ]


def test_several_lists_are_combined() -> None:
    """All combinations; the name is sorted, so that the order in the config is no matter."""
    assert [name for name, _, _ in lanes(listed("z", "1", "2"), listed("a", "x", "y"))] == [
        "a=x,z=1",
        "a=y,z=1",
        "a=x,z=2",
        "a=y,z=2",
    ]


def test_values_beside_others_belong_to_them() -> None:
    """One by one, and they are no part of the name: a mended one does not begin a new lane."""
    found = lanes(listed("zone", "DE", "FR"), listed("eic", "10Y1", "10Y2", beside="zone", label=None))
    assert found == [
        ("zone=DE", {"zone": "DE", "eic": "10Y1"}, {"zone": "DE"}),
        ("zone=FR", {"zone": "FR", "eic": "10Y2"}, {"zone": "FR"}),
    ]


def test_a_label_has_another_name_or_none() -> None:
    """The name of the lane stays that of the values."""
    assert lanes(listed("zone", "DE", label="country"))[0][0::2] == ("zone=DE", {"country": "DE"})
    assert lanes(listed("zone", "DE", label=None))[0][0::2] == ("zone=DE", {})


def test_what_is_told_of_a_value_never_hides_a_value() -> None:
    """A label of a row that is called like the values themselves is the value."""
    values = Values("zone", (Entry("DE", {"zone": "x", "tariff": "y", "__tz": "CET"}),), "zone")
    found = lanes(values, listed("tariff", "A"))
    assert found == [
        (
            "tariff=A,zone=DE",
            {"zone": "DE", "tariff": "A", "__tz": "CET"},
            {"zone": "DE", "tariff": "A"},
        )
    ]


def test_a_value_that_comes_twice_is_one_lane() -> None:
    """Lists of others may repeat themselves; the first tells what else is known."""
    values = Values("zone", (Entry("DE", {"n": "1"}), Entry("FR"), Entry("DE", {"n": "2"})), "zone")
    assert [(name, given.get("n")) for name, given, _ in lanes(values)] == [("zone=DE", "1"), ("zone=FR", None)]


def test_too_many_lanes_are_refused_before_they_are_made() -> None:
    """A product grows fast."""
    many = [listed(name, *map(str, range(1000))) for name in "abcde"]
    with pytest.raises(ListError, match=r"1000 x 1000 x .* lanes, and max_lanes allows 100"):
        lanes(*many)


def test_lists_of_unequal_length_do_not_belong_together() -> None:
    """Nobody could tell which value is missing."""
    with pytest.raises(ListError, match="zone has 2 values and eic 1"):
        lanes(listed("zone", "DE", "FR"), listed("eic", "x", beside="zone"))


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=20, unique=True))
def test_different_values_have_different_names(pairs: list[tuple[str, str]]) -> None:
    """Whatever stands in them: signs that part a name are written otherwise."""
    names = {lanes(listed("a", one), listed("b", other))[0][0] for one, other in pairs}
    assert len(names) == len(pairs)
    assert LONE.name not in names


@given(st.lists(st.builds(Entry, TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=2)), max_size=5))
def test_a_list_is_read_as_it_was_written(entries: list[Entry]) -> None:
    """What the ledger keeps of a list is the list."""
    assert read_written(written(entries, "picked so")) == (tuple(entries), "picked so")


@pytest.mark.parametrize(("given_value", "text"), [("DE", "DE"), (7, "7"), (7.0, "7"), (True, "true")])
def test_a_value_is_a_text(given_value: object, text: str) -> None:
    """Numbers and booleans of a document are written as labels are."""
    assert as_value(given_value) == text


@pytest.mark.parametrize("given_value", [None, "", [], {}])
def test_what_cannot_be_asked_for_is_no_value(given_value: object) -> None:
    """It would make a request that means something else."""
    with pytest.raises(ValueError, match="value"):
        as_value(given_value)


@pytest.mark.parametrize("value", ["a\0b", "\x1b[31m", "a\ud800"])
def test_a_value_is_asked_for_as_it_is_written(value: str) -> None:
    """What a label cannot hold is no value: with something in its place another one would be asked for."""
    with pytest.raises(ValueError, match="holds what no label can"):
        as_value(value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("[" * 200_000, "nested deeper than 100 levels"), ("a: &a [x]\nb: [*a, *a]\n", r"\*a is an alias")],
)
def test_a_file_of_yaml_cannot_end_the_poller(tmp_path: Path, text: str, complaint: str) -> None:
    """A file of brackets would overflow the stack of the parser in C, and aliases of aliases fill the memory."""
    file = tmp_path / "zones.yaml"
    file.write_text(text)
    with pytest.raises(ListError, match=complaint):
        read_list_file(ListFile(file), "zone")
