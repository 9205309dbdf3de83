"""The parser cases of the OpenMetrics project survive: parse, our model, our renderer, parse."""

import json
from pathlib import Path

import pytest
from prometheus_client import Metric

from tests.exposition.oracle import Sample, bits, canonical, parse_openmetrics, snapshot_of
from timepoint.exposition.render import EOF, render_metadata, render_samples

TIMESTAMP = "the page never carries timestamps"
EXEMPLAR = "the page never carries exemplars"
FOREIGN = "a gauge histogram is not one of the seven types"

# Each good case that is not tried, with the reason; a test holds the list against the data.
EXCLUDED = {
    "counter_exemplars": EXEMPLAR,
    "counter_exemplars_empty_brackets": EXEMPLAR,
    "duplicate_timestamps_0": TIMESTAMP,
    "duplicate_timestamps_1": TIMESTAMP,
    "exemplars_wide_chars": EXEMPLAR,
    "exemplars_with_hash_in_label_values": EXEMPLAR,
    "gaugehistogram_exemplars": FOREIGN,
    "histogram_exemplars": EXEMPLAR,
    "info_timestamps": TIMESTAMP,
    "negative_bucket_gaugehistogram": FOREIGN,
    "simple_gaugehistogram": FOREIGN,
    "timestamps": TIMESTAMP,
}

# Cases with _created samples, which no page of ours carries: tried without them.
WITH_CREATED = {"counter_unit", "roundtrip"}

INCLUDED = sorted(
    {
        "counter_unit", "empty_brackets", "empty_help", "empty_label", "empty_metadata", "escaping", "float_gauge",
        "hash_in_label_value", "help_escaping", "histogram_noncanonical", "label_escaping", "labels_and_infinite",
        "labels_with_curly_braces", "leading_zeros_float_gauge", "leading_zeros_simple_gauge", "nan", "nan_gauge",
        "negative_bucket_histogram", "no_metadata", "no_newline_after_eof", "null_byte", "roundtrip", "simple_counter",
        "simple_gauge", "simple_histogram", "simple_stateset", "simple_summary", "summary_quantiles",
        "type_help_switched", "uint64_counter", "unit_gauge", "untyped",
    }
)  # fmt: skip


@pytest.fixture
def cases(shared_dir: Path) -> dict[str, bytes]:
    """The good cases of the suite by their name."""
    folders = (shared_dir / "conformance" / "openmetrics" / "tests" / "testdata" / "parsers").iterdir()
    return {
        folder.name: (folder / "metrics").read_bytes()
        for folder in folders
        if json.loads((folder / "test.json").read_text("utf-8"))["shouldParse"]
    }


def _reason(families: list[Metric]) -> str | None:
    samples = [sample for family in families for sample in family.samples]
    if any(family.type == "gaugehistogram" for family in families):
        return FOREIGN
    if any(sample.exemplar for sample in samples):
        return EXEMPLAR
    return TIMESTAMP if any(sample.timestamp is not None for sample in samples) else None


def _rendered(families: list[Metric]) -> bytes:
    parts = []
    for family in families:
        snapshot = snapshot_of(family)
        parts.append(render_metadata(snapshot.spec, openmetrics=True))
        parts.extend(chunk for batch in snapshot.batches for chunk in render_samples(snapshot.spec, batch))
    return b"".join(parts) + EOF


def _meaning(families: list[Metric]) -> list[tuple[str, str, str, str, list[Sample]]]:
    """What the families say; the order of lines within a family has no meaning."""
    return [
        (
            family.name,
            family.type,
            family.documentation,
            family.unit,
            sorted(
                (sample.name, tuple(sorted(canonical(sample.labels).items())), bits(sample.value))
                for sample in family.samples
                if not sample.name.endswith("_created")
            ),
        )
        for family in families
    ]


@pytest.mark.parametrize("name", INCLUDED)
def test_good_case_survives_our_model_and_renderer(cases: dict[str, bytes], name: str) -> None:
    """What the case says is what our rendering of it says."""
    families = parse_openmetrics(cases[name])
    assert _meaning(parse_openmetrics(_rendered(families))) == _meaning(families)


def test_every_good_case_is_tried_or_excluded_with_its_true_reason(cases: dict[str, bytes]) -> None:
    """The lists above are what the data of the suite says: no case is forgotten, none excluded for another reason."""
    reasons = {name: _reason(parse_openmetrics(page)) for name, page in cases.items()}
    assert {name: reason for name, reason in reasons.items() if reason} == EXCLUDED
    assert sorted(name for name, reason in reasons.items() if not reason) == INCLUDED
    created = {name for name in INCLUDED if b"_created" in cases[name]}
    assert created == WITH_CREATED
