"""The pages of the documentation as the tests read them.

Owns: which files are pages, their blocks of code, their links and headings. Must not know: what is asserted.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "examples").glob("*.md"),
    ]
)
USER_PAGES = [page for page in PAGES if "design" not in page.parts]

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_INDENTED = re.compile(r"^(?: {4}\S.*\n)+", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, its language, its text."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{name(self.page)}:{self.line}"


def name(page: Path) -> str:
    """A page as the tests call it."""
    return str(page.relative_to(ROOT))


def blocks(language: str, pages: list[Path] = PAGES) -> list[Block]:
    """Every block of one language."""
    return [
        Block(page, text.count("\n", 0, match.start()) + 1, language, match["text"])
        for page in pages
        for text in [page.read_text("utf-8")]
        for match in _FENCE.finditer(text)
        if match["language"] == language
    ]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text("utf-8"))


def links(page: Path) -> list[str]:
    """Every target of a link or an image."""
    return _LINK.findall(_INLINE.sub("", prose(page)))


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings of a page: lower case, no punctuation, a hyphen for each blank."""
    found: set[str] = set()
    for heading in _HEADING.findall(prose(page)):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        number = 0
        while (unique := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(unique)
    return found


def command_lines(page: Path) -> Iterator[list[str]]:
    """The words of every call of ``timepoint`` on a page: in consoles, in indented lines, and within sentences."""
    for line in _shell_lines(page):
        words = shlex.split(line, comments=True)
        if words and words[0] == "timepoint":
            until = next((i for i, word in enumerate(words) if word in {">", "&&", "|", "&", ";"}), len(words))
            yield words[1:until]


def _shell_lines(page: Path) -> Iterator[str]:
    text = page.read_text("utf-8")
    for block in blocks("console", [page]):
        for line in block.text.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                yield line[2:]
    rest = _FENCE.sub("", text)
    for paragraph in _INDENTED.findall(rest):
        yield from (line[4:] for line in paragraph.splitlines() if line.startswith("    timepoint "))
    for code in _INLINE.findall(rest):
        if code.startswith("timepoint ") and "…" not in code:
            yield code


def console(page: Path, command: str) -> str:
    """The output that a page shows below a command; the first one, if there are several."""
    for block in blocks("console", [page]):
        joined = block.text.replace("\\\n", " ")
        for part in re.split(r"^\$ ", joined, flags=re.MULTILINE):
            line, _, output = part.partition("\n")
            if " ".join(line.split()) == command:
                return output
    raise AssertionError(f"{name(page)} does not show {command!r}")
