"""Answers become documents, or an error that says why not."""

from __future__ import annotations

import codecs
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint.errors import ContentError
from timepoint.request.answer import Answer
from timepoint.request.decode import check_type, decode, decoder_name
from timepoint.request.decoders.registry import DECODERS, by_file
from timepoint.request.spec import RequestSpec

JSON = "application/json"


def document(body: bytes, content_type: str = JSON, asked: str | None = None) -> Any:
    """The document as plain values."""
    answer = Answer(200, content_type, body, "http://h/x")
    decoded = decode(answer, RequestSpec(decode=asked))
    return msgspec.json.decode(decoded) if isinstance(decoded, msgspec.Raw) else decoded


def refused(body: bytes, content_type: str = JSON, asked: str | None = None) -> ContentError:
    """The error of an answer that must not become a document."""
    with pytest.raises(ContentError, match=r"^http://h/x: ") as caught:
        document(body, content_type, asked)
    return caught.value


@pytest.mark.parametrize(
    ("content_type", "name"),
    [
        ("", "json"),
        ("application/json", "json"),
        ("Application/JSON ; charset=utf-8", "json"),
        ("application/geo+json", "json"),
        ("application/vnd.api+json", "json"),
        ("text/json", "json"),
        ("text/plain", "json"),
        ("binary/octet-stream", "json"),
        ("application/x-ndjson", "ndjson"),
        ("application/jsonl", "ndjson"),
        ("application/stream+json", "ndjson"),
        ("application/javascript", "jsonp"),
        ("text/javascript;charset=utf-8", "jsonp"),
        ("text/csv; header=present", "csv"),
        ("text/tab-separated-values", "csv"),
        ("text/xml", "xml"),
        ("application/atom+xml", "xml"),
    ],
)
def test_the_type_decides(content_type: str, name: str) -> None:
    """Each type of the table has its decoder."""
    assert decoder_name(content_type, None) == name
    assert decoder_name(content_type, "ndjson") == "ndjson"


@pytest.mark.parametrize(
    ("content_type", "words"),
    [
        ("text/html", "the answer is an HTML page, perhaps a login page: check URL and credentials"),
        ("application/xhtml+xml", "the answer is an HTML page"),
        ("image/png", "the answer has a Content-Type image/png, which is not known; if it is JSON, set decode: json"),
        ("\x1b[31m", "the answer has a Content-Type that is no media type"),
    ],
)
def test_types_without_a_decoder(content_type: str, words: str) -> None:
    """A type that cannot be decoded is refused in words that help, before the body is fetched."""
    with pytest.raises(ContentError) as caught:
        check_type(content_type, None)
    assert caught.value.reason == "content_type"
    assert str(caught.value).startswith(words)
    check_type(content_type, "json")


def test_xml_that_nobody_asked_for_is_refused_with_advice() -> None:
    """XML under the name of JSON is refused, and the error says how to ask for it."""
    assert "set decode: xml" in str(refused(b"<?xml version='1.0'?><a/>"))


def test_a_login_page_is_no_xml() -> None:
    """An HTML page is refused as such, even where XML is expected."""
    assert "login page" in str(refused(b"<!DOCTYPE html><html></html>", "text/xml"))


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
@pytest.mark.parametrize("content_type", [JSON, JSON + "; charset={}", 'text/plain; x=y; Charset="{}"'])
def test_unicode(encoding: str, content_type: str) -> None:
    """JSON in any encoding of Unicode, with or without mark and charset, is read."""
    header = content_type.format(encoding.removesuffix("-sig"))
    assert document('{"ü": "日本😀"}'.encode(encoding), header) == {"ü": "日本😀"}


def test_a_mark_counts_more_than_the_charset() -> None:
    """A byte order mark is believed, even against the header."""
    body = codecs.BOM_UTF16_BE + '["ü"]'.encode("utf-16-be")
    assert document(body, JSON + "; charset=utf-8") == ["ü"]


def test_the_shortest_documents() -> None:
    """Documents shorter than any mark are read."""
    assert document(b"1") == 1
    assert document("1".encode("utf-16-le")) == 1
    assert document(b"\xef\xbb\xbf1") == 1


@pytest.mark.parametrize(("charset", "encoding"), [("ISO-8859-1", "latin-1"), ("windows-1252", "cp1252")])
def test_single_byte_charsets(charset: str, encoding: str) -> None:
    """A single-byte charset is decoded by the header, unless the body is UTF-8 after all."""
    content_type = f"{JSON}; charset={charset}"
    assert document('["Zürich"]'.encode(encoding), content_type) == ["Zürich"]
    assert document('["Zürich"]'.encode(), content_type) == ["Zürich"]


@pytest.mark.parametrize(
    "charset", ["rot13", "base64", "utf-7", "unicode_escape", "none", "canary\x1b", "canary\udcff"]
)
def test_charsets_that_are_not_known(charset: str) -> None:
    """A charset that is none, or that is a program rather than an alphabet, is refused before the body is fetched."""
    with pytest.raises(ContentError, match="charset that is not known") as caught:
        check_type(f"{JSON}; charset={charset}", None)
    assert caught.value.reason == "encoding"
    assert "canary" not in str(caught.value)


def test_a_body_that_is_not_its_charset() -> None:
    """A body that breaks the rules of its encoding is refused, with the place."""
    error = refused('["a'.encode("utf-16-le") + b"\x00\xd8", JSON)
    assert error.reason == "encoding"
    assert "the body is not UTF-16-LE at byte 6" in str(error)


@pytest.mark.parametrize("body", [b"", b" \r\n\t"])
def test_nothing_is_no_document(body: bytes) -> None:
    """An empty body is no JSON document."""
    assert refused(body).reason == "not_a_document"


@pytest.mark.parametrize("body", [b"<!DOCTYPE html>", b"\n <HTML>", b"<head>", b"<body>Log in"])
@pytest.mark.parametrize("asked", [None, "json", "ndjson", "jsonp"])
def test_html_that_says_it_is_json(body: bytes, asked: str | None) -> None:
    """An HTML page is recognised by its body too."""
    error = refused(body, asked=asked)
    assert error.reason == "not_a_document"
    assert "login page" in str(error)


def test_xml_that_says_it_is_json() -> None:
    """XML under the name of JSON is called XML."""
    assert "the body is XML" in str(refused(b"<?xml version='1.0'?><a/>"))


def test_lines() -> None:
    """NDJSON is an array of its lines; blank lines and the last line end are nothing."""
    assert document(b'{"a": 1}\r\n\n [2] \n"x\\n"', "application/x-ndjson") == [{"a": 1}, [2], "x\n"]
    assert document(b"", "application/x-ndjson") == []


@pytest.mark.parametrize("line", [b'{"a": 1', b"1],[2", b"1 2", b"nul", b"{'a': 1}"])
def test_a_bad_line(line: bytes) -> None:
    """A line that is not JSON refuses the answer and is named: the answer may have broken off there."""
    error = refused(b"1\n\n" + line + b"\n2", "application/x-ndjson")
    assert error.reason == "not_a_document"
    assert "line 3 is not JSON" in str(error)


scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)


@settings(max_examples=50)
@given(values=st.lists(st.lists(scalars, max_size=3) | scalars, max_size=6))
def test_any_lines(values: list[Any]) -> None:
    """Whatever values stand on the lines, the document is the list of them."""
    body = "\n".join(json.dumps(value, ensure_ascii=False) for value in values).encode()
    assert document(body, "application/x-ndjson") == values


@pytest.mark.parametrize(
    "body",
    [
        b'cb({"a": ")"})',
        b' cb({"a": ")"} ) ; \r\n',
        b'/**/cb({"a": ")"});',
        b'/* a */ /* b */ a.b["c"]({"a": ")"})',
        b'/**/ typeof cb === \'function\' && cb({"a": ")"});',
        b'jQuery1_2$({"a": ")"})',
        b'{"a": ")"}',
        b'var chart = {"a": ")"};\n',
        b'/* a */window.data["x"]={"a": ")"}',
        b'\xef\xbb\xbfcb({"a": ")"})',
    ],
)
def test_a_call(body: bytes) -> None:
    """JSONP is what stands between the brackets of the call, or after a variable; without either it is JSON."""
    assert document(body, "application/javascript") == {"a": ")"}


@pytest.mark.parametrize(
    "body", [b"", b"cb", b"cb(", b"cb({}", b"cb({}); alert(1) //", b"var x = 1;", b"var x = cb({});", b"1;cb({})"]
)
def test_no_call(body: bytes) -> None:
    """A script that is not one call is no document."""
    assert refused(body, "application/javascript").reason == "not_a_document"


@settings(max_examples=100)
@given(
    body=st.binary(max_size=60),
    content_type=st.sampled_from([JSON, "application/x-ndjson", "text/javascript", JSON + "; charset=utf-16"]),
)
def test_any_body(body: bytes, content_type: str) -> None:
    """Whatever a body holds, it becomes a document or a ContentError."""
    try:
        raw = decode(Answer(200, content_type, body, "http://h/x"), RequestSpec())
    except ContentError:
        return
    assert isinstance(raw, msgspec.Raw)


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [("windows-1252", "cp1252"), ("Shift_JIS", "shift_jis"), ("gb18030", "gb18030"), ("koi8-r", "koi8-r")],
)
def test_the_charset_of_the_request(charset: str, encoding: str) -> None:
    """What the request says of the charset counts more than a header that is wrong."""
    text = {"windows-1252": "Zürich", "Shift_JIS": "東京", "gb18030": "北京", "koi8-r": "Москва"}[charset]
    answer = Answer(200, "text/csv; charset=utf-8", f"city\n{text}\n".encode(encoding), "http://h/x")
    assert decode(answer, RequestSpec(charset=charset)) == [{"city": text}]


def test_the_charset_that_xml_declares() -> None:
    """XML that declares its charset is read in it where no header says otherwise."""
    body = '<?xml version="1.0" encoding="ISO-8859-1"?><a>Zürich</a>'
    assert document(body.encode("latin-1"), "text/xml") == {"a": "Zürich"}
    assert document(body.encode("utf-8"), "text/xml; charset=utf-8") == {"a": "Zürich"}


def test_the_advice_for_an_unknown_charset() -> None:
    """A text that is not UTF-8, without a word about its charset, is refused with what to do."""
    assert "if the API writes another charset, name it in charset" in str(refused("ä".encode("latin-1"), "text/csv"))


def test_text_is_lines() -> None:
    """Text of no known format is its lines, without ends and without empty ones."""
    assert document(b"a,1|2\r\n\nb\rc", "text/plain", "lines") == ["a,1|2", "b", "c"]


def test_every_decoder_can_be_asked_for() -> None:
    """A decoder of the registry is what its name asks for, and its types and files lead to it."""
    for name, decoder in DECODERS.items():
        assert decoder_name("image/png", name) == name
        assert all(decoder_name(kind, None) == name for kind in decoder.types)
        assert all(by_file(f"a{ending}") is decoder for ending in decoder.endings)
