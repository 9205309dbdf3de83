"""A jq program runs in a process of its own, in jq's words and within limits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint.errors import ContentError, MappingError
from timepoint.request.decoders.elements import decode_xml
from timepoint.request.transform.programs import JqProcess, JqStep, program_complaint, said

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture
def process() -> Iterator[JqProcess]:
    """A process of the test's own."""
    process = JqProcess()
    yield process
    process.close()


def result(program: str, document: Any) -> Any:
    """What a program makes of a document."""
    return json.loads(bytes(JqStep(program)(document)))


def test_a_program_changes_a_document() -> None:
    """A JSON body that is not decoded yet comes back as what the program made of it."""
    assert result(".d | fromjson | map(.v * 2)", msgspec.Raw(b'{"d": "[{\\"v\\": 1}, {\\"v\\": 2.5}]"}')) == [2, 5]


def test_a_decoded_document() -> None:
    """A document of XML or CSV goes to jq as the JSON that it is."""
    assert result(".a.b", decode_xml(b"<a x='1'><b>2</b></a>")) == "2"


@settings(max_examples=40, deadline=None)
@given(document=JSON)
def test_the_identity(document: Any) -> None:
    """Whatever JSON there is comes back the same."""
    assert result(".", document) == document


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (".a.b", "transform jq: Cannot index number with string"),
        ('error("no day")', "transform jq: no day"),
        ("empty", "transform jq: it gave nothing: it must give one document"),
        (".[]", "transform jq: it gave more than one document: put [ ] around it"),
        ('.[] as [$x] | $x | error({"a": 1})', "transform jq: "),
    ],
)
def test_what_a_program_refuses(program: str, message: str) -> None:
    """A program that fails, or gives no one document, is an error in jq's words."""
    with pytest.raises(MappingError, match=message.replace("[", r"\[")):
        JqStep(program)({"a": 1, "c": 2})


@pytest.mark.parametrize("body", [b'{"a": 1, "a": 2}', b'{"a": ', b""])
def test_a_body_that_is_no_document(body: bytes) -> None:
    """A body that is no JSON, or holds a key twice, is the source's fault, as without a transform."""
    with pytest.raises(ContentError):
        JqStep(".")(msgspec.Raw(body))


def test_a_program_without_end(process: JqProcess) -> None:
    """A program that takes too long is ended, and the next document is worked on (X7)."""
    with pytest.raises(MappingError, match="the program takes longer than 50ms"):
        process.run("def f: f; f", b"1", timeout=50)
    assert process.run(". + 1", b"1", timeout=600_000) == b"2"


def test_a_program_that_takes_all_memory(process: JqProcess) -> None:
    """A program that asks for more memory than it may have is ended alone (X5)."""
    with pytest.raises(MappingError, match="it may have 100 MB of memory"):
        process.run("[range(1e9)]", b"1", timeout=600_000, memory=100 << 20)
    assert process.run(".", b"1", timeout=600_000) == b"1"


def test_a_program_sees_no_environment(process: JqProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of the exporter, some of them credentials, are not there for a program."""
    monkeypatch.setenv("CANARY", "canary")
    assert b"canary" not in process.run("env", b"1", timeout=600_000).lower()


def test_a_large_document(process: JqProcess) -> None:
    """A document far beyond the size of a pipe goes there and back."""
    document = json.dumps([[1.5] * 100] * 2000).encode()
    assert json.loads(process.run(".", document, timeout=600_000)) == json.loads(document)


def test_complaints() -> None:
    """A program that cannot be compiled is told in one line, with jq's place of the mistake."""
    assert program_complaint(".a") is None
    assert program_complaint(".a[") == "syntax error, unexpected end of file, line 1, column 3"
    assert program_complaint("foo(1)") == "foo/1 is not defined, line 1, column 1"


def test_a_long_message_is_cut() -> None:
    """What jq quotes of a document does not fill the log."""
    assert len(said("x" * 5000)) < 400
