"""``${NAME}``: values from the environment, and ``${NAME:number}`` alone in a text: a number for JSON.

Owns: where the environment may stand (``sources``, ``remote_write``, and the ``request`` of a job, R16), and which
texts came from it. Must not know: what the texts mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Self

from timepoint.config.checks import Check
from timepoint.config.places import Findings, Path

_REFERENCE = re.compile(r"\$(?P<literal>\$)?\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)\})?")

_NUMBER = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*):number\}")
_PLAIN_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?P<fraction>\.[0-9]{1,17})?")

_NOT_A_NAME = (
    "${ begins the name of an environment variable, as in ${NAME}: letters, digits and _, and no digit first. "
    "A literal ${ is written $${"
)


class FromEnvironment(str):
    """A text of which some came from the environment: messages show ``written`` instead."""

    __slots__ = ("written",)
    written: str

    def __new__(cls, text: str, written: str) -> Self:
        """The text, and how it is written in the file."""
        made = super().__new__(cls, text)
        made.written = written
        return made


class EverySet(dict[str, str]):
    """An environment in which every variable is set: those that are not, to a placeholder."""

    def __init__(self, environ: Mapping[str, str], placeholder: str) -> None:
        super().__init__(environ)
        self._placeholder = placeholder

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return self._placeholder

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ARG002 - dict's signature; no variable lacks a value
        return self[name]


class Environment:
    """Replaces references in the data of a config file."""

    def __init__(self, variables: Mapping[str, str], findings: Findings) -> None:
        self.variables = variables
        self.findings = findings

    def fill(self, data: Any) -> Any:
        """The data with every ``${NAME}`` in sources, receivers and requests replaced; the rest is left alone."""
        if not isinstance(data, dict):
            return data
        filled = dict(data)
        for section in ("sources", "remote_write"):
            if section in data:
                filled[section] = self._texts(data[section], (section,))
        if isinstance(data.get("jobs"), dict):
            filled["jobs"] = {name: self._job(job, ("jobs", name)) for name, job in data["jobs"].items()}
        return filled

    def _job(self, job: Any, path: Path) -> Any:
        if not isinstance(job, dict):
            return job
        filled = dict(job)
        if "request" in job:
            filled["request"] = self._texts(job["request"], (*path, "request"))
        if isinstance(job.get("each"), dict):  # a discovery has a request, too
            filled["each"] = {name: self._job(values, (*path, "each", name)) for name, values in job["each"].items()}
        return filled

    def _texts(self, data: Any, path: Path) -> Any:
        if isinstance(data, dict):
            return {key: self._texts(child, (*path, key)) for key, child in data.items()}
        if isinstance(data, list):
            return [self._texts(child, (*path, index)) for index, child in enumerate(data)]
        if not isinstance(data, str) or "${" not in data:
            return data
        number = _NUMBER.fullmatch(data)
        return self._text(data, path) if number is None else self._number(number["name"], data, path)

    def _number(self, name: str, written: str, path: Path) -> Any:
        """The number that a variable holds. A mistake has a finding, and the text stays."""
        value = self.variables.get(name)
        if value is None:
            self._refuse(Check.ENV_MISSING, path, f"the environment variable {name} is not set")
            return written
        self.findings.hide(path, value, written)
        self.findings.variables[path] = (value,)
        match = _PLAIN_NUMBER.fullmatch(value)
        if match is None:
            self._refuse(Check.ENV_SYNTAX, path, f"the environment variable {name} does not hold a plain number")
            return written
        return float(value) if match["fraction"] else int(value)

    def _refuse(self, check: Check, path: Path, message: str) -> None:
        self.findings.add(check, path, message)
        self.findings.broken.add(path)

    def _text(self, text: str, path: Path) -> str:
        complaints: dict[str, Check] = {}
        values: list[str] = []

        def replace(match: re.Match[str]) -> str:
            if match["literal"]:
                return match[0][1:]
            if match["name"] is None:
                complaints[_NOT_A_NAME] = Check.ENV_SYNTAX
            elif match["name"] not in self.variables:
                complaints[f"the environment variable {match['name']} is not set"] = Check.ENV_MISSING
            else:
                value = self.variables[match["name"]]
                values.append(value)
                return value
            return ""

        filled = FromEnvironment(_REFERENCE.sub(replace, text), text)
        for message, check in complaints.items():
            self._refuse(check, path, message)
        self.findings.hide(path, filled, text)
        self.findings.variables[path] = tuple(values)
        return filled
