"""The pager that docs/contributing.md shows is one."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.request.paging.api import PagedApi, Reply, fetch, found, rows
from tests.request.paging.kinds import get
from timepoint.config.kinds import Shape
from timepoint.config.paging_shape import shape_of
from timepoint.request.paging.keys import keys_of
from timepoint.request.paging.spec import PagingSpec

PAGE = Path(__file__).resolve().parents[3] / "docs" / "contributing.md"


@pytest.fixture
def kind(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The class that the page shows, read from there."""
    [code] = [block for block in PAGE.read_text("utf-8").split("```") if block.startswith('python\n"""Paging')]
    module = ModuleType("shown_pager")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(code.removeprefix("python\n"), module.__dict__)
    return module.__dict__["NextHeader"]


async def test_the_pager_that_is_shown_reads_all_pages(kind: Any) -> None:
    """What a newcomer types from the page works on an API that pages by a header."""

    def plan(number: int, _ask: Any) -> Reply:
        ends = number * api.size >= len(api.rows)
        cut = api.rows[(number - 1) * api.size : number * api.size]
        return Reply(cut, headers={} if ends else {"X-Next-Page": str(number + 1)})

    api = PagedApi(rows(10), plan=plan)
    pages = await fetch(api, get("/x"), PagingSpec(kind(param="page", header="X-Next-Page")))
    assert found(pages) == rows(10)
    assert [ask.query for ask in api.asked] == [{}, {"page": "2"}, {"page": "3"}, {"page": "4"}]


def test_the_config_of_the_pager_that_is_shown_follows(kind: Any) -> None:
    """Its keys become a shape without a line of the config's own."""
    shape = shape_of(kind, "NextHeaderShape", kind.says, "next_header of paging", kind.one_of)
    assert issubclass(shape, Shape)
    assert [key.name for key in keys_of(kind)] == ["param", "form", "json", "header"]
    assert shape.model_validate({"param": "page", "header": "X-Next-Page"})
