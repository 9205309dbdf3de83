"""The examples, sent to a server on the loopback that answers as the API did, ask what they say and read what comes."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from tests.examples.api import CREDENTIAL, WINDOW, Api, ask, moved, serve
from tests.examples.support import first_lane, mapped, own_body, produced, run
from timepoint.cli.recipes import all_recipes
from timepoint.job import HttpPolling

RECIPES = {recipe.name: recipe for recipe in all_recipes()}
PAGING = {
    recipe.name: paging
    for recipe in RECIPES.values()
    for job in yaml.safe_load(recipe.text)["jobs"].values()
    if (paging := job["request"].get("paging")) and "one_page" not in paging and "limit" not in paging
}
"""How the examples page; not those whose pages are full or the last one, since the bodies here are small."""

MARK = "mark-of-the-next-page"


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """The server."""
    async with serve() as api:
        yield api


@pytest.mark.parametrize("name", RECIPES)
async def test_example_asks_and_reads(name: str, api: Api, tmp_path: Path) -> None:
    """One request goes out, whole and with its credential, and its answer gives the points of the body."""
    api.body = own_body(name).read_bytes()
    job = moved(name, api, tmp_path)
    (answer,) = await ask(job)
    assert isinstance(job.polling, HttpPolling)
    assert produced(mapped(job.polling, answer, WINDOW)) == produced(run(name, api.body, WINDOW))

    (asked,) = api.asked
    assert not any(word in asked.target + asked.body for word in ("{window", "{each", "{fire_time", "%7Beach"))
    values = first_lane(job).values
    assert not values or any(value in unquote(asked.target) + asked.body for value in values.values())
    if "/run/secrets" in RECIPES[name].text:
        sent = " ".join([asked.target, *asked.headers.values()])
        pairs = (f"{CREDENTIAL}:", f"reader:{CREDENTIAL}", f"{CREDENTIAL}:{CREDENTIAL}")
        assert any(text in sent for text in (CREDENTIAL, *(base64.b64encode(text.encode()).decode() for text in pairs)))


def _words(path: str) -> list[Any]:
    """The names and indices of a path."""
    found = re.findall(r"\.\w+|\[.*?\]", path)
    return [json.loads(word.strip("[]")) if word[0] == "[" else word[1:] for word in found]


def _at(document: Any, words: list[Any]) -> Any:
    for word in words:
        document = document[word]
    return document


def _with(document: Any, path: str, value: object) -> Any:
    """A document with a value at a path."""
    changed = json.loads(json.dumps(document))
    *way, last = _words(path)
    _at(changed, way)[last] = value
    return changed


def _first_page(paging: dict[str, Any], body: Any) -> tuple[Any, str]:
    """A first page that says there is another, and what then must stand in the second request."""
    if "next_url" in paging:
        return _with(body, paging["next_url"]["path"], f"/{MARK}"), MARK
    if "cursor" in paging:
        keys = paging["cursor"]
        page = _with(body, keys["path"], MARK)
        return (_with(page, keys["more"], value=True) if "more" in keys else page), MARK
    if "last_id" in paging:
        keys = paging["last_id"]
        return _with(body, keys["more"], value=True), _at(body, _words(keys["path"]))
    if "page" in paging:
        return _with(body, paging["page"]["pages"], 2), f"{paging['page']['param']}=2"
    rows = len(_at(body, _words(paging["rows"])))
    return _with(body, paging["total"], 2 * rows), MARK if "link" in paging else str(rows)


@pytest.mark.parametrize("name", PAGING)
async def test_example_goes_on_to_the_next_page(name: str, api: Api, tmp_path: Path) -> None:
    """When the first answer says that there is more, the second request asks for it, and gets the last page."""
    body = json.loads(own_body(name).read_bytes())
    first, wanted = _first_page(PAGING[name], body)
    last = (
        _with(body, PAGING[name]["total"], _at(first, _words(PAGING[name]["total"])))
        if "total" in PAGING[name]
        else body
    )
    api.first, api.body, api.link = (
        json.dumps(first).encode(),
        json.dumps(last, indent=1).encode(),
        f"</{MARK}>; rel=next",
    )

    pages = await ask(moved(name, api, tmp_path))

    assert len(pages) == len(api.asked) == 2
    assert wanted in unquote(api.asked[1].target) + api.asked[1].body
    assert api.asked[1].method == api.asked[0].method


def test_paging_is_looked_at() -> None:
    """Each kind of paging that the examples use is among those that are tried, but for a guard and full pages."""
    tried = {kind for paging in PAGING.values() for kind in paging}
    assert {"next_url", "link", "cursor", "offset", "page", "last_id"} <= tried


TARGETS = """
anthropic_usage /v1/organizations/usage_report/messages?starting_at=2027-01-14T00:00:00Z&ending_at=2027-01-15T00:00:00Z
    &bucket_width=1d&limit=31&group_by[]=model
eia /v2/electricity/rto/fuel-type-data/data/?frequency=hourly&data[0]=value&facets[respondent][]=PGE
    &facets[respondent][]=BPAT&start=2027-01-14T00&end=2027-01-15T00&length=5000&offset=0&api_key=a-credential
entsoe_prices /api?documentType=A44&in_Domain=10YFR-RTE------C&out_Domain=10YFR-RTE------C&periodStart=202701140000
    &periodEnd=202701150000&securityToken=a-credential
github_billing /organizations/example/settings/billing/usage?year=2027&month=01&day=14
github_traffic /repos/prometheus/prometheus/traffic/views
gitlab_dora /api/v4/projects/278964/dora/metrics?metric=deployment_frequency&interval=daily&start_date=2027-01-14
    &end_date=2027-01-14
home_assistant /api/history/period/2027-01-14T00:00:00Z?end_time=2027-01-15T00:00:00Z
    &filter_entity_id=sensor.boiler_temperature,sensor.outside_temperature&no_attributes=
nordpool_exchanges /api/v2/PowerSystem/Exchanges/ByAreas?areas=FI&date=2027-01-15
opencost /allocation/compute?window=2027-01-14T00:00:00Z,2027-01-15T00:00:00Z&aggregate=namespace&accumulate=true
prometheus /api/v1/query_range?query=up&start=1799884800&end=1799971200&step=15s
shelly /rpc/EMData.GetData?id=0&ts=1799884800&end_ts=1799971200
uk_carbon_intensity /intensity/2027-01-14T00:00Z/2027-01-15T00:00Z
"""


@pytest.mark.parametrize("line", re.sub(r"\n +", "", TARGETS).split("\n")[1:-1], ids=lambda line: line.split()[0])
async def test_targets(line: str, api: Api, tmp_path: Path) -> None:
    """Path and query are those of the API's documentation."""
    name, target = line.split()
    api.body = own_body(name).read_bytes()
    await ask(moved(name, api, tmp_path))
    assert unquote(api.asked[0].target) == target
