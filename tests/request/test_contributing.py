"""The decoder that docs/contributing.md shows is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from timepoint.errors import ContentError
from timepoint.request.spec import RequestSpec

PAGE = Path(__file__).resolve().parents[2] / "docs" / "contributing.md"


@pytest.fixture
def decoder() -> Any:
    """The decoder that the page shows, read from there."""
    [code] = [block for block in PAGE.read_text("utf-8").split("```") if block.startswith('python\n"""Lines of')]
    names: dict[str, Any] = {}
    exec(code.removeprefix("python\n"), names)
    return names["DECODER"]


def test_the_decoder_that_is_shown_reads_a_body(decoder: Any) -> None:
    """What a newcomer types from the page decodes, and refuses what is broken."""
    assert decoder.decode(b"power = 5\nzone=DE", RequestSpec()) == {"power": "5", "zone": "DE"}
    with pytest.raises(ContentError, match="line 2 has no ="):
        decoder.decode(b"a=1\nb", RequestSpec())
