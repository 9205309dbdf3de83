from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint import log
from timepoint.secret import Secret

LOGGER = logging.getLogger("timepoint.test")


@pytest.fixture
def lines() -> Iterator[Callable[..., list[str]]]:
    """Configures the log on a text stream; the function gives the lines written since."""
    root = logging.getLogger()
    saved = root.handlers[:], root.level, logging.raiseExceptions
    stream = io.StringIO()

    def configured(level: str = "info", format_: str = "logfmt") -> Callable[[], list[str]]:
        log.configure(level, format_, stream)
        return lambda: stream.getvalue().splitlines()

    yield configured  # type: ignore[misc] # the caller configures first
    root.handlers[:], root.level, logging.raiseExceptions = saved
    log._hidden.clear()


def _without_time(line: str) -> str:
    return line.split(" ", 1)[1]


def test_an_event_is_one_logfmt_line(lines: Any) -> None:
    """Fields stand in the order given, None is left out, blanks are quoted."""
    written = lines()
    log.event(LOGGER, logging.INFO, "run", job="pod_energy", outcome="ok", points=12, duration=0.25, reason=None)
    log.event(LOGGER, logging.WARNING, "run", error='no "name" = here', empty="", flag=True)
    assert [_without_time(line) for line in written()] == [
        "level=info event=run job=pod_energy outcome=ok points=12 duration=0.25",
        r'level=warning event=run error="no \"name\" = here" empty="" flag=true',
    ]


def test_an_event_is_one_json_object(lines: Any) -> None:
    """The JSON format holds the same fields with numbers as numbers."""
    written = lines(format_="json")
    log.event(LOGGER, logging.INFO, "run", job="pod_energy", points=12, error="a\nb\ud800")
    fields = json.loads(written()[0])
    assert fields.pop("ts").endswith("Z")
    assert fields == {"level": "info", "event": "run", "job": "pod_energy", "points": 12, "error": "a\nb\ud800"}


def test_lines_of_other_libraries_are_events_too(lines: Any) -> None:
    """A plain logging call becomes a message event that names its logger."""
    written = lines()
    logging.getLogger("asyncio").warning("took %s seconds", 3)
    assert _without_time(written()[0]) == 'level=warning event=message logger=asyncio text="took 3 seconds"'


def test_an_exception_stays_on_its_line(lines: Any) -> None:
    """A traceback is a field with escaped line feeds."""
    written = lines()
    LOGGER.error("failed", exc_info=RuntimeError("BUG: odd\nnews"))
    assert len(written()) == 1
    assert 'error="RuntimeError: BUG: odd\\nnews"' in written()[0]
    assert "traceback=" in written()[0]


def test_the_level_holds_back_lesser_events(lines: Any) -> None:
    """Below the level nothing is written."""
    written = lines(level="warning")
    log.event(LOGGER, logging.INFO, "run")
    log.event(LOGGER, logging.ERROR, "run")
    assert [_without_time(line) for line in written()] == ["level=error event=run"]


@pytest.mark.parametrize("format_", log.FORMATS)
def test_a_known_secret_is_masked_wherever_it_stands(lines: Any, format_: str) -> None:
    """Neither a field, nor a message, nor a traceback shows a secret, plain or percent-encoded (A18)."""
    written = lines(format_=format_)
    log.hide([Secret('hunter2&"co"')])
    log.event(LOGGER, logging.INFO, "run", error='GET /?key=hunter2&"co" failed', url="/?key=hunter2%26%22co%22")
    LOGGER.error('hunter2&"co"', exc_info=OSError('hunter2&"co"'))
    assert "hunter2" not in "".join(written())
    assert "<secret>" in written()[0]


def test_a_tiny_secret_does_not_hide_the_log(lines: Any) -> None:
    """Secrets under four characters are not looked for in free text."""
    written = lines()
    log.hide([Secret("1"), Secret("")])
    log.event(LOGGER, logging.INFO, "run", points=11, reason="11")
    assert written()[0].endswith("points=11 reason=11")


@pytest.mark.parametrize("format_", log.FORMATS)
def test_a_long_value_is_cut_and_the_line_stays_whole(lines: Any, format_: str) -> None:
    """A line never exceeds 8 KiB, keeps its short fields and says that it was cut (A36)."""
    written = lines(format_=format_)
    log.event(LOGGER, logging.INFO, "run", error="é" * 100_000, job="pod_energy")
    assert len(written()[0].encode()) <= log.LINE_LIMIT
    assert "(cut)" in written()[0]
    assert "pod_energy" in written()[0]
    if format_ == "json":
        assert json.loads(written()[0])["job"] == "pod_energy"


def test_an_unknown_level_or_format_is_refused() -> None:
    """The message names what exists."""
    with pytest.raises(ValueError, match="debug, info, warning, error"):
        log.configure("loud")
    with pytest.raises(ValueError, match="logfmt, json"):
        log.configure("info", "xml")


@settings(max_examples=150, deadline=None)
@given(text=st.text(st.characters()), format_=st.sampled_from(log.FORMATS))
def test_no_text_breaks_a_line(text: str, format_: str) -> None:
    """Whatever stands in a field, the line is one line of printable characters that can be encoded (A36)."""
    formatter = log.JsonFormatter() if format_ == "json" else log.LogfmtFormatter()
    record = logging.LogRecord("timepoint", logging.INFO, "", 0, "run", (), None)
    record.timepoint_fields = {"error": text}
    line = formatter.format(record)
    assert line.isprintable()
    assert line.encode("utf-8")
    if format_ == "json":
        assert json.loads(line)["error"] == text
