"""Functions for the tests of transforms, as a user would write them."""

from __future__ import annotations

import sys
import threading
from typing import Any


def doubled(document: Any) -> Any:
    """The document twice."""
    return [document, document]


def times(document: Any, *, factor: float) -> Any:
    """Every element times a factor."""
    return [element * factor for element in document]


def broken(document: Any) -> Any:
    """Asks for what is not there."""
    return document["canary"]


def strange(document: Any) -> Any:
    """Gives what is no JSON."""
    return {"a": [1, {2, 3}], "b": document}


def with_tuples(document: Any) -> Any:
    """Gives tuples in place of lists."""
    return ({"a": (1, (2, document))},)


def with_numbers_as_keys(document: Any) -> Any:
    """Gives an object that JSON cannot say."""
    return [{1: document}]


def lazy(document: Any) -> Any:
    """Gives a generator."""
    yield document


class Namespace:
    """A class that holds a function."""

    @staticmethod
    def inner(document: Any) -> Any:
        """The document."""
        return document


NUMBER = 7


def leaving(_document: object) -> object:
    """Ends the program, as the main function of a script does."""
    sys.exit(3)


def waiting(_document: object, *, until: threading.Event) -> object:
    """Does not come back before it is told to."""
    until.wait()
    return []
