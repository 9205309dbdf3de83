"""``body`` of a json_exporter module as the body of a request.

Owns: what is JSON and what is text, and Go templates that ask for the time. Must not know: sources, targets, metrics.
Source: Go, ``text/template``; Sprig, "Date Functions".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from timepoint.importing.notes import Kind
from timepoint.importing.reading import Node

_ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_PARAM = re.compile(r"\.(\w+)\s*\|\s*first|first\s+\.(\w+)|index\s+\.(\w+)\s+0")
_CONSTANT = re.compile(r'"([^"\\]*)"|`([^`]*)`|([0-9.]+)')
_LENGTH = re.compile(r'duration\s+(?:`(\d+)`|"(\d+)"|(\d+))')
_MOVED = re.compile(r'\s*\|\s*(?:date_modify|dateModify)\s+(?:"([-+]?)(\w+)"|`([-+]?)(\w+)`)')
_NOW_FORMS = re.compile(
    r"\s*(?:\|\s*(?P<epoch>unixEpoch)|\.(?P<unix>Unix)|\.(?P<milli>UnixMilli)"
    r'|\|\s*date\s+(?:"(?P<d1>[^"]*)"|`(?P<d2>[^`]*)`)|(?:\.UTC)?\.Format\s+(?:"(?P<f1>[^"]*)"|`(?P<f2>[^`]*)`))\s*'
)
# Go writes times by an example, Mon Jan 2 15:04:05 MST 2006; longest first.
_LAYOUT = {
    "2006": "%Y", "January": "%B", "Jan": "%b", "01": "%m", "02": "%d", "15": "%H", "04": "%M", "05": "%S",
    "Monday": "%A", "Mon": "%a", "PM": "%p", "03": "%I", "Z07:00": "Z", "-0700": "%z", "MST": "UTC",
}  # fmt: skip
_LAYOUT_PART = re.compile("|".join(sorted(map(re.escape, _LAYOUT), key=len, reverse=True)))


def request_body(module: Node, params: Mapping[str, str]) -> dict[str, Any]:
    """The keys of a request for the body of a module: none, ``json``, or ``text``."""
    body = module.node("body")
    content = body.text("content") if body is not None else ""
    if body is None or not content:
        return {}
    body.unknown(frozenset(("content", "templatize")), "is no key of body")
    if body.flag("templatize", default=False):
        content = _filled(content, body, params)
    try:
        data = json.loads(content)
    except ValueError:
        data = None
    if isinstance(data, (dict, list)):
        return {"json": data}
    if content.lstrip().startswith(("{", "[")):
        return {"text": content, "http_headers": {"Content-Type": {"values": ["application/json"]}}}
    return {"text": content}


def _filled(content: str, body: Node, params: Mapping[str, str]) -> str:
    """The content with those actions replaced that are understood."""

    def written(match: re.Match[str]) -> str:
        found = _action(match[1], params)
        if found is None:
            text = f"the Go template {match[0]!r} is not understood, and would be sent as it is: write what it gave"
            body.note(Kind.DECIDE, text, "content")
            return match[0]
        if "{fire_time" in found:
            text = (
                f"{match[0]!r} is {found}: if the API is asked for a range, write {{window.start}} and {{window.end}}, "
                "so that no time is missed or asked for twice"
            )
            body.note(Kind.DECIDE, text, "content")
        return found

    return _ACTION.sub(written, content)


def _action(action: str, params: Mapping[str, str]) -> str | None:
    """What an action gives, or the template that gives the same."""
    if param := _PARAM.fullmatch(action):
        return params.get(next(name for name in param.groups() if name))
    if constant := _CONSTANT.fullmatch(action):
        return next(text for text in constant.groups() if text is not None)
    if length := _LENGTH.fullmatch(action):
        return _go_duration(int(next(text for text in length.groups() if text)))
    return _time(action.strip("()"))


def _time(action: str) -> str | None:
    """The template of an action that writes the time of now."""
    if not action.startswith("now"):
        return None
    rest, moved = action.removeprefix("now").replace(")", ""), ""
    if shift := _MOVED.match(rest):
        moved = f"{shift[1] or shift[3] or '+'}{shift[2] or shift[4]}"
        rest = rest[shift.end() :]
    form = _NOW_FORMS.fullmatch(rest)
    if form is None:
        return None
    pattern = "unix" if form["epoch"] or form["unix"] else "unix_ms"
    if not form["epoch"] and not form["unix"] and not form["milli"]:
        layout = form["d1"] or form["d2"] or form["f1"] or form["f2"] or ""
        pattern = _LAYOUT_PART.sub(lambda match: _LAYOUT[match[0]], layout.replace("%", "%%"))
    return f"{{fire_time{moved}:{pattern}}}" if "{" not in pattern and "}" not in pattern else None


def _go_duration(seconds: int) -> str:
    """A length as Go writes it: ``1h0m5s``."""
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
