"""Prometheus' relabel rules over a label set (R7).

Owns: the meaning of each action, the check of a rule. Must not know: where labels come from, metrics, rejects.
Source: Prometheus, "Configuration", ``<relabel_config>``; regular expressions are RE2, anchored at both ends, and ``.``
matches a line feed, as there.

Two things differ. ``__name__`` can be read but never changes: metrics are declared by name. And a rule that can do
nothing sensible (a replacement that names a group the regex has not, a test without source labels) is a mistake.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import re2

from timepoint.mapping.labels import OWNED, check_label_name
from timepoint.mapping.spec import RelabelRule
from timepoint.mapping.unusable import Unusable
from timepoint.model import LABEL_NAME

Relabel = Callable[[dict[str, str]], dict[str, str] | None]
_Step = Callable[[dict[str, str]], bool]  # changes the labels it is given; False drops the row
_Expand = Callable[[Any], str]  # a match -> text

_DEFAULT = RelabelRule()
_REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")
# ++ leaves one way to read "$a_b": with + each reference doubled them, and 28 of them took 79 s.
_TARGET_TEMPLATE = re.compile(r"(?:[a-zA-Z_]|\$(?:\{\w+\}|\w++))(?:\w|\$(?:\{\w+\}|\w++))*", re.ASCII)
_REMEMBERED = 4096  # source texts per rule: labels repeat from row to row, and one RE2 match costs 3.6 us
_NEED_SOURCE = frozenset({"keep", "drop", "keepequal", "dropequal", "hashmod", "lowercase", "uppercase"})
_NEED_TARGET = frozenset({"replace", "keepequal", "dropequal", "hashmod", "lowercase", "uppercase"})
_NO_REGEX = frozenset({"keepequal", "dropequal", "hashmod", "lowercase", "uppercase"})


class RelabelError(ValueError):
    """Rules that cannot be used: ``problems`` holds the index of a rule and a sentence, for each mistake."""

    def __init__(self, problems: list[tuple[int, str]]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"rule {index + 1}: {sentence}" for index, sentence in problems))


def compile_relabel(rules: tuple[RelabelRule, ...]) -> Relabel:
    """A function from a label set to the labels that remain, None if a rule drops the row.

    It does not change its argument. Labels that begin with ``__`` end with it, and so do empty ones. Raises
    RelabelError with every mistake in the rules; the function raises Unusable if data make a label that is ``OWNED``.
    """
    steps: list[_Step] = []
    problems: list[tuple[int, str]] = []
    for index, rule in enumerate(rules):
        try:
            steps.append(_compile_rule(rule))
        except ValueError as error:
            problems.append((index, str(error)))
    if problems:
        raise RelabelError(problems)

    def relabel(labels: dict[str, str]) -> dict[str, str] | None:
        given = labels
        if steps:
            labels = labels.copy()
            for step in steps:
                if not step(labels):
                    return None
            _refuse_owned(labels, given)
        return {name: value for name, value in labels.items() if value and not name.startswith("__")}

    return relabel


def _refuse_owned(labels: dict[str, str], given: dict[str, str]) -> None:
    for name, owner in OWNED.items():
        if name in labels and name not in given:
            raise Unusable("not_a_label", f"relabel made the label {name!r}, which {owner}: {labels[name]!r}")


def _compile_rule(rule: RelabelRule) -> _Step:
    compile_action = _ACTIONS.get(rule.action)
    if compile_action is None:
        raise ValueError(f"{rule.action!r} is not a relabel action: use one of {', '.join(_ACTIONS)}")
    for name in rule.source_labels:
        if not LABEL_NAME.fullmatch(name):
            raise ValueError(f"the source label {name!r} is not a label name")
    if rule.action in _NEED_SOURCE and not rule.source_labels:
        raise ValueError(f"the action {rule.action} needs source_labels")
    if rule.action in _NO_REGEX and rule.regex != _DEFAULT.regex:
        raise ValueError(f"the action {rule.action} does not use regex")
    if rule.action in _NEED_TARGET:
        _check_target(rule)
    elif rule.target_label is not None:
        raise ValueError(f"the action {rule.action} does not use target_label")
    return compile_action(rule)


def _check_target(rule: RelabelRule) -> None:
    target = rule.target_label
    if not target:
        raise ValueError(f"the action {rule.action} needs a target_label")
    if rule.action == "replace" and "$" in target:
        if not _TARGET_TEMPLATE.fullmatch(target):
            raise ValueError(f"the target_label {target!r} cannot become a label name")
    elif rule.action in ("keepequal", "dropequal"):
        if not LABEL_NAME.fullmatch(target):
            raise ValueError(f"the target_label {target!r} is not a label name")
    else:
        _check_made_name(target)


def _check_made_name(name: str) -> None:
    check_label_name(name)
    if name in OWNED:
        raise ValueError(f"{name!r} is the label that {OWNED[name]}: choose another name")


def _source(rule: RelabelRule) -> Callable[[dict[str, str]], str]:
    names, separator = rule.source_labels, rule.separator
    if len(names) == 1:
        name = names[0]
        return lambda labels: labels.get(name, "")
    return lambda labels: separator.join([labels.get(name, "") for name in names])


def _keep_or_drop(rule: RelabelRule) -> _Step:
    source, regex, kept = _source(rule), _regex(rule.regex), rule.action == "keep"

    @lru_cache(_REMEMBERED)
    def test(text: str) -> bool:
        return (regex.fullmatch(text) is not None) is kept

    return lambda labels: test(source(labels))


def _keep_or_drop_equal(rule: RelabelRule) -> _Step:
    source, target, kept = _source(rule), rule.target_label or "", rule.action == "keepequal"
    return lambda labels: (labels.get(target, "") == source(labels)) is kept


def _replace(rule: RelabelRule) -> _Step:
    source, regex = _source(rule), _regex(rule.regex)
    expand_target = _template(rule.target_label or "", regex)
    expand_value = _template(rule.replacement, regex)

    @lru_cache(_REMEMBERED)
    def result(text: str) -> tuple[str, str] | None:
        match = regex.fullmatch(text)
        return None if match is None else (expand_target(match), expand_value(match))

    def step(labels: dict[str, str]) -> bool:
        found = result(source(labels))
        if found is not None:
            _set(labels, *found)
        return True

    return step


def _compute(rule: RelabelRule) -> _Step:
    source, target, function = _source(rule), rule.target_label or "", _function(rule)

    def step(labels: dict[str, str]) -> bool:
        _set(labels, target, function(source(labels)))
        return True

    return step


def _function(rule: RelabelRule) -> Callable[[str], str]:
    if rule.action == "lowercase":
        return str.lower
    if rule.action == "uppercase":
        return str.upper
    modulus = rule.modulus
    if modulus is None or modulus < 1:
        raise ValueError("the action hashmod needs a modulus above 0")
    # Prometheus takes the last 8 of MD5's 16 bytes, so that shards stay where older versions put them.
    return lambda text: str(int.from_bytes(_md5(text)[8:], "big") % modulus)


def _md5(text: str) -> bytes:
    return hashlib.md5(text.encode(), usedforsecurity=False).digest()


def _label_map(rule: RelabelRule) -> _Step:
    regex = _regex(rule.regex)
    if not _TARGET_TEMPLATE.fullmatch(rule.replacement):
        raise ValueError(f"the replacement {rule.replacement!r} cannot become a label name")
    if "$" not in rule.replacement:
        _check_made_name(rule.replacement)
    expand = _template(rule.replacement, regex)

    @lru_cache(_REMEMBERED)
    def new_name(name: str) -> str | None:
        match = regex.fullmatch(name)
        return None if match is None else expand(match)

    def step(labels: dict[str, str]) -> bool:
        for name, value in tuple(labels.items()):
            target = new_name(name)
            if target is not None:
                _set(labels, target, value)
        return True

    return step


def _label_drop_or_keep(rule: RelabelRule) -> _Step:
    if rule.source_labels:
        raise ValueError(f"the action {rule.action} does not use source_labels")
    regex, dropped = _regex(rule.regex), rule.action == "labeldrop"

    @lru_cache(_REMEMBERED)
    def goes(name: str) -> bool:
        return name != "__name__" and (regex.fullmatch(name) is not None) is dropped

    def step(labels: dict[str, str]) -> bool:
        for name in [name for name in labels if goes(name)]:
            del labels[name]
        return True

    return step


_ACTIONS: dict[str, Callable[[RelabelRule], _Step]] = {
    "replace": _replace,
    "keep": _keep_or_drop,
    "drop": _keep_or_drop,
    "keepequal": _keep_or_drop_equal,
    "dropequal": _keep_or_drop_equal,
    "hashmod": _compute,
    "labelmap": _label_map,
    "labeldrop": _label_drop_or_keep,
    "labelkeep": _label_drop_or_keep,
    "lowercase": _compute,
    "uppercase": _compute,
}


def _set(labels: dict[str, str], name: str, value: str) -> None:
    """Sets a label; an empty value takes it away. A name that data made up and that is none changes nothing."""
    if name == "__name__" or not LABEL_NAME.fullmatch(name):
        return
    if value:
        labels[name] = value
    else:
        labels.pop(name, None)


def _regex(text: str) -> Any:
    options = re2.Options()
    options.dot_nl = True
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        shown = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"the regex {text!r} is not RE2 syntax: {shown}") from error


def _template(template: str, regex: Any) -> _Expand:
    """A function that fills ``$1``, ``${1}`` and ``${name}``; ``$$`` is a dollar, as is one before no name."""
    pieces: list[str | int] = []
    position = 0
    for match in _REFERENCE.finditer(template):
        pieces.append(template[position : match.start()])
        pieces.append("$" if match[1] else _group(match[2] or match[3], template, regex))
        position = match.end()
    pieces.append(template[position:])
    return _expander([piece for piece in pieces if piece != ""])


def _group(reference: str, template: str, regex: Any) -> int:
    if reference.isdecimal() and int(reference) <= regex.groups:
        return int(reference)
    if reference in regex.groupindex:
        index: int = regex.groupindex[reference]
        return index
    raise ValueError(
        f"{template!r} refers to group {reference!r}, which the regex does not have"
        " (write ${1}x for group 1 and then the letter x)"
    )


def _expander(pieces: Sequence[str | int]) -> _Expand:
    if all(isinstance(piece, str) for piece in pieces):
        text = "".join(map(str, pieces))
        return lambda _: text
    if len(pieces) == 1:
        only = pieces[0]
        return lambda match: match.group(only) or ""
    return lambda match: "".join([p if isinstance(p, str) else match.group(p) or "" for p in pieces])
