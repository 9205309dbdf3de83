"""Archives become the documents of their files, within bounds."""

from __future__ import annotations

import gzip
import io
import zipfile
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint.errors import ContentError
from timepoint.request.answer import Answer
from timepoint.request.decode import check_type, decode, documents
from timepoint.request.spec import RequestSpec

ZIP = "application/zip"


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip with these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def read(body: bytes, content_type: str = ZIP, most: int = 1 << 20, **request: Any) -> list[Any]:
    """The documents of a body as plain values."""
    answer = Answer(200, content_type, body, "http://h/x")
    found = documents(answer, RequestSpec(**request), most)
    return [msgspec.json.decode(each) if isinstance(each, msgspec.Raw) else each for each in found]


def refused(body: bytes, content_type: str = ZIP, **request: Any) -> ContentError:
    """The error of an archive that must not be used."""
    with pytest.raises(ContentError, match=r"^http://h/x: ") as caught:
        read(body, content_type, **request)
    return caught.value


def test_the_only_file_is_the_document() -> None:
    """A zip with one file is that file, beside directories and what macOS adds."""
    files = {"data/": b"", "data/rows.json": b'[{"v": 1}]', "__MACOSX/data/._rows.json": b"x"}
    assert read(zipped(files)) == [[{"v": 1}]]


def test_the_name_of_a_file_says_what_it_is() -> None:
    """A file is decoded by the ending of its name, whatever the type of the archive."""
    assert read(zipped({"rows.csv": b"a,b\n1,2\n"})) == [[{"a": "1", "b": "2"}]]
    assert read(zipped({"rows.XML": b"<a>1</a>"}), "application/octet-stream") == [{"a": "1"}]


def test_what_the_request_asks_for_counts_more() -> None:
    """Where the request says how to decode, names of files say nothing."""
    assert read(zipped({"rows.json": b"a\n1\n"}), decode="csv") == [[{"a": "1"}]]


def test_a_pattern_takes_files_in_order() -> None:
    """All files that fit are documents, by name, with or without their directory."""
    body = zipped({"b/2.csv": b"v\n2\n", "a/1.csv": b"v\n1\n", "readme.txt": b"hello"})
    assert read(body, member="*.csv") == [[{"v": "1"}], [{"v": "2"}]]
    assert read(body, member="2.csv") == [[{"v": "2"}]]
    assert read(body, member="a/*") == [[{"v": "1"}]]


def test_several_files_and_no_pattern() -> None:
    """Without a pattern nobody guesses which of several files is meant."""
    error = refused(zipped({"a.csv": b"", "b.csv": b""}))
    assert "the archive holds 2 files (a.csv, b.csv): say which with member" in str(error)


def test_a_pattern_that_fits_nothing() -> None:
    """A pattern that fits no file is an error that says what there is."""
    assert "no file of the archive fits member '*.xml'; it holds a.csv" in str(
        refused(zipped({"a.csv": b""}), member="*.xml")
    )
    assert "the archive holds no file" in str(refused(zipped({})))


@pytest.mark.parametrize(
    "content_type", ["application/gzip", "application/json", "text/csv", "application/octet-stream"]
)
def test_gzip_is_seen_by_its_first_bytes(content_type: str) -> None:
    """A body that is gzip, and not only coded so on its way, is unpacked whatever its type."""
    assert read(gzip.compress(b"v\n1\n"), content_type, decode="csv") == [[{"v": "1"}]]


def test_a_zip_in_gzip() -> None:
    """A proxy may have compressed an archive once more."""
    assert read(gzip.compress(zipped({"a.json": b"[1]"}))) == [[1]]


@pytest.mark.parametrize(
    "body",
    [
        zipped({"a.json": b"[" + b" " * (4 << 20) + b"]"}),
        zipped({"a.json": b"1" + b" " * (1 << 19), "b.json": b" " * (1 << 19)}),
        gzip.compress(b" " * (4 << 20)),
    ],
)
def test_a_bomb_is_refused(body: bytes) -> None:
    """What an archive holds is bounded over all its files, whatever it says of its size."""
    error = refused(body, member="*")
    assert error.reason == "too_large"
    assert "the archive holds more than 1048576 bytes (see max_body)" in str(error)


def test_gzip_within_gzip_has_an_end() -> None:
    """There is a file that is its own content: it costs the answer, and not the depth of the stack."""
    body = b"[1]"
    for _ in range(1500):
        body = gzip.compress(body, 1)
    with pytest.raises(ContentError, match="gzip within gzip, more than 3 times over"):
        list(documents(Answer(200, "application/gzip", body, ""), RequestSpec(method="GET", path="/")))


def test_a_zip_that_says_it_is_small() -> None:
    """A size that a zip only pretends does not let it grow."""
    body = zipped({"a.json": b" " * (4 << 20)})
    honest, pretended = (4 << 20).to_bytes(4, "little"), (10).to_bytes(4, "little")
    assert refused(body.replace(honest, pretended)).reason in ("too_large", "encoding")


def test_a_zip_with_too_many_files() -> None:
    """A directory of files that is itself too large is not read."""
    body = zipped({f"{number:0200d}": b"" for number in range(5000)}, zipfile.ZIP_STORED)
    assert "it holds too many files" in str(refused(body))


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_that_is_not_read(compression: int) -> None:
    """Compressions of which a file may ask for any memory are refused."""
    assert "a.json of the archive has a compression that is not read" in str(
        refused(zipped({"a.json": b"1"}, compression))
    )


@settings(max_examples=100)
@given(data=st.data())
def test_damaged_archives(data: st.DataObject) -> None:
    """An archive with a broken byte, or cut, is read right or refused, never read wrong."""
    body = bytearray(data.draw(st.sampled_from([zipped({"a.json": b"[1, 2, 3]"}), gzip.compress(b"[1, 2, 3]")])))
    if data.draw(st.booleans()):
        body[data.draw(st.integers(4, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    else:
        del body[data.draw(st.integers(5, len(body) - 1)) :]
    try:
        found = read(bytes(body), decode="json")
    except ContentError:
        return
    assert found == [[1, 2, 3]]


def test_archives_are_fetched() -> None:
    """A type of archives is not refused before its body was seen."""
    check_type("application/zip", None)
    check_type("application/x-gzip", None)


def test_one_document_is_one() -> None:
    """Where one document is needed, an archive of several is refused."""
    answer = Answer(200, ZIP, zipped({"a.json": b"1", "b.json": b"2"}), "http://h/x")
    with pytest.raises(ContentError, match="the archive holds 2 files, and one document is needed here"):
        decode(answer, RequestSpec(member="*"))
