"""The gallery: what each recipe makes of a small body in the shape of its API's, as pages in docs/gallery.

Owns: the layout of these pages and of the list in examples/README.md, the topics, and the words for shapes. Must not
know: how a body becomes metrics; that is `timepoint preview`.

The bodies in tests/examples/bodies were made up here. After a change on purpose, ``python -m tests.examples.gallery``
writes the pages; read the difference.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from unittest.mock import patch

from click.testing import CliRunner

from tests.conftest import ROOT
from tests.examples.support import ENVIRON, EXAMPLES, own_body
from timepoint.cli.main import main
from timepoint.cli.recipes import Recipe, all_recipes

PAGES = ROOT / "docs" / "gallery"
LIST = EXAMPLES / "README.md"
FIRE_TIME = "2026-05-05T12:00:00Z"

SHAPES = {
    "plain rows": "an array of objects, each with a time and a value",
    "wide rows": "many measures side by side in one object",
    "nested keys as labels": "keys are data: a namespace, a zone, a phase",
    "keys are times": "rows are keyed by their timestamp",
    "parallel lists": "one list of times, one list per measure",
    "pairs": "`[time, value]` or `[value, time]`",
    "rows without names": "lists whose columns only the documentation names",
    "columns and rows": "names of columns once, rows as lists",
    "list of series": "each series has its labels and its own points",
    "buckets with groups inside": "time outside, labels inside",
    "time and labels at different levels": "labels outside, time inside, totals in between",
    "numbers at different depths": "values that `..` or `*` finds wherever they stand",
    "labels as a list of names and values": "`[{name, value}]`, picked by name",
    "labels from an object": "all members of an object become labels",
    "packed names": "labels that relabel rules take out of a name",
    "implied time": "a start and a step, or a position",
    "time in parts": "a date, or a year, here and an hour, or a month, there",
    "intervals in one text": "`START/END` or `START/PT1H`",
    "stamps name the end": "hour ending",
    "local time": "stamps without an offset",
    "no time in the body": "snapshots and reports about what was asked",
    "forecasts": "points in the future",
    "amounts that add up": "amounts per interval, which become durable counters",
    "running readings": "meters that count by themselves",
    "events": "single events that are counted or measured",
    "revised later": "estimates, late data, open days",
    "numbers as text": '`"12.5"`',
    "errors with status 200": "told from data by `expect`",
    "empty answers": "no data yet, by status or by document",
    "data in a text": "JSON inside a JSON text",
    "look-up": "a row has an id, and what it means stands in a list elsewhere",
    "flat index": "one list of values, whose dimensions stand elsewhere",
}
"""What is special about an answer, in the order of the index."""

TOPICS = {
    "workloads": (
        "Cost, energy and carbon of workloads",
        """
        boavizta climatiq cloud_carbon_footprint green_metrics_tool opencost pod_energy
        pod_energy_remote_write scaphandre""",
    ),
    "grids": (
        "Grids and markets",
        """
        awattar cenace ceps_load eia electricity_maps electricity_maps_mix elia energidataservice energy_charts enercal
        entsoe_prices ercot_fuel_mix hydro_quebec jao miso_solar_forecast moldelectrica nordpool_exchanges
        nyiso_fuel_mix openelectricity taipower uk_carbon_intensity uk_carbon_intensity_regional watttime_forecast
        watttime_forecast_historical""",
    ),
    "homes": (
        "Homes and sensors",
        """
        enphase fronius home_assistant netatmo netatmo_by_time octopus_energy shelly shelly_status solaredge
        tesla_energy tibber""",
    ),
    "monitoring": (
        "Monitoring systems",
        """
        azure_app_insights azure_log_analytics azure_monitor clickhouse cloudwatch datadog elasticsearch gcp_monitoring
        grafana_frames graphite graphite_raw influxdb_v1 influxdb_v2 new_relic prometheus victoriametrics_export""",
    ),
    "services": (
        "Cost and use of services",
        """
        anthropic_cost anthropic_usage aws_cost_explorer azure_cost azure_daily_cost cloudflare github_actions
        github_billing github_rate_limit github_traffic gitlab_dora google_analytics jira_worklogs openai_costs
        openai_usage pagerduty_analytics sentry stripe_meters twilio_usage""",
    ),
    "opendata": (
        "Open data, weather and shares",
        """
        alphavantage_intraday alphavantage_sma bls_prices brightsky coingecko ecb_rates eurostat met_norway nasa_power
        noaa_coops nws_forecast openaq openmeteo_air_quality openmeteo_weather sncf_departures usgs_water worldbank""",
    ),
}
"""The pages by the name of their file: a heading, and the recipes."""

LANES = {"jira_worklogs": "issue=SHOP-1", "netatmo": "device=70:ee:50:00:00:00", "stripe_meters": "customer=cus_1"}
"""The lanes that are shown of recipes whose lanes only a request would tell."""

_USES = {
    "no credentials": "nothing to sign up for",
    "token": "a token in the `Authorization` header",
    "basic auth": "user name and password",
    "API key in a header": "a key in a header of its own",
    "API key in the query": "a key that the API takes as a parameter alone",
    "OAuth 2": "client credentials, a refresh token or a password for a short-lived token",
    "Google service account": "a key file that signs for a token",
    "login for a token": "a login request whose answer holds the token",
    "AWS SigV4": "requests signed for AWS",
    "signed requests": "a keyed hash of a described text",
    "paging by next URL": "the body holds the URL of the next page",
    "paging by Link header": "the header does",
    "paging by cursor": "a mark of the last page is sent back, in the query or in the body",
    "paging by offset": "rows are counted",
    "paging by page number": "pages are counted",
    "paging by last id": "the id of the last row is sent back",
    "paging by time": "the newest timepoint is where the next page begins",
    "a guard against cut answers": "one page that must be whole",
    "fan-out": "the same request for each zone, repository or meter",
    "quota": "a budget of requests, kept over restarts",
    "POST": "a JSON body or a form",
    "GraphQL": "a query with variables",
    "text as the body": "SOAP, SQL, lines of JSON",
    "XML": "attributes, namespaces",
    "CSV": "headers, annotations, dialects",
    "NDJSON": "one JSON value to a line",
    "JSONP": "JSON in a call of a function, or given to a variable",
    "transform by jq": "a jq program before the mapping",
    "transform by python": "a Python function before the mapping",
}
_FENCES = {".json": "json", ".xml": "xml", ".csv": "csv", ".txt": "text", ".ndjson": "json"}
_TOLD = ("Needs", "Limits", "Decided", "Traps")
_NOTE = "This page is written by `python -m tests.examples.gallery`; a test compares the two."

_INDEX = """\
# Gallery

{note}

{count} complete configs for real APIs, each with a body in the shape of the API's and the metrics that come of it. They
ship with the program: `timepoint recipes` lists them, `timepoint recipes show opencost > opencost.yaml` gives one to
change and use; the files stand in [examples](../../examples). Requests are written from the documentation of each API
and were not tried with accounts of our own: look at what `timepoint preview` gives before you rely on one."""

_EXAMPLES = """\
# Examples

Whole configs for real APIs, which also ship with the program (`timepoint recipes`). The head of each says what the API
needs, its limits, what was decided and why, and which traps its mapping handles. Copy one, put your credentials where
it names them, and look at what it gives before you run it:

    timepoint recipes show uk_carbon_intensity > carbon.yaml
    timepoint check carbon.yaml
    timepoint preview carbon.yaml

Tests prove the mappings on recorded answers where there are any. The requests are written from the APIs' documentation
and were not tried with accounts of our own: read their documentation too, and look at what `preview` says.

The [gallery](../docs/gallery/README.md) finds a recipe by the shape of the answer or by what the request needs, and
shows for each a body and the metrics that come of it.

[python_api.py](python_api.py) is a job whose points come from a Python function. [prometheus](prometheus) has configs
of Prometheus for several clusters and a central server;
[two levels](../docs/two-level-prometheus.md) tells about them. [demo](demo) has the scrape job, the rules and the
Grafana dashboard that timepoint [writes](../docs/dashboards.md) for the demo's config."""


@cache
def metrics_of(name: str) -> tuple[str, str]:
    """What the page of metrics shows after one run on the recipe's own body, and what is told about the run."""
    arguments = ["preview", str(EXAMPLES / f"{name}.yaml"), "--response", str(own_body(name))]
    arguments += ["--lane", LANES[name]] if name in LANES else []
    with patch.dict(os.environ, ENVIRON):
        result = CliRunner().invoke(main, [*arguments, "--at", FIRE_TIME])
    assert result.exit_code == 0, (name, result.output)
    lines = [line for line in result.stdout.splitlines() if not line.startswith("#")]
    return "".join(f"{line}\n" for line in lines), result.stderr


def section(recipe: Recipe) -> str:
    """One recipe: what it shows, its body, its config and its metrics."""
    body = own_body(recipe.name)
    config = recipe.text[recipe.text.index("sources:") :]
    told = recipe.paragraphs
    return (
        f"## {recipe.name}\n\n{recipe.shows}\n\n"
        f"API: {_api(recipe)}. Uses: {', '.join(recipe.uses())}. "
        f"Shape: {', '.join(recipe.shapes)}.\n\n"
        f"{_list(f'{word}: {told[word]}' for word in _TOLD)}\n\n"
        f"<details><summary>Body, config and metrics</summary>\n\n"
        f"```{_FENCES[body.suffix]}\n{body.read_text('utf-8')}```\n\n"
        f"```yaml\n{config}```\n\n"
        f"```text\n{metrics_of(recipe.name)[0]}```\n\n</details>\n"
    )


def _api(recipe: Recipe) -> str:
    public = recipe.documentation.startswith("http")
    return f"[{recipe.api}]({recipe.documentation})" if public else f"{recipe.api}, {recipe.documentation}"


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _of_topic(topic: str, recipes: list[Recipe]) -> list[Recipe]:
    names = TOPICS[topic][1].split()
    return [recipe for recipe in recipes if recipe.name in names]


def topic_page(topic: str, recipes: list[Recipe]) -> str:
    """The page of one topic."""
    head = (
        f"# Gallery: {TOPICS[topic][0].lower()}\n\n{_NOTE} Back to the [index](README.md).\n\n"
        f"Each body was made up for this page, in the shape of the API's. The metrics are what one run on {FIRE_TIME} "
        "shows of it: a gauge its newest value, a counter the sum of all amounts in the body.\n\n"
    )
    return head + "\n".join(section(recipe) for recipe in _of_topic(topic, recipes))


def index_page(recipes: list[Recipe]) -> str:
    """The index: recipes by topic, by the shape of the answer and by what the request needs."""
    where = {recipe.name: topic for topic in TOPICS for recipe in _of_topic(topic, recipes)}

    used = {recipe.name: recipe.uses() for recipe in recipes}

    def link(recipe: Recipe) -> str:
        return f"[{recipe.name}]({where[recipe.name]}.md#{recipe.name})"

    parts = [
        _INDEX.format(note=_NOTE, count=len(recipes)),
        "## By the shape of the answer",
        _table("shape", "is", SHAPES, {shape: [link(r) for r in recipes if shape in r.shapes] for shape in SHAPES}),
        "## By what the request needs",
        _table("need", "is", _USES, {use: [link(r) for r in recipes if use in used[r.name]] for use in _USES}),
    ]
    for topic, (heading, _) in TOPICS.items():
        parts += [f"## {heading}", _list(f"{link(recipe)}: {recipe.shows}" for recipe in _of_topic(topic, recipes))]
    return "\n\n".join(parts) + "\n"


def _table(first: str, second: str, told: dict[str, str], links: dict[str, list[str]]) -> str:
    rows = [f"| {word} | {told[word]} | {', '.join(links[word])} |" for word in told if links[word]]
    return "\n".join([f"| {first} | {second} | recipes |", "|---|---|---|", *rows])


def list_page(recipes: list[Recipe]) -> str:
    """The README beside the configs."""
    parts = [_EXAMPLES]
    for topic, (heading, _) in TOPICS.items():
        links = [f"[{recipe.name}]({recipe.name}.yaml): {recipe.shows}" for recipe in _of_topic(topic, recipes)]
        parts += [f"## {heading}", _list(links)]
    return "\n\n".join(parts) + "\n"


PATHS = (LIST, PAGES / "README.md", *(PAGES / f"{topic}.md" for topic in TOPICS))


def page(path: Path) -> str:
    """The text of one of the pages."""
    recipes = all_recipes()
    if path == LIST:
        return list_page(recipes)
    return index_page(recipes) if path.stem == "README" else topic_page(path.stem, recipes)


if __name__ == "__main__":
    PAGES.mkdir(exist_ok=True)
    for path in PATHS:
        path.write_text(page(path), encoding="utf-8")
