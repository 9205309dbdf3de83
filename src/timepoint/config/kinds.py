"""Kinds of values in a config: durations, sizes, texts as written, JSON data.

Owns: how one scalar becomes a value, and its JSON Schema. Must not know: which key holds it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, ClassVar, NoReturn

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from timepoint.clock import format_duration, parse_duration
from timepoint.config.checks import Check
from timepoint.config.environ import FromEnvironment
from timepoint.config.yaml import Written
from timepoint.mapping.stamps import Length, parse_length

DURATION_PATTERN = "^(0|([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$"
_UNITS = "day|week|month|quarter|year"
STEP_PATTERN = f"^({_UNITS}|{DURATION_PATTERN[2:-2]})$"
SPAN_PATTERN = f"^(([1-9][0-9]{{0,3}} )?({_UNITS})s?|{DURATION_PATTERN[2:-2]})$"
_SPAN = re.compile(f"(?:([1-9][0-9]{{0,3}}) )?({_UNITS})s?")
SIZE_PATTERN = "^[0-9]+(B|KB|MB|GB|KiB|MiB|GiB)$"
_SIZE = re.compile(r"([0-9]+)([KMG]?)i?B")
_SIZES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_SHOWN = 60
_LONGEST = 100 * 365 * 24 * 3600 * 1000


def refuse(check: Check, message: str) -> NoReturn:
    """Ends the validation of a value with a finding of ``check``."""
    raise PydanticCustomError(check.value, "{message}", {"message": message})


def kind_of(value: Any) -> str:  # noqa: PLR0911 - one return for each kind
    """What a value is, in words: for messages."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"the boolean {str(value).lower()}"
        case FromEnvironment():
            return f"the text {value.written!r}"
        case Written():
            return f"the number {value.written}"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text {value!r}" if len(value) <= _SHOWN else f"the text {value[: _SHOWN - 3] + '...'!r}"
        case Mapping():
            return "a mapping"
    return f"a list of {len(value)}"


def plain_kind_of(value: Any) -> str:
    """What a value is, without what it says: for messages about places where a credential can stand."""
    match value:
        case bool() | None:
            return kind_of(value)
        case int() | float():
            return "a number"
        case str():
            return "a text"
    return kind_of(value)


def _is_unquoted_template(value: Any) -> bool:
    """``{window.start}`` without quotes is a mapping with the key ``window.start``."""
    return (
        isinstance(value, Mapping) and len(value) == 1 and str(next(iter(value))).startswith(("window.", "fire_time"))
    )


def as_text(value: Any) -> str:
    """A scalar as it was written: ``1.10`` stays ``1.10``."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Written):
        return value.written
    if _is_unquoted_template(value):
        template = f'"{{{next(iter(value))}}}"'
        refuse(Check.WRONG_KIND, f"must be a text, not a mapping: put the template into quotes, {template}")
    refuse(Check.WRONG_KIND, f"must be a text, not {kind_of(value)}")


def _as_filled_text(value: Any) -> str:
    text = as_text(value)
    return text or refuse(Check.EMPTY, "must not be empty")


def _as_path(value: Any) -> str:
    text = as_text(value)
    if not text.startswith("$"):
        refuse(Check.WRONG_KIND, f"must be a path that begins with $, not {kind_of(value)}")
    return text


def _as_path_or_template(value: Any) -> str:
    text = as_text(value)
    if not text.startswith(("$", "{")):
        templates = "{window.start}, {window.end} or {fire_time}"
        refuse(Check.WRONG_KIND, f"must be a path that begins with $, or {templates}, not {kind_of(value)}")
    return text


def _as_parts(value: list[Any]) -> list[str]:
    parts = [as_text(item) for item in value]
    if len(parts) < 2 or not any(part.startswith(("$", "{")) for part in parts):  # noqa: PLR2004 - one is no list
        refuse(
            Check.WRONG_KIND, "must be at least two parts of a time, of which one is a path, as in [$r.date, $r.hour]"
        )
    return parts


def _as_value(value: Any) -> str | float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if isinstance(value, str) and value.startswith("$"):
        return value
    refuse(Check.WRONG_KIND, f"must be a path that begins with $, or a number, not {kind_of(value)}")


def _as_duration(value: Any) -> int:
    if isinstance(value, Written) and value.written != "0":
        refuse(Check.DURATION, f"{value.written} has no unit: write {value.written}s or {value.written}m")
    text = as_text(value)
    try:
        length = parse_duration(text)
    except ValueError as error:
        refuse(Check.DURATION, str(error))
    return length if length <= _LONGEST else refuse(Check.DURATION, f"{text} is longer than 100 years")


def as_positive_duration(value: Any) -> int:
    """A duration in milliseconds that is longer than nothing."""
    return _as_duration(value) or refuse(Check.DURATION, "must be longer than 0")


def calendar_span(text: str) -> Length | None:
    """The length of ``day``, ``7 days`` or ``1 month``; None if the text says no units of a calendar."""
    match = _SPAN.fullmatch(text)
    if match is None:
        return None
    unit, count = parse_length(match[2]), int(match[1] or 1)
    return Length(days=unit.days * count, months=unit.months * count)


def calendar_step(text: str) -> Length | None:
    """The length of ``day``, ``week``, ``month``, ``quarter`` or ``year``; None if the text says no calendar unit.

    Raises ValueError with a sentence for several of them: nobody could tell where they begin.
    """
    match = _SPAN.fullmatch(text)
    if match is not None and text != match[2]:
        raise ValueError(f"{text!r} is no step: write {match[2]}, or a duration such as 1h")
    return calendar_span(text)


def _as_step(value: Any) -> int | Length:
    try:
        length = calendar_step(value) if isinstance(value, str) else None
    except ValueError as error:
        refuse(Check.DURATION, str(error))
    return length or as_positive_duration(value)


def _as_span(value: Any) -> int | Length:
    length = calendar_span(value) if isinstance(value, str) else None
    return length or as_positive_duration(value)


def _as_size(value: Any) -> int:
    text = as_text(value)
    match = _SIZE.fullmatch(text)
    if match is None:
        refuse(Check.SIZE, f"{text!r} is not a size: write it like 64MB (a KB is 1024 B)")
    size = int(match[1]) * _SIZES[match[2]]
    return size if 0 < size < 2**50 else refuse(Check.SIZE, f"{text} is not between 1B and 1048576GB")


def as_json(value: Any) -> Any:
    """JSON data without the memory of how its numbers were written."""
    if isinstance(value, Mapping):
        return {str(key): as_json(child) for key, child in value.items()}
    if isinstance(value, list):
        return [as_json(child) for child in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    refuse(Check.NOT_JSON, f"{value} does not exist in JSON")


def as_different(values: list[Any]) -> list[Any]:
    """A list with something in it, and nothing twice."""
    if not values:
        refuse(Check.EMPTY, "must not be an empty list")
    twice = next((value for index, value in enumerate(values) if value in values[:index]), None)
    if twice is None:
        return values
    shown = format_duration(twice) if isinstance(twice, int) else repr(twice)
    refuse(Check.ORDER, f"holds {shown} twice")


def as_bounds(values: list[float]) -> list[float]:
    """Upper bounds of buckets: finite and rising."""
    if not values:
        refuse(Check.EMPTY, "must not be an empty list")
    if not all(map(math.isfinite, values)):
        refuse(Check.ORDER, "must be finite numbers: the bucket +Inf is always there")
    if any(low >= high for low, high in pairwise(values)):
        refuse(Check.ORDER, "must rise from each bound to the next")
    return values


def as_list(value: Any) -> Any:
    """A list as it is, anything else as a list of one."""
    return value if isinstance(value, list) else [value]


def _as_list_of_text(value: Any) -> list[str]:
    return [as_text(item) for item in value] if isinstance(value, list) else [as_text(value)]


def _as_path_or_texts(value: Any) -> str | list[str]:
    return [as_text(item) for item in value] if isinstance(value, list) else _as_path(value)


_TEXT_SCHEMA: dict[str, Any] = {"type": ["string", "number", "boolean"]}
_DURATION_SCHEMA: dict[str, Any] = {"type": ["string", "integer"], "pattern": DURATION_PATTERN}

Text = Annotated[str, BeforeValidator(as_text), WithJsonSchema(_TEXT_SCHEMA)]
TextOrNull = Annotated[  # for a key whose null says something else than its absence
    str | None,
    BeforeValidator(lambda value: None if value is None else as_text(value)),
    WithJsonSchema({"type": [*_TEXT_SCHEMA["type"], "null"]}),
]
FilledText = Annotated[str, BeforeValidator(_as_filled_text), WithJsonSchema({**_TEXT_SCHEMA, "minLength": 1})]
Texts = Annotated[
    list[str],
    BeforeValidator(_as_list_of_text),
    WithJsonSchema({"anyOf": [_TEXT_SCHEMA, {"type": "array", "items": _TEXT_SCHEMA}]}),
]
JsonPath = Annotated[str, BeforeValidator(_as_path), WithJsonSchema({"type": "string", "pattern": r"^\$"})]
_PARTS_SCHEMA = {
    "type": "array",
    "items": _TEXT_SCHEMA,
    "minItems": 2,
    "contains": {"type": "string", "pattern": r"^[${]"},
}
Stamp = Annotated[
    str | list[str],
    BeforeValidator(lambda value: _as_parts(value) if isinstance(value, list) else _as_path_or_template(value)),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": r"^[${]"}, _PARTS_SCHEMA]}),
]
TextOrParts = Annotated[
    str | list[str],
    BeforeValidator(lambda value: _as_parts(value) if isinstance(value, list) else as_text(value)),
    WithJsonSchema({"anyOf": [_TEXT_SCHEMA, _PARTS_SCHEMA]}),
]
PathOrTexts = Annotated[
    str | list[str],
    BeforeValidator(_as_path_or_texts),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": r"^\$"}, {"type": "array", "items": _TEXT_SCHEMA}]}),
]
PathOrNumber = Annotated[
    str | float,
    BeforeValidator(_as_value),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": r"^\$"}, {"type": "number"}]}),
]
Duration = Annotated[int, BeforeValidator(_as_duration), WithJsonSchema(_DURATION_SCHEMA)]
PositiveDuration = Annotated[int, BeforeValidator(as_positive_duration), WithJsonSchema(_DURATION_SCHEMA)]
Step = Annotated[
    int | InstanceOf[Length],
    BeforeValidator(_as_step),
    WithJsonSchema({"type": ["string", "integer"], "pattern": STEP_PATTERN}),
]
Span = Annotated[
    int | InstanceOf[Length],
    BeforeValidator(_as_span),
    WithJsonSchema({"type": ["string", "integer"], "pattern": SPAN_PATTERN}),
]
Size = Annotated[int, BeforeValidator(_as_size), WithJsonSchema({"type": "string", "pattern": SIZE_PATTERN})]
Json = Annotated[Any, BeforeValidator(as_json), WithJsonSchema({})]
Status = Annotated[int, Field(ge=100, le=599)]
Bounds = Annotated[list[float], AfterValidator(as_bounds)]
Strip = Annotated[
    list[str],
    BeforeValidator(_as_list_of_text),
    AfterValidator(as_different),
    WithJsonSchema({"anyOf": [_TEXT_SCHEMA, {"type": "array", "items": _TEXT_SCHEMA, "minItems": 1}]}),
]
States = Annotated[list[FilledText], AfterValidator(as_different)]


class OneOf:
    """Keys of which exactly one stands, or at most one."""

    def __init__(self, *keys: str, required: bool = False) -> None:
        self.keys = keys
        self.required = required

    def complaint(self, given: set[str]) -> str | None:
        """A sentence if the keys that are given break the rule."""
        found = [key for key in self.keys if key in given]
        if len(found) > 1:
            return f"{' and '.join(found)} exclude each other: keep one"
        if self.required and not found:
            return f"needs {' or '.join(self.keys)}"
        return None


class Shape(BaseModel):
    """A mapping of the config. Unknown keys are refused, nothing is converted silently.

    ``place`` says where such a mapping stands, for messages; ``groups`` are its keys that exclude each other;
    ``hints`` are what to do instead of keys that others have in its place.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)
    place: ClassVar[str] = ""
    hints: ClassVar[Mapping[str, str]] = {}
    groups: ClassVar[tuple[OneOf, ...]] = ()

    @model_validator(mode="after")
    def _groups_hold(self) -> Shape:
        fields = type(self).model_fields
        given = {field.alias or name for name, field in fields.items() if getattr(self, name) is not None}
        complaints = [complaint for group in self.groups if (complaint := group.complaint(given))]
        empty = sorted(self.model_fields_set - {name for name in fields if getattr(self, name) is not None})
        if complaints and empty and not given:
            complaints[0] += f"; {empty[0]} has nothing in it: write {empty[0]}: {{}} if it needs nothing"
        if complaints:
            refuse(Check.ONE_OF, "; ".join(complaints))
        return self


def described(description: str, *examples: Any, alias: str | None = None) -> Any:
    """An optional key with its description and examples, as the reference and editors show them."""
    return Field(default=None, description=description, examples=list(examples) or None, alias=alias)


def required(description: str, *examples: Any, alias: str | None = None) -> Any:
    """A key that must be there."""
    return Field(description=description, examples=list(examples) or None, alias=alias)
