"""Numbers out of JSON values."""

from __future__ import annotations

from array import array
from fractions import Fraction
from math import isnan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint.mapping.numbers import NumberReader
from timepoint.mapping.units import Conversion
from timepoint.mapping.unusable import Unusable

WATT_HOURS = Conversion(3600.0, 0.0)
CELSIUS = Conversion(1.0, 273.15)
MILLISECONDS = Conversion(0.001, 0.0)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (3, 3.0),
        (-1.5, -1.5),
        (True, 1.0),
        (False, 0.0),
        ("1.5", 1.5),
        (" 12 ", 12.0),
        ("+3e2", 300.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("+Inf", float("inf")),
        ("-infinity", float("-inf")),
    ],
)
def test_numbers_booleans_and_float_texts_are_values(node: Any, expected: Any) -> None:
    """A JSON number, true and false, and text in Prometheus' float syntax are read."""
    assert NumberReader().read(node) == expected


def test_nan_text_is_a_value() -> None:
    """``NaN`` in text is a number as in Prometheus' syntax."""
    read = NumberReader().read("NaN")
    assert read is not None
    assert isnan(read)


@pytest.mark.parametrize(
    "node", ["", "ND", "1,5", "0x10", "1_000", "1 000", "٣", "--1", "1e", ".", "12kWh", [], {}, [1]]
)
def test_all_else_is_not_a_number(node: Any) -> None:
    """What is no number is unusable and never 0 (P11, P15)."""
    with pytest.raises(Unusable) as caught:
        NumberReader().read(node)
    assert caught.value.reason == "not_a_number"


@pytest.mark.parametrize(
    "node", [10**400, -(10**4000), "1e400", "-1e999"], ids=["10^400", "-10^4000", "1e400", "-1e999"]
)
def test_numbers_beyond_float64_are_out_of_range(node: Any) -> None:
    """A number that a float64 cannot hold is unusable and does not become infinite (A26, P5)."""
    with pytest.raises(Unusable) as caught:
        NumberReader().read(node)
    assert caught.value.reason == "out_of_range"


def test_a_conversion_that_overflows_is_out_of_range() -> None:
    """A finite number never turns infinite by its unit."""
    with pytest.raises(Unusable, match="out_of_range"):
        NumberReader(convert=WATT_HOURS).read(1e308)


def test_null_is_no_value() -> None:
    """Null always means that there is none."""
    assert NumberReader().read(None) is None


@pytest.mark.parametrize("node", ["ND", " ND ", "", "  ", -999999, -999999.0, "-999999", False])
def test_missing_values_are_no_value(node: Any) -> None:
    """A value in ``missing`` is found as text, trimmed, and as a number however it is written."""
    assert NumberReader(missing=("ND", "", -999999, False)).read(node) is None


@pytest.mark.parametrize(("missing", "node"), [((False,), 0), ((0,), False), ((1,), True), (("1",), 1)])
def test_missing_does_not_mix_kinds(missing: Any, node: Any) -> None:
    """JSON's false is not 0, and the text "1" is not the number 1."""
    assert NumberReader(missing=missing).read(node) == float(node)


def test_missing_may_be_nan() -> None:
    """A NaN in ``missing`` takes the text NaN away, though NaN equals nothing."""
    assert NumberReader(missing=(float("nan"),)).read("nan") is None


@pytest.mark.parametrize(
    ("node", "expected"), [("UP", 1.0), (" UP ", 1.0), (3, 30.0), (3.0, 30.0), ("3", 30.0), (True, 7.0), (4, 4.0)]
)
def test_map_looks_up_the_text_of_a_value(node: Any, expected: Any) -> None:
    """``map`` goes by the text of the JSON value; what it does not name is read as usual."""
    assert NumberReader(value_map={"UP": 1, "3": 30, "true": 7}).read(node) == expected


def test_a_word_outside_the_map_is_unusable() -> None:
    """A new state of the API is a reject, not a 0."""
    with pytest.raises(Unusable, match="not_a_number: 'DEGRADED'"):
        NumberReader(value_map={"UP": 1}).read("DEGRADED")


def test_conversion_comes_after_the_map() -> None:
    """The unit is that of the mapped number."""
    assert NumberReader(value_map={"LOW": 2}, convert=WATT_HOURS).read("LOW") == 7200.0


def test_offset_is_added() -> None:
    """A unit with an offset is applied to the value."""
    assert NumberReader(convert=CELSIUS).read(20) == 293.15


@pytest.mark.parametrize(("node", "expected"), [("1,5", 1.5), (",5", 0.5), ("-12,", -12.0), ("3", 3.0), (2.5, 2.5)])
def test_decimal_comma(node: Any, expected: Any) -> None:
    """With a decimal comma text is read with it, and JSON numbers stay what they are."""
    assert NumberReader(decimal=",").read(node) == expected


@pytest.mark.parametrize("node", ["1.5", "1.234,56", "1,2,3"])
def test_decimal_comma_refuses_points(node: Any) -> None:
    """With a decimal comma a point may be a sign for thousands, so it is refused and not guessed."""
    with pytest.raises(Unusable):
        NumberReader(decimal=",").read(node)


@pytest.mark.parametrize(
    ("decimal", "node", "expected"),
    [
        (".", "45.30 W", 45.3),
        (".", "-1,234.5 W", -1234.5),
        (".", "W 7", 7.0),
        (",", "1.234,5 W", 1234.5),
        (".", 1234.5, 1234.5),
        (".", "ND W", None),
        (".", "off W", 0.0),
    ],
)
def test_what_is_stripped_is_no_part_of_a_number(decimal: str, node: Any, expected: float | None) -> None:
    """Units and signs for thousands are taken out of texts, after what the whole text means."""
    strip = ["." if decimal == "," else ",", "W"]
    assert NumberReader(["ND W"], {"off W": 0}, decimal, strip=strip).read(node) == expected


@pytest.mark.parametrize("node", ["W", " , W", "45 V", "1 2 W"])
def test_what_is_left_must_be_a_number(node: str) -> None:
    """A text that holds none, or another unit, is shown whole."""
    with pytest.raises(Unusable) as caught:
        NumberReader(strip=[",", "W"]).read(node)
    assert caught.value.shown == repr(node.strip())


def test_a_list_of_numbers_is_read_at_once() -> None:
    """Numbers and booleans become one array, converted."""
    assert NumberReader(convert=WATT_HOURS).read_list([1, 0.5, True]) == array("d", [3600.0, 1800.0, 3600.0])


@pytest.mark.parametrize("cell", ["1", None, "ND", [], {}, 10**400])
def test_a_list_with_another_cell_is_left_to_the_slow_path(cell: Any) -> None:
    """Text, null, objects and numbers out of range are for ``read`` to judge."""
    assert NumberReader().read_list([1.0, cell]) is None
    assert NumberReader(convert=WATT_HOURS).read_list([1.0, cell]) is None
    assert NumberReader(convert=CELSIUS).read_list([1.0, cell]) is None


def test_a_list_that_overflows_by_its_unit_is_left_to_the_slow_path() -> None:
    """The fast path sees an overflow of the conversion."""
    assert NumberReader(convert=WATT_HOURS).read_list([1e308]) is None


def test_a_list_with_a_missing_number_is_left_to_the_slow_path() -> None:
    """A sentinel among numbers is never taken for a value."""
    assert NumberReader(missing=(-999999,)).read_list([1.0, -999999]) is None


def test_a_list_is_slow_if_the_map_names_numbers() -> None:
    """A map of numbers is looked up for each cell."""
    assert NumberReader(value_map={"3": 30}).read_list([3]) is None
    assert NumberReader(value_map={"UP": 1}).read_list([3]) == array("d", [3.0])


cells = st.one_of(
    st.floats(allow_nan=False),
    st.integers(),
    st.booleans(),
    st.none(),
    st.sampled_from(["UP", "1", "x", -9.0, 10**400]),
)


@settings(max_examples=200)
@given(
    nodes=st.lists(cells, max_size=6),
    missing=st.lists(st.sampled_from([-9, 0, True, "x"]), max_size=2),
    value_map=st.dictionaries(st.sampled_from(["UP", "1", "0"]), st.floats(-10, 10), max_size=2),
    convert=st.sampled_from([Conversion(1.0, 0.0), WATT_HOURS, CELSIUS, MILLISECONDS, Conversion(0.1, -40.0)]),
)
def test_the_fast_path_never_differs_from_the_slow_one(nodes: Any, missing: Any, value_map: Any, convert: Any) -> None:
    """Whatever ``read_list`` returns is what ``read`` says cell by cell."""
    reader = NumberReader(tuple(missing), value_map, convert=convert)
    fast = reader.read_list(nodes)
    if fast is not None:
        assert list(fast) == [reader.read(node) for node in nodes]


@pytest.mark.parametrize("divisor", [10, 60, 100, 1000, 3_600_000, 10**9])
@given(number=st.integers(-(2**53), 2**53))
def test_a_part_of_a_unit_is_the_nearest_number(divisor: int, number: int) -> None:
    """Tenths, percents, milliseconds: the value is the float64 nearest to the exact one, so 9 ms are 0.009 s."""
    reader = NumberReader(convert=Conversion(float(Fraction(1, divisor)), 0.0))
    assert reader.read(number) == float(Fraction(number, divisor))
    assert reader.read_list([number]) == array("d", [number / divisor])


@pytest.mark.parametrize("factor", [5 / 9, 0.00036, 1 / 3.6, 3600.0, 2.5, 0.3])
def test_any_other_factor_is_multiplied_with(factor: float) -> None:
    """A factor that is no whole part of one has no division that is exact."""
    assert NumberReader(convert=Conversion(factor, 0.0)).read(7) == 7 * factor
