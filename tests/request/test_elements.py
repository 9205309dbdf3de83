"""XML bodies become objects."""

from __future__ import annotations

import tracemalloc
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timepoint.errors import ContentError
from timepoint.mapping.nodes import LoneObject, LoneText
from timepoint.request.decoders.elements import decode_xml


@pytest.mark.parametrize(
    ("body", "document"),
    [
        ('<a x="1"><b>2</b><c>3</c><c>4</c></a>', {"a": {"@x": "1", "b": "2", "c": ["3", "4"]}}),
        ("<a><b/><c></c></a>", {"a": {"b": None, "c": None}}),
        ('<a><b unit="W"> 5 </b></a>', {"a": {"b": {"@unit": "W", "#text": "5"}}}),
        ('<n:a xmlns:n="urn:x" n:y="1"><n:b>2</n:b></n:a>', {"a": {"@y": "1", "b": "2"}}),
        ("<a><![CDATA[<raw> & text]]></a>", {"a": "<raw> & text"}),
        ("<a>&lt;&#228;</a>", {"a": "<ä"}),
        ('<a xmlns:i="urn:i"><b i:nil="true"/></a>', {"a": {"b": None}}),
        ("<a><b>1</b>tail</a>", {"a": {"b": "1", "#text": "tail"}}),
    ],
)
def test_an_element_is_told_in_the_terms_of_json(body: str, document: Any) -> None:
    """Attributes, texts, repeated and empty elements each have their form."""
    assert decode_xml(body.encode()) == document


def test_a_lone_element_is_marked() -> None:
    """An element that stands alone under its name can be told from a plain object or text."""
    members = decode_xml(b"<a><b><c>1</c></b></a>")["a"]
    assert isinstance(members["b"], LoneObject)
    assert isinstance(members["b"]["c"], LoneText)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<a><b></a>", "the body is not XML: mismatched tag: line 1, column 8"),
        (b"", "the body is not XML: no element found"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "declares a document type"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "declares a document type"),
        (b"<a>" * 300 + b"</a>" * 300, "nested deeper than 200 elements"),
        (b"<a>&unknown;</a>", "the body is not XML: undefined entity"),
    ],
)
def test_a_body_that_is_broken_or_dangerous_is_refused(body: bytes, words: str) -> None:
    """What is no XML, or declares entities, ends with a sentence and nothing else."""
    with pytest.raises(ContentError, match=words):
        decode_xml(body)


def test_a_long_namespace_is_not_held_with_each_name() -> None:
    """A body of 60 KB takes no more than a few times that, whatever address its names belong to."""
    names = "".join(f'<n:a{number} n:b{number}="1"/>' for number in range(400))
    body = f'<n:r xmlns:n="{"x" * 50_000}">{names}</n:r>'.encode()
    tracemalloc.start()
    try:
        decode_xml(body)
        assert tracemalloc.get_traced_memory()[1] < 10 * len(body)
    finally:
        tracemalloc.stop()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), min_size=1).map(str.strip).filter(bool)))
def test_texts_come_through(texts: list[str]) -> None:
    """Whatever a text holds, it is what the element is."""
    body = "".join(f"<v>{escape(text)}</v>" for text in ["one", "two", *texts])
    assert decode_xml(f"<a>{body}</a>".encode())["a"]["v"] == ["one", "two", *texts]
