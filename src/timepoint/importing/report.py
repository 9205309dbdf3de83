"""The new config as a text that passes the check, and the report about it.

Owns: the head of the config, the report, and the proof that ``timepoint check`` takes the text. Must not know: any
other exporter's config.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from timepoint.config.environ import EverySet
from timepoint.config.load import examine
from timepoint.config.places import Findings
from timepoint.importing.json_exporter import Imported, ImportedJob
from timepoint.importing.mapping import JobMapping
from timepoint.importing.notes import Kind, Note
from timepoint.importing.secrets import Reference
from timepoint.importing.writing import Alias, Anchored, Commented, comment, yaml_text

_MOST_ALIASED = 8000  # values; the reader of a config stops at 10,000
_MOST_ROUNDS = 1000
_TITLES = {
    Kind.LOST: "not taken over",
    Kind.DECIDE: "to decide",
    Kind.CHANGED: "changed",
}


def checked_text(imported: Imported, name: str) -> str:
    """The text of the config. What the check refuses of it is left out, and noted."""
    for _ in range(_MOST_ROUNDS):
        text = config_text(imported, name)
        if not imported.jobs or not _mend(imported, _examined(text)):
            return text
    return config_text(imported, name)


def _examined(text: str) -> Findings:
    """What is wrong with a config whose variables are set."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return examine(path, EverySet(os.environ, "unset-variable"))[1]


def _mend(imported: Imported, findings: Findings) -> bool:
    """Leaves out the first metric that is wrong; whether there was one."""
    for problem in findings.problems(warnings=False):
        parts = problem.path.split(".")
        if len(parts) > 3 and parts[0] == "jobs" and parts[2] == "metrics":  # noqa: PLR2004 - jobs.NAME.metrics.NAME
            job, metric = parts[1], parts[3]
            if job in imported.jobs and metric in imported.jobs[job].mapping.metrics:
                imported.drop_metric(job, metric, problem.message)
                return True
        imported.notes.add(
            Kind.DECIDE, (), f"timepoint check says of the new config: {problem.path}: {problem.message}"
        )
    return False


def config_text(imported: Imported, name: str) -> str:
    """The config as YAML, with what must be known in comments."""
    inside = {
        note
        for job in imported.jobs.values()
        for metric in job.mapping.metrics
        for note in _near(imported, job, metric)
    }
    lines = [f"# Imported from {name}, a config of json_exporter."]
    for kind, title in _TITLES.items():
        notes = [note for note in imported.notes.of(kind) if note not in inside]
        if notes:
            lines += ["#", f"# {title.capitalize()}:"]
            lines += [line for note in notes for line in comment(_told(note))]
    body = yaml_text({"sources": _sources(imported), "jobs": _jobs(imported)}) if imported.jobs else ""
    return "\n".join(lines) + "\n" + body


def _near(imported: Imported, job: ImportedJob, metric: str) -> list[Note]:
    """The notes that stand beside a metric: those of the old one, but for those of its other values."""
    own = ".".join(map(str, job.mapping.places[metric].where))
    whole = own.partition(".values.")[0] if ".values." in own else own.rpartition(".")[0]
    return [
        note
        for note in imported.notes.all
        if note.where == whole
        or (note.where.startswith(f"{whole}.") and (not note.where.startswith(f"{whole}.values.") or note.where == own))
    ]


def _told(note: Note) -> str:
    place = f"line {note.line}, {note.where}: " if note.where else ""
    return f"{place}{note.text}"


def _sources(imported: Imported) -> dict[str, Any]:
    return {name: _escaped(keys) for name, keys in imported.sources.items()}


def _jobs(imported: Imported) -> dict[str, Any]:
    """The jobs; a mapping that several share is written once."""
    users: dict[int, list[str]] = {}
    for name, job in imported.jobs.items():
        users.setdefault(id(job.mapping), []).append(name)
    told: set[Note] = set()
    budget = _MOST_ALIASED
    written: dict[str, Any] = {}
    shared: set[int] = set()
    for name, job in imported.jobs.items():
        names, mapping = users[id(job.mapping)], job.mapping
        head = {key: _escaped(value) if key == "request" else value for key, value in job.keys.items()}
        parts: dict[str, Any] = {"rows": _used_rows(mapping)} if _used_rows(mapping) else {}
        parts["metrics"] = {metric: _with_notes(imported, job, metric, told) for metric in mapping.metrics}
        if name == names[0]:
            cost = _size_of([mapping.rows, mapping.metrics]) * (len(names) - 1)
            if 0 < cost <= budget:
                budget -= cost
                shared.add(id(mapping))
                parts = {key: Anchored(f"{name}_{key}", part) for key, part in parts.items()}
        elif id(mapping) in shared:
            parts = {key: Alias(f"{names[0]}_{key}") for key in parts}
        written[name] = head | parts
    return written


def _used_rows(mapping: JobMapping) -> dict[str, str]:
    """Walks that a metric or another walk names."""

    def names(text: str, name: str) -> bool:
        return any(part == name for part in _starts(text))

    texts = [_all_texts(metric) for metric in mapping.metrics.values()]
    said = [text for part in texts for text in part]
    kept: dict[str, str] = {}
    for name in reversed(mapping.rows):
        if any(names(text, name) for text in [*said, *kept.values()]):
            kept[name] = mapping.rows[name]
    return dict(reversed(kept.items()))


def _starts(text: str) -> Iterator[str]:
    """The walk that a text names, as a path or as ``row``."""
    begin = text.removeprefix("$")
    end = next((place for place, sign in enumerate(begin) if not (sign.isalnum() or sign == "_")), len(begin))
    yield begin[:end]


def _all_texts(data: Any) -> list[str]:
    if isinstance(data, str):
        return [data]
    if isinstance(data, dict):
        return [text for value in data.values() for text in _all_texts(value)]
    return []


def _with_notes(imported: Imported, job: ImportedJob, metric: str, told: set[Note]) -> Any:
    notes = [note for note in _near(imported, job, metric) if note not in told]
    told |= set(notes)
    data = job.mapping.metrics[metric]
    return Commented(tuple(f"{note.kind}: {_told(note)}" for note in notes), data) if notes else data


def _escaped(data: Any) -> Any:
    """Data in which ``${`` is a text, but for the variables that stand in it on purpose."""
    if isinstance(data, dict):
        return {key: _escaped(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_escaped(value) for value in data]
    return data.replace("${", "$${") if isinstance(data, str) and not isinstance(data, Reference) else data


def report(imported: Imported, name: str) -> str:
    """What changed, what is to be decided and what is lost, for a person at a terminal."""
    metrics = {metric for job in imported.jobs.values() for metric in job.mapping.metrics}
    counts = ((len(metrics), "metric"), (len(imported.jobs), "job"), (len(imported.sources), "source"))
    lines = [f"{name}: " + ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)]
    for kind, title in _TITLES.items():
        notes = imported.notes.of(kind)
        if notes:
            lines += ["", f"{title.capitalize()} ({len(notes)}):"]
            lines += [f"  {_told(note)}" for note in notes]
    if imported.variables.all:
        lines += ["", "Set in the environment of the exporter:"]
        lines += [f"  {variable}  (was at {where})" for variable, where in sorted(imported.variables.all.items())]
    if imported.old_names:
        lines += ["", "To keep the old names in Prometheus, add to the scrape job:", "  metric_relabel_configs:"]
        lines += [
            f"    - {{source_labels: [__name__], regex: {rule['regex']}, target_label: __name__, "
            f"replacement: {rule['replacement']}}}"
            for rule in _relabel_rules(imported.old_names)
        ]
    return "\n".join(lines)


def _relabel_rules(old_names: dict[str, str]) -> list[dict[str, Any]]:
    """Prometheus' rules that give metrics their old names."""
    return [
        {"source_labels": ["__name__"], "regex": new, "target_label": "__name__", "replacement": old}
        for new, old in sorted(old_names.items())
    ]


def _size_of(data: Any) -> int:
    """How many values there are in data."""
    return len(re.findall(r"[:,\[]", json.dumps(data, default=str)))
