"""The colours of the pages can be read."""

from __future__ import annotations

import itertools
import re

import pytest

from timepoint.server.pages.render import style

SCHEMES = [dict(re.findall(r"--(\w+): (#\w+)", block)) for block in style().decode().split("@media")[:2]]
INKS = ("ink", "soft", "accent", "good", "mild", "bad", "wait")
PAPERS = ("paper", "panel", "sunk")


def luminance(color: str) -> float:
    """Source: WCAG 2.2, "relative luminance"."""
    digits = color[1:] if len(color) == 7 else "".join(2 * digit for digit in color[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", SCHEMES, ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "paper"), [*itertools.product(INKS, PAPERS)])
def test_every_text_has_contrast(scheme: dict[str, str], ink: str, paper: str) -> None:
    """At least 4.5 to 1, as WCAG 2.2, 1.4.3 wants it (level AA), in both schemes."""
    light, dark = sorted((luminance(scheme[ink]), luminance(scheme[paper])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5
