"""Words: series texts, durations, instants, secrets."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timepoint.clock import format_duration, format_instant, parse_duration
from timepoint.model import Rejects, Times, series_text, split_series_text
from timepoint.secret import Secret

label_names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True)
label_values = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(st.dictionaries(label_names, label_values, max_size=5), st.sampled_from(["", "_bucket", "_sum"]))
def test_a_series_text_can_be_taken_apart_again(labels: dict[str, str], suffix: str) -> None:
    """Whatever text a label holds, splitting a series text gives back its suffix and its labels."""
    assert split_series_text(series_text(labels, suffix)) == (suffix, labels)


def test_labels_stand_sorted_and_escaped_and_empty_ones_are_no_labels() -> None:
    """Equal label sets have equal texts, whatever order they were written in."""
    assert series_text({"b": 'say "hi"\n', "a": "c:\\", "none": ""}) == '{a="c:\\\\",b="say \\"hi\\"\\n"}'


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("30m", 1_800_000), ("1h30m", 5_400_000), ("250ms", 250), ("0", 0), ("1d", 86_400_000), ("2w", 1_209_600_000)],
)
def test_a_duration_is_read_as_prometheus_reads_it(text: str, milliseconds: int) -> None:
    """Units stand from the largest to the smallest, each at most once."""
    assert parse_duration(text) == milliseconds


@pytest.mark.parametrize("text", ["", "30", "m", "30 m", "1m1h", "-5m", "1.5h", "30M", "1h 30m"])
def test_what_is_not_a_duration_is_refused_with_an_example(text: str) -> None:
    """The error shows what was written and what it should look like."""
    with pytest.raises(ValueError, match=r"is not a duration: write it like 30m"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**12))
def test_a_formatted_duration_reads_back(milliseconds: int) -> None:
    """Every length in milliseconds survives being written and read."""
    assert parse_duration(format_duration(milliseconds)) == milliseconds


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "1970-01-01T00:00:00Z"), (1_736_899_200_000, "2025-01-15T00:00:00Z"), (1_230, "1970-01-01T00:00:01.230Z")],
)
def test_an_instant_is_written_in_utc(milliseconds: int, text: str) -> None:
    """Instants are RFC 3339 with a Z, with milliseconds only where there are any."""
    assert format_instant(milliseconds) == text


def test_times_of_equal_grids_are_equal() -> None:
    """Two grids with the same intervals are one dictionary key."""
    assert {Times([0, 5], [5, 10]): 1}[Times((0, 5), (5, 10))] == 1


def test_a_secret_shows_itself_nowhere() -> None:
    """Printing, formatting and inspecting a secret give the mask (A18)."""
    secret = Secret("hunter2")
    assert {str(secret), repr(secret), f"{secret}", f"{secret:>3}"} == {"<secret>"}


def test_a_secret_cannot_be_pickled() -> None:
    """A secret does not leave the process by a pickle (A18)."""
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Secret("hunter2"))


def test_an_example_stands_once() -> None:
    """Rejects at one path are counted each, and the path is shown once."""
    rejects = Rejects()
    rejects.add("not_a_number", "$[0].v: 'x'")
    rejects.add("not_a_number", "$[0].v: 'x'")
    assert (rejects.counts, rejects.examples) == ({"not_a_number": 2}, {"not_a_number": ["$[0].v: 'x'"]})


def test_rejects_keep_the_first_few_examples() -> None:
    """All rejects are counted; only the first examples of a reason are kept."""
    rejects = Rejects()
    for number in range(9):
        rejects.add("not_a_number", f"$[{number}]")
    assert (rejects.counts, len(rejects.examples["not_a_number"])) == ({"not_a_number": 9}, Rejects.KEEP)
