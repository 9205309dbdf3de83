"""Which format and encoding a client gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timepoint.exposition.formats import OPENMETRICS, OPENMETRICS_0_0_1, TEXT, TEXT_1_0_0
from timepoint.exposition.negotiate import negotiate

OM = "application/openmetrics-text"
PROMETHEUS_2 = f"{OM};version=1.0.0,{OM};version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
PROMETHEUS_3 = (
    f"{OM};version=1.0.0;escaping=allow-utf-8;q=0.6,{OM};version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

OM_1 = f"{OM}; version=1.0.0; charset=utf-8; escaping=underscores"
TEXT_4 = "text/plain; version=0.0.4; charset=utf-8"

TABLE = {
    "no header": (None, TEXT_4),
    "an empty header": ("", TEXT_4),
    "anything": ("*/*", TEXT_4),
    "Prometheus 2": (PROMETHEUS_2, OM_1),
    "Prometheus 3": (PROMETHEUS_3, f"{OM}; version=1.0.0; charset=utf-8; escaping=allow-utf-8"),
    "Prometheus 3 that prefers protobuf": (f"{PROTOBUF},{PROMETHEUS_3}", f"{OM_1[:-11]}allow-utf-8"),
    "a browser": (BROWSER, TEXT_4),
    "OpenMetrics without a version": (OM, OM_1),
    "OpenMetrics 0.0.1": (f"{OM};version=0.0.1", f"{OM}; version=0.0.1; charset=utf-8"),
    "OpenMetrics 2.0.0 alone": (f"{OM};version=2.0.0", TEXT_4),
    "OpenMetrics 2.0.0, else 1.0.0": (f"{OM};version=2.0.0,{OM};version=1.0.0;q=0.2", OM_1),
    "an unknown version": (f"{OM};version=99.0.0", TEXT_4),
    "text without a version": ("text/plain", TEXT_4),
    "text 0.0.4": ("text/plain;version=0.0.4", TEXT_4),
    "text 1.0.0": ("text/plain;version=1.0.0", "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"),
    "text of an unknown version": ("text/plain;version=7", TEXT_4),
    "any text": ("text/*", TEXT_4),
    "OpenMetrics refused": (f"{OM};q=0", TEXT_4),
    "OpenMetrics refused, anything else": (f"{OM};q=0,*/*", TEXT_4),
    "text refused, anything else": ("text/plain;q=0,*/*", OM_1),
    "all refused": ("*/*;q=0", TEXT_4),
    "all refused but one": (f"*/*;q=0,{OM};version=1.0.0;q=0.1", OM_1),
    "all versions refused but one": (f"{OM};q=0,{OM};version=0.0.1", f"{OM}; version=0.0.1; charset=utf-8"),
    "the higher q, named last": (f"text/plain;q=0.4,{OM};version=1.0.0;q=0.5", OM_1),
    "the higher q, named first": (f"text/plain;version=0.0.4;q=0.6,{OM};version=1.0.0;q=0.5", TEXT_4),
    "a tie goes to the first: OpenMetrics": (f"{OM},text/plain", OM_1),
    "a tie goes to the first: text": (f"text/plain,{OM}", TEXT_4),
    "q with three digits": (f"text/plain;q=0.501,{OM};q=0.502", OM_1),
    "spaces and capitals": (f"  Text/Plain ; Version=0.0.4 ; Q=0.1 ,  {OM.upper()} ; version=1.0.0 ", OM_1),
    "quoted parameters": (f'{OM};version="1.0.0";escaping="dots"', f"{OM_1[:-11]}dots"),
    "an unknown escaping": (f"{OM};version=1.0.0;escaping=rot13", OM_1),
    "an escaping on 0.0.4": ("text/plain;version=0.0.4;escaping=dots", TEXT_4),
    "garbage": (';,,;;q="=,,\\,"', TEXT_4),
    "a q that is no number": (f"{OM};q=high", TEXT_4),
    "a q out of range": (f"{OM};q=7,text/plain;q=0.1", TEXT_4),
    "a q that is NaN": (f"{OM};q=nan", TEXT_4),
    "protobuf alone": (PROTOBUF, TEXT_4),
    "JSON alone": ("application/json", TEXT_4),
}


@pytest.mark.parametrize(("accept", "content_type"), TABLE.values(), ids=TABLE.keys())
def test_accept_decides_the_format(accept: str | None, content_type: str) -> None:
    """The range with the highest q that we can serve wins, the first of equals; text 0.0.4 is the last resort (S7)."""
    assert negotiate(accept, None).format.content_type == content_type


def test_escapings_of_the_standard_are_echoed() -> None:
    """Each of the four escaping schemes is named in the answer to a client that asks for it."""
    for escaping in ("allow-utf-8", "underscores", "dots", "values"):
        found = negotiate(f"text/plain;version=1.0.0;escaping={escaping}", None).format
        assert found.content_type == f"text/plain; version=1.0.0; charset=utf-8; escaping={escaping}"


@pytest.mark.parametrize(
    ("accept_encoding", "gzip"),
    [
        (None, False),
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("gzip, deflate, br", True),
        ("deflate, gzip;q=0.1", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("identity", False),
        ("*", True),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("identity;q=0, *;q=0.5", True),
        ("br, zstd", False),
        ("gzip;q=", False),
        (",;,=", False),
    ],
)
def test_accept_encoding_decides_compression(accept_encoding: str | None, *, gzip: bool) -> None:
    """The page is compressed if and only if the client accepts gzip with a q above 0 (S7)."""
    assert negotiate(None, accept_encoding).gzip is gzip


@given(st.text(), st.text())
def test_no_header_is_an_error(accept: str | None, accept_encoding: str | None) -> None:
    """Whatever the headers say, the answer is one of the four formats (S7)."""
    found = negotiate(accept, accept_encoding).format
    assert (found.openmetrics, found.version) in {
        (known.openmetrics, known.version) for known in (TEXT, TEXT_1_0_0, OPENMETRICS, OPENMETRICS_0_0_1)
    }


@given(st.lists(st.sampled_from([OM, "text/plain", "*/*", ";", ",", "q=0", "q=1", "=", '"', "version=1.0.0"])))
def test_no_mix_of_parts_is_an_error(parts: list[str]) -> None:
    """Parts of real headers in any order are read without an error."""
    assert negotiate("".join(parts), "".join(parts)).format.content_type
