"""Templates: how instants are written, what is refused, and how values are encoded at their place."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint.model import Window
from timepoint.request.spec import RequestSpec, SecretSource
from timepoint.request.template import (
    Moment,
    compile_header,
    compile_template,
    encode_path,
    encode_query,
    render_json,
    template_doubts,
    template_problems,
    uses_window,
)
from timepoint.secret import Secret

START = 1_767_225_600_000  # 2026-01-01T00:00:00Z
MOMENT = Moment(Window(START, START + 1_800_250), START + 2_000_000, {"zone": "DE", "id": "17", "path": "a/b?c"})


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("", "UTC", ""),
        ("plain", "UTC", "plain"),
        ("{window.start}", "UTC", "2026-01-01T00:00:00Z"),
        ("{window.end}", "UTC", "2026-01-01T00:30:00.250Z"),
        ("{fire_time}", "UTC", "2026-01-01T00:33:20Z"),
        ("{window.start}", "Europe/Berlin", "2026-01-01T01:00:00+01:00"),
        ("{window.end}", "Asia/Kolkata", "2026-01-01T06:00:00.250+05:30"),
        ("{window.start:unix}", "Europe/Berlin", "1767225600"),
        ("{window.end:unix}", "UTC", "1767227400"),
        ("{window.end:unix_ms}", "UTC", "1767227400250"),
        ("{window.end:unix_us}", "UTC", "1767227400250000"),
        ("{window.end:unix_ns}", "UTC", "1767227400250000000"),
        ("{window.start:%Y-%m-%dT%H:%M:%SZ}", "UTC", "2026-01-01T00:00:00Z"),
        ("{window.start:%d.%m.%Y %H:%M %Z}", "Europe/Berlin", "01.01.2026 01:00 CET"),
        ("{window.start:100%%}", "UTC", "100%"),
        ("[{window.start:unix},{window.end:unix})", "UTC", "[1767225600,1767227400)"),
        ('up{job="x"}', "UTC", 'up{job="x"}'),
        ("{{window.start:unix}}", "UTC", "{1767225600}"),
        ("{ viewer { homes } } {} {{}} } {", "UTC", "{ viewer { homes } } {} {{}} } {"),
        ('{"from": "{window.start:unix}"}', "UTC", '{"from": "1767225600"}'),
        ("{ window.start }", "UTC", "{ window.start }"),
        ("{window.end-1s}", "UTC", "2026-01-01T00:29:59.250Z"),
        ("{window.start+1h30m:%H:%M}", "UTC", "01:30"),
        ("{window.end-1s:%Y-%m-%d}", "America/New_York", "2025-12-31"),
        ("{fire_time-1d:unix}", "UTC", "1767141200"),
        ("{window.start:%-d.%-m.%y %-H:%-M}", "UTC", "1.1.26 0:0"),
        ("{window.length}", "UTC", "30m250ms"),
        ("{window.length:iso}", "UTC", "PT30M0.25S"),
        ("{window.length:seconds}", "UTC", "1801"),
        ("last_{window.length:hours}h", "UTC", "last_1h"),
        ("{window.length:15m}", "UTC", "3"),
        ("-{window.reach:minutes}min", "UTC", "-34min"),
        ("{window.reach:iso}", "UTC", "PT33M20S"),
        ("/{each.zone}/{window.start:%Y}", "UTC", "/DE/2026"),
    ],
)
def test_rendering(text: str, zone: str, expected: str) -> None:
    """Each text of the table is written as expected in its zone."""
    assert compile_template(text, zone).render(MOMENT) == expected


@pytest.mark.parametrize(
    ("text", "zone", "message"),
    [
        ("{window.strat}", "UTC", "{window.strat} is not a template, did you mean window.start?"),
        ("{fire_times}", "UTC", "did you mean fire_time?"),
        ("{window.start }", "UTC", "did you mean window.start?"),
        ("{window.}", "UTC", "there are window.start, window.end, fire_time, window.length, window.reach, each.NAME"),
        ("{window.start", "UTC", "a } is missing after {window.start"),
        ("{window.start {x}}", "UTC", "a } is missing after {window.start "),
        ("{window.start-1}", "UTC", "'1' is not a duration"),
        ("{window.length-1h}", "UTC", "is not a template"),
        ("{window.length:hour}", "UTC", "did you mean hours?"),
        ("{window.length:%H}", "UTC", "iso, or a duration such as 15m to be counted"),
        ("{window.length:0s}", "UTC", "iso, or a duration such as 15m to be counted"),
        ("{each.zone:upper}", "UTC", "a value of each has :number or none"),
        ("{each.}", "UTC", "is not a template"),
        ("{window.start:%-Y}", "UTC", "%-Y is not a strftime directive"),
        ("{window.start:unixms}", "UTC", "did you mean unix_ms?"),
        ("{window.start:}", "UTC", "formats are unix, unix_ms, unix_us, unix_ns or a strftime pattern"),
        ("{window.start:rfc3339}", "UTC", "has the format 'rfc3339'"),
        ("{window.start:%Q}", "UTC", "%Q is not a strftime directive"),
        ("{window.start:%Y%}", "UTC", "% is not a strftime directive"),
        ("{window.start:%s}", "UTC", "write :unix for epoch seconds"),
        ("{window.start}", "Europe/Berlim", "'Europe/Berlim' is not a time zone"),
        ("{window.start}", "../secret", "'../secret' is not a time zone"),
    ],
)
def test_mistakes(text: str, zone: str, message: str) -> None:
    """Each mistake of the table is a ValueError that says what to write instead."""
    with pytest.raises(ValueError, match=re.escape(message)):
        compile_template(text, zone)


def test_only_instants_are_encoded() -> None:
    """In a path the literal parts stay as the author wrote them and what an instant needs is percent-encoded."""
    template = compile_template("/v1/a%20b/{window.start:%Y/%m/%d %H?#}.json", "UTC")
    assert template.render(MOMENT, encode_path) == "/v1/a%20b/2026/01/01%2000%3F%23.json"


@given(text=st.text(max_size=40))
def test_query_encoding_leaves_only_unreserved_characters(text: str) -> None:
    """An encoded query value holds unreserved characters and percent signs alone, and decodes to what it was (A20)."""
    encoded = encode_query(text.encode("utf-8", "replace").decode())
    assert not set(encoded) - set("%-._~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert unquote(encoded) == text.encode("utf-8", "replace").decode()


@settings(max_examples=50)
@given(
    instant=st.integers(0, 4_102_444_800_000),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kolkata"]),
)
def test_default_form_is_the_instant(instant: int, zone: str) -> None:
    """The default form of any instant in any zone reads back as that instant."""
    text = compile_template("{fire_time}", zone).render(Moment(Window(0, 0), instant))
    assert round(datetime.fromisoformat(text).timestamp() * 1000) == instant


@given(text=st.text(alphabet="aw.{}: ", max_size=16))
def test_other_braces_are_literal(text: str) -> None:
    """A text that names nothing known is written as it stands, whatever its braces."""
    assert compile_template(text).render(MOMENT) == text


def test_a_value_in_a_path_cannot_end_it() -> None:
    """A value of the fan-out keeps its slashes in a path, and what would end the path is encoded (A20)."""
    assert compile_template("/x/{each.path}/y").render(MOMENT, encode_path) == "/x/a/b%3Fc/y"


def test_the_days_of_a_window_are_those_of_the_calendar() -> None:
    """A day of 25 hours is one day, and 25 hours."""
    start = 1_792_879_200_000  # 2026-10-25 00:00 in Berlin, the day on which the clock is put back
    moment = Moment(Window(start, start + 25 * 3_600_000), start + 25 * 3_600_000)
    text = "{window.length:days} {window.reach:days} {window.length:hours}"
    assert compile_template(text, "Europe/Berlin").render(moment) == "1 1 25"


@settings(max_examples=50)
@given(length=st.integers(1, 10**9), unit=st.sampled_from([1000, 60_000, 900_000, 3_600_000]))
def test_a_length_covers_the_window(length: int, unit: int) -> None:
    """What is asked for in whole units is never shorter than the window, and less than a unit longer."""
    moment = Moment(Window(0, length), length)
    asked = int(compile_template(f"{{window.length:{unit}ms}}").render(moment)) * unit
    assert length <= asked < length + unit


def test_json_body() -> None:
    """In a JSON body a lone unix template is a number, every other template text; keys and other data stay."""
    body = {
        "from": "{window.start:unix}",
        "text": " {window.start:unix}",
        "iso": "{window.start}",
        "hours": "{window.length:hours}",
        "id": "{each.id:number}",
        "zone": "{each.zone:number}",
        "{window.start}": [1, None, True, {"deep": ["{window.end:unix_ms}"]}],
    }
    assert render_json(body, MOMENT, "UTC") == {
        "from": 1_767_225_600,
        "text": " 1767225600",
        "iso": "2026-01-01T00:00:00Z",
        "hours": 1,
        "id": 17,
        "zone": "DE",
        "{window.start}": [1, None, True, {"deep": [1_767_227_400_250]}],
    }


def secret(text: str) -> SecretSource:
    """A credential given in the config."""
    return SecretSource(text=Secret(text))


@pytest.mark.parametrize(
    "source", [secret("k{ey}"), secret("{fire}"), secret(""), SecretSource(file=Path("{window.start}")), SecretSource()]
)
def test_a_header_without_an_instant_is_no_template(source: SecretSource) -> None:
    """A brace in a credential is just a brace."""
    assert compile_header(source) is None


def test_a_header_with_an_instant_is_a_template() -> None:
    """A header that names an instant is rendered."""
    template = compile_header(secret("{a} {window.start:unix}"))
    assert template is not None
    assert template.render(MOMENT) == "{a} 1767225600"


def test_a_bad_header_template_does_not_show_the_value() -> None:
    """The sentence about a header's bad template does not quote the header, which may hold a credential."""
    with pytest.raises(ValueError, match="template that cannot be read") as caught:
        compile_header(secret("canary {window.strat}"))
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "request_spec",
    [
        RequestSpec(path="/{window.start:%Y}"),
        RequestSpec(params=(("a", "b"), ("t", "{window.end}"))),
        RequestSpec(form=(("t", "{window.end}"),)),
        RequestSpec(headers={"X-From": secret("{window.start}")}),
        RequestSpec(body={"a": [{"b": "{window.start}"}]}),
    ],
)
def test_a_request_that_names_its_window(request_spec: RequestSpec) -> None:
    """A window template in any place of a request makes it one that asks for its window."""
    assert uses_window(request_spec)


@pytest.mark.parametrize(
    "request_spec",
    [
        RequestSpec(),
        RequestSpec(path="/{fire_time:unix}", params=(("a", "{each.zone}"),), body={"{window.start}": 1}),
    ],
)
def test_a_request_that_does_not_name_its_window(request_spec: RequestSpec) -> None:
    """The fire time, values of the fan-out and the keys of a body are no window templates."""
    assert not uses_window(request_spec)


def test_all_problems_of_a_request() -> None:
    """Every template that cannot be read is reported with the path of its key."""
    request = RequestSpec(
        path="{window.x}",
        params=(("ok", "{window.start}{each.zone}"), ("bad", "{fire_time")),
        form=(("f", "{each.zones}"),),
        headers={"H": secret("{window.x}")},
        body={"a": [1, {"b": "{window.y}"}]},
    )
    assert [where for where, _ in template_problems(request, each=("zone",))] == [
        ("path",),
        ("params", "bad"),
        ("form", "f"),
        ("headers", "H"),
        ("body", "a", 1, "b"),
    ]


def test_a_value_that_each_does_not_have() -> None:
    """A template of a value that the job has no name for says what is near, or what to write."""
    request = RequestSpec(path="/{each.zon}")
    assert template_problems(request, each=("zone",)) == [
        (("path",), "{each.zon} names nothing in each, did you mean zone?")
    ]
    assert "write each: {zon: [...]} at the job" in template_problems(request)[0][1]


def test_doubts() -> None:
    """Braces that look like a misspelt template are told, those of query languages are not."""
    request = RequestSpec(
        path="/{windows.start}",
        params=(("a", "{ window.start }"), ("b", "{start}"), ("c", 'up{job="x"}')),
        body={"query": "{ viewer { window { end } } }", "from": "{window_end:unix}"},
    )
    assert template_doubts(request) == [
        (("path",), "{windows.start} is sent as it stands, did you mean {window.start}?"),
        (("params", "a"), "{ window.start } is sent as it stands, did you mean {window.start}?"),
        (("body", "from"), "{window_end:unix} is sent as it stands, did you mean {window.end}?"),
    ]
