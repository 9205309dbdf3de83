"""What a receiver may be."""

from __future__ import annotations

from typing import Any

import pytest

from tests.remote_write.building import spec
from timepoint.clock import HOUR, MINUTE
from timepoint.remote_write.spec import Caps, check_receiver
from timepoint.request.spec import SecretSource, SourceSpec
from timepoint.secret import Secret


def headers(name: str) -> SourceSpec:
    """A receiver's connection with one header."""
    return SourceSpec("central", "http://r.example", headers={name: SecretSource(text=Secret("x"))})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"http": SourceSpec("central", "ftp://r.example")}, "the URL must be like"),
        ({"http": headers("content-TYPE")}, "the header content-TYPE belongs to the protocol"),
        ({"http": headers("X-Prometheus-Remote-Write-Version")}, "belongs to the protocol"),
        ({"max_samples": 0}, "max_samples must be at least 1"),
        ({"max_age": -1}, "cannot be negative"),
        ({"caps": Caps(rows=-1)}, "cannot be negative"),
        ({"external_labels": {"__a": "1"}}, "'__a' is not the name of a label"),
        ({"external_labels": {"a-b": "1"}}, "'a-b' is not the name of a label"),
        ({"external_labels": {"a": ""}}, "the value of a is empty"),
    ],
)
def test_a_receiver_that_cannot_be(changes: dict[str, Any], words: str) -> None:
    """One sentence for the operator."""
    with pytest.raises(ValueError, match=words):
        check_receiver(spec(**changes))


def test_a_header_of_ones_own_is_fine() -> None:
    """For instance the tenant of a Mimir."""
    check_receiver(spec(http=headers("X-Scope-OrgID")))


@pytest.mark.parametrize(
    ("window", "max_age", "oldest"),
    [
        (0, None, 55 * MINUTE),
        (6 * HOUR, None, 6 * HOUR - 5 * MINUTE),
        (0, 0, 0),
        (HOUR, 7, 7),
        (MINUTE, None, MINUTE // 2),
    ],
)
def test_the_greatest_age_follows_from_the_window(window: int, max_age: int | None, oldest: int) -> None:
    """Five minutes less than the receiver takes, or what the operator says."""
    assert spec(out_of_order=window, max_age=max_age).oldest == oldest
