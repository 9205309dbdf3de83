"""XML elements: a lone one is taken as an array of one, wherever arrays are walked."""

from __future__ import annotations

import pytest

from tests.mapping.build import run
from timepoint.model import split_series_text
from timepoint.request.decoders.elements import decode_xml

MAPPING = """
rows:
  z: {walk}
metrics:
  price:
    value: $z.price
    time: $z.at
    labels: {{zone: "$z['@name']"}}
"""
ONE = b'<day><zone name="DE"><at>2023-11-14T22:15Z</at><price>81.5</price></zone></day>'
TWO = ONE.replace(b"</day>", b'<zone name="FR"><at>2023-11-14T22:15Z</at><price>7</price></zone></day>')


@pytest.mark.parametrize("walk", ["$.day.zone[*]", "$.day.zone[{i}]", "$.day.zone[?@.price]", "$..zone[*]"])
@pytest.mark.parametrize(("body", "zones"), [(ONE, ["DE"]), (TWO, ["DE", "FR"])])
def test_one_element_or_two_are_walked_alike(walk: str, body: bytes, zones: list[str]) -> None:
    """The same walk finds a lone element and several of one name."""
    mapped = run(MAPPING.format(walk=walk), decode_xml(body))
    found = [split_series_text(text)[1]["zone"] for text in mapped.series["price"]]
    assert (found, mapped.rejects.counts) == (zones, {})


def test_a_lone_text_is_walked_too() -> None:
    """An element that is only a text can be walked as an array of one."""
    mapped = run("rows: {v: '$.day.v[*]'}\nmetrics: {x: {value: $v}}", decode_xml(b"<day><v>4</v></day>"))
    assert [list(points.values) for points in mapped.series["x"].values()] == [[4.0]]
