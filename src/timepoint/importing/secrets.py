"""Credentials that stand in a foreign config: they do not stand in the new one.

Owns: which texts are credentials, and the variables that take their place. Must not know: HTTP, YAML.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from timepoint.importing.notes import Kind
from timepoint.importing.reading import Node

_SECRET_NAME = re.compile(
    r"authorization|cookie|token|secret|passw|api[-_]?key|access[-_]?key|private|(^|[-_])(key|pwd|sig|auth)([-_]|$)",
    re.IGNORECASE,
)


def names_secret(name: str) -> bool:
    """Whether a header or parameter of this name holds a credential, mostly."""
    return _SECRET_NAME.search(name) is not None


class Reference(str):
    """A text that is a variable of the new config on purpose; every other ``${`` is a text."""

    __slots__ = ()


@dataclass(slots=True)
class Variables:
    """The variables of the new config, by name, with where the value of each stands in the old one."""

    prefix: str = ""
    all: dict[str, str] = field(default_factory=dict)

    def reference(self, node: Node, *keys: str | int, name: str = "") -> Reference:
        """``${NAME}`` for the credential at a key of ``node``, with a note that says what to do."""
        where = ".".join(map(str, (*node.where, *keys)))
        base = re.sub(r"[^A-Z0-9]+", "_", f"{self.prefix}_{name or keys[-1]}".upper()).strip("_")
        base = f"_{base}" if base[:1].isdigit() else base
        chosen, count = base, 2
        while self.all.get(chosen, where) != where:
            chosen, count = f"{base}_{count}", count + 1
        self.all[chosen] = where
        node.note(
            Kind.DECIDE,
            f"the credential was not copied: set the environment variable {chosen} to it, or keep it in a file",
            *keys,
        )
        return Reference(f"${{{chosen}}}")
