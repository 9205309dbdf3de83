"""Regular expressions of a config: whatever they are, they take time in proportion to the text."""

from __future__ import annotations

import pytest

from timepoint.clock import SystemClock
from timepoint.mapping.nodes import _iregexp, compile_regex, match
from timepoint.mapping.relabel import _regex
from timepoint.transforms import unpivot

CATASTROPHIC = ["(a+)+b", "(a|a)*b", "(a|aa)+b", "(.*a){20}b", "((a*)*)*b", "(a?){50}a{50}b"]
TEXT = "a" * 20_000


@pytest.mark.parametrize("pattern", CATASTROPHIC)
@pytest.mark.parametrize("compiled", [compile_regex, _regex, _iregexp])
def test_a25_no_pattern_takes_for_ever(pattern: str, compiled: object) -> None:
    """A25: patterns that a backtracking engine never finishes are done with 20,000 characters, and found right."""
    assert callable(compiled)
    clock = SystemClock()
    begun = clock.monotonic()
    regex = compiled(pattern)
    assert regex.search(TEXT) is None
    assert regex.search(TEXT + "b") is not None
    assert clock.monotonic() - begun < 10


@pytest.mark.parametrize("pattern", [r"(a)\1", "(?=a)", "(?<!a)b", "(?>a)"])
@pytest.mark.parametrize("compiled", [compile_regex, _regex])
def test_a25_what_needs_backtracking_is_a_mistake(pattern: str, compiled: object) -> None:
    """A25: back references and looks around are refused when the config is read, and called what they are."""
    assert callable(compiled)
    with pytest.raises(ValueError, match="RE2"):
        compiled(pattern)


@pytest.mark.parametrize("pattern", CATASTROPHIC)
def test_a25_no_pattern_of_a_ready_function_takes_for_ever(pattern: str) -> None:
    """A25: names of members, which an API chooses, cannot make ``unpivot`` stand still; odd ones are no rows."""
    document = {TEXT: 1, TEXT + "b": 2, "\ud800b": 3}
    assert unpivot(document, members=f"a*(?:{pattern})")["rows"][0]["value"] == 2
    assert document.keys() == {TEXT, "\ud800b", "rows"}


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("[0-9]{12}", "1" * 12, "1" * 11),
        ("a{2,10}", "a" * 10, "a"),
        ("a{10,}", "a" * 11, "a" * 9),
        (r"a\{10\}", "a{10}", "a" * 10),
        ("[{10}]+", "{0}", "a"),
    ],
)
def test_quantifiers_of_several_digits_are_read(pattern: str, good: str, bad: str) -> None:
    """``match()`` of a path knows each I-Regexp. Source: RFC 9485, section 3."""
    assert match(good, pattern)
    assert not match(bad, pattern)


@pytest.mark.parametrize("pattern", ["a{3,2}", "a{,10}", "a{10", "{10}", "a{1001}"])
def test_what_is_no_i_regexp_matches_nothing(pattern: str) -> None:
    """Source: RFC 9535, section 2.4.6: the result is false, and no error."""
    assert not match("a" * 10, pattern)
