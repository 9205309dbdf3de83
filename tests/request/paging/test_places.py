"""Where the next page is asked for, and what is shown of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from tests.request.paging.api import WINDOW
from timepoint.errors import SourceError
from timepoint.request.paging.places import Sent, at_url, with_param
from timepoint.request.prepare import PreparedRequest, prepare
from timepoint.request.spec import RequestSpec, SourceSpec
from timepoint.request.template import Moment


def asked(url: str = "https://api.example/v1", **params: str) -> PreparedRequest:
    """The request of a job."""
    request = RequestSpec(path="/items", params=tuple(params.items()))
    return prepare(SourceSpec("s", url), request, Moment(WINDOW, WINDOW.end))


@pytest.mark.parametrize(
    ("source", "given_url", "target"),
    [
        ("https://api.example/v1", "/v1/items?p=2", "https://api.example/v1/items?p=2"),
        ("https://api.example/v1", "?p=2", "https://api.example/v1/items?p=2"),
        ("https://api.example/v1", "more?p=2", "https://api.example/v1/more?p=2"),
        ("https://api.example/v1", "https://api.example:443/x", "https://api.example/x"),
        ("https://api.example/v1", "https://API.example/x", "https://api.example/x"),
        ("https://api.example/v1", "http://api.example/x?p=2", "https://api.example/x?p=2"),
        ("https://api.example:8443/v1", "http://api.example:8443/x", "https://api.example:8443/x"),
        ("https://api.example/v1", "https://u:p@api.example/x#part", "https://api.example/x"),
        ("https://api.example/v1", "/x?mark=a%2Fb%3D%3D&q=a+b", "https://api.example/x?mark=a%2Fb%3D%3D&q=a+b"),
        ("https://api.example/v1", "/x y?q=ä", "https://api.example/x%20y?q=%C3%A4"),
        ("https://api.example/v1", "../items", "https://api.example/items"),
        ("https://api.example/v1", "\\\\evil.test\\x", "https://api.example/v1/%5C%5Cevil.test%5Cx"),
    ],
)
def test_urls_that_stay(source: str, given_url: str, target: str) -> None:
    """A URL may be relative or whole; escapes stay as they are; http becomes https where the source is asked by it."""
    assert str(at_url(asked(source), given_url).url) == target


@pytest.mark.parametrize(
    ("source", "given_url"),
    [
        ("https://api.example/v1", "https://api.example:8443/x"),
        ("https://api.example/v1", "http://api.example:8080/x"),
        ("https://api.example/v1", "https://api.example.evil.test/x"),
        ("https://api.example/v1", "https://api.example@evil.test/x"),
        ("https://api.example/v1", "//evil.test/x"),
        ("http://api.example/v1", "https://api.example/x"),
        ("https://api.example/v1", "javascript:alert(1)"),
        ("https://api.example/v1", "file:///etc/passwd"),
        ("https://api.example/v1", "http://xn--/x"),
        ("https://api.example/v1", "//a[::1]@"),
    ],
)
def test_urls_that_lead_away(source: str, given_url: str) -> None:
    """No request leaves the source, and none goes to it by another way."""
    with pytest.raises(SourceError, match=r"only the scheme, host and port of the source|cannot be read") as caught:
        at_url(asked(source), given_url)
    assert caught.value.reason == "paging"


@given(st.text(max_size=40))
def test_any_text_stays_at_the_source(text: str) -> None:
    """Whatever an API says, the request goes to the source or nowhere (A11)."""
    try:
        target = at_url(asked(), text).url
    except SourceError:
        return
    assert target.origin() == URL("https://api.example")


@given(st.text(max_size=30), st.text(min_size=1, max_size=10))
def test_any_value_arrives_as_it_was(value: str, name: str) -> None:
    """A parameter holds what it was given, beside the others, and only once."""
    value = value.encode("utf-8", "replace").decode()
    name = name.encode("utf-8", "replace").decode()
    if name == "zone":
        return
    changed = with_param(with_param(asked(zone="a&b"), name, "old", "***"), name, value, "***")
    assert list(changed.url.query.items()) == [("zone", "a&b"), (name, value)]


def test_what_is_shown() -> None:
    """Numbers of our own are shown, marks are not, and a long mark is masked wherever it is echoed."""
    first = Sent(param="offset").send(asked(), 100, is_own=True)
    assert first.shown == "https://api.example/v1/items?offset=100"
    marked = Sent(param="after").send(first, "canary-1f0c9e7b")
    assert marked.shown == "https://api.example/v1/items?offset=100&after=***"
    assert [secret.reveal() for secret in marked.hidden] == ["canary-1f0c9e7b"]
    again = Sent(param="after").send(marked, "canary-1f0c9e7b")
    assert len(again.hidden) == 1
