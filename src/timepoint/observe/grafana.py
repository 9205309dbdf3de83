"""A dashboard as Grafana's JSON, by Grafana's own library (grafana-foundation-sdk).

Owns: how rows, panels, queries and variables are built with it. Must not know: metrics, configs.

The classic model is written and not the resource of Grafana 13: every Grafana from 10 to 13 imports it. The library
says that it would rather have the other, with a warning at its import.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

from timepoint.errors import MissingExtraError
from timepoint.observe.board import Board, Kind, Panel, Query, Row, State, Variable
from timepoint.observe.promql import single_unit

_DATASOURCE = "${datasource}"
_FULL_WIDTH = 24


@cache
def _sdk() -> SimpleNamespace:
    """The modules of the library."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            from grafana_foundation_sdk.builders import (
                bargauge,
                common,
                dashboard,
                heatmap,
                prometheus,
                stat,
                statetimeline,
                table,
                timeseries,
            )
            from grafana_foundation_sdk.cog import encoder
            from grafana_foundation_sdk.models import common as words
            from grafana_foundation_sdk.models import dashboard as models
            from grafana_foundation_sdk.models import prometheus as queries
    except ModuleNotFoundError as error:
        raise MissingExtraError("dashboard", "grafana-foundation-sdk") from error
    panels = {
        Kind.TIMESERIES: timeseries.Panel,
        Kind.STAT: stat.Panel,
        Kind.BARS: bargauge.Panel,
        Kind.TABLE: table.Panel,
        Kind.HEATMAP: heatmap.Panel,
        Kind.TIMELINE: statetimeline.Panel,
    }
    return SimpleNamespace(
        panels=panels,
        common=common,
        dashboard=dashboard,
        prometheus=prometheus,
        encoder=encoder,
        words=words,
        models=models,
        queries=queries,
    )


def dashboard_json(board: Board) -> str:
    """The dashboard as text. Raises MissingExtraError if the library is not installed."""
    sdk = _sdk()
    builder = (
        sdk.dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags(["timepoint"])
        .time(board.begins, "now")
        .refresh(board.refresh)
        .timezone("browser")
        .tooltip(sdk.models.DashboardCursorSync.CROSSHAIR)
        .editable()
        .with_variable(_datasource())
    )
    for variable in board.variables:
        builder = builder.with_variable(_variable(variable))
    number = 0
    for row in board.rows:
        number += 1
        builder = builder.with_row(sdk.dashboard.Row(row.title).id(number))
        for panel, width in _filled(row):
            number += 1
            builder = builder.with_panel(_panel(panel, width).id(number))
    built = json.loads(json.dumps(builder.build(), cls=sdk.encoder.JSONEncoder))
    return json.dumps({"id": None} | built, indent=2, ensure_ascii=False) + "\n"


def _filled(row: Row) -> list[tuple[Panel, int]]:
    """The panels with their widths: the last of a line takes what is left of it."""
    widths = [panel.width for panel in row.panels]
    used = 0
    for place, width in enumerate(widths):
        used = used + width if used + width <= _FULL_WIDTH else width
        is_last = place + 1 == len(widths) or used + widths[place + 1] > _FULL_WIDTH
        if is_last:
            widths[place] += _FULL_WIDTH - used
    return list(zip(row.panels, widths, strict=True))


def _reference() -> Any:
    return _sdk().words.DataSourceRef(type_val="prometheus", uid=_DATASOURCE)


def _datasource() -> Any:
    """The data source that Grafana calls its default, if that is a Prometheus: unchosen, it is the first by name."""
    sdk = _sdk()
    default = sdk.models.VariableOption(selected=True, text="default", value="default")
    return sdk.dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus").current(default)


def _variable(variable: Variable) -> Any:
    sdk = _sdk()
    if variable.choices:
        first = variable.choices[0]
        chosen: str | list[str] = [first] if variable.is_multi else first
        return (
            sdk.dashboard.CustomVariable(variable.name)
            .label(variable.label)
            .description(variable.description)
            .values(",".join(variable.choices))
            .multi(variable.is_multi)
            .current(sdk.models.VariableOption(selected=True, text=chosen, value=chosen))
            .options(
                [
                    sdk.models.VariableOption(selected=choice == first, text=choice, value=choice)
                    for choice in variable.choices
                ]
            )
        )
    built = (
        sdk.dashboard.QueryVariable(variable.name)
        .label(variable.label)
        .description(variable.description)
        .datasource(_reference())
        .query({"query": variable.query, "refId": variable.name})
        .definition(variable.query)
        .refresh(sdk.models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(sdk.models.VariableSort.ALPHABETICAL_ASC)
        .multi(variable.is_multi)
        .include_all(include_all=True)
        .current(sdk.models.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )
    return built.all_value(".*") if variable.all_is_any else built


def _panel(panel: Panel, width: int) -> Any:
    sdk = _sdk()
    builder = (
        sdk.panels[panel.kind]()
        .title(panel.title)
        .description(panel.description)
        .datasource(_reference())
        .span(width)
        .height(panel.height)
        .unit(panel.unit)
    )
    for place, query in enumerate(panel.queries):
        builder = builder.with_target(_target(panel, query, chr(ord("A") + place)))
    if panel.min_step:
        builder = builder.interval(single_unit(panel.min_step))
    if panel.is_from_zero:
        builder = builder.min(0)
    if mappings := _mappings(panel):
        builder = builder.mappings(mappings)
    if panel.states or panel.alarms:
        builder = builder.thresholds(_thresholds(panel))
    return _LOOKS.get(panel.kind, _plain)(builder, panel)


def _target(panel: Panel, query: Query, name: str) -> Any:
    sdk = _sdk()
    target = sdk.prometheus.Dataquery().datasource(_reference()).expr(query.expr).ref_id(name)
    target = target.legend_format(query.legend or "__auto")
    target = target.instant() if query.is_instant else target.range()
    if panel.min_step and not query.is_instant:
        target = target.interval(single_unit(panel.min_step))
    formats = {
        Kind.TABLE: sdk.queries.PromQueryFormat.TABLE,
        Kind.HEATMAP: sdk.queries.PromQueryFormat.HEATMAP,
    }
    return target.format(formats.get(panel.kind, sdk.queries.PromQueryFormat.TIME_SERIES))


def _mappings(panel: Panel) -> list[Any]:
    """Words for values; and where a colour says how things are, none of them for "nobody knows"."""
    models = _sdk().models
    mappings = [_mapping(panel.states)] if panel.states else []
    if panel.kind is Kind.STAT and (panel.states or panel.alarms):
        unknown = models.ValueMappingResult(text="No data", color="gray")
        options = models.DashboardSpecialValueMapOptions(models.SpecialValueMatch.NULL_AND_NAN, unknown)
        mappings.append(models.SpecialValueMap(options=options))
    return mappings


def _mapping(states: tuple[State, ...]) -> Any:
    models = _sdk().models
    return models.ValueMap(
        options={
            str(state.value): models.ValueMappingResult(text=state.word, color=state.color, index=place)
            for place, state in enumerate(states)
        }
    )


def _thresholds(panel: Panel) -> Any:
    """Grafana's steps: the first has no value and holds below the second."""
    sdk = _sdk()
    steps = [(float(state.value), state.color) for state in panel.states] or [(0.0, "green"), *panel.alarms]
    return (
        sdk.dashboard.ThresholdsConfig()
        .mode(sdk.models.ThresholdsMode.ABSOLUTE)
        .steps(
            [
                sdk.models.Threshold(value=value if place else None, color=color)
                for place, (value, color) in enumerate(steps)
            ]
        )
    )


def _plain(builder: Any, _panel: Panel) -> Any:
    return builder


def _timeseries(builder: Any, panel: Panel) -> Any:
    sdk = _sdk()
    legend = (
        sdk.common.VizLegendOptions()
        .display_mode(sdk.words.LegendDisplayMode.LIST)
        .placement(sdk.words.LegendPlacement.BOTTOM)
        .show_legend(show_legend=True)
        .calcs([])
    )
    tooltip = (
        sdk.common.VizTooltipOptions().mode(sdk.words.TooltipDisplayMode.MULTI).sort(sdk.words.SortOrder.DESCENDING)
    )
    builder = builder.legend(legend).tooltip(tooltip).line_width(1).fill_opacity(30 if panel.is_stacked else 8)
    if panel.is_stacked:
        builder = builder.stacking(sdk.common.StackingConfig().mode(sdk.words.StackingMode.NORMAL).group("A"))
    if panel.min_step:
        # Points are a cadence apart: lines between them, and not over a longer hole. Grafana wants milliseconds.
        builder = builder.span_nulls(3.0 * panel.min_step)
    return builder


def _stat(builder: Any, panel: Panel) -> Any:
    sdk = _sdk()
    has_color = bool(panel.states or panel.alarms)
    color = sdk.words.BigValueColorMode.BACKGROUND if has_color else sdk.words.BigValueColorMode.NONE
    return (
        builder.graph_mode(sdk.words.BigValueGraphMode.NONE)
        .color_mode(color)
        .reduce_options(sdk.common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(values=False))
    )


def _table(builder: Any, _panel: Panel) -> Any:
    """The labels alone: the value of an info is 1, and its time that of the question."""
    hidden = dict.fromkeys(("Time", "Value", "__name__", "job"), True)
    return builder.with_transformation(
        _sdk().models.DataTransformerConfig(id_val="organize", options={"excludeByName": hidden})
    )


def _bars(builder: Any, _panel: Panel) -> Any:
    """Bars of one colour: unasked, Grafana shows whatever is above 80 in the red of an alarm."""
    sdk = _sdk()
    return (
        builder.orientation(sdk.words.VizOrientation.HORIZONTAL)
        .display_mode(sdk.words.BarGaugeDisplayMode.BASIC)
        .color_scheme(sdk.dashboard.FieldColor().mode(sdk.models.FieldColorModeId.FIXED).fixed_color("blue"))
        .reduce_options(sdk.common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(values=False))
    )


def _timeline(builder: Any, _panel: Panel) -> Any:
    """Words in the middle of what they name: a state that began before the picture would have its word cut off."""
    return builder.align_value(_sdk().words.TimelineValueAlignment.CENTER)


_LOOKS: dict[Kind, Callable[[Any, Panel], Any]] = {
    Kind.TIMESERIES: _timeseries,
    Kind.STAT: _stat,
    Kind.BARS: _bars,
    Kind.TABLE: _table,
    Kind.TIMELINE: _timeline,
}
