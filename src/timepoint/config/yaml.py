"""A YAML text as plain data, with the place of everything.

Owns: YAML 1.2 scalars (``NO`` is text, ``010`` is 10), duplicate keys, aliases and merge keys, limits of depth and
expansion, and the words for syntax errors. Must not know: what a config may say.

The tree is built here from the parser's events, not by PyYAML's composer: the composer recurses, so a file of brackets
would end the process, and its constructor speaks YAML 1.1 and forgets places.

Source: YAML 1.2.2, section 10.3 "Core Schema"; "Merge Key Language-Independent Type" (a 1.1 extension that people use).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml
from yaml.events import AliasEvent, CollectionEndEvent, MappingStartEvent, ScalarEvent, SequenceStartEvent

from timepoint.config.checks import Check
from timepoint.config.places import Findings, Mark, Path
from timepoint.config.syntax import explain

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_EXPANDED = 10_000

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE_TAG = "tag:yaml.org,2002:"
_TAGS = frozenset(("!", *(_CORE_TAG + kind for kind in ("str", "map", "seq"))))
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE = frozenset(("true", "True", "TRUE"))
_FALSE = frozenset(("false", "False", "FALSE"))
_INT = re.compile(r"[-+]?[0-9]{1,400}")
_BASED = re.compile(r"0o[0-7]{1,400}|0x[0-9a-fA-F]{1,400}")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


class Written:
    """A number that still knows how it was written, for places where the text counts (``version: 1.10``)."""

    written: str


class WrittenInt(Written, int):
    """An integer as written."""


class WrittenFloat(Written, float):
    """A floating-point number as written."""


class YamlStopError(Exception):
    """The text cannot be read any further; the reason is among the findings."""


@dataclass(slots=True)
class _Key:
    text: str
    mark: Mark


@dataclass(slots=True)
class _Node:
    mark: Mark
    scalar: Any = None
    written: str | None = None
    items: list[_Node] | None = None
    members: list[tuple[_Key, _Node]] | None = None
    alias_of: _Node | None = None
    open_key: _Key | None = None
    in_flow: bool = False
    names: dict[str, Mark] = field(default_factory=dict)


def read_yaml(text: str, findings: Findings) -> Any:
    """The data of a YAML text; fills the places of ``findings`` and adds what is wrong.

    Mapping keys are text as written. Numbers are ``WrittenInt`` and ``WrittenFloat``. Raises YamlStopError when the
    text has no usable tree.
    """
    root = _Composer(text, findings).compose()
    return _Expander(findings).expand(root)


class _Composer:
    """Events into nodes, without recursion."""

    def __init__(self, text: str, findings: Findings) -> None:
        self.text = text
        self.findings = findings
        self.stack: list[_Node] = []
        self.anchors: dict[str, _Node] = {}
        self.waiting: list[str | None] = []
        self.root: _Node | None = None

    def compose(self) -> _Node:
        try:
            for event in yaml.parse(self.text, Loader=_LOADER):
                self._take(event)
        except yaml.YAMLError as error:
            in_flow = any(node.in_flow for node in self.stack)
            check, mark, message = explain(error, self.text, in_flow=in_flow)
            self._say(check, mark, message)
            raise YamlStopError from error
        return self.root or self._stop(Check.FILE_EMPTY, Mark(1, 1), "the file is empty: it needs `sources` and `jobs`")

    def _take(self, event: Any) -> None:
        mark = Mark(event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, ScalarEvent):
            self._scalar(event, mark)
        elif isinstance(event, AliasEvent):
            name = str(event.anchor)
            if name not in self.anchors:
                self._stop(Check.YAML_ALIAS, mark, f"*{name} has no &{name} before it that is complete")
            target = self.anchors[name]
            self._place(_Node(mark, target.scalar, alias_of=target), target.written, mark)
        elif isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            self._tag(event.tag, mark)
            self._open(event, mark)
        elif isinstance(event, CollectionEndEvent):
            self._close()

    def _scalar(self, event: ScalarEvent, mark: Mark) -> None:
        self._tag(event.tag, mark)
        is_plain = event.implicit[0] and event.tag is None
        value = _resolve(event.value) if is_plain else event.value
        node = _Node(mark, value, event.value)
        if event.anchor:
            self.anchors[event.anchor] = node
        self._place(node, event.value, mark)

    def _open(self, event: Any, mark: Mark) -> None:
        if len(self.stack) >= MAX_DEPTH:
            self._stop(Check.YAML_DEPTH, mark, f"nested more than {MAX_DEPTH} levels deep")
        node = _Node(mark, in_flow=bool(event.flow_style))
        if isinstance(event, MappingStartEvent):
            node.members = []
        else:
            node.items = []
        self._place(node, None, mark)
        self.stack.append(node)
        self.waiting.append(event.anchor)

    def _close(self) -> None:
        node = self.stack.pop()
        anchor = self.waiting.pop()
        if anchor is not None:
            self.anchors[anchor] = node

    def _place(self, node: _Node, written: str | None, mark: Mark) -> None:
        """Puts a node where the parser is: as the root, an item, a key or a value."""
        if not self.stack:
            if self.root is not None:
                self._stop(Check.YAML_DOCUMENTS, mark, "a second document begins here: a config is one document")
            self.root = node
            return
        parent = self.stack[-1]
        if parent.items is not None:
            parent.items.append(node)
        elif parent.open_key is None:
            parent.open_key = self._key(parent, node, written, mark)
        elif parent.members is not None:
            parent.members.append((parent.open_key, node))
            parent.open_key = None

    def _key(self, parent: _Node, node: _Node, written: str | None, mark: Mark) -> _Key:
        if written is None:
            hint = "; a text that begins with { or [ needs quotes" if node.in_flow else ""
            return self._stop(Check.YAML_KEY, mark, f"a key must be a text{hint}")
        first = parent.names.setdefault(written, mark)
        if first is not mark and written != "<<":
            message = f"duplicate key {written!r}: it stands first in line {first.line}"
            self._say(Check.YAML_DUPLICATE_KEY, mark, message)
        return _Key(written, mark)

    def _tag(self, tag: str | None, mark: Mark) -> None:
        if tag is not None and tag not in _TAGS:
            shown = f"!!{tag.removeprefix(_CORE_TAG)}" if tag.startswith(_CORE_TAG) else tag
            self._stop(
                Check.YAML_TAG, mark, f"the tag {shown} means nothing here: a text that begins with ! needs quotes"
            )

    def _say(self, check: Check, mark: Mark, message: str) -> None:
        """Adds a finding at a mark: paths are not known before the tree is whole."""
        places = self.findings.places
        places.values[()] = mark
        self.findings.add(check, (), message)
        del places.values[()]

    def _stop(self, check: Check, mark: Mark, message: str) -> NoReturn:
        self._say(check, mark, message)
        raise YamlStopError


def _resolve(text: str) -> Any:
    """A plain scalar by the core schema of YAML 1.2."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    number: WrittenInt | WrittenFloat
    if _INT.fullmatch(text):
        number = WrittenInt(text)
    elif _BASED.fullmatch(text):
        number = WrittenInt(text, 0)
    elif _FLOAT.fullmatch(text):
        number = WrittenFloat(text.replace(".", "", 1) if text.lstrip("+-")[1:2].isalpha() else text)
    else:
        return text
    number.written = text
    return number


class _Expander:
    """Nodes into data: aliases and merge keys resolved, places noted by path."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.places = findings.places
        self.expanded = 0

    def expand(self, root: _Node) -> Any:
        self.places.values[()] = root.mark
        return self._value(root, (), is_copy=False)

    def _value(self, node: _Node, path: Path, *, is_copy: bool) -> Any:
        if node.alias_of is not None:
            node, is_copy = node.alias_of, True
        if is_copy:
            self._count(path)
        if node.members is not None:
            return self._mapping(node, path, is_copy=is_copy)
        if node.items is not None:
            data = []
            for index, item in enumerate(node.items):
                self.places.values[*path, index] = item.mark
                data.append(self._value(item, (*path, index), is_copy=is_copy))
            return data
        return node.scalar

    def _count(self, path: Path) -> None:
        """Aliases make a tree larger than its text, and deeper than the parser saw."""
        self.expanded += 1
        if self.expanded > MAX_EXPANDED:
            message = f"aliases expand to more than {MAX_EXPANDED} values: write fewer or smaller ones"
            self.findings.add(Check.YAML_EXPANSION, path, message)
            raise YamlStopError
        if len(path) > MAX_DEPTH:
            self.findings.add(Check.YAML_DEPTH, path, f"nested more than {MAX_DEPTH} levels deep")
            raise YamlStopError

    def _mapping(self, node: _Node, path: Path, *, is_copy: bool) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, child, is_merged in self._own_then_merged(node, path):
            if key.text in data:
                continue
            at = (*path, key.text)
            self.places.keys[at] = key.mark
            self.places.values[at] = child.mark
            data[key.text] = self._value(child, at, is_copy=is_copy or is_merged)
        return data

    def _own_then_merged(self, node: _Node, path: Path) -> Iterator[tuple[_Key, _Node, bool]]:
        members = node.members or []
        yield from ((key, child, False) for key, child in members if key.text != "<<")
        for key, child in members:
            if key.text == "<<":
                for source in child.items if child.items is not None else [child]:
                    yield from self._merged(source, path, key)

    def _merged(self, source: _Node, path: Path, key: _Key) -> Iterator[tuple[_Key, _Node, bool]]:
        merged = source.alias_of or source
        if merged.members is None:
            self.places.values[*path, "<<"] = key.mark
            message = "<< merges a mapping or a list of mappings: write <<: *name"
            self.findings.add(Check.YAML_MERGE, (*path, "<<"), message)
            return
        self._count(path)
        for own_key, child, _ in self._own_then_merged(merged, path):
            yield own_key, child, True
