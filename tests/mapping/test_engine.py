"""From documents to points: values, times, lists and what is not there (R2 to R6, R14, R17)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mapping.build import (
    CART,
    FIRE_TIME,
    PODS,
    START,
    STEP,
    WINDOW,
    gauge,
    mapping_of,
    pods,
    points,
    run,
    run_both,
    values,
)
from timepoint.clock import DAY, HOUR
from timepoint.model import Window


class TestPodEnergy:
    """The first user's job."""

    def test_points(self) -> None:
        """Each value of a pod's list is one interval of its counter, in joules."""
        mapped = run_both(PODS, pods([12.5, 13, 0]))
        assert points(mapped) == {
            f"pod_energy_joules_total{CART}": [
                (START, START + STEP, 45000.0),
                (START + STEP, START + 2 * STEP, 46800.0),
                (START + 2 * STEP, START + 3 * STEP, 0.0),
            ]
        }

    def test_one_grid_for_all(self) -> None:
        """Rows on the same grid share one object for their times."""
        series = run_both(PODS, pods([1, 2, 3], [4, 5, 6])).series["pod_energy_joules_total"]
        assert len({id(found.times) for found in series.values()}) == 1

    def test_metric_without_rows_is_present(self) -> None:
        """A metric that matched nothing is in the result with no series."""
        mapped = run_both(PODS, {})
        assert (mapped.series, mapped.rows) == ({"pod_energy_joules_total": {}}, 0)

    def test_bad_pod_costs_itself(self) -> None:
        """A row that cannot be used is counted with its path and its neighbours stay."""
        mapped = run_both(PODS, pods("n/a", [1, 2, 3]))
        assert len(mapped.series["pod_energy_joules_total"]) == 1
        assert mapped.rejects.examples["length_mismatch"] == [
            "$['cluster-a']['checkout']['shop'][0].energy_consumed: 1 value, the window has 3 steps"
        ]

    def test_bad_value_costs_itself(self) -> None:
        """A value that cannot be used is counted with its place and the others stay."""
        mapped = run_both(PODS, pods([1, "?", 3]))
        assert [start for start, _, _ in points(mapped)[f"pod_energy_joules_total{CART}"]] == [START, START + 2 * STEP]
        assert mapped.rejects.examples == {
            "not_a_number": ["$['cluster-a']['checkout']['shop'][0].energy_consumed[1]: '?'"]
        }

    def test_null_keeps_its_slot(self) -> None:
        """A null in a list is no sample, no reject, and moves no other value (R4)."""
        mapped = run_both(PODS, pods([None, 2, None]))
        assert points(mapped)[f"pod_energy_joules_total{CART}"] == [(START + STEP, START + 2 * STEP, 7200.0)]
        assert mapped.rejects.total == 0

    @pytest.mark.parametrize(
        ("value", "reason"),
        [(-0.5, "negative"), ("NaN", "not_finite"), ("+Inf", "not_finite"), (1e308, "out_of_range")],
    )
    def test_what_a_counter_does_not_take(self, value: Any, reason: str) -> None:
        """A counter takes neither values below zero, nor NaN, nor infinite ones (R14)."""
        mapped = run_both(PODS, pods([1, value, 3]))
        assert mapped.rejects.counts == {reason: 1}
        assert len(points(mapped)[f"pod_energy_joules_total{CART}"]) == 2

    def test_negative_zero_is_zero(self) -> None:
        """A counter takes -0.0."""
        assert run_both(PODS, pods([-0.0, 1, 2])).rejects.total == 0


class TestMixedLists:
    """Lists in which not all is a plain number."""

    CONFIG = PODS.replace("step: 5m}", "step: 5m}\n    missing: [ND, -999999]\n    map: {idle: 0}")

    @pytest.mark.parametrize(
        ("energies", "expected", "reasons"),
        [
            ([1, -999999, 3], [1, 3], {}),
            ([1, "ND", 3], [1, 3], {}),
            (["1", "idle", " 3 "], [1, 0, 3], {}),
            ([1, None, -5], [1], {"negative": 1}),
            ([1, None, "?"], [1], {"not_a_number": 1}),
            (["?", "?", "!"], None, {"not_a_number": 3}),
            ([True, False, 2], [1, 0, 2], {}),
            ([2**70, 10**400, 1], [2**70, 1], {"out_of_range": 1}),
            ([None, None, None], None, {}),
            ([[1], {}, 3], [3], {"not_a_number": 2}),
            (["NaN", -1, 3], [3], {"not_finite": 1, "negative": 1}),
        ],
    )
    def test_each_value_counts_for_itself(
        self, energies: list[Any], expected: list[float] | None, reasons: dict[str, int]
    ) -> None:
        """Plain numbers, texts, gaps and what is no number stand side by side in a list."""
        mapped = run_both(self.CONFIG, pods(energies))
        found = values(mapped).get(f"pod_energy_joules_total{CART}")
        assert found == (None if expected is None else [value * 3600.0 for value in expected])
        assert mapped.rejects.counts == reasons


class TestImpliedTimes:
    """``{start, step}`` (R17)."""

    @pytest.mark.parametrize("length", [2, 4])
    def test_length_must_fit_the_window(self, length: int) -> None:
        """A list that is not as long as the window is a reject."""
        mapped = run_both(PODS, pods([1] * length))
        assert (values(mapped), mapped.rejects.counts) == ({}, {"length_mismatch": 1})

    @pytest.mark.parametrize(("align", "first"), [("align_start", START), ("align_end", START + STEP)])
    def test_short_list(self, align: str, first: int) -> None:
        """``short_list`` says where the values of a short list belong."""
        mapped = run_both(PODS + f"    short_list: {align}\n", pods([1, 2]))
        assert [start for start, _, _ in points(mapped)[f"pod_energy_joules_total{CART}"]] == [first, first + STEP]

    def test_long_list_is_a_reject_always(self) -> None:
        """``short_list`` does not excuse a list that is too long."""
        assert run_both(PODS + "    short_list: align_end\n", pods([1] * 4)).rejects.counts == {"length_mismatch": 1}

    def test_start_of_the_body(self) -> None:
        """A list that starts where the body says may have any length."""
        config = gauge("value: $v.values, time: {start: $v.begin, step: $v.step}")
        mapped = run_both(config, [{"begin": 1_347_575_400, "step": 10800, "values": [18.3, 20.6]}])
        assert points(mapped)["x"] == [
            (1_347_575_400_000, 1_347_586_200_000, 18.3),
            (1_347_586_200_000, 1_347_597_000_000, 20.6),
        ]

    def test_calendar_steps(self) -> None:
        """A step of a calendar unit follows the calendar of the zone: a day may have 23 hours."""
        config = gauge('value: $v, time: {start: "2024-03-30", step: day, timezone: Europe/Berlin}')
        mapped = run_both(config, [[1, 2, 3]])
        assert [end - start for start, end, _ in points(mapped)["x"]] == [DAY, 23 * HOUR, DAY]

    def test_index(self) -> None:
        """``index`` gives the element's own interval, from 0 (R6a)."""
        config = """
        rows: {b: "$[*]", w: "$b.values[{i}]"}
        time: {start: $b.ts, step: $b.period, index: $i, format: unix}
        metrics: {x: {value: $w}}
        """
        mapped = run_both(config, [{"ts": 1000, "period": 60, "values": [10, 12]}])
        assert points(mapped) == {"x": [(1_000_000, 1_060_000, 10.0), (1_060_000, 1_120_000, 12.0)]}

    @pytest.mark.parametrize("place", [10**30, -1, True, "", "1.0", "-1", None, 2.5])
    def test_no_place_is_a_reject(self, place: Any) -> None:
        """An index that is no place in a list, or leads beyond the calendar, is a reject."""
        config = gauge("value: $v.v, time: {start: $v.t, step: 5m, index: $v.i}")
        assert run_both(config, [{"v": 1, "t": "2024-01-01", "i": place}]).rejects.total == 1

    @pytest.mark.parametrize("hour", [3, "3", "03"])
    def test_places_that_are_counted_from_one(self, hour: Any) -> None:
        """``first`` is the number of the first interval; a number may be text, as all of XML is."""
        config = gauge("value: $v.v, time: {start: '{window.start}', step: 5m, index: $v.hour, first: 1}")
        mapped = run_both(config, [{"v": 1, "hour": hour}])
        assert points(mapped) == {"x": [(WINDOW.start + 2 * STEP, WINDOW.start + 3 * STEP, 1.0)]}

    def test_before_the_first_place_is_a_reject(self) -> None:
        """A number below the first is no place."""
        config = gauge("value: $v.v, time: {start: '{window.start}', step: 5m, index: $v.hour, first: 1}")
        mapped = run_both(config, [{"v": 1, "hour": 0}])
        assert "0 is not a place in a list that is counted from 1" in mapped.rejects.examples["not_a_number"][0]

    def test_the_day_before_the_end_of_the_window(self) -> None:
        """A template may be ``at``, and its interval the calendar's: what an API means by "yesterday"."""
        config = gauge("value: $v.v, time: {at: '{window.end}', interval: 5m, labelled: end}")
        assert points(run_both(config, [{"v": 1}])) == {"x": [(WINDOW.end - STEP, WINDOW.end, 1.0)]}

    def test_beyond_the_calendar_is_a_reject(self) -> None:
        """Implied times beyond the year 9999 are a reject."""
        config = gauge("value: $v, time: {start: '9999-12-30', step: '86400'}")
        assert run_both(config, [[1, 2, 3]]).rejects.counts == {"not_a_time": 1}


class TestTimes:
    """The other shapes of ``time`` (R6)."""

    def test_no_time_is_the_fire_time(self) -> None:
        """Without ``time`` a point is an instant at the fire time."""
        assert points(run_both("metrics: {x: {value: $.v}}", {"v": 1})) == {"x": [(FIRE_TIME, FIRE_TIME, 1.0)]}

    def test_instant(self) -> None:
        """A path is an instant; order in the answer does not matter."""
        config = gauge("value: '$v[1]', time: '$v[0]'")
        mapped = run_both(config, [["2024-01-01T00:05Z", 2], ["2024-01-01T00:00Z", 1]])
        assert points(mapped)["x"] == [
            (1_704_067_200_000, 1_704_067_200_000, 1.0),
            (1_704_067_500_000, 1_704_067_500_000, 2.0),
        ]

    @pytest.mark.parametrize(("labelled", "start"), [("start", 1_704_067_200_000), ("end", 1_704_063_600_000)])
    def test_interval(self, labelled: str, start: int) -> None:
        """The stamp of an interval is its start or its end."""
        config = gauge(f"value: $v.v, time: {{at: $v.t, interval: PT1H, labelled: {labelled}}}")
        assert points(run_both(config, [{"t": "2024-01-01", "v": 1}])) == {"x": [(start, start + HOUR, 1.0)]}

    def test_start_and_end(self) -> None:
        """A row may say both ends of its interval."""
        config = gauge("value: $v.v, time: {start: $v.from, end: $v.to}")
        mapped = run_both(config, [{"from": "2024-01-01T00:00Z", "to": "2024-01-01T00:30Z", "v": 1}])
        assert points(mapped) == {"x": [(1_704_067_200_000, 1_704_069_000_000, 1.0)]}

    def test_end_before_start_is_a_reject(self) -> None:
        """An interval that ends before it begins is a reject."""
        config = gauge("value: $v.v, time: {start: $v.from, end: $v.to}")
        mapped = run_both(config, [{"from": "2024-01-02", "to": "2024-01-01", "v": 1}])
        assert mapped.rejects.counts == {"not_an_interval": 1}

    @pytest.mark.parametrize("stamp", [None, "2022", 5, True, [1], {}, "", "soon"])
    def test_no_stamp_is_a_reject(self, stamp: Any) -> None:
        """A row with a value but without a usable stamp is a reject (R4, R6b)."""
        config = gauge("value: $v.v, time: $v.t")
        assert run_both(config, [{"t": stamp, "v": 1}]).rejects.total == 1

    def test_absent_stamp_is_a_reject(self) -> None:
        """A path that selects nothing in ``time`` is a reject (R4)."""
        assert run_both(gauge("value: $v.v, time: $v.t"), [{"v": 1}]).rejects.counts == {"not_a_time": 1}

    def test_time_is_not_read_without_a_value(self) -> None:
        """A row without a value needs no time (R7)."""
        assert run_both(gauge("value: $v.v, time: $v.t"), [{"v": None}]).rejects.total == 0

    def test_true_is_not_the_second_one(self) -> None:
        """A stamp that was right before does not make ``true`` right, though Python calls them equal."""
        config = gauge("value: $v.v, time: {at: $v.t, format: unix}")
        assert run_both(config, [{"t": 1, "v": 1}, {"t": True, "v": 1}]).rejects.counts == {"not_a_time": 1}

    def test_zone_of_the_body(self) -> None:
        """The zone of stamps without offset may come from the body (R6c)."""
        config = gauge("value: $v.v, time: {at: $v.t, timezone: $v.zone}")
        mapped = run_both(config, [{"t": "2024-01-01 01:00", "zone": "Europe/Berlin", "v": 1}])
        assert points(mapped)["x"][0][0] == 1_704_067_200_000

    def test_unknown_zone_is_a_reject(self) -> None:
        """A zone that is none is a reject."""
        config = gauge("value: $v.v, time: {at: $v.t, timezone: $v.zone}")
        assert run_both(config, [{"t": "2024-01-01", "zone": "Mars", "v": 1}]).rejects.counts == {"not_a_zone": 1}

    @pytest.mark.parametrize("newest_first", [False, True])
    def test_doubled_hour(self, newest_first: bool) -> None:  # noqa: FBT001 (a case)
        """A local time that occurs twice is the earlier instant, then the later one (R6c)."""
        stamps = ["01:00", "02:00", "02:30", "02:00", "02:30", "03:00"]
        rows = [{"t": f"2024-10-27 {stamp}", "v": place} for place, stamp in enumerate(stamps)]
        config = gauge("value: $v.v, time: {at: $v.t, timezone: Europe/Berlin}")
        mapped = run_both(config, rows[::-1] if newest_first else rows)
        assert [value for _, _, value in points(mapped)["x"]] == [0, 1, 2, 3, 4, 5]
        assert mapped.rejects.total == 0

    @pytest.mark.parametrize(
        ("hours", "stamps"),
        [((0, 0.5), ["02:00"]), ((1, 1.5), ["02:00"]), ((0.5, 1.5), ["02:30", "02:00"]), ((1, 2), ["02:00", "02:30"])],
    )
    def test_the_window_tells_which_hour_it_is(self, hours: tuple[float, float], stamps: list[str]) -> None:
        """A doubled local time that a series has once is the instant that was asked for (R6c)."""
        midnight = 1_729_987_200_000  # 2024-10-27T00:00:00Z, the first 02:00 in Berlin
        window = Window(*(midnight + round(hour * HOUR) for hour in hours))
        rows = [{"t": f"2024-10-27 {stamp}", "v": place} for place, stamp in enumerate(stamps)]
        config = gauge("value: $v.v, time: {at: $v.t, timezone: Europe/Berlin, interval: 30m}")
        starts = [start for start, _, _ in points(run(mapping_of(config), rows, window=window))["x"]]
        assert starts == list(range(window.start, window.end, HOUR // 2))

    def test_a_list_from_a_doubled_start_begins_in_the_window(self) -> None:
        """The start of implied times, too, is the doubled instant that was asked for (R6c)."""
        second = 1_729_990_800_000  # 2024-10-27T01:00:00Z, the second 02:00 in Berlin
        config = gauge("value: $v.v, time: {start: $v.t, step: 30m, timezone: Europe/Berlin}")
        mapped = run(mapping_of(config), [{"t": "2024-10-27 02:00", "v": [1, 2]}], window=Window(second, second + HOUR))
        assert [start for start, _, _ in points(mapped)["x"]] == [second, second + HOUR // 2]

    def test_skipped_hour_is_a_reject(self) -> None:
        """A local time that does not exist is a reject (R6c)."""
        config = gauge("value: $v.v, time: {at: $v.t, timezone: Europe/Berlin}")
        assert run_both(config, [{"t": "2024-03-31 02:30", "v": 1}]).rejects.counts == {"no_such_local_time": 1}

    def test_window_templates(self) -> None:
        """A template stands for an end of the window."""
        config = 'metrics: {x: {value: $.v, time: {start: "{window.start}", end: "{window.end}"}}}'
        assert points(run_both(config, {"v": 1})) == {"x": [(WINDOW.start, WINDOW.end, 1.0)]}


class TestLists:
    """Parallel arrays (R3)."""

    CONFIG = "metrics: {x: {value: $.hourly.pm10, time: $.hourly.time}}"

    def test_zip(self) -> None:
        """A list of values and a list of times are zipped."""
        document = {"hourly": {"time": ["2023-04-25T00:00", "2023-04-25T01:00"], "pm10": [18.7, 17.8]}}
        assert values(run_both(self.CONFIG, document)) == {"x": [18.7, 17.8]}

    def test_unequal_lists_are_a_reject(self) -> None:
        """Lists of different lengths cost the row."""
        document = {"hourly": {"time": ["2023-04-25T00:00"], "pm10": [18.7, 17.8]}}
        mapped = run_both(self.CONFIG, document)
        assert (values(mapped), mapped.rejects.counts) == ({}, {"length_mismatch": 1})

    def test_values_without_times_are_a_reject(self) -> None:
        """A list of values needs a list of times or start and step."""
        assert run_both("metrics: {x: {value: $.v}}", {"v": [1, 2]}).rejects.counts == {"list_without_times": 1}

    def test_scalar_repeats(self) -> None:
        """A scalar beside lists holds for each of them."""
        document = {"hourly": {"time": ["2023-04-25T00:00", "2023-04-25T01:00"], "pm10": 5}}
        assert values(run_both(self.CONFIG, document)) == {"x": [5.0, 5.0]}

    def test_elements_fail_alone(self) -> None:
        """A bad stamp or a bad value in a list costs its element."""
        document = {"hourly": {"time": ["2023-04-25T00:00", "never", "2023-04-25T02:00"], "pm10": [1, 2, {}]}}
        mapped = run_both(self.CONFIG, document)
        assert (values(mapped), mapped.rejects.counts) == ({"x": [1.0]}, {"not_a_time": 1, "not_a_number": 1})

    def test_newest_first(self) -> None:
        """Lists that run newest first come out ascending."""
        document = {"hourly": {"time": ["2023-04-25T01:00", "2023-04-25T00:00"], "pm10": [2, 1]}}
        assert values(run_both(self.CONFIG, document)) == {"x": [1.0, 2.0]}

    def test_nulls_keep_their_slots(self) -> None:
        """A null in a list of values leaves its time without a sample."""
        document = {"hourly": {"time": ["2023-04-25T00:00", "2023-04-25T01:00"], "pm10": [None, 1]}}
        mapped = run_both(self.CONFIG, document)
        assert [start for start, _, _ in points(mapped)["x"]] == [1_682_384_400_000]


class TestNothingThere:
    """What is not there (R4)."""

    def test_misspelt_value_is_one_reject_per_answer(self) -> None:
        """A value path that no row has, not even as null, is told once per answer."""
        mapped = run(mapping_of(gauge("value: $v.wattts")), [{"watts": 1}, {"watts": 2}], [{"watts": 3}])
        assert mapped.rejects.counts == {"no_such_node": 2}
        assert mapped.rejects.examples == {"no_such_node": ["$v.wattts: in no row of x"]}

    def test_null_is_there(self) -> None:
        """A null is a node: it is no sample and no reject."""
        assert run_both(gauge("value: $v.watts"), [{"watts": None}]).rejects.total == 0

    def test_one_row_with_the_node_is_enough(self) -> None:
        """A value that some rows lack is no reject."""
        assert run_both(gauge("value: $v.watts"), [{"watts": 1}, {}]).rejects.total == 0

    def test_no_rows_is_no_reject(self) -> None:
        """An answer without rows is empty, not misspelt."""
        assert run_both(gauge("value: $v.watts"), []).rejects.total == 0

    def test_missing_values(self) -> None:
        """A value that means missing is no sample, never 0."""
        config = gauge("value: $v.v, time: $v.t, missing: [ND, -999999, '']")
        rows = [{"t": f"2024-01-0{day}", "v": v} for day, v in enumerate(["ND", -999999, "", "-999999", 5], start=1)]
        mapped = run_both(config, rows)
        assert (values(mapped), mapped.rejects.total) == ({"x": [5.0]}, 0)

    @pytest.mark.parametrize("node", [None, "", "ND"])
    def test_label_of_nothing_is_no_label(self, node: Any) -> None:
        """A label that is null, empty or missing is no label."""
        config = gauge("value: $v.v, labels: {l: $v.l}, missing: [ND]")
        assert values(run_both(config, [{"v": 1, "l": node}])) == {"x": [1.0]}

    def test_absent_label_is_no_label(self) -> None:
        """A label whose path selects nothing is no label."""
        assert values(run_both(gauge("value: $v.v, labels: {l: $v.l}"), [{"v": 1}])) == {"x": [1.0]}
