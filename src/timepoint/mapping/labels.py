"""Label names and values as Prometheus can hold them.

Owns: what text a JSON value has as a label, what a label value and a label name may contain, the labels of a spread
object (R9). Must not know: paths, relabeling, metrics.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from timepoint.mapping.unusable import Unusable, show
from timepoint.model import LABEL_NAME

MAX_LENGTH = 256
RENAMED = {"job": "exported_job", "instance": "exported_instance"}
OWNED = {
    "job": "Prometheus gives to its target",
    "instance": "Prometheus gives to its target",
    "le": "the buckets of histograms have",
    "quantile": "the quantiles of summaries have",
}
"""Labels that no config and no data may set, and whose they are."""

_CONSTANTS = ("NaN", "Infinity", "-Infinity")
_HASH_DIGITS = 16
_INTEGRAL = 1e16  # from here on repr() itself turns to exponents
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_]")


def scalar_text(node: Any) -> str:
    """The text of a JSON scalar: ``UP``, ``3``, ``true``, ``1.5``; a float without fraction reads as an integer.

    JSON knows one kind of number, and a label must not change when the API writes ``3.0`` for ``3``. Raises Unusable
    for an integer of thousands of digits, and for what is no JSON value, save the constants that some APIs write.
    """
    if isinstance(node, str):
        return node
    if isinstance(node, bool):
        return "true" if node else "false"
    if isinstance(node, float) and -_INTEGRAL < node < _INTEGRAL and node == int(node):
        return str(int(node))
    if not isinstance(node, int | float) and str(node) not in _CONSTANTS:
        raise Unusable("not_a_label", show(node))
    try:
        return str(node)
    except ValueError as error:
        raise Unusable("not_a_label", show(node)) from error


def label_value(node: Any, limit: int = MAX_LENGTH) -> str:
    """The label value of a node; the empty text means no label (R4).

    Control characters (but tab and line feed) and lone surrogates become U+FFFD. A text longer than ``limit``
    characters is cut and ends with ``~`` and sixteen hex digits of its SHA-256, so that two long texts that begin alike
    stay two series. Raises Unusable for an object or an array.
    """
    if type(node) is str and node.isprintable() and len(node) <= limit:
        return node
    if node is None:
        return ""
    if isinstance(node, dict | list):
        raise Unusable("not_a_label", f"{show(node)} cannot be a label")
    return _clean(scalar_text(node), limit)


def _clean(text: str, limit: int) -> str:
    cleaned = _UNSAFE.sub("\ufffd", text)
    if len(cleaned) <= limit:
        return cleaned
    return f"{cleaned[: max(0, limit - _HASH_DIGITS - 1)]}~{_digest(text)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]


def check_label_name(name: str) -> None:
    """Raises ValueError with a sentence if a config may not give a label this name."""
    if not LABEL_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a label name: use letters, digits and _, not beginning with a digit")
    if name == "__name__":
        raise ValueError("__name__ is the metric's name and cannot be set: metrics are declared by name")
    if name in RENAMED:
        raise ValueError(
            f"{name!r} is the label Prometheus gives to its target: call it {RENAMED[name]!r} or otherwise"
        )


def sanitised_name(key: str) -> str:
    """A label name made of any text: what a name may not have becomes ``_``, and a leading digit gets one before it.

    A name longer than 256 characters is cut and ends with sixteen digits of a hash.
    """
    name = _NOT_IN_NAMES.sub("_", key) or "_"
    name = f"_{name}" if name[0].isdigit() else name
    return name if len(name) <= MAX_LENGTH else f"{name[: MAX_LENGTH - _HASH_DIGITS - 1]}_{_digest(key)}"


def spread(node: Any) -> dict[str, str]:
    """The labels that the scalar members of an object give (R9), their values as they stand.

    ``__name__`` is left out, and ``job`` and ``instance``, which belong to Prometheus' own target, get the prefix
    ``exported_``, as it names them itself. Null and empty members give no label, objects and arrays none either. Raises
    Unusable if the node is no object, or if two members come to one name.
    """
    if node is None:
        return {}
    if not isinstance(node, Mapping):
        raise Unusable("not_a_label", f"labels are spread from an object, not from {show(node)}")
    labels: dict[str, str] = {}
    origin: dict[str, str] = {}
    for key, member in node.items():
        if key == "__name__" or isinstance(member, dict | list):
            continue
        name = sanitised_name(key)
        name = RENAMED.get(name, name)
        if name in origin:
            raise Unusable("label_clash", f"the members {show(origin[name])} and {show(key)} are both label {name}")
        origin[name] = key
        if member is not None and (value := scalar_text(member)):
            labels[name] = value
    return labels
