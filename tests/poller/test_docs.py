from __future__ import annotations

import inspect
import re
from pathlib import Path

from timepoint.errors import HeldBackError, SourceError
from timepoint.model import Outcome
from timepoint.poller import job_loop, lane, listing, pipeline

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "reference" / "runs.md").read_text()


def test_every_outcome_is_explained() -> None:
    """Each closing word has a row on the page, and the page knows no other."""
    section = PAGE.split("## How a run ends")[1].split("##")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [outcome.value for outcome in Outcome]


def test_every_reason_is_explained() -> None:
    """Each reason that the poller or a source error can give has a row on the page, and the page knows no other."""
    section = PAGE.split("## The reason")[1].split("##")[0]
    explained = {
        word for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for word in re.findall(r"`(\w+)`", row)
    }
    source = "".join(map(inspect.getsource, (pipeline, lane, listing, job_loop)))
    given = set(re.findall(r'(?:closing|Failed)\(Outcome\.\w+, "(\w+)"', source))
    given |= set(re.findall(r'skipped\([^"]*?"(\w+)"', source)) | {"nothing_new", "not_settled", "partial_data", "bug"}
    documented = f"{inspect.getdoc(SourceError)} {inspect.getdoc(HeldBackError)}"
    given |= set(re.findall(r"``(\w+)``", documented)) - {"reason", "attempts"}
    assert explained == given | {"publish"}
