"""The ready functions for ``transform``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint.request.decoders.elements import decode_xml
from timepoint.transforms import (
    carry_forward,
    fill_positions,
    json_in_json,
    json_stat,
    lone_lists,
    sdmx_json,
    unnest,
    unpivot,
)

COUNTRIES = {"label": "Country", "category": {"index": {"DE": 0, "FR": 1}, "label": {"DE": "Germany", "FR": "France"}}}
YEARS = {"label": "Year", "category": {"index": ["2022", "2023", "2024"]}}
DATASET = {
    "version": "2.0",
    "class": "dataset",
    "label": "Energy",
    "updated": "2025-05-01",
    "id": ["geo", "year"],
    "size": [2, 3],
    "dimension": {"geo": COUNTRIES, "year": YEARS},
    "value": [1, 2, None, 4, 5, 6],
}


def test_json_in_json() -> None:
    """Texts that are objects or arrays become these, at any depth and inside of each other; others stay."""
    body = {"d": '[{"hour": "1", "note": "[no", "deep": "{\\"a\\": [\\"[1]\\"]}"}]', "plain": "x", "number": "12"}
    assert json_in_json(body) == {
        "d": [{"hour": "1", "note": "[no", "deep": {"a": [[1]]}}],
        "plain": "x",
        "number": "12",
    }
    assert json_in_json('["[0.3, 0]"]') == [[0.3, 0]]


def test_json_stat_rows() -> None:
    """A cell becomes a row with the codes of its dimensions, the last of which runs fastest."""
    document = json_stat(DATASET)
    assert [(row["geo"], row["year"], row["value"]) for row in document["rows"]] == [
        ("DE", "2022", 1),
        ("DE", "2023", 2),
        ("DE", "2024", None),
        ("FR", "2022", 4),
        ("FR", "2023", 5),
        ("FR", "2024", 6),
    ]
    assert document["rows"][3]["labels"] == {"geo": "France", "year": "2022"}
    assert document["updated"] == "2025-05-01"


def test_sparse_json_stat() -> None:
    """Values and status by position give rows for what is there alone."""
    dataset = {**DATASET, "value": {"1": 2.5, "5": 6}, "status": {"5": "p"}}
    assert [(row["geo"], row["year"], row["value"], row.get("status")) for row in json_stat(dataset)["rows"]] == [
        ("DE", "2023", 2.5, None),
        ("FR", "2024", 6, "p"),
    ]


def test_old_json_stat() -> None:
    """A bundle of version 1, with id and size among the dimensions and a lone category without index, gives rows."""
    lone = {"category": {"label": {"MWH": "Megawatt hours"}}}
    bundle = {
        "dataset": {
            "dimension": {"id": ["unit", "geo"], "size": [1, 2], "unit": lone, "geo": COUNTRIES},
            "value": [7, 8],
        }
    }
    assert [(row["unit"], row["geo"], row["value"]) for row in json_stat(bundle)["rows"]] == [
        ("MWH", "DE", 7),
        ("MWH", "FR", 8),
    ]


def test_a_collection_of_json_stat() -> None:
    """The datasets that a collection embeds give their rows one after the other."""
    collection = {"class": "collection", "link": {"item": [DATASET, {**DATASET, "value": [0] * 6}]}}
    assert len(json_stat(collection)["rows"]) == 12


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"error": "x"}, "there is no JSON-stat dataset"),
        ({**DATASET, "value": [1]}, "has 1 values, its dimensions come to 6"),
        ({**DATASET, "size": [3, 2]}, "has 2 categories, its size is 3"),
    ],
)
def test_what_is_no_json_stat(document: Any, message: str) -> None:
    """A document that contradicts itself is an error, not rows in wrong places."""
    with pytest.raises(ValueError, match=message):
        json_stat(document)


@settings(max_examples=30)
@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_every_cell_has_its_codes(sizes: list[int]) -> None:
    """Whatever the sizes, the codes of a row are the coordinates of its value."""
    names = [f"d{place}" for place in range(len(sizes))]
    dimension = {
        name: {"category": {"index": [str(code) for code in range(size)]}}
        for name, size in zip(names, sizes, strict=True)
    }
    count = 1
    for size in sizes:
        count *= size
    dataset = {"id": names, "size": sizes, "dimension": dimension, "value": list(range(count))}
    for row in json_stat(dataset)["rows"]:
        position = 0
        for name, size in zip(names, sizes, strict=True):
            position = position * size + int(row[name])
        assert row["value"] == position


def market(curve: str, points: str, resolution: str = "PT15M", end: str = "2024-05-01T01:00Z") -> Any:
    """A market document with one period from midnight on."""
    return decode_xml(
        f"<D><TimeSeries><curveType>{curve}</curveType><Period><timeInterval><start>2024-05-01T00:00Z</start>"
        f"<end>{end}</end></timeInterval><resolution>{resolution}</resolution>{points}</Period></TimeSeries></D>".encode()
    )


def point(position: int, price: float) -> str:
    """One point of a period."""
    return f"<Point><position>{position}</position><price.amount>{price}</price.amount></Point>"


def filled(document: Any) -> list[tuple[int, str]]:
    """Position and price of the points after filling."""
    (series,) = fill_positions(document)["D"]["TimeSeries"]
    (period,) = series["Period"]
    return [(point["position"], point["price.amount"]) for point in period["Point"]]


def test_left_out_points_come_back() -> None:
    """A curve of A03 holds a value until the next position, and to the end of the period."""
    assert filled(market("A03", point(1, 5) + point(3, 7))) == [(1, "5"), (2, "5"), (3, "7"), (4, "7")]


def test_a_lone_point_holds_for_the_period() -> None:
    """One point is the whole period."""
    assert filled(market("A03", point(1, 5))) == [(position, "5") for position in range(1, 5)]


def test_other_curves_have_gaps() -> None:
    """A point that a curve of A01 lacks is missing."""
    assert filled(market("A01", point(1, 5) + point(3, 7))) == [(1, "5"), (3, "7")]


@pytest.mark.parametrize(
    ("resolution", "end", "count"),
    [
        ("PT60M", "2024-05-02T00:00Z", 24),
        ("P1D", "2024-05-02T01:00Z", 1),
        ("P1M", "2025-05-01T00:00Z", 12),
        ("P1Y", "2026-05-01T00:00Z", 2),
    ],
)
def test_resolutions(resolution: str, end: str, count: int) -> None:
    """A period has as many points as its resolution fits in, days of 25 hours and months included."""
    assert len(filled(market("A03", point(1, 5), resolution, end))) == count


def test_a_document_without_series() -> None:
    """An acknowledgement, which holds no series, stays as it is."""
    acknowledgement = decode_xml(
        b"<Acknowledgement_MarketDocument><Reason><code>999</code></Reason></Acknowledgement_MarketDocument>"
    )
    assert fill_positions(acknowledgement) == {"Acknowledgement_MarketDocument": {"Reason": {"code": "999"}}}


def test_unnest() -> None:
    """A tree becomes rows with what their ancestors say, however deep each branch is."""
    tree = {
        "value": {
            "start": "2024-05-01",
            "segments": [
                {"start": "a", "segments": [{"os": "x", "count": {"sum": 1}}, {"os": "y", "count": {"sum": 2}}]},
                {"start": "b", "os": "z", "count": {"sum": 3}},
            ],
        }
    }
    assert unnest(tree, member="segments") == {
        "rows": [
            {"start": "a", "os": "x", "count": {"sum": 1}},
            {"start": "a", "os": "y", "count": {"sum": 2}},
            {"start": "b", "os": "z", "count": {"sum": 3}},
        ]
    }


RATES = {
    "dimensions": {
        "series": [
            {"id": "FREQ", "values": [{"id": "D", "name": "Daily"}]},
            {"id": "CURRENCY", "values": [{"id": "USD", "name": {"en": "US dollar"}}, {"id": "JPY"}]},
        ],
        "observation": [{"id": "TIME_PERIOD", "values": [{"id": "2024-05-02"}, {"id": "2024-05-03"}]}],
    }
}
SERIES = {
    "0:0": {"attributes": [0], "observations": {"0": [1.07, 0], "1": [1.08, 0]}},
    "0:1": {"observations": {"1": [None]}},
}


@pytest.mark.parametrize(
    "message",
    [
        {"dataSets": [{"series": SERIES}], "structure": RATES},
        {"data": {"dataSets": [{"structure": 0, "series": SERIES}], "structures": [RATES]}},
    ],
)
def test_sdmx_json_rows(message: dict[str, Any]) -> None:
    """Each observation becomes a row with the codes that the places in its keys stand for."""
    rows = sdmx_json(message)["rows"]
    assert [(row["FREQ"], row["CURRENCY"], row["TIME_PERIOD"], row["value"]) for row in rows] == [
        ("D", "USD", "2024-05-02", 1.07),
        ("D", "USD", "2024-05-03", 1.08),
        ("D", "JPY", "2024-05-03", None),
    ]
    assert rows[0]["labels"] == {"FREQ": "Daily", "CURRENCY": "US dollar", "TIME_PERIOD": "2024-05-02"}


def test_flat_sdmx_json() -> None:
    """A dataset may hold its observations itself, and dimensions with one code for all of them."""
    dimensions = {
        "dataSet": [{"id": "FREQ", "values": [{"id": "A"}]}],
        "observation": [
            {"id": "LOCATION", "values": [{"id": "AUS"}, {"id": "AUT"}]},
            {"id": "TIME_PERIOD", "values": [{"value": "2023"}, {"value": "2024"}]},
        ],
    }
    message = {"dataSets": [{"observations": {"0:1": [5.5], "1:0": [4]}}], "structure": {"dimensions": dimensions}}
    rows = sdmx_json(message)["rows"]
    assert [(row["FREQ"], row["LOCATION"], row["TIME_PERIOD"], row["value"]) for row in rows] == [
        ("A", "AUS", "2024", 5.5),
        ("A", "AUT", "2023", 4),
    ]


@pytest.mark.parametrize("document", [[], {}, {"errors": [{"code": 404}]}, {"dataSets": []}])
def test_what_is_no_sdmx_json(document: Any) -> None:
    """A document without data and structure is told."""
    with pytest.raises(ValueError, match="there is no SDMX-JSON message"):
        sdmx_json(document)


def test_lone_lists() -> None:
    """Members of the names become lists wherever they stand; lists and other members stay."""
    body = {"Site": {"Code": "A", "Species": {"Index": 1}}, "More": [{"Site": [{"Species": None}]}], "Other": {"x": 1}}
    assert lone_lists(body, members=["Site", "Species"]) == {
        "Site": [{"Code": "A", "Species": [{"Index": 1}]}],
        "More": [{"Site": [{"Species": []}]}],
        "Other": {"x": 1},
    }


def test_carry_forward() -> None:
    """An element takes over what it lacks from the one before it, in its own list and of the named members alone."""
    body = [[{"id": "a", "s": 1, "x": 0}, {"s": 2}, {"id": None, "s": 3}, {"id": "b", "s": 4}, {"s": 5}], [{"s": 6}]]
    assert carry_forward(body, members=["id"]) == [
        [
            {"id": "a", "s": 1, "x": 0},
            {"id": "a", "s": 2},
            {"id": "a", "s": 3},
            {"id": "b", "s": 4},
            {"id": "b", "s": 5},
        ],
        [{"s": 6}],
    ]


def test_unpivot() -> None:
    """Members that match become rows, named by their group; others stay beside them."""
    body = {"Items": [{"Date": "2024-05-01", "Values": {"code": "S", "Hour01": "5", "Hour12": "6"}}]}
    assert unpivot(body, members="Hour([0-9]+)", name="hour") == {
        "Items": [
            {
                "Date": "2024-05-01",
                "Values": {"code": "S", "rows": [{"hour": 1, "value": "5"}, {"hour": 12, "value": "6"}]},
            }
        ]
    }


def test_unpivot_without_a_group() -> None:
    """Without a group the whole name is the row's name."""
    assert unpivot({"a_mw": 1, "b_mw": 2}, members=".*_mw", into="of") == {
        "of": [{"name": "a_mw", "value": 1}, {"name": "b_mw", "value": 2}]
    }


@given(st.text(max_size=30))
def test_any_text_is_no_danger(text: str) -> None:
    """A text is either JSON or stays what it is."""
    found = json_in_json({"a": text})["a"]
    assert found == text or json.loads(text) is not None
