"""The bytes of a page, read back by parsers that are not ours."""

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.exposition.canonical import bound_text
from tests.exposition.oracle import bits, grammar_error, parse_openmetrics, parse_text, samples_in, samples_of
from tests.exposition.worlds import GOLDEN, family, states
from timepoint.exposition.family import FamilySnapshot, SampleBatch
from timepoint.exposition.formats import OPENMETRICS, TEXT
from timepoint.exposition.render import (
    _take_label,
    number_text,
    render_families,
    render_metadata,
    render_samples,
)
from timepoint.model import FamilySpec, MetricType, series_text

FOLDER = Path(__file__).parent / "golden"
FORMATS = {"txt": TEXT, "om": OPENMETRICS}


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("name", GOLDEN)
def test_page_equals_its_golden_file(name: str, ending: str) -> None:
    """Each named state renders to the bytes that were reviewed."""
    assert render_families(GOLDEN[name], FORMATS[ending]).decode() == (FOLDER / f"{name}.{ending}").read_text("utf-8")


def test_every_golden_file_is_compared() -> None:
    """No golden file lies about unused."""
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.{ending}" for name in GOLDEN for ending in FORMATS}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_files_hold_the_state_they_are_named_after(name: str) -> None:
    """Independent parsers read the samples of the state from the golden file of either format."""
    expected = samples_in(GOLDEN[name])
    assert samples_of(parse_text((FOLDER / f"{name}.txt").read_bytes())) == expected
    assert samples_of(parse_openmetrics((FOLDER / f"{name}.om").read_bytes())) == expected


@settings(max_examples=60)
@given(states())
def test_both_formats_hold_the_same_samples(snapshots: list[FamilySnapshot]) -> None:
    """Independent parsers read from either format exactly the samples of the state, to the bit of each value (P9)."""
    expected = samples_in(snapshots)
    assert samples_of(parse_text(render_families(snapshots, TEXT))) == expected
    assert samples_of(parse_openmetrics(render_families(snapshots, OPENMETRICS))) == expected


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_golden_files_follow_the_grammar(path: Path) -> None:
    """Each golden page is in the grammar of its format, to the letter."""
    assert grammar_error(path.read_bytes(), openmetrics=path.suffix == ".om") is None


@settings(max_examples=60)
@given(states())
def test_pages_follow_the_grammar(snapshots: list[FamilySnapshot]) -> None:
    """Each page is in the grammar of its format, escapes of HELP included, which the parsers do not check."""
    for wanted in (TEXT, OPENMETRICS):
        assert grammar_error(render_families(snapshots, wanted), openmetrics=wanted.openmetrics) is None


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"# EOF",
        b"# EOF\n\n",
        b"\n# EOF\n",
        b"a 1.0\n# EOF\n",
        b'# TYPE a gauge\n# HELP a "x"\na 1.0\n# EOF\n',
        b"# HELP a x\n# TYPE a gauge\na 1.0\n# EOF\n",
        b'# TYPE a gauge\na{b="1",} 1.0\n# EOF\n',
        b"# TYPE a gauge\na inf\n# EOF\n",
        b"# TYPE a gauge\na{} 1.0\n# EOF\n",
    ],
)
def test_the_grammar_refuses_what_is_not_in_it(page: bytes) -> None:
    """The check of the grammar can fail: each of these pages is refused."""
    assert grammar_error(page, openmetrics=True) is not None


@settings(max_examples=60)
@given(states())
def test_metadata_is_read_back(snapshots: list[FamilySnapshot]) -> None:
    """Type, help and unit of each family that has samples come back from OpenMetrics, in the order of the names."""
    shown = sorted((s for s in snapshots if s.batches[0].texts), key=lambda s: s.spec.name)
    found = parse_openmetrics(render_families(snapshots, OPENMETRICS))
    assert [(m.type, m.documentation, m.unit) for m in found] == [
        (s.spec.type.value, s.spec.help, s.spec.unit) for s in shown
    ]


@settings(max_examples=30)
@given(states())
def test_sample_lines_are_the_same_in_both_formats(snapshots: list[FamilySnapshot]) -> None:
    """Only lines that begin with a hash differ between the formats."""

    def sample_lines(page: bytes) -> list[bytes]:
        return [line for line in page.split(b"\n") if not line.startswith(b"# ")]

    assert sample_lines(render_families(snapshots, TEXT)) == sample_lines(render_families(snapshots, OPENMETRICS))


@given(st.floats())
def test_numbers_round_trip(value: float) -> None:
    """Each float64 is spelled so that it is read back to the bit."""
    assert bits(float(number_text(value))) == bits(value)


@given(st.floats())
def test_bounds_round_trip(value: float) -> None:
    """A canonical bound is read back to the bit."""
    assert bits(float(bound_text(value))) == bits(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.0"),
        (1, "1.0"),
        (0.01, "0.01"),
        (1e-05, "1e-05"),
        (1.5e-07, "1.5e-07"),
        (100000, "100000.0"),
        (1e6, "1e+06"),
        (1234567.5, "1.2345675e+06"),
        (1.55555555555552e06, "1.55555555555552e+06"),
        (1e16, "1e+16"),
        (1e23, "1e+23"),
        (1e100, "1e+100"),
        (-2e6, "-2e+06"),
        (-1.0, "-1.0"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
    ],
)
def test_bounds_are_canonical(value: float, text: str) -> None:
    """Bounds are spelled as the canonical numbers of OpenMetrics."""
    assert bound_text(value) == text


def test_integers_and_truth_values_are_spelled_as_floats() -> None:
    """A value that Python holds as an integer or a truth value renders as the float it equals."""
    assert [number_text(value) for value in (3, True, 2**63)] == ["3.0", "1.0", "9.223372036854776e18"]


def test_many_series_render_in_chunks_of_whole_lines() -> None:
    """A batch larger than one chunk renders each series once, in order, with only whole lines in each chunk."""
    count = 5000
    batch = SampleBatch(
        [f'{{n="{n}"}}' for n in range(count)], [math.nan if n == 4000 else float(n) for n in range(count)]
    )
    chunks = list(render_samples(FamilySpec("x", MetricType.GAUGE, ""), batch))
    assert len(chunks) > 1
    assert all(chunk.endswith(b"\n") for chunk in chunks)
    expected = "".join(f'x{{n="{n}"}} {"NaN" if n == 4000 else float(n)}\n' for n in range(count))
    assert b"".join(chunks).decode() == expected


def test_a_unit_that_is_no_suffix_is_left_out() -> None:
    """A UNIT line that would cost the whole page is not written."""
    metadata = render_metadata(FamilySpec("power_kw", MetricType.GAUGE, "", "watts"), openmetrics=True)
    assert metadata == b"# TYPE power_kw gauge\n"


def test_help_is_escaped_by_the_rules_of_each_format() -> None:
    """A double quote in a help is escaped in OpenMetrics alone."""
    spec = FamilySpec("x", MetricType.GAUGE, 'a "b" \\ c\nd')
    assert render_metadata(spec, openmetrics=False).splitlines()[0] == b'# HELP x a "b" \\\\ c\\nd'
    assert render_metadata(spec, openmetrics=True).splitlines()[1] == b'# HELP x a \\"b\\" \\\\ c\\nd'


def test_labels_that_look_like_bounds_do_not_confuse_the_order() -> None:
    """A histogram whose label values hold texts like le= is put together by its labels, not by its spelling."""
    tricky = {"a": ',le="9",', "title": "le="}
    samples = {
        series_text({**tricky, "le": bound}, "_bucket"): value
        for bound, value in (("+Inf", 3), ("10.0", 2), ("9.0", 1))
    }
    page = render_families([family("h", "histogram", "", samples)], TEXT)
    assert [line.rsplit(b" ", 1)[1] for line in page.splitlines()[1:]] == [b"1.0", b"2.0", b"3.0"]


@given(
    st.dictionaries(st.sampled_from(["a", "file", "le", "le_", "title", "z"]), st.text('le=",{}\\', max_size=8)),
    st.sampled_from(["le", "file", "a"]),
)
def test_taking_a_label_from_a_text_is_taking_it_from_the_labels(labels: dict[str, str], name: str) -> None:
    """Whatever the values look like, the fast way finds the label's text and leaves the text of the other labels."""
    value, rest = _take_label(series_text(labels), name)
    assert rest == series_text({other: text for other, text in labels.items() if other != name})
    assert value == labels.get(name, "")


def test_a_lone_surrogate_costs_one_character() -> None:
    """Text that has no UTF-8 form is shown with a question mark, and the page stays readable."""
    page = render_families([family("x", "gauge", "h\ud800", {'{a="\udfff"}': 1})], OPENMETRICS)
    assert samples_of(parse_openmetrics(page)) == [("x", (("a", "?"),), bits(1.0))]


def test_only_batches_visible_at_the_given_instant_are_shown() -> None:
    """With an instant a preview shows what a scrape would show then; without one it shows all."""
    spec = FamilySpec("x", MetricType.GAUGE, "")
    snapshot = FamilySnapshot(spec, [SampleBatch(['{a="1"}'], [0.0], None, 10), SampleBatch(['{a="2"}'], [5.0], 10)])
    assert b"5.0" not in render_families([snapshot], TEXT, now=9)
    assert b"0.0" not in render_families([snapshot], TEXT, now=10)
    assert render_families([snapshot], TEXT).count(b"x{") == 2


def test_families_of_one_name_are_put_together() -> None:
    """A preview of several jobs that share a family has its metadata once."""
    shared = [family("x", "gauge", "first", {'{a="1"}': 1}), family("x", "gauge", "second", {'{a="2"}': 2})]
    page = render_families([shared[0], family("y", "gauge", "", {"": 3}), shared[1]], TEXT)
    assert page == b'# HELP x first\n# TYPE x gauge\nx{a="1"} 1.0\nx{a="2"} 2.0\n# TYPE y gauge\ny 3.0\n'
