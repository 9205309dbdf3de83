"""A secret is a type that prints masked.

Owns: the one way in which a credential is held. Must not know: where it is sent.
"""

from __future__ import annotations

MASK = "<secret>"


class Secret:
    """Text that must not reach a log, a page, a metric, an error or the database.

    ``reveal`` is the only way to the text and is called only where a request is built. It does not pickle, format or
    print itself.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return MASK

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret cannot be pickled")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __bool__(self) -> bool:
        return bool(self._text)
