"""Label values and names."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint.mapping.labels import check_label_name, label_value, sanitised_name, scalar_text, spread
from timepoint.mapping.unusable import Unusable
from timepoint.model import LABEL_NAME


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("UP", "UP"),
        (3, "3"),
        (3.0, "3"),
        (1.5, "1.5"),
        (True, "true"),
        (False, "false"),
        (None, ""),
        ("", ""),
        (1e21, "1e+21"),
        (-0.0, "0"),
    ],
)
def test_scalars_are_text(node: Any, expected: Any) -> None:
    """A label is the JSON text of a scalar; null and empty text are no label."""
    assert label_value(node) == expected


@pytest.mark.parametrize("node", [{}, [], {"a": 1}, ["x"]])
def test_objects_and_arrays_are_no_labels(node: Any) -> None:
    """A label from an object or array is unusable."""
    with pytest.raises(Unusable) as caught:
        label_value(node)
    assert caught.value.reason == "not_a_label"


def test_an_integer_of_thousands_of_digits_is_no_label() -> None:
    """Python refuses to print such a number; that is a reject and no crash (P5)."""
    with pytest.raises(Unusable):
        label_value(10**5000)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("a\x00b", "a\ufffdb"),
        ("\ud800x", "\ufffdx"),
        ("a\x1b[1m", "a\ufffd[1m"),
        ("a\x9bb", "a\ufffdb"),
        ("a\tb\nc", "a\tb\nc"),
    ],
)
def test_control_bytes_and_lone_surrogates_are_replaced(node: Any, expected: Any) -> None:
    """What cannot be shown safely becomes U+FFFD; tab and line feed stay (A16)."""
    assert label_value(node) == expected


def test_other_scripts_stay() -> None:
    """Text of any script, line separators and direction marks pass unchanged (A16)."""
    text = "Zürich 東京 \u2028 \u202e"
    assert label_value(text) == text


def test_a_long_value_is_cut_to_the_limit() -> None:
    """A text of a megabyte ends at the limit."""
    assert len(label_value("x" * 1_000_000)) == 256


def test_long_values_that_begin_alike_stay_apart() -> None:
    """The cut carries a hash, so two long texts do not become one series (A16)."""
    assert label_value("x" * 300 + "a") != label_value("x" * 300 + "b")


def test_the_limit_can_be_set() -> None:
    """A text of just the limit stays whole, one more is cut."""
    assert label_value("y" * 40, 40) == "y" * 40
    assert len(label_value("y" * 41, 40)) == 40


@settings(max_examples=200)
@given(st.text())
def test_any_text_becomes_encodable(text: Any) -> None:
    """No text of a body can break the page (A16)."""
    value = label_value(text)
    value.encode()
    assert len(value) <= 256


@pytest.mark.parametrize("name", ["app", "_x", "A9", "__channel"])
def test_good_names_pass(name: Any) -> None:
    """Letters, digits and underscores make a label name."""
    check_label_name(name)


@pytest.mark.parametrize("name", ["", "1a", "a-b", "a.b", "é", "__name__", "job", "instance", "a\n"])
def test_bad_and_reserved_names_are_refused(name: Any) -> None:
    """Names that Prometheus cannot hold, or gives itself, are told with a sentence."""
    with pytest.raises(ValueError, match=r"label|metric"):
        check_label_name(name)


@pytest.mark.parametrize(
    ("key", "expected"), [("a-b.c", "a_b_c"), ("1a", "_1a"), ("", "_"), ("größe", "gr__e"), ("ok", "ok")]
)
def test_keys_become_names(key: Any, expected: Any) -> None:
    """What a label name may not have becomes an underscore."""
    assert sanitised_name(key) == expected


@settings(max_examples=100)
@given(st.text(max_size=20))
def test_any_key_becomes_a_name(key: Any) -> None:
    """Every key of a JSON object has a label name (P9)."""
    assert LABEL_NAME.fullmatch(sanitised_name(key))


def test_spread_takes_scalar_members() -> None:
    """Each scalar member is a label; null, empty text, objects and arrays are none."""
    assert spread({"cpu": "total", "n": 3, "x": None, "y": "", "o": {}, "l": []}) == {"cpu": "total", "n": "3"}


def test_spread_leaves_prometheus_own_names_alone() -> None:
    """``__name__`` is left out; ``job`` and ``instance`` are renamed as Prometheus renames them."""
    labels = spread({"__name__": "up", "job": "j", "instance": "i:1"})
    assert labels == {"exported_job": "j", "exported_instance": "i:1"}


def test_spread_refuses_clashing_names() -> None:
    """Two members that come to one label name are unusable, since one would hide the other."""
    with pytest.raises(Unusable) as caught:
        spread({"a-b": 1, "a.b": 2})
    assert caught.value.reason == "label_clash"


def test_spread_of_nothing_gives_no_labels() -> None:
    """Null is an object without members; another value is unusable."""
    assert spread(None) == {}
    with pytest.raises(Unusable):
        spread("text")


@pytest.mark.parametrize(
    ("node", "expected"), [(1e15, "1000000000000000"), (0.1, "0.1"), (-3.0, "-3"), (float("inf"), "inf")]
)
def test_scalar_text_of_floats_is_shortest(node: Any, expected: Any) -> None:
    """Floats print in the shortest form that reads back the same."""
    assert scalar_text(node) == expected


def test_a_long_name_is_cut_and_stays_itself() -> None:
    """Keys of an object may be of any length; a label name of a megabyte is of no use to anybody."""
    names = [sanitised_name("k" * 1000 + end) for end in "ab"]
    assert [len(name) for name in names] == [256, 256]
    assert names[0] != names[1]
    assert all(LABEL_NAME.fullmatch(name) for name in names)
