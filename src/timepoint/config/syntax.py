"""Words for YAML syntax errors, for people who do not know what a simple key or a flow sequence is.

Owns: what each of the parser's complaints means to an author, and the path that needs quotes (R16). Must not know: how
a text is parsed.
"""

from __future__ import annotations

import re

import yaml

from timepoint.config.checks import Check
from timepoint.config.places import Mark

_UNQUOTED_PATH = re.compile(r"""(?:^|[\[{,:]\s*)(\$[^\s"',]*[\[{])""")
# What libyaml says -> what to do; {line} is where the thing began that it was reading.
_WORDS = {
    "mapping values are not allowed in this context": (
        "a colon and a blank begin a value, which cannot stand here: put the text into quotes, or mend the indentation"
    ),
    "could not find expected ':'": "this is neither a key with a colon nor part of a text above it",
    "did not find expected key": "this fits nowhere: mend the indentation, or put the text before it into quotes",
    "did not find expected '-' indicator": "the list that begins in line {line} has items only: mend the indentation",
    "block sequence entries are not allowed in this context": "a list item begins a line of its own",
    "did not find expected ',' or '}'": "a comma or }} is missing in the braces that begin in line {line}",
    "did not find expected ',' or ']'": "a comma or ] is missing in the brackets that begin in line {line}",
    "found unexpected end of stream": "the quotes that begin here are not closed",
    "did not find expected node content": "{character} closes nothing: put a text that begins with it into quotes",
    "found character that cannot start any token": "a text cannot begin with {character}: put it into quotes",
    "did not find expected alphabetic or numeric character": "a text cannot begin with * or &: put it into quotes",
    "found unknown escape character": "\\{character} means nothing in double quotes: write \\\\, or use single quotes",
}
_AT_BEGINNING = ("could not find expected ':'", "found unexpected end of stream")


def explain(error: yaml.YAMLError, text: str, *, in_flow: bool) -> tuple[Check, Mark, str]:
    """What is wrong with a text that the parser refused, and where. ``in_flow``: it was reading braces or brackets."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return _not_allowed(error, text)
    lines = text.splitlines()
    found = Mark(error.problem_mark.line + 1, error.problem_mark.column + 1)
    began = error.context_mark.line + 1 if error.context_mark is not None else found.line
    if in_flow and (path := _unquoted_path(lines, found, began)) is not None:
        mark, shown = path
        message = f"put the path into quotes: {shown} has brackets, which mean something else between {{}} or []"
        return Check.YAML_QUOTES, mark, message
    line = lines[found.line - 1] if found.line <= len(lines) else ""
    if line[: found.column].strip(" ") == "\t":
        return Check.YAML_SYNTAX, found, "not valid YAML: a tab cannot indent a line, use blanks"
    words = _WORDS.get(str(error.problem))
    if words is None:
        return Check.YAML_SYNTAX, found, f"not valid YAML: {error.problem}"
    if error.problem in _AT_BEGINNING and error.context_mark is not None:
        found = Mark(began, error.context_mark.column + 1)
    if error.problem == "did not find expected node content" and not line[found.column - 1 :]:
        message = "not valid YAML: the line ends where a value belongs, and braces or brackets are not closed"
        return Check.YAML_SYNTAX, found, message
    character = line[found.column - 1 : found.column + 1].lstrip("\\")[:1]
    return Check.YAML_SYNTAX, found, f"not valid YAML: {words.format(line=began, character=character)}"


def _not_allowed(error: yaml.YAMLError, text: str) -> tuple[Check, Mark, str]:
    """A character that no YAML text may have."""
    before = text[: getattr(error, "position", 0)]
    mark = Mark(before.count("\n") + 1, len(before) - before.rfind("\n"))
    return (
        Check.YAML_SYNTAX,
        mark,
        f"not valid YAML: the character U+{getattr(error, 'character', 0):04X} is not allowed",
    )


def _unquoted_path(lines: list[str], found: Mark, began: int) -> tuple[Mark, str] | None:
    """The path with a bracket, not in quotes, that braces or brackets stumbled over."""
    for number in range(min(found.line, len(lines)), max(began, 1) - 1, -1):
        line = lines[number - 1]
        for match in _UNQUOTED_PATH.finditer(line):
            if number < found.line or match.start(1) < found.column:
                return Mark(number, match.start(1) + 1), _balanced(line[match.start(1) :])
    return None


def _balanced(text: str) -> str:
    """The beginning of a text up to a blank, a comma or a bracket that closes what it did not open."""
    depth = 0
    for index, character in enumerate(text):
        depth += (character in "[{") - (character in "]}")
        if depth < 0 or (depth == 0 and character in ", \t"):
            return text[:index]
    return text
