"""The examples, run on real bodies of their APIs, give what an answer key says that a user would want.

The key proposes names; the table here says which metric and label of the example stands for which of the key, by what a
unit multiplies, and what a body holds beyond its key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from tests.examples.gallery import SHAPES
from tests.examples.keys import POLL, Series, milliseconds, read_keys
from tests.examples.support import BODIES, EXAMPLES, FIRE_TIME, PAYLOADS, Points, load, own_body, payload, produced, run
from timepoint.cli.recipes import read_recipe
from timepoint.model import Window

HEADINGS = ("help:", "type:", "temporality:", "horizon:", "points:")
SECTIONS = ("rows", "lookups", "time", "labels", "relabel", "missing", "unit", "combine", "metrics")
MOST_LINES = 12

MEGA, HOUR, KWH = 1e6, 3600.0, 3.6e6


@dataclass(frozen=True)
class Example:
    """An example and its body.

    ``metrics`` maps a name of the key to a metric, ``labels`` a label of the key to a label (None: it is not there),
    ``texts`` the text of a label; ``constants`` are labels that the key does not have. ``factors`` says by what a unit
    multiplies. ``beyond`` holds labels, or ``__name__``, of series that the body has and the key leaves out.
    ``as_intervals`` says that the key's instants are starts of intervals. ``window`` is what was asked for, where the
    body's times follow from it.
    """

    number: int
    name: str
    metrics: Mapping[str, str]
    factors: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str | None] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    beyond: tuple[Mapping[str, str], ...] = ()
    as_intervals: bool = False
    window: Window | None = None


def _all(factor: float, *names: str) -> Mapping[str, float]:
    return dict.fromkeys(names, factor)


TABLE = [
    Example(
        32,
        "cenace",
        {
            "cenace_demand_mw": "cenace_demand_watts",
            "cenace_generation_mw": "cenace_generation_watts",
            "cenace_demand_forecast_mw": "cenace_demand_forecast_watts",
        },
        _all(MEGA, "cenace_demand_mw", "cenace_generation_mw", "cenace_demand_forecast_mw"),
        window=Window(1_736_834_400_000, 1_736_920_800_000),  # ends where 15 January 2025 begins in Mexico City
    ),
    Example(
        33,
        "enercal",
        {"enercal_mix_mw": "enercal_power_watts", "enercal_co2_g_per_kwh": "enercal_carbon_intensity_gco2eq_per_kwh"},
        {"enercal_mix_mw": MEGA},
    ),
    Example(59, "graphite_raw", {"entries": "entries"}, as_intervals=True),
    Example(94, "sncf_departures", {"sncf_departure_delay_seconds": "sncf_departure_delay_seconds"}),
    Example(
        1,
        "opencost",
        {
            "opencost_cost": "opencost_cost_usd_total",
            "opencost_cpu_core_hours": "opencost_cpu_seconds_total",
            "opencost_ram_byte_hours": "opencost_memory_byte_seconds_total",
        },
        _all(HOUR, "opencost_cpu_core_hours", "opencost_ram_byte_hours"),
    ),
    Example(4, "boavizta", {"boavizta_gwp_kgco2eq": "boavizta_gwp_kgco2eq"}),
    Example(
        6,
        "electricity_maps",
        {
            "em_carbon_intensity_g_per_kwh": "electricity_maps_carbon_intensity_gco2eq_per_kwh",
            "em_carbon_intensity_estimated": "electricity_maps_carbon_intensity_estimated",
        },
    ),
    Example(
        8,
        "watttime_forecast",
        {"watttime_moer_lbs_per_mwh": "watttime_moer_lbs_per_mwh"},
        texts={"2022-07-15T00:00:00Z": "2022-07-15T00:00:00+00:00"},
    ),
    Example(10, "uk_carbon_intensity", {"uk_carbon_intensity_g_per_kwh": "uk_carbon_intensity_gco2eq_per_kwh"}),
    Example(16, "openelectricity", {"oe_power_mw": "openelectricity_power_watts"}, {"oe_power_mw": MEGA}),
    Example(
        17,
        "energidataservice",
        {"dk_power_mw": "danish_power_watts"},
        {"dk_power_mw": MEGA},
        beyond=tuple({"source": f"Exchange{name}"} for name in ("GreatBelt", "GreatBritain", "Norway", "Sweden")),
    ),
    Example(22, "elia", {"elia_power_mw": "elia_power_watts"}, {"elia_power_mw": MEGA}),
    Example(
        25,
        "nordpool_exchanges",
        {"nordpool_export_mw": "nordpool_export_watts", "nordpool_total_export_mw": "nordpool_total_export_watts"},
        _all(MEGA, "nordpool_export_mw", "nordpool_total_export_mw"),
    ),
    Example(
        34,
        "ercot_fuel_mix",
        {
            "ercot_generation_mw": "ercot_generation_watts",
            "ercot_seasonal_capacity_mw": "ercot_seasonal_capacity_watts",
        },
        _all(MEGA, "ercot_generation_mw", "ercot_seasonal_capacity_mw"),
        beyond=tuple(
            {"__name__": "ercot_seasonal_capacity_watts", "fuel": fuel} for fuel in ("Coal and Lignite", "Solar")
        ),
    ),
    Example(45, "jao", {"jao_atc_mw": "jao_transfer_capacity_watts"}, {"jao_atc_mw": MEGA}),
    Example(
        47,
        "octopus_energy",
        {"octopus_consumption_kwh": "octopus_consumption_joules_total"},
        {"octopus_consumption_kwh": KWH},
    ),
    Example(
        57,
        "prometheus",
        {"up": "upstream_up"},
        labels={"job": "exported_job", "instance": "exported_instance"},
    ),
    Example(58, "graphite", {"entries": "entries"}),
    Example(
        63,
        "elasticsearch",
        {"es_doc_count": "elasticsearch_documents_total", "es_metric": "elasticsearch_value"},
    ),
    Example(64, "gcp_monitoring", {"gcp_cpu_usage_time": "gcp_cpu_usage_seconds_total"}),
    Example(
        70,
        "aws_cost_explorer",
        {
            "aws_unblended_cost_usd": "aws_unblended_cost_usd_total",
            "aws_blended_cost_usd": "aws_blended_cost_usd_total",
            "aws_usage_quantity": "aws_usage_quantity_total",
        },
        beyond=({"__name__": "aws_blended_cost_usd_total", "environment": "Dev"},),
    ),
    Example(
        74,
        "openai_usage",
        {
            name: f"{name}_total"
            for name in ("openai_input_tokens", "openai_input_cached_tokens", "openai_output_tokens", "openai_requests")
        },
    ),
    Example(
        76,
        "anthropic_usage",
        {"anthropic_tokens": "anthropic_tokens_total", "anthropic_web_searches": "anthropic_searches_total"},
    ),
    Example(
        84,
        "openmeteo_air_quality",
        {
            f"openmeteo_{name}_ug_m3": f"openmeteo_{name}_micrograms_per_cubic_meter"
            for name in ("pm10", "pm2_5", "carbon_monoxide")
        },
    ),
    Example(
        91,
        "alphavantage_intraday",
        {"stock_open": "stock_open", "stock_close": "stock_close", "stock_volume": "stock_volume_total"},
    ),
    Example(
        93,
        "coingecko",
        {
            "coingecko_price": "coingecko_price_usd",
            "coingecko_market_cap": "coingecko_market_cap_usd",
            "coingecko_volume": "coingecko_volume_usd",
        },
    ),
    Example(
        9,
        "watttime_forecast_historical",
        {"watttime_moer_lbs_per_mwh": "watttime_forecast_moer_lbs_per_mwh"},
        # The distance between two stamps is arithmetic, which is no business of a label: the stamp itself is one.
        labels={"horizon": None},
        constants={"generated_at": "2022-07-15T00:00:00+00:00"},
    ),
    Example(
        15,
        "eia",
        {"eia_generation_mwh": "eia_net_generation_joules"},
        {"eia_generation_mwh": 1000 * KWH},
    ),
    Example(
        27,
        "miso_solar_forecast",
        {"miso_solar_forecast_mw": "miso_solar_forecast_watts"},
        {"miso_solar_forecast_mw": MEGA},
    ),
    Example(
        39,
        "taipower",
        {"taipower_output_mw": "taipower_output_watts", "taipower_capacity_mw": "taipower_capacity_watts"},
        _all(MEGA, "taipower_output_mw", "taipower_capacity_mw"),
    ),
    Example(
        42,
        "moldelectrica",
        {"md_power_mw": "moldovan_power_watts"},
        {"md_power_mw": MEGA},
        beyond=tuple({"measure": measure} for measure in ("planned_production", "planned_from_ua", "planned_from_ro")),
    ),
    Example(
        48,
        "tibber",
        {
            "tibber_consumption_kwh": "tibber_consumption_joules_total",
            "tibber_cost": "tibber_cost_total",
            "tibber_unit_price": "tibber_unit_price",
        },
        {"tibber_consumption_kwh": KWH},
    ),
    Example(
        50,
        "solaredge",
        {"solaredge_energy_wh": "solaredge_energy_joules_total"},
        {"solaredge_energy_wh": HOUR},
    ),
    Example(52, "shelly", {"shelly_energy_wh": "shelly_energy_joules_total"}, {"shelly_energy_wh": HOUR}),
    Example(
        53,
        "shelly_status",
        {"shelly_energy_wh_total": "shelly_meter_joules_total"},
        {"shelly_energy_wh_total": HOUR},
        beyond=({"phase": "a", "direction": "ret"},),
    ),
    Example(
        54,
        "netatmo",
        {
            "netatmo_temperature_celsius": "netatmo_temperature_celsius",
            "netatmo_humidity_percent": "netatmo_humidity_ratio",
        },
        {"netatmo_humidity_percent": 0.01},
        as_intervals=True,
    ),
    Example(
        55,
        "netatmo_by_time",
        {
            "netatmo_temperature_celsius": "netatmo_temperature_celsius",
            "netatmo_humidity_percent": "netatmo_humidity_ratio",
        },
        {"netatmo_humidity_percent": 0.01},
    ),
    Example(
        60,
        "influxdb_v1",
        {"cpu_mean": "cpu_mean_percent", "cpu_min": "cpu_min_percent", "cpu_p95": "cpu_p95_percent"},
        beyond=(
            {"__name__": "cpu_min_percent", "cpu": "cpu-total"},
            {"__name__": "cpu_p95_percent", "cpu": "cpu0"},
        ),
    ),
    Example(13, "entsoe_prices", {"entsoe_price_eur_per_mwh": "entsoe_price_eur_per_mwh"}),
    Example(61, "influxdb_v2", {"pge_bill_bank": "pge_bill_bank"}),
    Example(65, "azure_monitor", {"azure_blob_capacity_bytes": "azure_blob_capacity_bytes"}),
    Example(67, "azure_log_analytics", {"loganalytics_counter": "log_analytics_counter"}),
    Example(71, "azure_cost", {"azure_pretax_cost_usd": "azure_last_month_cost_usd"}),
    Example(75, "openai_costs", {"openai_cost": "openai_cost_total"}),
    Example(
        79,
        "github_traffic",
        {
            "github_views": "github_views_total",
            "github_unique_visitors": "github_unique_visitors",
            "github_unique_visitors_14d": "github_unique_visitors_of_two_weeks",
        },
    ),
    Example(
        81,
        "cloudflare",
        {
            "cloudflare_requests": "cloudflare_requests_total",
            "cloudflare_bytes": "cloudflare_bytes_total",
            "cloudflare_cached_bytes": "cloudflare_cached_bytes_total",
            "cloudflare_threats": "cloudflare_threats_total",
            "cloudflare_uniques": "cloudflare_uniques",
        },
    ),
    Example(
        85,
        "usgs_water",
        {
            "usgs_streamflow_ft3_s": "usgs_streamflow_cubic_feet_per_second",
            "usgs_gage_height_ft": "usgs_gage_height_feet",
        },
    ),
    Example(
        87,
        "noaa_coops",
        {
            "coops_water_level_ft": "coops_water_level_feet",
            "coops_water_level_sigma_ft": "coops_water_level_deviation_feet",
        },
    ),
    Example(88, "worldbank", {"worldbank_arable_land_hectares": "worldbank_arable_land_hectares"}),
    Example(92, "alphavantage_sma", {"stock_sma": "stock_sma"}),
    Example(
        96,
        "github_rate_limit",
        {
            "github_rate_remaining": "github_rate_remaining",
            "github_rate_limit": "github_rate_limit",
            "github_rate_reset_timestamp_seconds": "github_rate_reset_timestamp_seconds",
        },
        beyond=tuple(
            {"__name__": name, "resource": resource}
            for name in ("github_rate_limit", "github_rate_reset_timestamp_seconds")
            for resource in ("graphql", "integration_manifest", "search")
        ),
    ),
]


@cache
def _keys(readme: Path) -> dict[int, list[Series]]:
    return read_keys(readme)


def _wanted(example: Example, key: list[Series]) -> Points:
    points: Points = {}
    for series in key:
        if series.name not in example.metrics:  # of the other body that has the same key
            continue
        labels = {
            example.labels.get(name, name): example.texts.get(value, value) for name, value in series.labels.items()
        } | dict(example.constants)
        factor = example.factors.get(series.name, 1.0)
        values: dict[tuple[int, int], float] = {}
        for interval, value in series.values.items():
            if value is None:
                continue
            if isinstance(interval, str):
                assert interval == POLL
                values[FIRE_TIME, FIRE_TIME] = value * factor
            else:
                values[milliseconds(interval[0]), milliseconds(interval[1])] = value * factor
        if values:
            pairs = frozenset((name, value) for name, value in labels.items() if name is not None)
            wanted = points.setdefault((example.metrics[series.name], pairs), {})
            assert wanted.keys().isdisjoint(values)
            wanted.update(values)
    return points


def _is_beyond(example: Example, name: str, labels: frozenset[tuple[str, str]]) -> bool:
    has = {*labels, ("__name__", name)}
    return any(has.issuperset(some.items()) for some in example.beyond)


@pytest.mark.parametrize("example", TABLE, ids=lambda example: f"{example.number}-{example.name}")
def test_example_gives_what_its_key_says(example: Example, shared_dir: Path) -> None:
    """Series, values and times are those of the key, nothing stands in empty slots, and no row is a reject."""
    payloads = shared_dir / "payloads"
    mapped = run(example.name, payload(example.name, shared_dir), example.window)
    assert mapped.rejects.counts == {}, mapped.rejects.examples
    wanted = _wanted(example, _keys(payloads / "README.md")[example.number])
    found = produced(mapped)
    if example.as_intervals:
        found = {
            series: {(start, start): value for (start, _), value in values.items()} for series, values in found.items()
        }
    left = {series: values for series, values in found.items() if not _is_beyond(example, *series)}
    assert left == wanted


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_example_is_a_whole_config(path: Path) -> None:
    """Each example loads, and nothing is to be said of it but that its files of credentials are not here."""
    places = ("/run/secrets/", "/var/lib/timepoint-secrets")
    told = [str(warning) for warning in load(path.stem).warnings if not any(place in str(warning) for place in places)]
    assert told == []


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_example_opens_with_what_it_does_and_needs(path: Path) -> None:
    """The head of each example says what it is, what the API needs and forbids, what was decided, and which traps."""
    text = path.read_text("utf-8")
    recipe = read_recipe(path.stem, text)
    assert list(recipe.paragraphs) == ["API", "Needs", "Limits", "Decided", "Traps", "Shape"]
    assert recipe.api
    assert re.fullmatch(r"https?://\S+|not public", recipe.documentation)
    assert all(line.startswith("#") for line in text.split("sources:")[0].splitlines())
    assert set(recipe.shapes) <= SHAPES.keys()


def _mapping_lines(text: str) -> list[str]:
    """The lines of a job that map: those of rows, time, labels, relabel, missing, unit and metrics, headings included.

    What a metric is (help, type, temporality) and what is shown of it (horizon, points) is not mapping.
    """
    lines = []
    inside = False
    for line in text.split("\njobs:\n")[1].splitlines():
        indent = len(line) - len(line.lstrip())
        if indent == 4:  # a key of the job
            inside = line.strip().split(":")[0] in SECTIONS
        if inside and line.strip() and not line.lstrip().startswith(("#", *HEADINGS)):
            lines.append(line)
    return lines


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_example_is_short(path: Path) -> None:
    """No example needs more than a dozen lines of mapping."""
    assert len(_mapping_lines(path.read_text("utf-8"))) <= MOST_LINES


def test_every_series_of_a_key_is_looked_at(shared_dir: Path) -> None:
    """The names in a key are those that the table gives for its body, or for the bodies that share the key."""
    keys = _keys(shared_dir / "payloads" / "README.md")
    looked_at: dict[int, set[str]] = {}
    for example in TABLE:
        looked_at.setdefault(id(keys[example.number]), set()).update(example.metrics)
    for example in TABLE:
        key = keys[example.number]
        assert {series.name for series in key} == looked_at[id(key)], example.name


def test_every_payload_belongs_to_an_example(shared_dir: Path) -> None:
    """Each recorded body has its example, and each of these its line in the table."""
    recorded = {path.stem for path in (shared_dir / "payloads").glob("*.*")} - {"README"}
    assert recorded == set(PAYLOADS.values())
    assert {example.name for example in TABLE} == PAYLOADS.keys()


def test_every_example_has_a_body_of_our_own() -> None:
    """Each example has a small body that the gallery shows, and each body an example."""
    assert {own_body(path.stem).stem for path in EXAMPLES.glob("*.yaml")} == {path.stem for path in BODIES.iterdir()}
