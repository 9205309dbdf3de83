"""The formats that a page can have.

Owns: the four formats, their content types. Must not know: how clients ask for them, how they are rendered.
Source: Prometheus, "Exposition formats", "Content negotiation", "Escaping schemes"; OpenMetrics 1.0.
"""

from __future__ import annotations

from dataclasses import dataclass

ESCAPINGS = frozenset({"allow-utf-8", "underscores", "dots", "values"})
_DEFAULT_ESCAPING = "underscores"


@dataclass(frozen=True, slots=True)
class Format:
    """A media type, its version and the escaping that the client asked for.

    Names here are always of the legacy character set, so each escaping gives the same bytes; it is echoed because
    versions from 1.0.0 require it. Two formats with equal ``openmetrics`` have the same body.
    """

    openmetrics: bool
    version: str
    escaping: str = _DEFAULT_ESCAPING

    @property
    def media_type(self) -> str:
        return "application/openmetrics-text" if self.openmetrics else "text/plain"

    @property
    def has_escaping(self) -> bool:
        return self.version == "1.0.0"

    @property
    def content_type(self) -> str:
        escaping = f"; escaping={self.escaping}" if self.has_escaping else ""
        return f"{self.media_type}; version={self.version}; charset=utf-8{escaping}"


TEXT = Format(openmetrics=False, version="0.0.4")
TEXT_1_0_0 = Format(openmetrics=False, version="1.0.0")
OPENMETRICS = Format(openmetrics=True, version="1.0.0")
OPENMETRICS_0_0_1 = Format(openmetrics=True, version="0.0.1")
