"""The Link header (RFC 8288), as servers write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timepoint.request.paging.link import find_link


@pytest.mark.parametrize(
    ("header", "target"),
    [
        (
            '<https://api.github.com/x?page=2>; rel="next", <https://api.github.com/x?page=9>; rel="last"',
            "https://api.github.com/x?page=2",
        ),
        ("<b>; rel=prev, <c>;rel=next", "c"),
        ('<a,b;c>; title="x, <y>; rel=next"; rel="next"', "a,b;c"),
        ('<a>; title="say \\"next\\"; rel=next"; rel=prev', None),
        ('<a>; REL="Up NEXT"', "a"),
        ("<a>; rel='next'", "a"),
        ("<a>; rel=next; rel=prev", "a"),
        ("<a>; rel=prev; rel=next", None),
        ('<a>; rel="next"; anchor="#foo"', None),
        ("<a> ; rel = next", "a"),
        ("<a>\t;\trel=next", "a"),
        ("<>; rel=next", ""),
        ("< a >; rel=next", "a"),
        ('<a>; rel="nextish next2"', None),
        ("<a>; rel", None),
        ('<a>; rel="next', None),
        ("<a; rel=next", None),
        ("a; rel=next", None),
        ('<a>; x="unclosed, <b>; rel=next', "b"),
        ("", None),
    ],
)
def test_links(header: str, target: str | None) -> None:
    """The first link whose relation is next, by any quoting that the RFC or servers know."""
    assert find_link(header, "next") == target


@given(st.text(alphabet='<>;,="\\ \tnextrl', max_size=60))
def test_no_header_is_too_odd(header: str) -> None:
    """Whatever stands there is read or passed over."""
    found = find_link(header, "next")
    assert found is None or found in header


@given(st.text(alphabet="ab?&=/%,;:.'\"", max_size=20), st.text(alphabet='ab,;<>= "\\', max_size=20))
def test_any_target_beside_any_title(target: str, title: str) -> None:
    """A target is found whatever it holds, and whatever a quoted text before its relation holds."""
    escaped = title.replace("\\", "\\\\").replace('"', '\\"')
    header = f'<other>; title="{escaped}"; rel=prev, <{target}>; title="{escaped}"; rel="next"'
    assert find_link(header, "next") == target
