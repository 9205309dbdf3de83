"""The part of CEL that json_exporter's configs use: members, indexes, ``filter``, texts joined by ``+``.

Owns: the reading of such expressions. Must not know: json_exporter's config, how a mapping is written. Everything else
that CEL can do is refused with its name.

Source: Common Expression Language, "Language Definition"; members of the document are variables, and ``root`` is it.
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
    index,
    member,
    quoted,
    template_of,
)

_TOKEN = re.compile(
    r"\s*(?:(?P<text>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')|(?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)"
    r"|(?P<word>[A-Za-z_]\w*)|(?P<sign>==|!=|<=|>=|&&|\|\||[-+*/%.,()\[\]<>!?:]))"
)
_COMPARISONS = frozenset(("==", "!=", "<", "<=", ">", ">="))
_CONSTANTS = ("true", "false", "null")
_FIRST_HIT = "the first element that the filter finds was taken; now more than one is a reject"


def parse_cel(text: str) -> Template:
    """The pieces of an expression. Raises UntranslatableError."""
    reader = _Reader(_tokens(text))
    pieces = [reader.term()]
    while reader.take("+"):
        pieces.append(reader.term())
    if reader.tokens:
        raise UntranslatableError(f"uses {reader.tokens[0][1]!r}, which a path cannot say (transform: {{jq: ...}} can)")
    if len(pieces) > 1 and not any(isinstance(piece, str) for piece in pieces):
        raise UntranslatableError("adds values up, which a path cannot say (transform: {jq: ...} can)")
    return template_of(pieces)


def _tokens(text: str) -> list[tuple[str, str]]:
    found, place = [], 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None:
            raise UntranslatableError(f"has the sign {text[place:].strip()[0]!r}, which is not understood here")
        assert match.lastgroup is not None
        found.append((match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return found


@dataclass(slots=True)
class _Reader:
    """The tokens that are still to be read."""

    tokens: list[tuple[str, str]]
    changes: list[str] = field(default_factory=list)

    def take(self, sign: str) -> bool:
        """Whether the next token is this sign; then it is gone."""
        if self.tokens and self.tokens[0] == ("sign", sign):
            del self.tokens[0]
            return True
        return False

    def need(self, sign: str) -> None:
        if not self.take(sign):
            raise UntranslatableError(f"lacks a {sign!r}")

    def next(self) -> tuple[str, str]:
        if not self.tokens:
            raise UntranslatableError("ends too early")
        return self.tokens.pop(0)

    def term(self) -> str | Query:
        kind, text = self.next()
        if kind == "text":
            return _unquoted(text)
        if kind == "number":
            return text
        if kind == "sign" and text == "[" and self.take("*"):  # json_exporter's own example; CEL has no such path
            self.need("]")
            return Query((EVERYTHING,))
        if kind == "sign" and text == ".":
            kind, text = self.next()
        if kind != "word":
            raise UntranslatableError(f"uses {text!r}, which a path cannot say")
        if text in _CONSTANTS:
            return text
        if self.tokens[:1] == [("sign", "(")]:
            raise UntranslatableError(f"calls {text}(), which a path cannot say (transform: {{jq: ...}} can)")
        steps = [] if text == "root" else [member(text)]
        return Query(tuple(self._steps(steps)), tuple(self.changes))

    def _steps(self, steps: list[Step]) -> list[Step]:
        while True:
            if self.take("."):
                _, name = self.next()
                if self.take("("):
                    steps.append(self._call(name))
                else:
                    steps.append(member(name))
            elif self.take("["):
                steps = self._index(steps)
            else:
                return steps

    def _index(self, steps: list[Step]) -> list[Step]:
        kind, text = self.next()
        self.need("]")
        if kind == "text":
            return [*steps, member(_unquoted(text))]
        if kind != "number" or not text.lstrip("-").isdigit():
            raise UntranslatableError("has an index that is neither a number nor a text")
        if steps and steps[-1].text.startswith("[?"):
            if text != "0":
                raise UntranslatableError("takes another than the first element that a filter finds")
            self.changes.append(_FIRST_HIT)
            return steps
        return [*steps, index(int(text))]

    def _call(self, name: str) -> Step:
        if name != "filter":
            raise UntranslatableError(f"calls .{name}(), which a path cannot say (transform: {{jq: ...}} can)")
        _, variable = self.next()
        self.need(",")
        condition = self._condition(variable)
        self.need(")")
        return Step(f"[?{condition}]")

    def _condition(self, variable: str) -> str:
        parts = [self._comparison(variable)]
        while self.tokens[:1] in ([("sign", "&&")], [("sign", "||")]):
            parts += [self.next()[1], self._comparison(variable)]
        return " ".join(parts)

    def _comparison(self, variable: str) -> str:
        if self.take("!"):
            return f"!({self._comparison(variable)})"
        if self.take("("):
            inside = self._condition(variable)
            self.need(")")
            return f"({inside})"
        if self.tokens[:2] == [("word", "has"), ("sign", "(")]:
            del self.tokens[:2]
            side = self._side(variable)
            self.need(")")
            return side
        left = self._side(variable)
        if not self.tokens or self.tokens[0][1] not in _COMPARISONS:
            if not left.startswith("@"):
                raise UntranslatableError("has a filter that is a constant")
            return f"{left} == true"
        operator = self.next()[1]
        return f"{left} {operator} {self._side(variable)}"

    def _side(self, variable: str) -> str:
        kind, text = self.next()
        if kind == "text":
            return quoted(_unquoted(text))
        if kind == "number" or text in _CONSTANTS:
            return text
        if kind != "word" or text != variable:
            raise UntranslatableError(f"uses {text!r} in a filter, which a path cannot say")
        steps = self._steps([])
        if any(step.is_many or step.text.startswith("[?") for step in steps):
            raise UntranslatableError("compares in a filter what may be more than one node")
        return Query(tuple(steps)).text("@")


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: {"n": "\n", "t": "\t", "r": "\r"}.get(match[1], match[1]), text[1:-1])
