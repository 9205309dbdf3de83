"""A function of the user: found by its name, called with the document, held to JSON."""

from __future__ import annotations

import math
import re
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.request.transform import helpers
from timepoint.errors import ContentError, MappingError
from timepoint.mapping.nodes import LoneObject
from timepoint.request.decoders.elements import decode_xml
from timepoint.request.transform.functions import FunctionError, FunctionStep, find_function, options_complaint

HERE = "tests.request.transform.helpers"


def step(name: str, **options: Any) -> FunctionStep:
    """A step with one of the functions for tests."""
    return FunctionStep(f"{HERE}:{name}", find_function(f"{HERE}:{name}"), options)


def test_a_function_changes_a_document() -> None:
    """A JSON body that is not decoded yet is decoded for the function, and what it gives is the document."""
    assert step("doubled")(msgspec.Raw(b'{"a": 1}')) == [{"a": 1}, {"a": 1}]


def test_options_are_keyword_arguments() -> None:
    """What the config has under options reaches the function."""
    assert step("times", factor=2)([1, 2.5]) == [2, 5]


def test_an_exception_names_file_and_line() -> None:
    """A function that raises is an error with the type, the text, and the place in the user's file."""
    with pytest.raises(MappingError, match=r"transform .*:broken raised KeyError: 'canary' \(.*helpers\.py:\d+\)"):
        step("broken")({})


def test_a_function_that_ends_the_program_ends_the_run_alone() -> None:
    """A SystemExit would pass through worker and event loop, and end the poller with all jobs."""
    with pytest.raises(MappingError, match=r"transform .*:leaving raised SystemExit: 3 \(.*helpers\.py:\d+\)"):
        step("leaving")({})


def test_a_function_that_does_not_come_back_is_left_behind() -> None:
    """Nothing else waits for it longer than its time, it runs once and no more, and its job goes on when it ends."""
    until = threading.Event()
    function = step("waiting", until=until)
    hanging = FunctionStep(function.name, function.function, function.options, timeout=20)
    with pytest.raises(MappingError, match=r"takes longer than 20ms \(see timeout\)"):
        hanging(1)
    with pytest.raises(MappingError, match="has not come back yet from an earlier answer"):
        hanging(2)
    until.set()
    for thread in threading.enumerate():
        if thread.name == "transform":
            thread.join()
    object.__setattr__(hanging, "timeout", 60_000)  # what comes back at once may take longer than 20 ms to be heard
    assert hanging(3) == []


def test_a_module_that_ends_the_program_is_a_mistake_of_the_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script that was meant to be run and not imported is named, instead of ending ``check`` without a word."""
    (tmp_path / "script_of_ours.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(FunctionError, match="module script_of_ours cannot be imported: SystemExit"):
        find_function("script_of_ours:rows")


def test_a_body_that_is_no_document() -> None:
    """A body that is no JSON stays the source's fault, and the function is not called."""
    with pytest.raises(ContentError):
        step("broken")(msgspec.Raw(b'{"a": '))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("strange", "gave a set, "),
        ("lazy", "gave a generator: it must give JSON data"),
        ("with_numbers_as_keys", "an object with a key that is no text"),
    ],
)
def test_what_is_no_json(name: str, message: str) -> None:
    """A function that gives anything but JSON data is told so."""
    with pytest.raises(MappingError, match=message):
        step(name)(1)


def test_tuples_are_lists() -> None:
    """Tuples, which the mapping does not know, become lists at any depth."""
    assert step("with_tuples")(3) == [{"a": [1, [2, 3]]}]


def test_a_lone_element_of_xml_stays_one() -> None:
    """What XML has once is still taken as a list of one after a function, as without it."""
    assert isinstance(step("doubled")(decode_xml(b"<a><b x='1'/></a>"))[0]["a"]["b"], LoneObject)


def test_a_document_that_holds_itself() -> None:
    """A list in itself does not keep the check from coming to an end."""
    ring: list[Any] = []
    ring.append(ring)
    assert FunctionStep("x:y", lambda _: ring)(1) is ring


def test_nan_is_a_number() -> None:
    """A float that JSON does not have is left to the mapping, which knows what to make of it."""
    (value,) = FunctionStep("x:y", lambda _: [math.nan])(1)
    assert math.isnan(value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("helpers", "is not the name of a function: write it like package.module:function"),
        (":f", "is not the name of a function"),
        ("no_such_module_of_ours:f", "there is no module 'no_such_module_of_ours': install it, or put it beside"),
        ("tests.no_such_module:f", "there is no module 'tests.no_such_module'"),
        (f"{HERE}:double", "has no function 'double'"),
        (f"{HERE}:NUMBER", "is no function"),
    ],
)
def test_functions_that_are_not_there(name: str, message: str) -> None:
    """A name that leads to no function says why."""
    with pytest.raises(FunctionError, match=re.escape(message)):
        find_function(name)


def test_a_function_inside_of_a_class() -> None:
    """A name may go through a class."""
    assert find_function(f"{HERE}:Namespace.inner") is helpers.Namespace.inner


def test_options_that_do_not_fit() -> None:
    """Options that the function does not take, or lacks, are told before it is ever called."""
    assert options_complaint(helpers.times, {"factor": 2}) is None
    assert str(options_complaint(helpers.times, {})).endswith("first: 'factor' is missing")
    assert str(options_complaint(helpers.times, {"factor": 1, "by": 2})).endswith("first: there is no 'by'")
    assert str(options_complaint(helpers.times, {"by": 2})).endswith("first: 'factor' is missing, there is no 'by'")


def test_a_function_that_takes_no_document() -> None:
    """A function without a place for the document is told so, in Python's words."""

    def alone() -> None: ...

    assert "too many positional arguments" in str(options_complaint(alone, {}))
