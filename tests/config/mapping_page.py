"""The examples of docs/reference/mapping.md and docs/shapes.md: keys of a job, a document, and what comes out.

After a change on purpose, ``python -m tests.config.mapping_page`` writes what comes out into the pages; read the
difference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from timepoint.cli.preview_lines import point_lines, reject_lines
from timepoint.clock import MINUTE
from timepoint.config import load_config
from timepoint.config.places import Findings, Places
from timepoint.config.yaml import read_yaml
from timepoint.errors import ConfigError, ContentError, MappingError
from timepoint.job import HttpPolling
from timepoint.mapping.engine import RunContext
from timepoint.mapping.reasons import REASONS
from timepoint.mapping.stamps import Length
from timepoint.model import Window
from timepoint.poller.origin import add_page
from timepoint.poller.run_windows import windows_of_run
from timepoint.request.answer import Answer

_DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = _DOCS / "reference" / "mapping.md"
PAGES = (PAGE, _DOCS / "shapes.md")
START = 1_714_557_600_000  # 2024-05-01T10:00Z
WINDOW = Window(START, START + 15 * MINUTE)
FIRE_TIME = START + 20 * MINUTE
_EXAMPLE = re.compile(
    r"```yaml\n(?P<keys>.*?)```\n(?:```(?:json|xml|csv|plain)\n(?P<document>.*?)```\n)?```text\n(?P<outcome>.*?)```\n",
    re.DOTALL,
)

_REASONS = re.compile(r"REASONS\n|\| reason \| means \|\n(?:\|.*\|\n)+")


@dataclass(frozen=True)
class Example:
    """One example, with the page and the line at which it begins."""

    page: str
    line: int
    keys: str
    document: str | None
    outcome: str

    def comes_out(self) -> str:
        """What this example gives: points, rejects and dropped rows, or what is wrong with it."""
        with TemporaryDirectory() as directory:
            path = Path(directory) / "config.yaml"
            path.write_text(json.dumps(whole_config(self._read())))  # JSON is YAML
            try:
                (job,) = load_config(path, {}).jobs
            except ConfigError as error:
                return "".join(f"mistake: {problem.message}\n" for problem in error.problems)
        assert isinstance(job.polling, HttpPolling)
        assert self.document is not None
        by_calendar = isinstance(job.window.step, Length)
        window = windows_of_run(job, FIRE_TIME, None)[-1] if by_calendar else WINDOW
        run = job.polling.mapping.start(RunContext(window, FIRE_TIME))
        try:
            add_page(Answer(200, "", self.document.encode(), "example"), job.polling, run)
        except ContentError as error:
            return f"source_error: {str(error).removeprefix('example: ')}\n"
        except MappingError as error:
            return f"mapping_error: {error}\n"
        mapped = run.finish()
        dropped = [f"dropped: {mapped.dropped}"] if mapped.dropped else []
        partial = [f"partial: {mapped.partial}"] if mapped.partial else []
        lines = (*point_lines(mapped), *reject_lines(mapped.rejects), *dropped, *partial)
        return "".join(f"{line}\n" for line in lines)

    def _read(self) -> Any:
        return read_yaml(self.keys, Findings(Places(self.page)))


def whole_config(keys: dict[str, Any]) -> dict[str, Any]:
    """A config whose one job has some keys, with what the page leaves out."""
    metrics = {name: {"help": "Example.", **metric} for name, metric in keys["metrics"].items()}
    request = {"get": "/", "params": {"from": "{window.start}"}}
    job = {"source": "api", "every": "15m", "request": request, **keys, "metrics": metrics}
    return {"sources": {"api": {"url": "https://api.example"}}, "jobs": {"example": job}}


def examples() -> Iterator[Example]:
    """All examples of the pages."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _EXAMPLE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield Example(page.stem, line, match["keys"], match["document"], match["outcome"])


def reasons() -> str:
    """The table of reasons for rejects."""
    lines = ["| reason | means |", "|---|---|", *(f"| `{word}` | {told} |" for word, told in REASONS.items())]
    return "".join(f"{line}\n" for line in lines)


def write() -> None:
    """Writes what comes out of each example into the pages, and the table of reasons."""

    def filled(match: re.Match[str]) -> str:
        outcome = Example("", 0, match["keys"], match["document"], "").comes_out()
        begin = match.start("outcome") - match.start()
        return match[0][:begin] + outcome + match[0][match.end("outcome") - match.start() :]

    for page in PAGES:
        text = _EXAMPLE.sub(filled, page.read_text(encoding="utf-8"))
        page.write_text(_REASONS.sub(lambda _: reasons(), text), encoding="utf-8")


if __name__ == "__main__":
    write()
