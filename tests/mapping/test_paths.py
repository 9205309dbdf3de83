"""Paths: what the language adds to RFC 9535, and what it says of texts that are none."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint.mapping.paths import Capture, Index, Name, PathError, Wild, is_path, parse_path


def test_capture_of_members() -> None:
    """``.{name}`` takes the members of an object and binds their names."""
    assert [segment.sole for segment in parse_path("$.{cluster}[*]").segments] == [
        Capture("cluster", of_object=True),
        Wild(),
    ]


def test_capture_of_elements() -> None:
    """``[{name}]`` takes the elements of an array and binds their places."""
    assert [segment.sole for segment in parse_path("$b.values[ {i} ]").segments] == [
        Name("values"),
        Capture("i", of_object=False),
    ]


@pytest.mark.parametrize("operator", ["=", "!=", "=~", "!~"])
def test_capture_with_matcher(operator: str) -> None:
    """A capture may say which keys it takes, as a matcher in PromQL."""
    (segment,) = parse_path(f'$.{{kind{operator}"a|b"}}').segments
    assert segment.sole == Capture("kind", of_object=True, operator=operator, operand="a|b")


def test_matcher_escapes() -> None:
    """In a matcher a backslash is written twice, as in PromQL."""
    (segment,) = parse_path(r'$.{kind=~"\\d+"}').segments
    assert segment.sole == Capture("kind", of_object=True, operator="=~", operand=r"\d+")


def test_capture_at_any_depth() -> None:
    """A capture after ``..`` takes the members at any depth."""
    (segment,) = parse_path("$..{name}").segments
    assert segment.descends
    assert segment.selectors == (Capture("name", of_object=True),)


def test_bound_start() -> None:
    """A path may start at a bound node."""
    path = parse_path('$t["1"].value')
    assert (path.start, path.rest) == ("t", '["1"].value')


def test_bound_name_alone() -> None:
    """A bound name alone is the node itself."""
    assert parse_path("$v").segments == ()


def test_index_of_bound_node() -> None:
    """Pairs are taken apart by index."""
    assert parse_path("$p[-1]").segments[0].sole == Index(-1)


def test_braces_in_quotes_are_text() -> None:
    """A brace inside a quoted name is part of the name."""
    assert parse_path("$['{a}']").segments[0].sole == Name("{a}")


def test_literal_begins_with_two_dollars() -> None:
    """A text that begins with two dollars is a literal (R16)."""
    assert not is_path("$$x")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("data", "'data' is not a path: a path begins with $"),
        ("$.{a", "'$.{a' is not a path: a capture is written .{name} or [{name}] and stands alone"),
        ("$[{a},{b}]", "'$[{a},{b}]' is not a path: a capture stands alone in its brackets"),
        (
            "$.data[*",
            "'$.data[*' is not a path: unbalanced brackets (in YAML's flow style, a path with brackets needs quotes)",
        ),
        (
            "$a[?@.x == $b.y]",
            (
                "'$a[?@.x == $b.y]' is not a path: unexpected filter selector token 'b'"
                " (inside a filter only @ and $ exist)"
            ),
        ),
        (r'$.{a=~"\d"}', r'in the matcher "\d" a backslash is written twice: \\d'),
        ("$[?@.a == 1e400]", "'$[?@.a == 1e400]' is not a path: it is nested too deep or holds a number out of range"),
    ],
)
def test_what_is_no_path(text: str, sentence: str) -> None:
    """What is no path is refused with a sentence for the author of the config."""
    with pytest.raises(PathError) as caught:
        parse_path(text)
    assert str(caught.value) == sentence


def test_bad_regular_expression() -> None:
    """A matcher that is no RE2 is refused."""
    with pytest.raises(PathError, match="is not a regular expression"):
        parse_path('$.{a=~"("}')


def test_deep_filter_is_refused() -> None:
    """A filter nested beyond reason is refused, not a crash."""
    with pytest.raises(PathError, match="nested too deep"):
        parse_path("$[?" + "(" * 5000 + "@.a" + ")" * 5000 + "]")


@settings(max_examples=200)
@given(st.text(alphabet="$.[]{}()*?@'\"=~!<>,:0a日 \\\n-&|", max_size=24))
def test_any_text(text: str) -> None:
    """Any text is either a path or refused with PathError."""
    try:
        path = parse_path("$" + text)
    except PathError:
        return
    assert path.text == "$" + text


@pytest.mark.parametrize("text", ["$r.date $r.hour", "$.dateT$.hour", "$r.a+$r.b"])
def test_two_paths_in_one_text_are_told_apart(text: str) -> None:
    """Whoever joins two paths is shown the list of parts that a time may have."""
    with pytest.raises(PathError, match=re.escape("only a time may have parts, as a list: [$r.date, $r.hour]")):
        parse_path(text)


@pytest.mark.parametrize("text", ["$.air-quality[*]", "$.a[*].@id", "$..2024", "$.cpu usage"])
def test_a_name_that_wants_brackets_is_told_how(text: str) -> None:
    """A name with other signs than a name after a dot may have is shown in brackets."""
    name = text.rpartition(".")[2].removesuffix("[*]")
    with pytest.raises(PathError, match=re.escape(f"write ['{name}'] for .{name})")):
        parse_path(text)
