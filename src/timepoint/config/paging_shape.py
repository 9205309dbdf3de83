"""The shape of ``paging``: how the pages of a window are read.

Owns: the way from a kind of paging, which describes its own keys, to a shape. Must not know: what a kind does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, create_model

from timepoint.config.kinds import Duration, FilledText, JsonPath, OneOf, Shape, described
from timepoint.request.paging.keys import Key, keys_of
from timepoint.request.paging.kinds import KINDS
from timepoint.request.paging.spec import MAX_PAGES
from timepoint.request.paging.times import TimesSpec

MOST_PAGES = 10_000  # whose bodies are held until the last one has come


def _type_of(described_key: Key) -> Any:
    match described_key.kind:
        case "path" | "place":
            return JsonPath
        case "duration":
            return Duration
        case "count":
            return Annotated[int, Field(ge=described_key.least)]
    return FilledText


def _field_of(described_key: Key) -> tuple[Any, Any]:
    default = ... if described_key.is_required else None
    kind = _type_of(described_key)
    examples = [described_key.example]
    field = Field(default, alias=described_key.name, description=described_key.says, examples=examples)
    return (kind if described_key.is_required else kind | None), field


def shape_of(spec: type[Any], name: str, says: str, place: str, one_of: tuple[str, ...] = ()) -> type[Shape]:
    """The shape of a dataclass that describes its keys."""
    # with an underscore, since a model has methods such as json; what stands in a file is the alias
    fields: dict[str, Any] = {f"{key.name}_": _field_of(key) for key in keys_of(spec)}
    shape = create_model(name, __base__=Shape, __doc__=says, __module__=__name__, **fields)
    shape.place = place
    shape.groups = (OneOf(*one_of, required=True),) if one_of else ()
    return shape


def given_keys(shape: Shape) -> dict[str, Any]:
    """What a shape of a dataclass was given, by the names of the dataclass's fields."""
    values = {name.removesuffix("_"): getattr(shape, name) for name in type(shape).model_fields}
    return {name: value for name, value in values.items() if value is not None}


def title_of(name: str) -> str:
    """The name of the shape of a kind of paging."""
    return f"{''.join(word.capitalize() for word in name.split('_'))}PagingShape"


def _kind_field(name: str, kind: type[Any]) -> tuple[Any, Any]:
    shape = shape_of(kind, title_of(name), kind.says, f"{name} of paging", kind.one_of)
    example = {key.name: key.example for key in keys_of(kind) if key.is_required}
    if kind.one_of:
        example |= {key.name: key.example for key in keys_of(kind) if key.name == kind.one_of[0]}
    return shape | None, described(kind.says, example)


if TYPE_CHECKING:
    UntilShape = Shape
    KindsShape = Shape
else:
    UntilShape = shape_of(
        TimesSpec,
        "UntilShape",
        "Where a feed that runs newest first ends: no page is asked for after one whose times all lie before the "
        "window.",
        "until of paging",
    )
    KindsShape = create_model(
        "KindsShape",
        __base__=Shape,
        __module__=__name__,
        **{name: _kind_field(name, kind) for name, kind in KINDS.items()},
    )


class PagingShape(KindsShape):
    """How the next page of an answer is found. All pages of a window are read before any of it is used."""

    place: ClassVar[str] = "paging of a request"
    groups: ClassVar[tuple[OneOf, ...]] = (OneOf(*KINDS, required=True),)

    rows: JsonPath | None = described(
        "The path to the list (or object) that holds the rows of a page, to count them. Default: the answer itself, if "
        "it is a list.",
        "$.data",
    )
    limit: Annotated[int, Field(ge=1)] | None = described(
        "How many rows a full page has. With `offset`, `page`, `last_id` and `continue_at` a page with fewer is then "
        "the last one: say it only if the API really gives as many as it is asked for.",
        1000,
    )
    total: JsonPath | None = described(
        "The path to the number of rows on all pages. Fewer rows than that are an error.", "$.meta.total"
    )
    until: UntilShape | None = described(
        "For a feed that runs newest first: where the times of a page are.", {"path": "$.data[*].created"}
    )
    max_pages: Annotated[int, Field(ge=1, le=MOST_PAGES)] | None = described(
        f"How many pages a window may have. More are an error. Default: `{MAX_PAGES}`.", 500
    )
