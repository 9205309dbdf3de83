"""``transform: {python: "package.module:function"}``: a function of the user between body and mapping.

Owns: finding the function, calling it, and what it may give. Must not know: the config file, rows, metrics.

The function is called with the decoded document, and with the options of the config as keyword arguments, once for each
answer. The one thread in which answers become commits waits for it, so it has a thread of its own and is left behind
there when it takes too long: nothing can end it, but it shall not hold up all other jobs. A call costs 0.2 ms by that.
"""

from __future__ import annotations

import importlib
import inspect
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from timepoint.clock import SECOND, format_duration
from timepoint.errors import ContentError, MappingError
from timepoint.mapping.documents import NotJson
from timepoint.mapping.unusable import show
from timepoint.request.transform.chain import DEFAULT_TIMEOUT, decoded

_PLAIN = (str, int, float, type(None), NotJson)  # True and False are int


class FunctionError(ValueError):
    """The function cannot be used; the text says why."""


class _Call:
    """One call, in a thread of its own."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self.given: Any = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="transform", daemon=True)

    def _run(self) -> None:
        try:
            self.given = self._function()
        except BaseException as error:  # noqa: BLE001 - also a SystemExit costs this run alone
            self.error = error

    def ends_within(self, seconds: float) -> bool:
        self._thread.start()
        self._thread.join(seconds)
        return not self.is_under_way

    @property
    def is_under_way(self) -> bool:
        return self._thread.is_alive()


@dataclass(frozen=True, slots=True)
class FunctionStep:
    """A function with its options. ``name`` is how the config calls it; ``timeout`` bounds one document, in ms."""

    name: str
    function: Callable[..., Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    timeout: int = DEFAULT_TIMEOUT
    _left_behind: list[_Call] = field(default_factory=list, init=False, repr=False, compare=False)

    def __call__(self, document: Any) -> Any:
        """The document that the function gives. Raises MappingError, which names file and line if it raised."""
        self._left_behind[:] = [call for call in self._left_behind if call.is_under_way]
        if self._left_behind:
            raise MappingError(f"transform {self.name} has not come back yet from an earlier answer")
        call = _Call(partial(self.function, decoded(document), **self.options))
        if not call.ends_within(self.timeout / SECOND):
            self._left_behind.append(call)
            limit = format_duration(self.timeout)
            raise MappingError(
                f"transform {self.name} takes longer than {limit} (see timeout), and is not called again until it ends"
            )
        error = call.error
        if error is None:
            return as_document(call.given, self.name)
        if isinstance(error, ContentError):
            raise error
        frames = traceback.extract_tb(error.__traceback__)[1:]
        where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
        raise MappingError(f"transform {self.name} raised {type(error).__name__}: {error}{where}") from error


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
        return f"the function takes {signature}, with the document first: {_misfit(signature, options) or error}"
    return None


def _misfit(signature: inspect.Signature, options: Mapping[str, Any]) -> str:
    """Which options the function lacks and which it does not know; Python's own words for it differ by version."""
    takes = list(signature.parameters.values())[1:]
    named = {one.name: one for one in takes if one.kind in {one.KEYWORD_ONLY, one.POSITIONAL_OR_KEYWORD}}
    lacks = [f"{name!r} is missing" for name, one in named.items() if one.default is one.empty and name not in options]
    takes_any = any(one.kind is one.VAR_KEYWORD for one in takes)
    unknown = [] if takes_any else [f"there is no {name!r}" for name in options if name not in signature.parameters]
    return ", ".join(lacks + unknown)


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
