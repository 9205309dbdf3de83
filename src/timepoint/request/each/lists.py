"""A file, or the answer of a discovery, becomes the values of a fan-out.

Owns: what a plain list is, how a mapping picks values, how a list is written down to be kept.
Must not know: when a list is read, HTTP, the ledger.

A discovery uses the language of rows and labels: each series that its mapping makes is one value, the label of the
value's own name is the value, and its other labels are what else is known of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import yaml

from timepoint.errors import ContentError, MappingError
from timepoint.mapping.engine import Mapping as CompiledMapping
from timepoint.mapping.engine import RunContext, compile_mapping
from timepoint.mapping.labels import label_value
from timepoint.mapping.spec import ExpectSpec, MappingSpec, MetricMapping, Rules, WalkSpec
from timepoint.mapping.unusable import Unusable
from timepoint.model import FamilySpec, MappedRun, MetricSpec, MetricType, Window, split_series_text
from timepoint.request.each.lanes import ListError
from timepoint.request.each.spec import Entry, ListFile

LISTED = MetricSpec(FamilySpec("listed", MetricType.GAUGE, ""))
"""The metric of a list's mapping: a point for each value."""

MAX_BYTES = 16 * 1024 * 1024
_HIDDEN = "hidden__"
_LONGEST = 65536  # characters of a value
_DEEPEST = 100


def compile_list(
    name: str, value: str, rows: Mapping[str, WalkSpec], labels: Mapping[str, str | None]
) -> CompiledMapping:
    """The mapping of a list: the node at ``value`` is the value ``name``. Raises SpecError.

    Without ``rows`` the path ``value`` is the walk, and each node on it a value.
    """
    if not rows:
        rows, value = {"value": WalkSpec(value)}, "$value"
    own = Rules(labels={_kept_name(label): path for label, path in labels.items()} | {name: value})
    metric = MetricMapping(metric=LISTED, value=1.0, own=own)
    return compile_mapping(
        MappingSpec(rows=rows, metrics=(metric,), defaults=Rules(), label_length=_LONGEST, expect=ExpectSpec())
    )


def _kept_name(label: str) -> str:
    """A mapping drops what begins with ``__`` from its series; templates may still name it."""
    return label.replace("__", _HIDDEN, 1) if label.startswith("__") else label


def entries_of(mapped: MappedRun, name: str) -> tuple[Entry, ...]:
    """The values in a mapped list. Raises ListError if rows were there and none gave a value."""
    entries = []
    for text in mapped.series[LISTED.family.name]:
        labels = split_series_text(text)[1]
        value = labels.pop(name, "")
        if value:
            entries.append(Entry(value, {label.replace(_HIDDEN, "__", 1): text for label, text in labels.items()}))
    if not entries and mapped.rejects.total:
        reason = next(iter(mapped.rejects.counts))
        example = next(iter(mapped.rejects.examples[reason]), "")
        raise ListError("list", f"nothing in the list of {name} could be used: {reason} ({example})")
    return tuple(entries)


def read_list_file(file: ListFile, name: str) -> tuple[Entry, ...]:
    """The values in a file: JSON or YAML by its name, else one to a line, without those that begin with ``#``.

    Raises ListError with what is wrong with the file.
    """
    try:
        with file.path.open("rb") as opened:
            raw = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise ListError("list", f"{file.path}: the list of {name} cannot be read ({error.strerror})") from error
    if len(raw) > MAX_BYTES:
        raise ListError("list", f"{file.path}: the list of {name} is larger than {MAX_BYTES // 1024**2} MiB")
    try:
        document = _document(raw, file.path.suffix.lower())
        if file.mapping is None:
            return tuple(map(Entry, _texts(document)))
        run = file.mapping.start(RunContext(Window(0, 1), 1))
        run.add(document)
        return entries_of(run.finish(), name)
    except (ValueError, ContentError, MappingError, RecursionError, yaml.YAMLError) as error:
        if isinstance(error, ListError):
            raise ListError(error.reason, f"{file.path}: {error}") from None
        told = " ".join(str(error).split())
        raise ListError("list", f"{file.path}: the list of {name} cannot be read: {told}") from error


def _document(raw: bytes, suffix: str) -> Any:
    if suffix == ".json":
        return msgspec.json.decode(raw)
    text = raw.decode("utf-8-sig")
    if suffix in (".yaml", ".yml"):
        _check_yaml(text)
        # Texts as they stand, so that NO is Norway and 010 keeps its zero.
        return yaml.load(text, Loader=yaml.CBaseLoader)  # noqa: S506 - it makes texts, lists and mappings alone
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _check_yaml(text: str) -> None:
    """Refuses what the loader would die of: it recurses in C, and an alias of aliases grows a thousandfold.

    Raises ValueError, yaml.YAMLError.
    """
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CBaseLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"*{event.anchor} is an alias, and a list is read without them")  # noqa: TRY004 - told like any other mistake in the file
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ValueError(f"it is nested deeper than {_DEEPEST} levels")


def _texts(document: Any) -> list[str]:
    if not isinstance(document, list):
        raise ValueError("it must be a list; of anything else, say with values where they stand")  # noqa: TRY004 - told like any other mistake in the file
    return [as_value(item) for item in document]


def as_value(item: Any) -> str:
    """A value as a text. Raises ValueError for what cannot be one."""
    try:
        text = label_value(item, _LONGEST)
    except Unusable as error:
        raise ValueError(f"{error.shown} is no value: a text, a number or a boolean is") from None
    if not text:
        raise ValueError("an empty value cannot be asked for")
    if text.count("\ufffd") > str(item).count("\ufffd"):  # another one would be asked for, and two could be one lane
        raise ValueError(f"{item!a} holds what no label can")
    return text


def written(entries: Iterable[Entry], definition: str = "") -> str:
    """A list as a text that is kept, with how it was picked."""
    values = [[entry.value, dict(entry.more)] if entry.more else entry.value for entry in entries]
    return json.dumps({"definition": definition, "values": values})


def read_written(text: str) -> tuple[tuple[Entry, ...], str]:
    """The inverse of ``written``: the list, and how it was picked. Raises ValueError."""
    found = json.loads(text)
    entries = (Entry(item) if isinstance(item, str) else Entry(*item) for item in found["values"])
    return tuple(entries), str(found["definition"])
