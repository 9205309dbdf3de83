"""Families become the bytes of the text format or of OpenMetrics.

Owns: metadata lines, sample lines, the spelling of numbers, the order of lines inside a metric.
Must not know: jobs, files, compression, clients. Metadata lines differ between the formats; sample lines only where a
batch says when its totals began (``created``).
Sources: Prometheus, "Exposition formats" (text 0.0.4); OpenMetrics 1.0, "Text format".
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import msgspec

from timepoint.exposition.family import FamilySnapshot, SampleBatch, created_name, is_visible, openmetrics_name
from timepoint.exposition.formats import Format
from timepoint.model import BOUND_LABELS, FamilySpec, MetricType, series_text, split_series_text

EOF = b"# EOF\n"

# 100,000 series of 110 bytes: 11 ms at 1,024 to 4,096 a chunk; a chunk is also how long the lock of the interpreter is
# held, 0.3 ms here.
_CHUNK = 2048

_TEXT_TYPES = {
    MetricType.INFO: "gauge",
    MetricType.STATESET: "gauge",
    MetricType.UNKNOWN: "untyped",
}
_HELP_TEXT = str.maketrans({"\\": r"\\", "\n": r"\n"})
_HELP_OPENMETRICS = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})

_encode_json = msgspec.json.Encoder().encode


def render_metadata(spec: FamilySpec, *, openmetrics: bool) -> bytes:
    """The lines TYPE, UNIT and HELP (OpenMetrics) or HELP and TYPE (text) of a family.

    An empty help gives no HELP line. UNIT is left out where it would be invalid: on an info or a stateset, or when it
    is not the suffix of the name, since one bad UNIT line costs the whole page.
    """
    if not openmetrics:
        lines = [f"# HELP {spec.name} {spec.help.translate(_HELP_TEXT)}"] if spec.help else []
        lines.append(f"# TYPE {spec.name} {_TEXT_TYPES.get(spec.type, spec.type.value)}")
    else:
        name = openmetrics_name(spec)
        lines = [f"# TYPE {name} {spec.type.value}"]
        if _has_unit(spec, name):
            lines.append(f"# UNIT {name} {spec.unit}")
        if spec.help:
            lines.append(f"# HELP {name} {spec.help.translate(_HELP_OPENMETRICS)}")
    return _encode("".join(f"{line}\n" for line in lines))


def render_samples(spec: FamilySpec, batch: SampleBatch, *, openmetrics: bool = False) -> Iterator[bytes]:
    """The sample lines of a batch, in chunks of whole lines; for ``openmetrics`` with those of ``created``.

    Lines keep the order of the batch, except that the lines of one histogram, summary or stateset are put together and
    into the order the formats ask for.
    """
    texts, values = batch.texts, batch.values
    created = batch.created if openmetrics else None
    if spec.type in SEVERAL_LINES:
        order = metric_order(texts, spec)
        texts, values = [texts[i] for i in order], [values[i] for i in order]
        created = created and [created[i] for i in order]
    if created is not None:
        yield from _with_created(spec, texts, values, created)
        return
    between = "\n" + spec.name
    for start in range(0, len(texts), _CHUNK):
        chunk = texts[start : start + _CHUNK]
        count = len(chunk)
        pieces = [" "] * (4 * count)
        pieces[0::4] = chunk
        pieces[2::4] = number_texts(values[start : start + _CHUNK])
        pieces[3::4] = [between] * (count - 1) + ["\n"]
        yield _encode(spec.name + "".join(pieces))


def _with_created(
    spec: FamilySpec, texts: Sequence[str], values: Sequence[float], created: Sequence[float]
) -> Iterator[bytes]:
    """The lines of samples, each followed by that of its ``created``."""
    name = created_name(spec)
    for start in range(0, len(texts), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        lines = []
        for text, value, began, when in zip(
            texts[chunk], number_texts(values[chunk]), created[chunk], number_texts(created[chunk]), strict=True
        ):
            lines.append(f"{spec.name}{text} {value}\n")
            if not math.isnan(began):
                lines.append(f"{name}{text[text.find('{') :] if '{' in text else ''} {when}\n")
        yield _encode("".join(lines))


def render_families(families: Iterable[FamilySnapshot], format: Format, now: int | None = None) -> bytes:  # noqa: A002 - the word of the contract
    """A whole page, families in the order of their names; for previews and tests.

    With ``now`` only the batches visible then are shown, else all; a family without a shown batch is left out. Families
    of one name, as several jobs give them, are put together under the metadata of the first.
    """
    parts: list[bytes] = []
    for _, same in groupby(sorted(families, key=_name_of), key=_name_of):
        snapshots = list(same)
        shown = [
            batch
            for snapshot in snapshots
            for batch in snapshot.batches
            if len(batch.texts) and (now is None or is_visible(batch.visible_from, batch.visible_until, now))
        ]
        if shown:
            parts.append(render_metadata(snapshots[0].spec, openmetrics=format.openmetrics))
        for batch in shown:
            parts.extend(render_samples(snapshots[0].spec, batch, openmetrics=format.openmetrics))
    if format.openmetrics:
        parts.append(EOF)
    return b"".join(parts)


def number_text(value: float) -> str:
    """A number as both formats read it: the shortest that gives the same float64, ``NaN``, ``+Inf`` or ``-Inf``."""
    return number_texts([value])[0]


def _name_of(family: FamilySnapshot) -> str:
    return family.spec.name


def _has_unit(spec: FamilySpec, name: str) -> bool:
    return (
        bool(spec.unit) and spec.type not in (MetricType.INFO, MetricType.STATESET) and name.endswith(f"_{spec.unit}")
    )


def _encode(text: str) -> bytes:
    # A lone surrogate has no UTF-8 form and would cost the whole page: it becomes a question mark.
    return text.encode(errors="replace")


def number_texts(values: Sequence[float]) -> list[str]:
    """``number_text`` of many: 30 times as fast as one by one."""
    # One JSON encoding per chunk instead of one repr per number: 3 ms instead of 69 ms for 100,000 floats.
    # The array makes floats of integers and truth values, so that a number has one spelling.
    numbers: list[str] = _encode_json(array("d", values).tolist())[1:-1].decode("ascii").split(",")
    if "null" in numbers:  # JSON has no word for what is not finite
        numbers = [_special(value) if text == "null" else text for text, value in zip(numbers, values, strict=True)]
    return numbers


def _special(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "+Inf" if value > 0 else "-Inf"


# The types whose metrics have several lines, and where these stand by their suffix: those with a bound or state first.
_RANKS = {
    MetricType.HISTOGRAM: {"_bucket": 0, "_count": 1, "_sum": 2},
    MetricType.SUMMARY: {"": 0, "_count": 1, "_sum": 2},
    MetricType.STATESET: {"": 0},
}
SEVERAL_LINES = frozenset(_RANKS)


def metric_of(text: str, spec: FamilySpec) -> str:
    """What the series texts of one metric have in common: they stand together, or the page is invalid.

    It is the text itself but for a histogram, a summary and a stateset, whose metrics have several lines.
    """
    return _place(text, spec)[0] if spec.type in SEVERAL_LINES else text


def metric_order(texts: Sequence[str], spec: FamilySpec) -> list[int]:
    """The positions of a batch's lines: metrics in the order of their first line, bounds ascending, states as given."""
    has_bounds = spec.type in BOUND_LABELS
    metrics: dict[str, int] = {}
    keys = []
    for position, text in enumerate(texts):
        metric, rank, within = _place(text, spec)
        keys.append((metrics.setdefault(metric, len(metrics)), rank, _bound(within) if has_bounds else 0.0, position))
    return [position for *_, position in sorted(keys)]


def _place(text: str, spec: FamilySpec) -> tuple[str, int, str]:
    """The metric that a line belongs to, the rank of its suffix in it, and its bound or state if it has one."""
    suffix, brace, labels = text.partition("{")
    rank = _RANKS[spec.type].get(suffix, 3)
    if rank:
        return brace + labels, rank, ""
    within, rest = _take_label(brace + labels, BOUND_LABELS.get(spec.type, spec.name))
    return rest, rank, within


def _take_label(labels: str, name: str) -> tuple[str, str]:
    """The value of a label, and the text of the labels without it; an absent label is empty.

    Taking the text apart costs five times as much, so that is done only where the name's text might stand in a value:
    where anything is escaped, or the name follows neither the brace nor a quote and a comma that end a value.
    """
    opening = f'{name}="'
    start = labels.find(opening)
    if start < 0:
        return "", labels
    follows = start == 1 or (labels[start - 2 : start] == '",' and labels[start - 3] != "=")
    if "\\" in labels or not follows:
        parts = split_series_text(labels)[1]
        value = parts.pop(name, "")
        return value, series_text(parts)
    end = labels.index('"', start + len(opening))
    before, after = labels[:start], labels[end + 1 :]
    rest = before + after[1:] if after.startswith(",") else before.removesuffix(",") + after
    return labels[start + len(opening) : end], "" if rest == "{}" else rest


def _bound(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.inf
