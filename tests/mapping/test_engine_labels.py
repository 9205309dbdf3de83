"""From documents to points: labels, joins, what a usable document holds, what is remembered (R4 to R9, R11, R16)."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from tests.mapping.build import CART, PODS, STEP, WINDOW, gauge, mapping_of, pods, points, run, run_both, values
from timepoint.errors import ContentError
from timepoint.model import Window


class TestLabels:
    """Labels (R4, R5, R7, R9, R16)."""

    @pytest.mark.parametrize(
        ("node", "text"), [("a", "a"), (3, "3"), (3.0, "3"), (1.5, "1.5"), (True, "true"), ('ü\n"', 'ü\\n\\"')]
    )
    def test_labels_are_text(self, node: Any, text: str) -> None:
        """A scalar is a label as text, escaped for the page."""
        assert list(values(run_both(gauge("value: $v.v, labels: {l: $v.l}"), [{"v": 1, "l": node}]))) == [
            f'x{{l="{text}"}}'
        ]

    def test_one_and_true_are_two_labels(self) -> None:
        """``1`` and ``true`` are two series, though Python calls them equal."""
        rows = [{"v": 1, "l": 1}, {"v": 2, "l": True}, {"v": 3, "l": "1.5"}]
        assert len(values(run_both(gauge("value: $v.v, labels: {l: $v.l}"), rows))) == 3

    @pytest.mark.parametrize("node", [{}, [], [1]])
    def test_container_is_no_label(self, node: Any) -> None:
        """An object or array as a label costs the row."""
        assert run_both(gauge("value: $v.v, labels: {l: $v.l}"), [{"v": 1, "l": node}]).rejects.counts == {
            "not_a_label": 1
        }

    def test_literal(self) -> None:
        """An entry that does not begin with $ is a literal; two dollars are one (R16)."""
        config = gauge("value: $v.v, labels: {a: text, b: $$5}")
        assert list(values(run_both(config, [{"v": 1}]))) == ['x{a="text",b="$5"}']

    def test_filter_picks_one(self) -> None:
        """A filter in a label takes the one node that fits (R3)."""
        config = gauge("value: $v.v, labels: {tier: \"$v.dims[?@.name == 'tier'].value\"}")
        dims = [{"name": "kind", "value": "x"}, {"name": "tier", "value": "Hot"}]
        assert list(values(run_both(config, [{"v": 1, "dims": dims}]))) == ['x{tier="Hot"}']

    def test_second_hit_is_a_reject(self) -> None:
        """A second hit of a filter costs the row (R3)."""
        config = gauge("value: $v.v, labels: {tier: \"$v.dims[?@.name == 'tier'].value\"}")
        dims = [{"name": "tier", "value": "Hot"}] * 2
        assert run_both(config, [{"v": 1, "dims": dims}]).rejects.counts == {"several_nodes": 1}

    def test_spread(self) -> None:
        """``*`` makes each scalar member a label, and entries by name win (R9)."""
        config = gauge('value: $v.v, labels: {"*": $v.tags, host: "h"}')
        tags = {"host": "x", "data center": "b", "n": 1, "deep": {}, "none": None}
        assert list(values(run_both(config, [{"v": 1, "tags": tags}]))) == ['x{data_center="b",host="h",n="1"}']

    def test_a_member_is_taken_away_by_null(self) -> None:
        """What a spread object holds beside labels is left out by its name, for each metric by itself."""
        config = """
        rows: {v: "$[*]"}
        labels: {"*": $v.tags, noise: null}
        metrics: {x: {value: $v.v}, y: {value: $v.v, labels: {host: null}}}
        """
        mapped = run(config, [{"v": 1, "tags": {"noise": "7", "host": "a", "rack": "b"}}])
        assert values(mapped) == {'x{host="a",rack="b"}': [1.0], 'y{rack="b"}': [1.0]}

    def test_spread_clash_is_a_reject(self) -> None:
        """Members that come to one label name cost the row (R9)."""
        config = gauge('value: $v.v, labels: {"*": $v.tags}')
        assert run_both(config, [{"v": 1, "tags": {"a b": 1, "a-b": 2}}]).rejects.counts == {"label_clash": 1}

    def test_relabel_drops_before_the_value_is_read(self) -> None:
        """A row that relabeling drops is counted as dropped and cannot be a reject (R7)."""
        config = gauge("value: $v.v, labels: {l: $v.l}, relabel: [{source_labels: [l], regex: b, action: drop}]")
        mapped = run_both(config, [{"v": 1, "l": "a"}, {"v": "?", "l": "b"}])
        assert (list(values(mapped)), mapped.dropped, mapped.rejects.total) == (['x{l="a"}'], 1, 0)

    def test_job_relabels_first(self) -> None:
        """The rules of the job come before those of the metric (R7)."""
        config = gauge(
            "value: $v.v, labels: {l: $v.l}, relabel: [{source_labels: [m], target_label: n}]",
            "relabel: [{source_labels: [l], target_label: m}]",
        )
        assert list(values(run_both(config, [{"v": 1, "l": "a"}]))) == ['x{l="a",m="a",n="a"}']

    def test_lane_labels(self) -> None:
        """The labels of the lane are on every series."""
        mapping = mapping_of(gauge("value: $v.v, labels: {l: $v.l}"))
        assert list(values(run(mapping, [{"v": 1, "l": "a"}], zone="DE"))) == ['x{l="a",zone="DE"}']
        assert list(values(run(mapping, [{"v": 1, "l": "a"}], zone="FR"))) == ['x{l="a",zone="FR"}']


class TestJoins:
    """Points with equal labels and interval (R8)."""

    ROWS = ({"v": 1}, {"v": 3}, {"v": 1})

    def test_other_value_is_a_reject(self) -> None:
        """Without ``combine`` the first value stays, equal ones are one, others are rejects."""
        mapped = run_both(gauge("value: $v.v"), [*self.ROWS])
        assert values(mapped) == {"x": [1.0]}
        assert mapped.rejects.examples == {"duplicate_point": ["x at 2023-11-14T22:35:00Z: 1, then 3"]}

    @pytest.mark.parametrize(
        ("combine", "joined"), [("sum", 5), ("min", 1), ("max", 3), ("mean", 5 / 3), ("first", 1), ("last", 1)]
    )
    def test_combine(self, combine: str, joined: float) -> None:
        """``combine`` joins all of them, equal values too."""
        mapped = run_both(gauge(f"value: $v.v, combine: {combine}"), [*self.ROWS])
        assert (values(mapped), mapped.rejects.total) == ({"x": [joined]}, 0)

    def test_combine_over_answers(self) -> None:
        """Points of all answers of a run are joined."""
        mapping = mapping_of(PODS.replace("type: counter", "type: counter\n    combine: sum"))
        mapped = run(mapping, pods([1, 2, 3]), pods([10, 20, 30]))
        assert values(mapped)[f"pod_energy_joules_total{CART}"] == [39600.0, 79200.0, 118800.0]

    @pytest.mark.parametrize(("combine", "joined"), [("first", 1), ("last", 2)])
    def test_lists_and_scalars_keep_their_order(self, combine: str, joined: float) -> None:
        """First and last go by arrival, also where a series comes as a list here and as single rows there."""
        rows = [{"v": v, "t": t} for v, t in ((1, "2024-01-01"), ([5], ["2024-01-01"]), (2, "2024-01-01"))]
        assert values(run_both(gauge(f"value: $v.v, time: $v.t, combine: {combine}"), rows)) == {"x": [joined]}

    def test_pages_of_one_series(self) -> None:
        """A series may come in several answers, in any order."""
        config = gauge("value: '$v[1]', time: '$v[0]'")
        mapped = run(mapping_of(config), [["2024-01-02", 2]], [["2024-01-01", 1]])
        assert values(mapped) == {"x": [1.0, 2.0]}

    def test_nan_equals_nan(self) -> None:
        """Two NaN at one time are the same value."""
        mapped = run(gauge("value: $v"), ["NaN", "NaN"])
        assert math.isnan(values(mapped)["x"][0])
        assert mapped.rejects.total == 0


class TestExpect:
    """What a usable document holds (R11)."""

    CONFIG = """
    expect: {equal: {$.status: success}, present: [$.data], absent: [$.error]}
    rows: {v: "$.data[*]"}
    metrics: {x: {value: $v, combine: sum}}
    """

    def test_good_document(self) -> None:
        """A document that holds what is expected is mapped."""
        assert values(run_both(self.CONFIG, {"status": "success", "data": [1, 2], "error": ""})) == {"x": [3.0]}

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"status": "error"}, "$.status is 'error', expected 'success'"),
            (
                {"status": "bad", "message": "over quota"},
                "$.status is 'bad', expected 'success'; message is 'over quota'",
            ),
            ({"status": None}, "$.status is null, expected 'success'"),
            ({"data": []}, "$.data must be present, and there is nothing"),
            ({"data": None}, "$.data must be present, and there is nothing"),
            ({"error": "quota"}, "$.error must be absent, and there is 'quota'"),
            ({"error": 0}, "$.error must be absent, and there is 0"),
        ],
    )
    @pytest.mark.parametrize("as_body", [False, True])
    def test_bad_document(self, change: dict[str, Any], sentence: str, as_body: bool) -> None:  # noqa: FBT001 (a case)
        """A document that does not hold it fails, with the value that was found."""
        document = {"status": "success", "data": [1], **change}
        with pytest.raises(ContentError) as caught:
            run(mapping_of(self.CONFIG), json.dumps(document).encode() if as_body else document)
        assert (caught.value.reason, str(caught.value)) == ("expect", sentence)

    def test_true_is_not_one(self) -> None:
        """A number is not equal to a boolean."""
        with pytest.raises(ContentError):
            run(mapping_of("{expect: {equal: {$.ok: 1}}, metrics: {x: {value: $.v}}}"), {"ok": True, "v": 1})


class TestMemory:
    """What is remembered between runs."""

    def test_runs_do_not_mix(self) -> None:
        """A run holds the points of its own documents only."""
        mapping = mapping_of(PODS)
        run(mapping, pods([1, 2, 3], [1, 2, 3]))
        assert list(values(run(mapping, pods([1, 2, 3])))) == [f"pod_energy_joules_total{CART}"]

    def test_texts_are_forgotten(self) -> None:
        """Texts of rows that no longer come are forgotten after a while."""
        mapping = mapping_of(gauge("value: $v.v, labels: {l: $v.l}"))
        for i in range(60):
            run(mapping, [{"v": 1, "l": f"{i}-{j}"} for j in range(100)])
        (memory,) = mapping._memories[()]
        assert len(memory.texts) <= 17 * 100

    def test_windows_differ_between_runs(self) -> None:
        """Implied times follow the window of their run."""
        mapping = mapping_of(PODS)
        run(mapping, pods([1, 2, 3]))
        later = Window(WINDOW.end, WINDOW.end + STEP)
        assert [start for start, _, _ in points(run(mapping, pods([1]), window=later)).popitem()[1]] == [WINDOW.end]
