"""The templates of kubectl, which json_exporter uses for paths, labels and values.

Owns: their syntax: text with ``{...}`` in it, and the JSONPath dialect inside. Must not know: json_exporter's config,
how a mapping is written.

Read as the parser of ``k8s.io/client-go/util/jsonpath`` reads it (v0.31), with its quirks: a bracket ends at the first
``]``; ``['a.b']`` is the member ``b`` of ``a``; ``[]`` is the first element; ``$`` and ``@`` mean the node where the
path began, wherever they stand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from timepoint.importing.query import (
    EVERYTHING,
    Query,
    Step,
    Template,
    UntranslatableError,
    descended,
    index,
    member,
    quoted,
    span,
    template_of,
)

_ENDS_NAME = frozenset(" \t\r\n.,[]$@{}")
_KEY = re.compile(r"'([^']*)'")
_SLICE = re.compile(r"(-?[0-9]*)(:-?[0-9]*)?(:-?[0-9]*)?")
_NUMBER = re.compile(r"[+-]?[0-9.]*")
_COMPARISON = re.compile(r"([^!<>=]+)([!<>=]+)(.+?)")
_OPERATORS = frozenset(("==", "!=", "<", "<=", ">", ">="))
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_NUMBER_CHANGE = (
    "json_exporter cannot compare a number of JSON with the integer {0}, and gave nothing; now the filter works"
)


def parse_template(text: str) -> Template:
    """The pieces of a template. Raises UntranslatableError."""
    pieces: list[str | Query] = []
    place = 0
    while (brace := text.find("{", place)) >= 0:
        pieces.append(text[place:brace])
        action = _Action(text, brace + 1)
        pieces.append(action.read())
        place = action.place
    pieces.append(text[place:])
    return template_of(pieces)


@dataclass(slots=True)
class _Action:
    """One ``{...}``, read from its first character on; ``place`` is behind its brace in the end."""

    text: str
    place: int
    steps: list[Step] = field(default_factory=list)
    literal: str | None = None
    is_number: bool = False
    descends: bool = False
    changes: list[str] = field(default_factory=list)

    def read(self) -> str | Query:
        while (sign := self._peek()) != "}":
            if sign in ("", "\n", "\r"):
                raise UntranslatableError("has a { without its }")
            self._part(sign)
        self.place += 1
        if self.descends:
            raise UntranslatableError("ends with .., which selects whole objects at any depth")
        return self.literal if self.literal is not None else Query(tuple(self.steps), tuple(self.changes))

    def _peek(self) -> str:
        return self.text[self.place : self.place + 1]

    def _part(self, sign: str) -> None:
        if self.text.startswith("[?(", self.place):
            self._filter()
        elif self.text.startswith("..", self.place):
            self._descent()
        elif sign in " @$":
            self.place += 1
        elif sign == "[":
            self._bracket()
        elif sign in "\"'":
            self._constant(self._quote(sign))
        elif sign == ".":
            self.place += 1
            self._name()
        elif sign in "+-" or sign.isdigit():
            self._constant(self._number())
            self.is_number = True
        elif sign == "_" or sign.isalpha():
            self._word()
        else:
            raise UntranslatableError(f"has the sign {sign!r}, which json_exporter cannot read")

    def _add(self, step: Step) -> None:
        if self.literal is not None:
            raise UntranslatableError("has a path behind a constant")
        self.steps.append(descended(step) if self.descends else step)
        self.descends = False

    def _constant(self, text: str) -> None:
        if self.steps or self.literal is not None:
            raise UntranslatableError("has a constant behind a path")
        self.literal = text

    def _descent(self) -> None:
        if self.descends:
            raise UntranslatableError("has .. twice in a row")
        self.place += 2
        self.descends = True
        sign = self._peek()
        if sign == "_" or sign.isalnum():
            self._name()

    def _name(self) -> None:
        name = self._until_name_ends()
        if not name:
            raise UntranslatableError("has a dot without a name behind it, for which json_exporter finds nothing")
        self._add(EVERYTHING if name == "*" else member(name.replace("\\", "")))

    def _until_name_ends(self) -> str:
        begin = self.place
        while (sign := self._peek()) and sign not in _ENDS_NAME:
            self.place += 2 if sign == "\\" else 1
        self.place = min(self.place, len(self.text))
        return self.text[begin : self.place]

    def _word(self) -> None:
        begin = self.place
        while (sign := self._peek()) and sign not in _ENDS_NAME:
            self.place += 1
        word = self.text[begin : self.place]
        if word in ("true", "false"):
            self._constant(word)
            self.is_number = True  # a word of JSON, as a number is
        elif word in ("range", "end"):
            raise UntranslatableError("has a loop ({range}), whose texts are joined")
        else:
            raise UntranslatableError(f"begins with the word {word!r} without a dot, which json_exporter cannot read")

    def _number(self) -> str:
        match = _NUMBER.match(self.text, self.place)
        assert match is not None
        self.place = match.end()
        try:
            float(match[0])
        except ValueError:
            raise UntranslatableError(f"has {match[0]!r}, which is no number") from None
        return match[0].removeprefix("+")

    def _quote(self, sign: str) -> str:
        end = self.place + 1
        while end < len(self.text) and (self.text[end] != sign or self.text[end - 1] == "\\"):
            end += 1
        if end >= len(self.text):
            raise UntranslatableError("has a quote that does not end")
        inside, self.place = self.text[self.place + 1 : end], end + 1
        return _unescape(inside)

    def _bracket(self) -> None:
        end = self.text.find("]", self.place)
        if end < 0:
            raise UntranslatableError("has a [ without its ]")
        inside, self.place = self.text[self.place + 1 : end], end + 1
        parts = inside.split(",")
        if len(parts) == 1:
            for step in _selected(inside):
                self._add(step)
            return
        chosen = [_selected(part.strip(" ")) for part in parts]
        if any(len(steps) != 1 for steps in chosen):
            raise UntranslatableError("has a union of paths that are longer than one step")
        self._add(Step(f"[{','.join(_in_brackets(steps[0]) for steps in chosen)}]", is_many=True))

    def _filter(self) -> None:
        """Up to the first ``)]`` that stands outside of the first quoted text, as client-go finds it."""
        begin = self.place + 3
        place, quote, is_done = begin, "", False
        while True:
            sign = self.text[place : place + 1]
            if sign in ("", "\n"):
                raise UntranslatableError("has a filter that does not end")
            if sign in "\"'":
                if not quote:
                    quote = sign
                elif sign == quote and self.text[place - 1] != "\\":
                    is_done = True
            elif sign == ")" and bool(quote) == is_done:
                break
            place += 1
        if self.text[place + 1 : place + 2] != "]":
            raise UntranslatableError("has a filter whose ) is not followed by ]")
        condition, self.place = self.text[begin:place], place + 2
        self._add(Step(f"[?{self._condition(condition)}]", bare=None))

    def _condition(self, text: str) -> str:
        match = _COMPARISON.fullmatch(text)
        if match is None:
            side = _side(text)
            if isinstance(side, str):
                raise UntranslatableError("has a filter that is a constant")
            self.changes += side.changes
            return side.text("@")
        if match[2] not in _OPERATORS:
            raise UntranslatableError(f"has the operator {match[2]!r} in a filter, which json_exporter does not know")
        left, right = _side(match[1]), _side(match[3])
        if isinstance(left, str) and isinstance(right, str):
            raise UntranslatableError("has a filter that compares two constants")
        for side in (left, right):
            if isinstance(side, str) and re.fullmatch(r"-?[0-9]+", side):
                self.changes.append(_NUMBER_CHANGE.format(side))
        return f"{_shown(left)} {match[2]} {_shown(right)}"


def _side(text: str) -> str | Query:
    """One side of a comparison: a path, or a constant as RFC 9535 writes it."""
    action = _Action(f"{text}}}", 0)
    found = action.read()
    if action.place != len(text) + 1:
        raise UntranslatableError("has a } in a filter")
    if isinstance(found, Query):
        return found
    return _json_number(found) if action.is_number else quoted(found)


def _json_number(text: str) -> str:
    """A number or a boolean; Go takes ``1.`` and ``.5``, JSON does not."""
    if text in ("true", "false"):
        return text
    try:
        return str(int(text))
    except ValueError:
        return repr(float(text))


def _shown(side: str | Query) -> str:
    if isinstance(side, str):
        return side
    if side.is_many or any(step.text.startswith("[?") for step in side.steps):
        raise UntranslatableError("compares in a filter what may be more than one node")
    return side.text("@")


def _selected(inside: str) -> list[Step]:
    """What stands between two brackets, commas aside."""
    if inside == "*":
        return [EVERYTHING]
    if key := _KEY.fullmatch(inside):
        found = _Action(f".{key[1]}}}", 0)
        query = found.read()
        if not isinstance(query, Query) or found.place != len(key[1]) + 2:
            raise UntranslatableError(f"has [{inside}], which json_exporter cannot read")
        return list(query.steps)
    match = _SLICE.fullmatch(inside)
    if match is None:
        hint = ": it wants single quotes around a name" if inside.startswith('"') else ""
        raise UntranslatableError(f"has [{inside}], which json_exporter cannot read{hint}")
    return [_slice(*match.groups())]


def _slice(start: str, stop: str | None, stride: str | None) -> Step:
    if "-" in (start, (stop or "")[1:], (stride or "")[1:]):
        raise UntranslatableError("has an index that is no number")
    begin = int(start) if start else None
    if not stop and not stride:
        return index(begin or 0)
    if stop is None:
        stop = f":{(begin or 0) + 1}"
    end = int(stop[1:]) if stop[1:] else None
    step = int(stride[1:]) if stride and stride[1:] else None
    if step is not None and step <= 0:
        raise UntranslatableError("has a slice whose step is not above 0, for which json_exporter gives nothing")
    return span(begin, end, step)


def _in_brackets(step: Step) -> str:
    if step.text.startswith("["):
        return step.text[1:-1]
    return quoted(step.text[1:])


def _unescape(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        if match[1] in _ESCAPES:
            return _ESCAPES[match[1]]
        if len(match[1]) > 1:
            return chr(int(match[1][1:], 16))
        raise UntranslatableError(f"has the escape \\{match[1]}, which json_exporter cannot read")

    return re.sub(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", plain, text, flags=re.DOTALL)
