"""XML bodies become objects (R12).

Owns: how elements, attributes and text are told in JSON's terms, and what of XML is refused. Pure. Must not know: how
the body was fetched, the mapping's rules.

    <a x="1"><b>2</b><c>3</c><c>4</c></a>     {"a": {"@x": "1", "b": "2", "c": ["3", "4"]}}

Names are without their prefix, and declarations of namespaces are left out. An element with text alone is that text,
an empty one is null, other text stands under ``#text``. Elements of one name are an array where there are several; a
lone one is marked, so that ``[*]`` takes it as an array of one.

A document type is refused: what it could declare (entities) is how XML bodies grow a thousandfold or read files. Nor
are names brought into their namespaces: each name would hold the address of its own, and a body of 1 MB with an address
as long as that and 4,000 names took 3.8 GB.
"""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

from timepoint.errors import ContentError
from timepoint.mapping.nodes import LoneObject, LoneText
from timepoint.request.decoders.base import Buffer, Decoder
from timepoint.request.spec import RequestSpec

_DEEPEST = 200
_NIL = ("nil", "true")


def decode_xml(body: bytes) -> dict[str, Any]:
    """The document as an object with the root element's name as its only key. Raises ContentError with the line."""
    tree = _Tree()
    parser = expat.ParserCreate(encoding="utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(body, True)  # noqa: FBT003 - expat's own signature: this is the whole of it
    except expat.ExpatError as error:
        raise ContentError("not_a_document", f"the body is not XML: {error}") from error
    assert tree.root is not None, "BUG: a well-formed document has a root"
    return tree.root


def _refuse_doctype(name: str, _system: str | None, _public: str | None, _internal: bool) -> None:  # noqa: FBT001 - expat's
    raise ContentError("not_a_document", f"the body declares a document type ({name}), which is not read")


class _Element:
    """An element whose end has not come yet."""

    __slots__ = ("members", "name", "texts")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = _local(name)
        self.members: dict[str, Any] = {
            f"@{_local(key)}": value for key, value in attributes.items() if not _declares(key)
        }
        self.texts: list[str] = []

    def value(self) -> Any:
        text = "".join(self.texts).strip()
        if not self.members:
            return LoneText(text) if text else None
        if self.members.get(f"@{_NIL[0]}") == _NIL[1] and not text and len(self.members) == 1:
            return None
        if text:
            self.members["#text"] = text
        return LoneObject(self.members)

    def add(self, name: str, value: Any) -> None:
        members = self.members
        if name not in members:
            members[name] = value
        elif type(members[name]) is list:
            members[name].append(value)
        else:
            members[name] = [members[name], value]


class _Tree:
    """What the parser's events come to."""

    def __init__(self) -> None:
        self.root: dict[str, Any] | None = None
        self._open: list[_Element] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= _DEEPEST:
            raise ContentError("not_a_document", f"the body is nested deeper than {_DEEPEST} elements")
        self._open.append(_Element(name, attributes))

    def text(self, text: str) -> None:
        if self._open:
            self._open[-1].texts.append(text)

    def end(self, _name: str) -> None:
        element = self._open.pop()
        value = element.value()
        if self._open:
            self._open[-1].add(element.name, value)
        else:
            self.root = {element.name: value}


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _declares(attribute: str) -> bool:
    return attribute == "xmlns" or attribute.startswith("xmlns:")


def _decode(body: Buffer, _request: RequestSpec) -> dict[str, Any]:
    return decode_xml(bytes(body))


DECODER = Decoder(
    "xml",
    _decode,
    signs=lambda _: ((b"<", 100), (b"=", 200)),
    held=(1, 2),
    types=frozenset({"application/xml", "text/xml"}),
    suffix="+xml",
    endings=(".xml",),
)
