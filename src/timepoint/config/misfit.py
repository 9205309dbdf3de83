"""From raw data to shapes, and the words for what does not fit.

Owns: those words: what a key may be, what was probably meant by one that there is not. Must not know: cross-checks.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from timepoint.config.checks import Check
from timepoint.config.kinds import Shape, kind_of, plain_kind_of
from timepoint.config.places import Findings, Path
from timepoint.config.shape import all_shapes, keys_of, model_at
from timepoint.config.shown import may_be_quoted

ShapeType = TypeVar("ShapeType", bound=Shape)

# Words of other tools for keys of ours, where the spelling alone does not lead there. Of several the first that fits.
OTHER_WORDS = {
    "api_key": "params",
    "aws": "sigv4",
    "bearer_token": "authorization",
    "body": "json",
    "data": "json",
    "description": "help",
    "endpoint": "url",
    "headers": "http_headers",
    "hmac": "signature",
    "interval": "every",
    "lag": "delay",
    "max_concurrency": "concurrency",
    "max_retries": "attempts",
    "method": "get",
    "metric_type": "type",
    "oauth": "oauth2",
    "pagination": "paging",
    "path": "value get",
    "query": "params",
    "rate_limit": "rate",
    "retries": "attempts",
    "schedule": "cron",
    "status": "equal",
    "scrape_interval": "every",
    "scrape_timeout": "timeout",
    "target": "source",
    "timestamp": "time",
    "tls": "tls_config",
    "tz": "timezone",
    "uri": "get",
    "url": "get",
    "verify": "tls_config",
}
_KINDS = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "list_type": "a list",
}
_SHORT = 60
_FEW = 13  # so many words fit a line
_PLACES = 3
_COLLECTIONS = ("dict_type", "model_type", "list_type")
_OF_CREDENTIALS = (*_COLLECTIONS, "string_type")  # what a credential is, or stands in
_QUOTED = re.compile(r"'([^']*)'")
_CHECKS = {check.value: check for check in Check}


def read_shape(model: type[ShapeType], data: Any, path: Path, findings: Findings) -> ShapeType | None:
    """The shape of some data that stands at ``path``, or None and what does not fit among the findings."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            _explain(model, dict(detail), path, findings)
        return None


def did_you_mean(word: str, known: list[str]) -> str:
    """Words for the nearest known word, or for all of them if there are few."""
    if close := get_close_matches(word, known, 1, 0.7):
        return f", did you mean {close[0]!r}?"
    return f": there is {', '.join(sorted(known))}" if 0 < len(known) <= _FEW else ""


def _explain(model: type[Shape], detail: dict[str, Any], path: Path, findings: Findings) -> None:
    """One of pydantic's errors as a finding."""
    kind, at = detail["type"], (*path, *detail["loc"])
    found = detail["input"]
    if kind == "extra_forbidden":
        findings.add(Check.UNKNOWN_KEY, at, _unknown_key(model, detail["loc"]), key=True)
        return
    if kind == "missing":
        findings.add(Check.MISSING_KEY, at[:-1], f"{at[-1]!r} is missing", key=True)
        return
    at = findings.places.known(at)
    if kind in _CHECKS:
        findings.add(_CHECKS[kind], at, detail["ctx"]["message"])
    elif kind in _KINDS:
        example = _example(model, detail["loc"]) if kind in _COLLECTIONS else ""
        secret = kind in _OF_CREDENTIALS and not may_be_quoted(at)
        said = plain_kind_of(found) if secret else kind_of(found)
        findings.add(Check.WRONG_KIND, at, f"must be {_KINDS[kind]}, not {said}{example}")
    elif kind == "literal_error":
        choices = detail["ctx"]["expected"]
        close = get_close_matches(found, _QUOTED.findall(choices), 1) if isinstance(found, str) else []
        hint = f", did you mean {close[0]!r}?" if close else f": choose {choices}"
        findings.add(Check.BAD_CHOICE, at, f"{kind_of(found)} is not possible here{hint}")
    else:
        findings.add(Check.OUT_OF_RANGE, at, f"must {_bound(detail['ctx'])}, not {kind_of(found)}")


def _example(model: type[Shape], loc: Path) -> str:
    """How the key at a path is written, if an example of it is short."""
    while loc and isinstance(loc[-1], int):  # an item, and what may also stand alone, is written like the list
        loc = loc[:-1]
    example = _example_at(model, loc)
    if example is None and len(loc) > 1:  # a name that the author chose: it is written like the example's only one
        named = _example_at(model, loc[:-1])
        example = next(iter(named.values())) if isinstance(named, dict) and len(named) == 1 else None
    if example is None:
        return ""
    text = yaml.safe_dump(example, default_flow_style=True, width=1000).strip()
    return f": write it like {text}" if len(text) <= _SHORT else ""


def _example_at(model: type[Shape], loc: Path) -> Any:
    """The first example of the key at the end of a path, None if there is none."""
    fields = model_at(model, loc[:-1]).model_fields if loc else {}
    return next((f.examples[0] for name, f in fields.items() if (f.alias or name) == loc[-1] and f.examples), None)


def _bound(context: dict[str, Any]) -> str:
    """The limit that a number or the length of a list broke."""
    match context:
        case {"ge": least}:
            return f"be at least {least}"
        case {"le": most}:
            return f"be at most {most}"
    length = context["max_length"] if "max_length" in context else context["min_length"]
    return f"be a list of {length}"


def _unknown_key(model: type[Shape], loc: Path) -> str:
    """What to say of a key that a mapping does not have."""
    word = str(loc[-1])
    here = model_at(model, loc[:-1])
    known = keys_of(here)
    start = f"unknown key {word!r}"
    if word in here.hints:
        return f"{start} in {here.place}: {here.hints[word]}"
    other = next((other for other in OTHER_WORDS.get(word, "").split() if other in known), None)
    elsewhere = [shape.place for shape in all_shapes() if word in keys_of(shape) and shape.place]
    if other is not None:
        return f"{start}, did you mean {other!r}?"
    if close := get_close_matches(word, known, 1, 0.75):
        return f"{start}, did you mean {close[0]!r}?"
    hints = [f"there is {', '.join(known)}"] if len(known) <= _FEW else []
    if 0 < len(elsewhere) <= _PLACES:
        hints.append(f"it belongs to {' or '.join(elsewhere)}")
    return f"{start} in {here.place}" + (f": {'; '.join(hints)}" if hints else "")
