"""URLs: how base, path and query join, what may be shown, what is refused."""

from __future__ import annotations

import pytest

from tests.request.wire import START, WINDOW
from timepoint.errors import SourceError
from timepoint.request.prepare import check_url, prepare, userinfo
from timepoint.request.spec import RequestSpec, SecretSource, SourceSpec
from timepoint.request.template import Moment, template_doubts, uses_window
from timepoint.secret import Secret

MOMENT = Moment(WINDOW, START)


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("http://h", "", "http://h/"),
        ("http://h/", "", "http://h/"),
        ("http://h/a", "", "http://h/a"),
        ("http://h/a/", "", "http://h/a/"),
        ("http://h", "b", "http://h/b"),
        ("http://h", "/b", "http://h/b"),
        ("http://h/a/", "/b/", "http://h/a/b/"),
        ("http://h:80/a", "b", "http://h/a/b"),
        ("https://h:8443/a", "b", "https://h:8443/a/b"),
        ("http://H.TEST/A", "B", "http://h.test/A/B"),
        ("http://bücher.test", "/ü b", "http://xn--bcher-kva.test/%C3%BC%20b"),
        ("http://[::1]:8080/a", "b", "http://[::1]:8080/a/b"),
        ("http://h/a?x=1", "b?y=2", "http://h/a/b?x=1&y=2"),
        ("http://h/a", "?y=2", "http://h/a?y=2"),
        ("http://h", "/a%2Fb/c;d=e@f:g", "http://h/a%2Fb/c;d=e@f:g"),
        ("http://h", "/a#b", "http://h/a%23b"),
        ("http://h", "//evil.test/x", "http://h/evil.test/x"),
        ("http://h", "@evil.test/x", "http://h/@evil.test/x"),
        ("http://h", "/a\r\nX: y", "http://h/a%0D%0AX:%20y"),
        ("http://h", "/d/{window.start:%Y/%m}", "http://h/d/2026/01"),
        ("http://h", "/d?from={window.start:%H:%M}", "http://h/d?from=00:00"),
    ],
)
def test_joining(base: str, path: str, url: str) -> None:
    """Base and path of the table join to the URL, whose origin is always that of the base."""
    prepared = prepare(SourceSpec("s", base), RequestSpec(path=path), MOMENT)
    assert str(prepared.url) == url
    assert prepared.url.origin() == prepare(SourceSpec("s", base), RequestSpec(), MOMENT).url.origin()


@pytest.mark.parametrize(
    ("url", "request_spec", "shown"),
    [
        ("http://u:p@h/a?key=x&flag&b=", RequestSpec(), "http://h/a?key=***&***&b=***"),
        ("http://h", RequestSpec(path="/p?t=x", params=(("a", "x"),)), "http://h/p?t=***&a=***"),
        ("http://h", RequestSpec(params=(("a", "{fire_time:unix}"),)), "http://h/?a=1767225600"),
        (
            "http://h",
            RequestSpec(params=(("a", "[{window.start:unix},{window.end:unix})"),)),
            "http://h/?a=[1767225600,1767227400)",
        ),
        ("http://h", RequestSpec(params=(("a", "key {window.start}"),)), "http://h/?a=***"),
    ],
)
def test_what_is_shown(url: str, request_spec: RequestSpec, shown: str) -> None:
    """Shown are names and instants of a query; userinfo and literal values are not."""
    assert prepare(SourceSpec("s", url), request_spec, MOMENT).shown == shown


@pytest.mark.parametrize(
    "url",
    [
        *("", "h", "h/a", "ftp://h", "http://", "http:///a", "http://h:x/", "http://h:99999/", "http://[::1"),
        *("http://h:0/", "http://a b/", "http://a..b", "http://.a", "http://%41.test", "http://1.2.3", "http://0"),
        *("http://999.1.1.1", f"http://{'a' * 64}.test", f"http://{'ü' * 60}.test", "http://\u2024"),
    ],
)
def test_urls_that_cannot_be_used(url: str) -> None:
    """A URL without http or https, or without a host, is refused with a sentence that does not quote it."""
    with pytest.raises(ValueError, match=r"^the URL must be like https://host:port/path$"):
        check_url(url)


def test_a_fragment() -> None:
    """A fragment is refused, since it would never be sent."""
    with pytest.raises(ValueError, match="fragment"):
        check_url("http://h/a#b")


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "https://u:p@h:1/x?y",
        "http://[::1]:80",
        "http://bücher.test/ü",
        "http://a_b-c.1x.",
        "http://10.0.0.1",
    ],
)
def test_urls_that_can_be_used(url: str) -> None:
    """A good URL passes."""
    check_url(url)


@pytest.mark.parametrize(
    ("url", "pair"),
    [
        ("http://h", None),
        ("http://u@h", ("u", "")),
        ("http://:p@h", ("", "p")),
        ("http://u%40:p%3A%2F@h", ("u@", "p:/")),
    ],
)
def test_userinfo(url: str, pair: tuple[str, str] | None) -> None:
    """User name and password of a URL are decoded."""
    found = userinfo(url)
    assert (found and tuple(secret.reveal() for secret in found)) == pair


@pytest.mark.parametrize("headers", [{}, {"Content-Type": SecretSource(text=Secret("application/soap+xml"))}])
def test_text_is_sent_as_it_stands(headers: dict[str, SecretSource]) -> None:
    """A text keeps its quotes, braces and line ends, its templates are filled, and a header says what it is."""
    text = '<day from="{window.start:%Y-%m-%d}">\n{ é }</day>'
    prepared = prepare(SourceSpec("s", "http://h"), RequestSpec(method="POST", text=text, headers=headers), MOMENT)
    assert prepared.body == '<day from="2026-01-01">\n{ é }</day>'.encode()
    told = prepared.headers["Content-Type"].text
    assert told is not None
    assert told.reveal() == ("application/soap+xml" if headers else "text/plain; charset=utf-8")


def test_text_may_name_the_window() -> None:
    """A window in a text is one that is asked for, and a template that was misspelt is doubted."""
    assert uses_window(RequestSpec(method="POST", text="since {window.start}"))
    assert template_doubts(RequestSpec(method="POST", text="since {windw.start}"))


@pytest.mark.parametrize("value", ["..", ".", "../admin", "a/../../b", "a/.."])
def test_a_value_does_not_lead_out_of_the_path(value: str) -> None:
    """A list of values may come from anybody; the slashes of owner/repository are meant, the steps of .. never are.

    Faults: A20.
    """
    source = SourceSpec("api", "https://api.example/v1")
    request = RequestSpec(path="/repos/{each.name}/stats")
    with pytest.raises(SourceError, match="would lead out of the path"):
        prepare(source, request, Moment(WINDOW, START, {"name": value}))
    inside = prepare(source, request, Moment(WINDOW, START, {"name": "owner/re..po/..."}))
    assert inside.url.raw_path == "/v1/repos/owner/re..po/.../stats"
    asked = prepare(
        source, RequestSpec(path="/a", params=(("q", "{each.name}"),)), Moment(WINDOW, START, {"name": ".."})
    )
    assert asked.url.raw_query_string == "q=.."
