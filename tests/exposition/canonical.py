"""The canonical spelling of the numbers in ``le`` and ``quantile``, for series that are made up and compared."""

from __future__ import annotations

import math


def bound_text(value: float) -> str:
    """The canonical spelling of a bucket bound or quantile: ``1.0``, ``1e-05``, ``1e+06``, ``+Inf``.

    Source: OpenMetrics 1.0, "Considerations: Canonical Numbers". It is Go's ``%g``, with ``.0`` after an integer.
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{value:+}".replace("inf", "Inf")
    text = repr(float(value))
    mantissa, _, exponent = text.partition("e")
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    if exponent:
        return text if len(exponent) > 2 else f"{mantissa}e{exponent[0]}0{exponent[1:]}"
    if len(whole) <= 6:
        return text
    digits = (whole + fraction).rstrip("0")
    sign = "-" if value < 0 else ""
    point = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{point}e+{len(whole) - 1:02d}"
