"""Walks and metrics: which rows there are, who sees what, and what cannot work (R1 to R5, R10)."""

from __future__ import annotations

import pytest

from tests.mapping.build import problems_of, run, run_both, values

AREAS = {
    "areas": [
        {"name": "FI", "total": 3, "links": [{"to": "SE1", "mw": 1}, {"to": "EE", "mw": 2}]},
        {"name": "SE", "total": 4, "links": []},
    ]
}
TREE = """
rows: {a: "$.areas[*]", c: "$a.links[*]"}
labels: {area: $a.name}
metrics:
  export: {value: $c.mw, labels: {to: $c.to}}
  total: {value: $a.total}
"""


def test_metric_belongs_to_its_deepest_walk() -> None:
    """A metric is taken once per node of the deepest walk that its own entries name (R1)."""
    assert values(run_both(TREE, AREAS)) == {
        'export{area="FI",to="EE"}': [2.0],
        'export{area="FI",to="SE1"}': [1.0],
        'total{area="FI"}': [3.0],
        'total{area="SE"}': [4.0],
    }


def test_rows_are_counted() -> None:
    """Each node of a walk that a metric belongs to is one row."""
    assert run_both(TREE, AREAS).rows == 4


def test_two_walks_from_one_start_are_branches() -> None:
    """Walks with the same start never multiply."""
    config = """
    rows: {a: "$.a[*]", b: "$.b[*]"}
    metrics: {of_a: {value: $a, combine: sum}, of_b: {value: $b, combine: sum}}
    """
    assert values(run_both(config, {"a": [1, 2, 3], "b": [10, 20]})) == {"of_a": [6.0], "of_b": [30.0]}


def test_without_rows_the_document_is_the_row() -> None:
    """Without ``rows`` there is one row, the document (R1)."""
    assert values(
        run_both("metrics: {delay: {value: $.delay, labels: {line: $.line}}}", {"delay": 3, "line": "C"})
    ) == {'delay{line="C"}': [3.0]}


def test_row_names_the_walk() -> None:
    """``row`` makes a metric belong to a walk that its paths do not name."""
    assert values(run_both('{rows: {a: "$.x[*]"}, metrics: {n: {value: 1, row: a, combine: sum}}}', {"x": [7, 7]})) == {
        "n": [2.0]
    }


def test_job_labels_of_unseen_walks_are_left_out() -> None:
    """A label of the job whose walk a metric does not see is left out for that metric (R2)."""
    config = """
    rows: {a: "$.areas[*]", c: "$a.links[*]"}
    labels: {area: $a.name, to: $c.to}
    metrics: {total: {value: $a.total}}
    """
    assert set(values(run_both(config, AREAS))) == {'total{area="FI"}', 'total{area="SE"}'}


def test_null_takes_a_label_away() -> None:
    """A label set to null takes away the job's label or a capture (R2)."""
    config = """
    rows: {v: "$.{zone}.{kind}"}
    labels: {source: api}
    metrics: {x: {value: $v, labels: {source: null, kind: null}}}
    """
    assert set(values(run_both(config, {"DE": {"wind": 1}}))) == {'x{zone="DE"}'}


def test_members_are_not_elements() -> None:
    """``.{name}`` never takes an array's elements, ``[{i}]`` never an object's members (R5)."""
    config = '{rows: {a: "$.a.{k}", b: "$.b[{i}]"}, metrics: {of_a: {value: $a}, of_b: {value: $b}}}'
    assert values(run_both(config, {"a": [1, 2], "b": {"x": 1}})) == {}


def test_wildcard_takes_both() -> None:
    """``*`` takes members and elements alike, as in RFC 9535."""
    config = '{rows: {a: "$.*.*"}, metrics: {x: {value: $a, combine: sum}}}'
    assert values(run_both(config, {"a": [1, 2], "b": {"x": 10}})) == {"x": [13.0]}


@pytest.mark.parametrize(
    ("matcher", "expected"),
    [
        ('="a"', {"a"}),
        ('!="a"', {"ab", "b"}),
        ('=~"a.*"', {"a", "ab"}),
        ('=~"b"', {"b"}),
        ('!~"a.*"', {"b"}),
    ],
)
def test_matchers_are_anchored(matcher: str, expected: set[str]) -> None:
    """A matcher takes the keys that match as a whole (R5)."""
    config = f"{{rows: {{v: '$.{{k{matcher}}}'}}, metrics: {{x: {{value: $v}}}}}}"
    assert set(values(run_both(config, {"a": 1, "ab": 1, "b": 1}))) == {f'x{{k="{key}"}}' for key in expected}


def test_capture_used_by_time_is_no_label() -> None:
    """A capture that ``time`` uses is no label (R5)."""
    config = '{rows: {v: "$.{stamp}"}, time: $stamp, metrics: {x: {value: $v}}}'
    assert set(values(run_both(config, {"2024-01-01": 1}))) == {"x"}


def test_capture_used_by_time_is_a_label_if_named() -> None:
    """A capture that ``time`` uses is a label where ``labels`` names it (R5)."""
    config = '{rows: {v: "$.{stamp}"}, time: $stamp, metrics: {x: {value: $v, labels: {day: $stamp}}}}'
    assert set(values(run_both(config, {"2024-01-01": 1}))) == {'x{day="2024-01-01"}'}


def test_double_underscore_capture_is_no_label() -> None:
    """A capture whose name begins with two underscores is seen by relabel rules only (R5)."""
    config = """
    rows: {v: "$.{__channel}"}
    relabel: [{source_labels: [__channel], regex: "(.)_.*", target_label: phase}]
    metrics: {x: {value: $v}}
    """
    assert set(values(run_both(config, {"a_act": 1}))) == {'x{phase="a"}'}


def test_captured_index_is_its_place() -> None:
    """The capture of an element is its place in the array."""
    config = '{rows: {v: "$[{i}]"}, metrics: {x: {value: $v}}}'
    assert values(run_both(config, [5, 6])) == {'x{i="0"}': [5.0], 'x{i="1"}': [6.0]}


def test_table_by_a_path() -> None:
    """``columns`` makes each array that a walk passes an object by names of the document (R10)."""
    config = """
    rows: {s: "$.series[*]", v: {path: "$s.values[*]", columns: $s.columns}}
    metrics: {x: {value: $v.mean, labels: {cpu: $s.cpu}}}
    """
    document = {"series": [{"cpu": "0", "columns": ["t", "mean"], "values": [[1, 2.5]]}]}
    assert values(run_both(config, document)) == {'x{cpu="0"}': [2.5]}


def test_table_by_names_of_columns() -> None:
    """The columns' names may be members of a list of objects (R10)."""
    config = """
    rows: {v: {path: "$.rows[*]", columns: "$.columns[*].name"}}
    metrics: {x: {value: $v.cost, labels: {group: $v.group}}}
    """
    document = {"columns": [{"name": "cost"}, {"name": "group"}], "rows": [[1.5, "a"], [2.5, "b"]]}
    assert values(run_both(config, document)) == {'x{group="a"}': [1.5], 'x{group="b"}': [2.5]}


def test_table_by_literal_names() -> None:
    """The columns may be a literal list (R10)."""
    config = """
    rows: {v: {path: "$[*]", columns: [at, mw]}}
    metrics: {x: {value: $v.mw, time: $v.at}}
    """
    assert values(run_both(config, [["2024-01-01T00:00Z", 1], ["2024-01-01T01:00Z", 2]])) == {"x": [1.0, 2.0]}


def test_table_row_of_another_length_is_a_reject() -> None:
    """A row with more or fewer values than columns is a reject, its neighbours stay (R10)."""
    config = '{rows: {v: {path: "$[*]", columns: [a, b]}}, metrics: {x: {value: $v.b, combine: sum}}}'
    mapped = run_both(config, [[1, 2], [1], [1, 5]])
    assert (values(mapped), mapped.rejects.counts) == ({"x": [7.0]}, {"length_mismatch": 1})


def test_null_rows_are_no_rows() -> None:
    """A null or missing node is no row (R4)."""
    config = '{rows: {v: "$[*]"}, missing: [ND], metrics: {x: {value: $v, combine: sum}}}'
    assert run_both(config, [1, None, "ND", 2]).rows == 2


@pytest.mark.parametrize(
    ("config", "where", "sentence"),
    [
        (
            '{rows: {pod: "$[*]"}, metrics: {x: {value: $pdo.v}}}',
            "metrics.x.value",
            "$pdo: no walk, capture or look-up has this name; did you mean $pod?",
        ),
        (
            '{rows: {a: "$b[*]", b: "$[*]"}, metrics: {x: {value: $a}}}',
            "rows.a",
            "$b must stand above this walk to be its start",
        ),
        (
            '{rows: {a: "$.{k}", b: "$k[*]"}, metrics: {x: {value: $a}}}',
            "rows.b",
            "$k is a key, not a node: a walk starts at $ or at a walk above it",
        ),
        (
            '{rows: {a: "$.{k}.{k}"}, metrics: {x: {value: 1}}}',
            "rows.a",
            "{k}: this name is taken; walks and captures share one set of names",
        ),
        (
            '{rows: {a: "$.a[*]", b: "$.b[*]"}, metrics: {x: {value: $a, labels: {l: $b.l}}}}',
            "metrics.x",
            "$a and $b are on two branches of rows; a metric sees one walk and those above it",
        ),
        (
            '{rows: {a: "$[*]"}, metrics: {x: {value: "$a[*]"}}}',
            "metrics.x.value",
            "'$a[*]' can select many nodes: walk it in rows (R3)",
        ),
        (
            '{rows: {a: "$.{k}"}, metrics: {x: {value: $k.v}}}',
            "metrics.x.value",
            "$k is a key and has nothing inside",
        ),
        (
            '{rows: {a: "$[*]", b: "$a.b[*]"}, time: $b.t, metrics: {x: {value: $a.v}}}',
            "metrics.x",
            "the time names $b, which a row of $a does not see: give this metric its own time, or say its row",
        ),
        (
            '{rows: {a: {path: "$[*]", columns: [x, x]}}, metrics: {x: {value: $a.x}}}',
            "rows.a",
            "columns: a name stands there twice",
        ),
        (
            '{rows: {a: "$.{job}"}, metrics: {x: {value: $a}}}',
            "rows.a",
            "{job}: 'job' is the label Prometheus gives to its target: call it 'exported_job' or otherwise",
        ),
        (
            "{metrics: {x: {value: $.v, row: nowhere}}}",
            "metrics.x.row",
            "$nowhere: no walk, capture or look-up has this name; $ is the document",
        ),
        ("{metrics: {x: {value: v}}}", "metrics.x.value", "'v' is neither a path nor a number: a path begins with $"),
        (
            "{metrics: {x: {value: $.v, combine: add}}}",
            "metrics.x.combine",
            "'add' does not join points: use one of sum, min, max, mean, first, last",
        ),
        (
            "{metrics: {x: {value: $.v, time: {at: $.t, step: 5m}}}}",
            "metrics.x.time",
            (
                "time is a path, or {at}, {at, interval}, {start, end}, {start, step} or {start, step, index};"
                " this has at, step"
            ),
        ),
        (
            '{metrics: {x: {value: $.v, time: {start: "{window.begin}", step: 5m}}}}',
            "metrics.x.time.start",
            "'{window.begin}' is not a template for time: there is {window.start}, {window.end}, {fire_time}",
        ),
        (
            '{metrics: {x: {value: $.v, labels: {"*": text}}}}',
            "metrics.x.labels.*",
            "'*' spreads an object: give it a path",
        ),
        ('{labels: {"a b": $.v}, metrics: {x: {value: $.v}}}', "labels.a b", None),
        ("{relabel: [{action: wrong}], metrics: {x: {value: $.v}}}", "relabel.0", None),
        ("{metrics: {x: {value: $.v, relabel: [{action: wrong}]}}}", "metrics.x.relabel.0", None),
        ("{unit: {from: Wh, to: meters}, metrics: {x: {value: $.v}}}", "unit", None),
        ("{metrics: {x: {value: $.v, time: {at: $.t, timezone: Mars/Olympus}}}}", "metrics.x.time.timezone", None),
        ("{metrics: {x: {value: $.v, time: {at: $.t, format: nonsense}}}}", "metrics.x.time.format", None),
        ("{metrics: {x: {value: $.v, time: {at: $.t, interval: soon}}}}", "metrics.x.time.interval", None),
        ('{expect: {present: ["$.{a}"]}, metrics: {x: {value: $.v}}}', "expect.present", None),
        ("{expect: {equal: {status: 1}}, metrics: {x: {value: $.v}}}", "expect.equal.status", None),
    ],
)
def test_what_cannot_work(config: str, where: str, sentence: str | None) -> None:
    """A mistake is one sentence at the key that holds it."""
    problems = problems_of(config)
    assert list(problems) == [where]
    assert sentence is None or problems[where] == sentence


def test_all_mistakes_are_told_at_once() -> None:
    """The compiler reports every mistake, not the first."""
    config = '{rows: {a: "$["}, metrics: {x: {value: $b}, y: {value: $c}}}'
    assert set(problems_of(config)) == {"rows.a", "metrics.x.value", "metrics.y.value"}


def test_too_many_levels() -> None:
    """More wildcards in one another than loops can be nested are a config error."""
    levels = "[*]" * 16
    assert list(problems_of(f'{{rows: {{a: "${levels}"}}, metrics: {{x: {{value: $a}}}}}}')) == ["rows"]


def test_fifteen_levels_work() -> None:
    """Fifteen levels of wildcards are walked."""
    document: object = 7
    for _ in range(15):
        document = [document]
    assert values(run(f'{{rows: {{a: "${"[*]" * 15}"}}, metrics: {{x: {{value: $a}}}}}}', document)) == {"x": [7.0]}
