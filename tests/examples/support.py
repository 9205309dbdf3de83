"""What the tests of the examples share: where they are, how one is loaded and run on a body."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import ROOT
from timepoint.clock import MINUTE
from timepoint.config.load import Config, load_config
from timepoint.job import HttpPolling, Job
from timepoint.mapping.engine import RunContext
from timepoint.model import MappedRun, Window, split_series_text
from timepoint.poller.origin import add_page
from timepoint.request.answer import Answer
from timepoint.request.each.lanes import LONE, Lane, lanes_of
from timepoint.request.each.spec import Entry

EXAMPLES = ROOT / "examples"
BODIES = Path(__file__).parent / "bodies"
FIRE_TIME = 1_800_000_000_000
ENVIRON = {
    "APPINSIGHTS_APP": "00000000-0000-0000-0000-000000000000",
    "AZURE_CLIENT": "00000000-0000-0000-0000-000000000000",
    "AZURE_SUBSCRIPTION": "00000000-0000-0000-0000-000000000000",
    "AZURE_TENANT": "00000000-0000-0000-0000-000000000000",
    "AZURE_WORKSPACE": "00000000-0000-0000-0000-000000000000",
    "ENPHASE_CLIENT": "client",
    "ENPHASE_SYSTEM": "700001",
    "GA_PROPERTY": "1",
    "GCP_PROJECT": "project",
    "GITHUB_ORG": "example",
    "NETATMO_CLIENT": "client",
    "NETATMO_DEVICE": "70:ee:50:00:00:00",
    "NEW_RELIC_ACCOUNT": "1",
    "OCTOPUS_MPAN": "1",
    "OCTOPUS_SERIAL": "2",
    "SENTRY_ORG": "example",
    "SNCF_KEY": "key",
    "SOLAREDGE_SITE": "1",
    "STRIPE_METER": "mtr_1",
    "TESLA_CLIENT": "client",
    "TESLA_SITE": "1",
    "TWILIO_ACCOUNT": "AC1",
}

IMPLIED = dict.fromkeys(
    ("pod_energy", "pod_energy_remote_write"), Window(FIRE_TIME - 40 * MINUTE, FIRE_TIME - 10 * MINUTE)
)
"""The windows that the values of a body without times fill."""

PAYLOADS = {
    "alphavantage_intraday": "alphavantage_intraday",
    "alphavantage_sma": "alphavantage_sma",
    "anthropic_usage": "anthropic_usage_report",
    "aws_cost_explorer": "aws_cost_explorer",
    "azure_cost": "azure_cost_query_grouping",
    "azure_log_analytics": "azure_log_analytics_tables",
    "azure_monitor": "azure_monitor_metrics",
    "boavizta": "boavizta_cloud_instance",
    "cenace": "cenace_json_in_json",
    "cloudflare": "cloudflare_graphql",
    "coingecko": "coingecko_market_chart",
    "eia": "eia_v2_hourly",
    "elasticsearch": "elasticsearch_date_histogram",
    "electricity_maps": "electricity_maps_history",
    "elia": "elia_ods_longrows",
    "energidataservice": "energidataservice_wide_rows",
    "enercal": "enercal_stringified_arrays",
    "entsoe_prices": "entsoe_a44_prices",
    "ercot_fuel_mix": "ercot_fuel_mix",
    "gcp_monitoring": "gcp_monitoring_timeseries",
    "github_rate_limit": "github_rate_limit",
    "github_traffic": "github_traffic_views",
    "graphite": "graphite_render",
    "graphite_raw": "graphite_render_raw",
    "influxdb_v1": "influxdb_v1_query",
    "influxdb_v2": "influxdb_v2_annotated",
    "jao": "jao_wide_rows_nulls",
    "miso_solar_forecast": "miso_forecast",
    "moldelectrica": "moldoelectrica_headerless_rows",
    "netatmo": "netatmo_getmeasure_optimized",
    "netatmo_by_time": "netatmo_getmeasure_unoptimized",
    "noaa_coops": "noaa_coops_water_level",
    "nordpool_exchanges": "nordpool_exchanges",
    "octopus_energy": "octopus_consumption",
    "openai_costs": "openai_costs",
    "openai_usage": "openai_usage_completions",
    "opencost": "opencost_allocation",
    "openelectricity": "openelectricity_v4_power",
    "openmeteo_air_quality": "openmeteo_air_quality",
    "prometheus": "prometheus_query_range",
    "shelly": "shelly_emdata_getdata",
    "shelly_status": "shelly_emdata_status_notify",
    "sncf_departures": "sncf_departure_event",
    "solaredge": "solaredge_energy_details",
    "taipower": "taipower_genary",
    "tibber": "tibber_consumption",
    "uk_carbon_intensity": "uk_carbon_intensity_national",
    "usgs_water": "usgs_nwis_iv",
    "watttime_forecast": "watttime_forecast",
    "watttime_forecast_historical": "watttime_forecast_historical",
    "worldbank": "worldbank_indicator",
}
"""The recorded body of each recipe that has one."""

Points = dict[tuple[str, frozenset[tuple[str, str]]], dict[tuple[int, int], float]]


def load(name: str) -> Config:
    """The config of an example."""
    return load_config(EXAMPLES / f"{name}.yaml", ENVIRON)


def payload(name: str, shared: Path) -> bytes:
    """The recorded body that belongs to an example, whatever its format."""
    (path,) = (shared / "payloads").glob(f"{PAYLOADS[name]}.*")
    return path.read_bytes()


def own_body(name: str) -> Path:
    """The file with a small body in the shape of the API's, which was made up here."""
    (path,) = BODIES.glob(f"{name}.*")
    return path


def run(name: str, body: bytes, window: Window | None = None) -> MappedRun:
    """The only job of an example, on one body; without a window on one that holds all there is, or that it implies."""
    (job,) = load(name).jobs
    assert isinstance(job.polling, HttpPolling)
    answer = Answer(200, "application/json", body, "https://api.example/")
    return mapped(job.polling, answer, window or IMPLIED.get(name))


def mapped(polling: HttpPolling, answer: Answer, window: Window | None = None) -> MappedRun:
    """What a job makes of an answer, in the way of a run."""
    run = polling.mapping.start(RunContext(window or Window(0, FIRE_TIME), FIRE_TIME))
    add_page(answer, polling, run)
    return run.finish()


def first_lane(job: Job) -> Lane:
    """The first lane of an example; values that a request would find are made up."""
    if job.each is None:
        return LONE
    lists = {
        values.name: values.origin if isinstance(values.origin, tuple) else (Entry("x1"),) for values in job.each.values
    }
    return lanes_of(job.each, lists)[0]


def produced(mapped: MappedRun) -> Points:
    """The values of a run by metric, labels and interval."""
    points: Points = {}
    for name, series in mapped.series.items():
        for text, of_series in series.items():
            times = of_series.times
            points[name, frozenset(split_series_text(text)[1].items())] = dict(
                zip(zip(times.starts, times.ends, strict=True), of_series.values, strict=True)
            )
    return points
