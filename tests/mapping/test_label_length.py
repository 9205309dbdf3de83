"""Values of labels that are too long, wherever they come from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.mapping.build import run, spec_of
from timepoint.mapping.engine import compile_mapping
from timepoint.model import split_series_text

LONG = "x" * 300
CONFIG = '{{rows: {{v: "$[*]"}}, metrics: {{x: {{value: 1, {0}}}}}}}'


@pytest.mark.parametrize(
    "labels",
    [
        "labels: {a: $v.a}",
        'labels: {"*": $v}',
        "labels: {a: " + LONG + "}",
        "labels: {a: $v.a}, relabel: [{source_labels: [a, a], target_label: a}]",
    ],
    ids=["read", "spread", "literal", "relabelled"],
)
def test_each_value_is_cut(labels: str) -> None:
    """The limit holds for the value that is shown, with the hash in it."""
    [text] = run(CONFIG.format(labels), [{"a": LONG}]).series["x"]
    [value] = split_series_text(text)[1].values()
    assert (len(value), value[-17]) == (256, "~")


@pytest.mark.parametrize("labels", ["labels: {a: $v.a}", 'labels: {"*": $v}'])
def test_the_limit_is_the_job_s(labels: str) -> None:
    """A longer limit lets the whole value through."""
    spec = replace(spec_of(CONFIG.format(labels)), label_length=300)
    assert list(run(compile_mapping(spec), [{"a": LONG}]).series["x"]) == [f'{{a="{LONG}"}}']


def test_captures_are_cut() -> None:
    """Keys of the document are labels like others."""
    [text] = run('{rows: {v: "$.{a}"}, metrics: {x: {value: $v}}}', {LONG: 1}).series["x"]
    assert len(split_series_text(text)[1]["a"]) == 256
