"""The table of docs/requests.md asks for what it says."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from tests.docs.pages import ROOT
from timepoint.config import load_config
from timepoint.job import HttpPolling
from timepoint.model import Window
from timepoint.request.prepare import prepare
from timepoint.request.template import Moment

PAGE = ROOT / "docs" / "requests.md"
TABLE = PAGE.read_text("utf-8").partition("## What is asked")[2].partition("Parameters keep")[0]
ROWS = re.findall(r"^\| [^|]+ \| `([^`|]+)` \| `([^`|]+)` \|$", TABLE, re.MULTILINE)
EIGHT, TEN = 1_714_543_200_000, 1_714_550_400_000  # in Berlin


@pytest.mark.parametrize(("written", "asked"), ROWS, ids=lambda text: text)
def test_a_row_of_the_table(written: str, asked: str, tmp_path: Path) -> None:
    """What is written under ``params`` is asked as the page says, but for the percent signs."""
    params = yaml.safe_load(written)
    request = {"get": "/x", "params": params, "timezone": "Europe/Berlin"}
    metric = {"type": "gauge", "help": "A value.", "value": "$.value"}
    job = {"source": "api", "every": "1h", "request": request, "window": {"step": "1h"}, "metrics": {"x_value": metric}}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"sources": {"api": {"url": "https://api.example"}}, "jobs": {"job": job}}))
    [loaded] = load_config(path, {}).jobs
    assert isinstance(loaded.polling, HttpPolling)
    prepared = prepare(loaded.polling.source, loaded.polling.request, Moment(Window(EIGHT, TEN), TEN))
    assert unquote(prepared.url.raw_query_string) == asked


def test_the_table_is_there() -> None:
    """The rows are found, so that none escapes by its layout."""
    assert len(ROWS) == TABLE.count("\n| ") - 1
