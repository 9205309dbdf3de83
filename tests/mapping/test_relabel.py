"""Prometheus' relabel rules."""

from __future__ import annotations

from typing import Any

import pytest

from timepoint.mapping.relabel import RelabelError, compile_relabel
from timepoint.mapping.spec import RelabelRule as Rule
from timepoint.mapping.unusable import Unusable

LABELS = {"__name__": "m", "a": "foo", "b": "bar", "c": "baz"}
FOO_BAR_BAZ = {"a": "foo", "b": "bar", "c": "baz"}


def relabel(*rules: Rule, labels: dict[str, str] = LABELS) -> dict[str, str] | None:
    """What the rules make of some labels."""
    return compile_relabel(rules)(labels)


# What Prometheus makes of such rules, by its documentation and its own relabel_test.go.
@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (
            [Rule(("a",), regex="f(.*)", target_label="d", separator=";", replacement="ch${1}-ch${1}")],
            FOO_BAR_BAZ | {"d": "choo-choo"},
        ),
        (
            [
                Rule(("a", "b"), regex="f(.*);(.*)r", target_label="a", replacement="b${1}${2}m"),
                Rule(("c", "a"), regex="(b).*b(.*)ba(.*)", target_label="d", replacement="$1$2$2$3"),
            ],
            {"a": "boobam", "b": "bar", "c": "baz", "d": "boooom"},
        ),
        (
            [
                Rule(("a",), regex=".*o.*", action="drop"),
                Rule(("a",), regex="f(.*)", target_label="d", replacement="x$1"),
            ],
            None,
        ),
        ([Rule(("a",), regex=".*b.*", action="drop")], FOO_BAR_BAZ),
        ([Rule(("a",), regex="no-match", action="keep")], None),
        ([Rule(("a",), regex="f.*", action="keep")], FOO_BAR_BAZ),
        ([Rule(("a",), regex="no-match", target_label="d", replacement="x")], FOO_BAR_BAZ),
        ([Rule(("a",), regex="f|o", action="drop")], FOO_BAR_BAZ),
        ([Rule(("c",), target_label="d", action="hashmod", modulus=1000)], FOO_BAR_BAZ | {"d": "976"}),
        ([Rule(regex="(b.*)", replacement="bar_${1}", action="labelmap")], FOO_BAR_BAZ | {"bar_b": "bar"}),
        ([Rule(regex="(b|c)", action="labeldrop")], {"a": "foo"}),
        ([Rule(regex="(b|c)", action="labelkeep")], {"b": "bar", "c": "baz"}),
        ([Rule(("a",), target_label="u", action="uppercase")], FOO_BAR_BAZ | {"u": "FOO"}),
        ([Rule(("a",), target_label="b", action="keepequal")], None),
        ([Rule(("a",), target_label="b", action="dropequal")], FOO_BAR_BAZ),
        (
            [Rule(("a",), target_label="d"), Rule(("a",), target_label="d", action="keepequal")],
            FOO_BAR_BAZ | {"d": "foo"},
        ),
        ([Rule(("a",), target_label="d"), Rule(("a",), target_label="d", action="dropequal")], None),
        ([Rule(("a",), target_label="b", replacement="")], {"a": "foo", "c": "baz"}),
        ([Rule(target_label="env", replacement="prod")], FOO_BAR_BAZ | {"env": "prod"}),
        ([Rule(("a", "b"), separator="/", target_label="d")], FOO_BAR_BAZ | {"d": "foo/bar"}),
        ([Rule(("x",), regex="", target_label="d", replacement="none")], FOO_BAR_BAZ | {"d": "none"}),
        (
            [Rule(("a",), regex="(?P<head>f)(?P<tail>.*)", target_label="d", replacement="$tail-${head}")],
            FOO_BAR_BAZ | {"d": "oo-f"},
        ),
        ([Rule(("a",), regex="(.*)", target_label="${1}_x", replacement="1")], FOO_BAR_BAZ | {"foo_x": "1"}),
        ([Rule(("a",), regex="(.*)", target_label="d", replacement="$$5$1$")], FOO_BAR_BAZ | {"d": "$5foo$"}),
        ([Rule(("__name__", "a"), regex="m;(.*)", target_label="d")], FOO_BAR_BAZ | {"d": "foo"}),
    ],
)
def test_actions_do_what_prometheus_does(rules: Any, expected: Any) -> None:
    """Each action changes or drops the labels as Prometheus does."""
    assert relabel(*rules) == expected


def test_regular_expressions_are_anchored_and_span_lines() -> None:
    """A regex matches the whole value, and its dot a line feed."""
    rule = Rule(("a",), regex="x.y", action="keep")
    assert relabel(rule, labels={"a": "x\ny"}) == {"a": "x\ny"}
    assert relabel(rule, labels={"a": "xzyz"}) is None


def test_lower_case() -> None:
    """``lowercase`` maps the joined source labels."""
    rule = Rule(("a", "b"), target_label="d", action="lowercase")
    assert relabel(rule, labels={"a": "X", "b": "Y"}) == {"a": "X", "b": "Y", "d": "x;y"}


def test_hidden_labels_end_with_the_rules() -> None:
    """Labels that begin with ``__`` are seen by the rules and are gone after them."""
    rule = Rule(("__channel",), regex="(.)_.*", target_label="phase")
    assert relabel(rule, labels={"__channel": "a_energy", "x": "1"}) == {"x": "1", "phase": "a"}


def test_without_rules_hidden_and_empty_labels_go() -> None:
    """No rule at all still ends hidden labels."""
    assert relabel(labels={"__x": "1", "a": "", "b": "2"}) == {"b": "2"}


def test_the_argument_is_left_alone() -> None:
    """Rows may share one label set."""
    labels = {"a": "foo"}
    relabel(Rule(("a",), target_label="a", replacement="x"), labels=labels)
    assert labels == {"a": "foo"}


def test_the_name_survives_labeldrop_and_labelkeep() -> None:
    """A later rule still sees ``__name__`` though an earlier one keeps or drops by pattern."""
    for action, regex in (("labeldrop", ".*"), ("labelkeep", "a")):
        kept = relabel(Rule(regex=regex, action=action), Rule(("__name__",), target_label="n"))
        assert kept is not None
        assert kept["n"] == "m"


def test_a_name_made_of_data_cannot_become_the_metric() -> None:
    """A label name that data turns into ``__name__``, or into none, changes nothing."""
    rules = [Rule(("a",), target_label="${1}"), Rule(("__name__",), target_label="n")]
    assert relabel(*rules, labels={"__name__": "m", "a": "__name__"}) == {"a": "__name__", "n": "m"}
    assert relabel(rules[0], labels={"a": "9 9"}) == {"a": "9 9"}


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Rule(action="rename"), "'rename' is not a relabel action"),
        (Rule(("a",), regex="(", target_label="b"), "the regex '(' is not RE2 syntax: missing ): ("),
        (Rule(("a",), regex="(?=x)", target_label="b"), "is not RE2 syntax"),
        (Rule(("a",)), "the action replace needs a target_label"),
        (Rule(("a",), target_label="__name__"), "__name__ is the metric's name"),
        (Rule(("a",), target_label="job"), "'exported_job'"),
        (Rule(("a",), target_label="b-c"), "is not a label name"),
        (Rule(("a",), action="keepequal", target_label="b-c"), "is not a label name"),
        (Rule(("a",), target_label="b-$1"), "cannot become a label name"),
        (Rule(("a-b",), target_label="b"), "the source label 'a-b' is not a label name"),
        (Rule(("a",), regex="(x)", target_label="b", replacement="$1x"), "refers to group '1x'"),
        (Rule(("a",), regex="x", target_label="b"), "refers to group '1'"),
        (Rule(action="drop"), "the action drop needs source_labels"),
        (Rule(("a",), action="keep", target_label="x"), "the action keep does not use target_label"),
        (Rule(("a",), action="hashmod", target_label="x"), "needs a modulus above 0"),
        (Rule(("a",), action="hashmod", target_label="x", modulus=0), "needs a modulus above 0"),
        (Rule(("a",), action="lowercase", target_label="x", regex="y"), "the action lowercase does not use regex"),
        (Rule(("a",), action="labeldrop", regex="x"), "the action labeldrop does not use source_labels"),
        (Rule(action="labelmap", regex="(.*)", replacement="-$1"), "cannot become a label name"),
    ],
)
def test_mistakes_are_told(rule: Any, message: Any) -> None:
    """A rule that cannot work is refused when it is compiled."""
    with pytest.raises(RelabelError) as caught:
        compile_relabel((rule,))
    assert message in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    """Each mistake comes with the index of its rule."""
    with pytest.raises(RelabelError) as caught:
        compile_relabel((Rule(action="x"), Rule(("a",), target_label="ok"), Rule(action="y")))
    assert [index for index, _ in caught.value.problems] == [0, 2]


def test_exponential_regexes_are_linear() -> None:
    """A regex that would take a backtracking engine for ever is answered at once."""
    assert relabel(Rule(("a",), regex="(x+x+)+y", action="drop"), labels={"a": "x" * 256}) == {"a": "x" * 256}


@pytest.mark.parametrize("name", ["job", "instance", "le", "quantile"])
@pytest.mark.parametrize("action", ["replace", "hashmod", "lowercase"])
def test_a_label_that_belongs_to_others_is_no_target(name: str, action: str) -> None:
    """The mistake is found when the rules are compiled, also in a labelmap whose new name is fixed."""
    rule = Rule(("a",), target_label=name, action=action, modulus=8 if action == "hashmod" else None)
    labelmap = Rule(regex="a", replacement=name, action="labelmap")
    with pytest.raises(RelabelError, match=f"'{name}'") as caught:
        compile_relabel((rule, labelmap))
    assert [index for index, _ in caught.value.problems] == [0, 1]


@pytest.mark.parametrize("name", ["job", "instance", "le", "quantile"])
@pytest.mark.parametrize(
    "rule", [Rule(("x",), target_label="$1"), Rule(regex="my_(.*)", replacement="$1", action="labelmap")]
)
def test_a_label_that_belongs_to_others_is_not_made_of_data(name: str, rule: Rule) -> None:
    """A row whose data name such a label is a reject; one that a later rule takes away again is not."""
    labels = {"x": name, f"my_{name}": "v"}
    with pytest.raises(Unusable, match=r"which .*(Prometheus|histograms|summaries)") as caught:
        relabel(rule, labels=labels)
    assert caught.value.reason == "not_a_label"
    assert relabel(rule, Rule(regex=name, action="labeldrop"), labels=labels) == labels
