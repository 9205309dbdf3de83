"""Bodies of any format are weighed before they are decoded, under the limit of their source."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from dataclasses import dataclass

import msgspec
import pytest
from yarl import URL

from timepoint.errors import ContentError
from timepoint.mapping.weight import Allowance
from timepoint.model import Window
from timepoint.request.answer import Answer
from timepoint.request.decode import decode, documents
from timepoint.request.decoders.registry import DECODERS
from timepoint.request.paging.pager import Page
from timepoint.request.prepare import PreparedRequest
from timepoint.request.spec import CsvSpec, RequestSpec

WINDOW = Window(0, 60_000)
ASKED = PreparedRequest("GET", URL("http://h/x"), "http://h/x", {}, None, ())

MEMORY = 4_000_000


@dataclass(frozen=True)
class Worst:
    """The worst body that was found for a format: what takes most memory for its length, as often as one likes."""

    unit: bytes
    opening: bytes = b""
    closing: bytes = b""
    delimiter: str = ""

    def body(self, size: int) -> bytes:
        return self.opening + self.unit * (size // len(self.unit)) + self.closing


WORST = {
    ("csv", "rows"): Worst(b"1\n", b"a\n"),
    ("csv", "columns"): Worst(b"10," * 1000 + b"\n", b"a\n"),
    ("csv", "a delimiter of its own"): Worst(b"10^11^12\n", b"a^b^c\n", delimiter="^"),
    ("csv", "blank lines"): Worst(b"\n", b"a\n1"),
    ("csv", "wide texts"): Worst("\U0001f600".encode() + b"b" * 9_995 + b"\n", b"a\n"),
    ("json", "objects"): Worst(b"{},", b"[", b"0]"),
    ("jsonp", "objects"): Worst(b"{},", b"f([", b"0])"),
    ("lines", "lines"): Worst(b"ab\n"),
    ("lines", "lines of old"): Worst(b"ab\r"),
    ("ndjson", "objects"): Worst(b"{}\n"),
    ("xml", "elements"): Worst(b"<a><b><c/></b></a>", b"<a>", b"</a>"),
    ("xml", "attributes"): Worst(b'<a x="1"/>', b"<a>", b"</a>"),
    ("xml", "a wide text"): Worst(b"b", "<a>\U0001f600".encode(), b"</a>"),
    ("xml", "a wide number"): Worst(b"b", b"<a>&#x1F600;", b"</a>"),
}
every_worst = pytest.mark.parametrize("kind", WORST, ids=" of ".join)


def request_for(kind: tuple[str, str]) -> RequestSpec:
    """The request that has a body decoded so."""
    return RequestSpec(decode=kind[0], csv=CsvSpec(WORST[kind].delimiter))


def test_each_format_is_here() -> None:
    """No decoder is without its worst body."""
    assert {name for name, _ in WORST} == set(DECODERS)


@every_worst
def test_the_worst_body_of_a_format_is_refused(kind: tuple[str, str]) -> None:
    """It is told from its bytes, without what it would have become (A15)."""
    body = WORST[kind].body(600_000)
    answer = Answer(200, "", body, "http://h/x")
    tracemalloc.start()
    try:
        with pytest.raises(
            ContentError, match=r"^http://h/x: decoded, the answer may take .* \(max_memory\)"
        ) as caught:
            decode(answer, request_for(kind), MEMORY)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.reason == "too_large"
    assert peak < 5 * len(body)  # two copies; nothing like the 20 to 180 times that it would take


@every_worst
def test_a_worst_body_takes_no_more_than_was_told(kind: tuple[str, str]) -> None:
    """What a body may take is told from above."""
    body = WORST[kind].body(60_000)
    answer = Answer(200, "", body, "http://h/x")
    tracemalloc.start()
    try:
        found = decode(answer, request_for(kind))
        if isinstance(found, msgspec.Raw):
            found = msgspec.json.decode(found)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    with pytest.raises(ContentError, match="max_memory"):
        decode(answer, request_for(kind), peak - 2 * len(body))


def test_files_of_an_archive_are_weighed_together() -> None:
    """Many files of a zip, each of which is light enough, are refused where all of them would be kept as points."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(20):
            archive.writestr(f"{number:02}.csv", b"a\n" + b"1\n" * 10_000)
    answer = Answer(200, "application/zip", packed.getvalue(), "http://h/x")
    read: list[object] = []
    with pytest.raises(ContentError, match="max_memory"):
        read.extend(documents(answer, RequestSpec(member="*"), allowance=Allowance(7_500_000)))
    assert len(list(documents(answer, RequestSpec(member="*")))) == 20


def test_a_page_is_weighed_before_its_paging_looks_into_it() -> None:
    """Where rows are counted before the mapping sees them, the limit of the source holds, too."""
    body = WORST["json", "objects"].body(60_000)
    page = Page(1, Answer(200, "", body, "u"), ASKED, WINDOW, RequestSpec(), "$", 0, 0, lambda _: ASKED, memory=100_000)

    with pytest.raises(ContentError, match="max_memory"):
        _ = page.rows
