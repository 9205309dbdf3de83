"""What sending needs is imported by who sends."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tests.remote_write.building import spec
from timepoint.remote_write import messages
from timepoint.remote_write.spec import check_receiver


def test_protobuf_is_imported_by_the_first_request() -> None:
    """Importing the sender costs neither protobuf nor snappy: 5 MB for who has no receiver."""
    code = "import sys, timepoint.remote_write.sender; print({'google.protobuf', 'cramjam'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


@pytest.mark.parametrize("missing", ["google", "google.protobuf", "cramjam"])
def test_a_library_that_is_not_there_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver cannot be without them, and the sentence says what to install."""
    from importlib.util import find_spec as find

    def finding(name: str) -> Any:
        return None if name == missing else find(name)

    monkeypatch.setattr(messages, "find_spec", finding)
    with pytest.raises(ValueError, match=r"timepoint-exporter\[remote-write\]"):
        check_receiver(spec())
