"""The machine of ``test_machine`` itself: senders with the mistakes of others must not pass it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.remote_write.test_machine import SenderMachine
from tests.remote_write.wrong_senders import MUTANTS, Patch


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_mutant_is_caught(mutant: Callable[[Patch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks fail for a sender with this mistake."""
    mutant(monkeypatch)
    quick = settings(
        max_examples=3000,  # some is caught by one of sixty; it ends with the first
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        database=None,
        print_blob=False,
    )
    with pytest.raises(BaseException, match=r"(?s).*") as caught:
        run_state_machine_as_test(SenderMachine, settings=quick)
    assert isinstance(caught.value, AssertionError | ExceptionGroup), caught.value
