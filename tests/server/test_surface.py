"""The description of the port for programs says what the port does: ``docs/reference/openapi.yaml``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.heads import Heads
from tests.server.support import parse_answer
from timepoint.server import lifecycle

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "openapi.yaml"
DESCRIBED: dict[str, Any] = yaml.safe_load(PAGE.read_text(encoding="utf-8"))
METHODS = ("get", "head", "post", "put")
OPERATIONS = [(method, path) for path, item in DESCRIBED["paths"].items() for method in METHODS if method in item]
_TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
_HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


@pytest.fixture(scope="module")
def heads() -> Iterator[Heads]:
    """A server in this process that is told bytes."""
    made = Heads()
    yield made
    made.close()


def responses(method: str, path: str) -> dict[str, Any]:
    """What an operation may answer."""
    found = DESCRIBED["paths"][path][method]["responses"]
    kinds = DESCRIBED["components"]["responses"]
    return {code: kinds[one["$ref"].rpartition("/")[2]] if "$ref" in one else one for code, one in found.items()}


def parameters(method: str, path: str, place: str) -> list[str]:
    """The names of an operation's parameters in a place."""
    item = DESCRIBED["paths"][path]
    return [
        one["name"] for one in (*item.get("parameters", ()), *item[method].get("parameters", ())) if one["in"] == place
    ]


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_every_answer_is_one_that_is_described(heads: Heads, data: st.DataObject) -> None:
    """Any parameters and headers get a status and a type of content that the description names for the operation."""
    method, path = data.draw(st.sampled_from(OPERATIONS))
    names = parameters(method, path, "path")
    filled = re.sub(
        r"\{(\w+)\}", lambda _: quote(data.draw(st.sampled_from(["one", "7"]) | _TEXT.filter(bool)), safe=""), path
    )
    known = parameters(method, path, "query")
    pairs = data.draw(st.lists(st.tuples(st.sampled_from(known) if known else _TEXT, _TEXT), max_size=4))
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
    lines = [f"{method.upper()} {filled}{'?' + query if query else ''} HTTP/1.1", "Host: a", "Connection: close"]
    headers = st.sampled_from(["Accept", "Accept-Encoding", "X-Other", "Origin", "Sec-Fetch-Site"])
    lines += [f"{name}: {value}" for name, value in data.draw(st.lists(st.tuples(headers, _HEADER), max_size=3))]

    answer = parse_answer(heads.send("\r\n".join([*lines, "", ""]).encode()))

    allowed = responses(method, path)
    if names and str(answer.status) not in allowed:
        assert answer.status == 404  # a dot or a slash made another path of it
        return
    assert str(answer.status) in allowed
    content = allowed[str(answer.status)].get("content")
    assert content is None or answer.headers["content-type"].partition(";")[0] in content
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == ("public, max-age=3600" if "text/css" in (content or ()) else "no-store")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", sorted(DESCRIBED["paths"]))
def test_a_method_that_is_not_described_is_not_allowed(heads: Heads, method: str, path: str) -> None:
    """The description names all methods of a path: every other one is 405, with the ones that are."""
    filled = path.replace("{job}", "one").replace("{began}", "7")
    answer = parse_answer(heads.send(f"{method} {filled} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()))

    described = {one for one in METHODS if one in DESCRIBED["paths"][path]}
    assert (answer.status == 405) == (method.lower() not in described)
    if answer.status == 405:
        assert {one.strip().lower() for one in answer.headers["allow"].split(",")} == described


def test_all_paths_of_the_port_are_described(heads: Heads) -> None:
    """What the server has in its table stands in the description."""
    assert {*heads.app._table, lifecycle.PATH} <= set(DESCRIBED["paths"])
