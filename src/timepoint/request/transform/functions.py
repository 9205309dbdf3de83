"""``transform: {python: "package.module:function"}``: a function of the user between body and mapping.

Owns: finding the function, calling it, and what it may give. Must not know: the config file, rows, metrics.

The function is called with the decoded document, and with the options of the config as keyword arguments, once for each
answer. It runs in the one thread in which answers become commits, so it must come back: nothing can end it.
"""

from __future__ import annotations

import importlib
import inspect
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from timepoint.errors import ContentError, MappingError
from timepoint.mapping.documents import NotJson
from timepoint.mapping.unusable import show
from timepoint.request.transform.chain import decoded

_PLAIN = (str, int, float, type(None), NotJson)  # True and False are int


class FunctionError(ValueError):
    """The function cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class FunctionStep:
    """A function with its options. ``name`` is how the config calls it."""

    name: str
    function: Callable[..., Any]
    options: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, document: Any) -> Any:
        """The document that the function gives. Raises MappingError, which names file and line if it raised."""
        try:
            given = self.function(decoded(document), **self.options)
        except ContentError:
            raise
        except BaseException as error:  # also a SystemExit costs this run alone, and no KeyboardInterrupt comes here
            frames = traceback.extract_tb(error.__traceback__)[1:]
            where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
            message = f"transform {self.name} raised {type(error).__name__}: {error}{where}"
            raise MappingError(message) from error
        return as_document(given, self.name)


def find_function(name: str) -> Callable[..., Any]:
    """The function of ``package.module:function``, imported now. Raises FunctionError."""
    module_name, colon, attribute = name.partition(":")
    if not colon or not module_name or not attribute:
        raise FunctionError(f"{name!r} is not the name of a function: write it like package.module:function")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        hint = "install it, or put it beside the config" if error.name == module_name.partition(".")[0] else ""
        raise FunctionError(f"there is no module {error.name!r}{hint and ': ' + hint}") from error
    except (Exception, SystemExit) as error:
        raise FunctionError(f"module {module_name} cannot be imported: {type(error).__name__}: {error}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise FunctionError(f"module {module_name} has no function {attribute!r}")
        found = getattr(found, part)
    if not callable(found):
        raise FunctionError(f"{name} is no function")
    call: Callable[..., Any] = found
    return call


def options_complaint(function: Callable[..., Any], options: Mapping[str, Any]) -> str | None:
    """What is wrong with the options of a function, None if it takes them beside the document."""
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # some functions of C do not tell
        return None
    try:
        signature.bind(None, **options)
    except TypeError as error:
        return f"the function takes {signature}, with the document first: {error}"
    return None


def as_document(given: Any, name: str) -> Any:
    """JSON data as the mapping knows it; tuples become lists. Raises MappingError for anything else.

    Looks at each container once and at its members by their types alone, since a document may hold millions of numbers.
    """
    holder = [given]
    stack: list[Any] = [holder]
    seen: set[int] = set()
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        inside = node.values() if isinstance(node, dict) else node
        kinds = set(map(type, inside))
        if isinstance(node, dict) and not all(issubclass(kind, str) for kind in set(map(type, node))):
            raise MappingError(f"transform {name} gave an object with a key that is no text")
        if all(issubclass(kind, _PLAIN) for kind in kinds):
            continue
        for key, child in list(node.items()) if isinstance(node, dict) else enumerate(node):
            if isinstance(child, tuple):
                node[key] = child = list(child)  # noqa: PLW2901 - the list takes the tuple's place
            if isinstance(child, dict | list):
                stack.append(child)
            elif not isinstance(child, _PLAIN):
                raise MappingError(f"transform {name} gave {show_kind(child)}: it must give JSON data")
    return holder[0]


def show_kind(value: Any) -> str:
    """What a value is, for a person: its type, and its beginning if it has a short text."""
    kind = type(value).__name__
    return f"a {kind}" if callable(value) or inspect.isgenerator(value) else f"a {kind}, {show(str(value))}"
