"""Log lines: one event, one line, for people and for machines.

Owns: the two formats (logfmt and JSON) on standard error, escaping, the limit of a line, the masking of secrets.
Must not know: what the events mean.

An event is logged with ``event(logger, level, name, **fields)``; fields keep their order. Messages of other libraries
become ``event=message`` with ``logger`` and ``text``. Bytes that came from outside cannot forge or break a line: every
character that is not printable is written as an escape, so an ESC, a line feed or a lone surrogate is visible and
harmless. A line is at most 8 KiB: the longest values are cut.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterable
from typing import Any, TextIO
from urllib.parse import quote

from timepoint.clock import format_instant
from timepoint.secret import MASK, Secret

LINE_LIMIT = 8 * 1024
LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("logfmt", "json")

_FIELDS = "timepoint_fields"
# Shorter secrets are not masked in free text: masking "1" everywhere would hide the log, not the secret.
_SHORTEST_SECRET = 4
_CUT = "...(cut)"
_PLAIN = re.compile(r"[!#-<>-~]+", re.ASCII)  # printable ASCII but blank, double quote and equals sign

_hidden: set[str] = set()


def hide(secrets: Iterable[Secret]) -> None:
    """Has these secrets masked in all later lines, also where a library wrote them into an error text."""
    for secret in secrets:
        text = secret.reveal().strip()
        if len(text) >= _SHORTEST_SECRET:
            _hidden.update((text, quote(text, safe=""), json.dumps(text)[1:-1]))


def mask(text: str) -> str:
    """The text with every known secret in it replaced."""
    for secret in sorted(_hidden, key=len, reverse=True):
        if secret in text:
            text = text.replace(secret, MASK)
    return text


def event(logger: logging.Logger, level: int, name: str, **fields: object) -> None:
    """Logs one event. Fields that are None are left out."""
    if logger.isEnabledFor(level):
        kept = {key: value for key, value in fields.items() if value is not None}
        logger.log(level, "%s", name, extra={_FIELDS: kept})


def configure(level: str = "info", format_: str = "logfmt", stream: TextIO | None = None) -> None:
    """Sends all logging of this process to a stream (standard error), in one of the two formats.

    Raises ValueError for a level or format that does not exist.
    """
    if level not in LEVELS:
        raise ValueError(f"log level {level!r} is none of {', '.join(LEVELS)}")
    if format_ not in FORMATS:
        raise ValueError(f"log format {format_!r} is none of {', '.join(FORMATS)}")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if format_ == "json" else LogfmtFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # A closed stderr must not take the exporter down, nor print tracebacks about itself.
    logging.raiseExceptions = False


class LogfmtFormatter(logging.Formatter):
    """``ts=... level=info event=run job=pod_energy``: readable, and what Prometheus and its exporters write."""

    def format(self, record: logging.LogRecord) -> str:
        return _fit(_fields_of(record), _logfmt)


class JsonFormatter(logging.Formatter):
    """One JSON object for each line; ASCII only, so that no reader chokes on it."""

    def format(self, record: logging.LogRecord) -> str:
        return _fit(_fields_of(record), _json)


def _fields_of(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "ts": format_instant(int(record.created * 1000)),
        "level": record.levelname.lower(),
    }
    own = getattr(record, _FIELDS, None)
    if own is None:
        fields |= {"event": "message", "logger": record.name, "text": record.getMessage()}
    else:
        fields |= {"event": record.getMessage(), **own}
    if record.exc_info and record.exc_info[0] is not None:
        fields.setdefault("error", "".join(traceback.format_exception_only(*record.exc_info[:2])).strip())
        fields["traceback"] = "".join(traceback.format_exception(*record.exc_info)).strip()
    return {key: _value(value) for key, value in fields.items()}


def _value(value: object) -> Any:
    if isinstance(value, bool | int | float):
        return value
    return mask(str(value))


def _fit(fields: dict[str, Any], render: Any) -> str:
    line: str = render(fields)
    while len(line.encode("utf-8")) > LINE_LIMIT:
        texts = {key: value for key, value in fields.items() if isinstance(value, str)}
        longest = max(texts, key=lambda key: len(texts[key]))
        kept = texts[longest].removesuffix(_CUT)
        fields[longest] = kept[: len(kept) // 2] + _CUT
        line = render(fields)
    return line


def _logfmt(fields: dict[str, Any]) -> str:
    return " ".join(f"{key}={_logfmt_value(value)}" for key, value in fields.items())


def _logfmt_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    if _PLAIN.fullmatch(text):
        return text
    return f'"{_escape(text)}"'


def _escape(text: str) -> str:
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def _json(fields: dict[str, Any]) -> str:
    return json.dumps(fields, allow_nan=True, separators=(",", ":"))
