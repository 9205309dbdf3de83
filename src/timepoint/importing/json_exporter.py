"""A json_exporter config as sources and jobs.

Owns: which module becomes which source and job, names of these, and families that several jobs share. Must not know:
paths, YAML.

A module says how to ask and what to read; what is asked stands in Prometheus' scrape config (``targets``). So each
module with each of its targets is a job. Two metrics of one module with the same name become two jobs, since a family
is declared once in a job.

Source: prometheus-community/json_exporter 0.7, config/config.go, exporter/collector.go and exporter/util.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from timepoint.importing.body import request_body
from timepoint.importing.http_client import source_keys
from timepoint.importing.mapping import JobMapping, MetricReader
from timepoint.importing.notes import Kind, Notes
from timepoint.importing.reading import Node
from timepoint.importing.secrets import Variables, names_secret
from timepoint.importing.targets import DEFAULT_MODULE, PLACEHOLDER, Target, targets_of

_MODULE_KEYS = frozenset(("headers", "metrics", "http_client_config", "body", "valid_status_codes"))
_OK = range(200, 300)
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(slots=True)
class ImportedJob:
    """A job: its keys but for its mapping, and the mapping, which several jobs may share."""

    keys: dict[str, Any]
    mapping: JobMapping
    target: Target


@dataclass(slots=True)
class Imported:
    """A config on its way. ``variables`` are the names that the environment must have."""

    notes: Notes
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: dict[str, ImportedJob] = field(default_factory=dict)
    variables: Variables = field(default_factory=Variables)

    @property
    def old_names(self) -> dict[str, str]:
        """Old names of metrics by the new ones."""
        return {new: old for job in self.jobs.values() for new, old in job.mapping.old_names.items()}

    def drop_metric(self, job: str, metric: str, reason: str) -> None:
        """Leaves out a metric that cannot stand in the new config."""
        mapping = self.jobs[job].mapping
        mapping.places[metric].note(Kind.LOST, f"{metric}: {reason}")
        del mapping.metrics[metric]
        mapping.old_names.pop(metric, None)
        self.tidy()

    def tidy(self) -> None:
        """Leaves out rows that nothing needs, jobs without metrics and sources without jobs."""
        self.jobs = {name: job for name, job in self.jobs.items() if job.mapping.metrics}
        used = {job.keys["source"] for job in self.jobs.values()}
        self.sources = {name: keys for name, keys in self.sources.items() if name in used}


def import_config(data: Any, notes: Notes, targets: Sequence[Target], every: str) -> Imported:
    """Sources and jobs for the data of a json_exporter config."""
    imported = Imported(notes)
    builder = _Builder(imported, list(targets), every)
    for module in modules_of(data, notes):
        builder.module(module)
    _share_families(imported)
    imported.tidy()
    return imported


def modules_of(data: Any, notes: Notes) -> Iterator[Node]:
    """The modules of a config; before version 0.4 the file was one."""
    top = Node(data if isinstance(data, dict) else {}, (), notes)
    if not isinstance(data, dict):
        notes.add(Kind.LOST, (), "is no config of json_exporter: it has neither modules nor metrics")
        return
    if "modules" not in data and "metrics" in data:
        yield top
        return
    top.unknown(frozenset(("modules",)), "is no key of json_exporter, which ignores it")
    modules = top.node("modules")
    if modules is None:
        notes.add(Kind.LOST, (), "is no config of json_exporter: it has neither modules nor metrics")
        return
    for name in modules.data:
        if (module := modules.node(name)) is not None:
            yield module


def module_name(module: Node) -> str:
    """The name by which Prometheus asks for a module."""
    return str(module.where[-1]) if module.where else DEFAULT_MODULE


@dataclass(slots=True)
class _Builder:
    imported: Imported
    targets: list[Target]
    every: str

    def module(self, module: Node) -> None:
        """Adds the sources and jobs of a module."""
        module.unknown(_MODULE_KEYS, "is no key of a module: json_exporter ignores it")
        name = module_name(module)
        mappings = _mappings(module, name)
        if not mappings:
            module.note(Kind.LOST, "has no metric that can be taken over")
            return
        variables = self.imported.variables
        variables.prefix = name
        keys = source_keys(module, variables)
        targets = list(targets_of(self.targets, name, self.every))
        if targets[0].url == PLACEHOLDER:
            text = "what this module asks is not said here, but in Prometheus' scrape config: set url, get and every"
            module.note(Kind.DECIDE, text)
        for target in targets:
            source, request = self._source(module, name, keys, target)
            request |= request_body(module, dict(target.params))
            self._jobs(module, target, source, request, mappings, several=len(targets) > 1)

    def _source(self, module: Node, name: str, keys: dict[str, Any], target: Target) -> tuple[str, dict[str, Any]]:
        """The name of the source for a target, and the path and query that are asked."""
        place = Node({}, (*module.where, f"{target.origin}{target.path}"), module.notes)
        source = {"url": target.origin, **keys}
        variables = self.imported.variables
        if target.has_credentials and not source.keys() & {"basic_auth", "authorization", "oauth2"}:
            user = unquote(urlsplit(target.url).username or "")
            source["basic_auth"] = {"username": user, "password": variables.reference(place, "password")}
        secret = [pair for pair in target.query if names_secret(pair[0])]
        if secret:
            source["params"] = {key: variables.reference(place, key) for key, _ in secret}
        path = target.path or "/"
        plain = [pair for pair in urlsplit(target.url).query.split("&") if pair]
        plain = [pair for pair in plain if not names_secret(unquote(pair.partition("=")[0]))]
        get = f"{path}?{'&'.join(plain)}" if plain else path
        body = module.node("body")
        method = "post" if body is not None and body.text("content") else "get"
        return self._source_name(name, source), {method: get}

    def _source_name(self, name: str, source: dict[str, Any]) -> str:
        return _named(self.imported.sources, name, source)

    def _jobs(
        self,
        module: Node,
        target: Target,
        source: str,
        request: dict[str, Any],
        mappings: list[JobMapping],
        *,
        several: bool,
    ) -> None:
        labels = {name: f"${text}" if text.startswith("$") else text for name, text in target.labels}
        if several:
            labels = {"target": _shown(target), **labels}
        for mapping in mappings:
            keys: dict[str, Any] = {"source": source, "every": target.every, "request": request}
            if expect := _expect(module):
                keys["expect"] = expect
            if labels:
                keys["labels"] = labels
            job = ImportedJob(keys, mapping, target)
            _named(self.imported.jobs, module_name(module), job)


def _named(taken: dict[str, Any], name: str, value: Any) -> str:
    """Puts a value under a name, or under the name and a number; one that is there already is found again."""
    base = _NOT_IN_NAMES.sub("_", name).lstrip("-")[:80] or DEFAULT_MODULE
    chosen, count = base, 2
    while chosen in taken and taken[chosen] != value:
        chosen, count = f"{base}_{count}", count + 1
    taken[chosen] = value
    return chosen


def _mappings(module: Node, name: str) -> list[JobMapping]:
    """The metrics of a module in as few jobs as there are metrics of one name."""
    found: list[JobMapping] = []
    for metric in module.nodes("metrics"):
        reader = MetricReader(metric, name)
        families = {sample.name for sample in reader.samples}
        if not families:
            continue
        free = next((job for job in found if not families & job.metrics.keys()), None)
        if free is None:
            free = JobMapping()
            found.append(free)
            if len(found) > 1:
                text = f"{', '.join(sorted(families))} stands in this module twice: a second job asks for it"
                metric.note(Kind.CHANGED, text)
        reader.write(free)
    return found


def _expect(module: Node) -> dict[str, Any]:
    """Statuses beside 2xx whose answer is used all the same."""
    codes = [int(code) for code in module.list_of_texts("valid_status_codes") if code.isdecimal()]
    if not codes:
        return {}
    others = sorted({code for code in codes if code not in _OK})
    if others:
        text = "answers with these statuses are used, and the run ends as partial; if they mean that there is nothing, "
        module.note(Kind.DECIDE, f"{text}say empty_status", "valid_status_codes")
    if not set(codes) >= {200}:
        module.note(Kind.CHANGED, "every 2xx status is accepted, too", "valid_status_codes")
    return {"partial_status": others} if others else {}


def _shown(target: Target) -> str:
    """A URL as a label: without credentials."""
    parts = urlsplit(target.url)
    plain = [pair for pair in parts.query.split("&") if pair and not names_secret(unquote(pair.partition("=")[0]))]
    return f"{target.origin}{target.path}{'?' + '&'.join(plain) if plain else ''}"


def _share_families(imported: Imported) -> None:
    """A family has one type and one help for all jobs, and no series twice."""
    first: dict[str, tuple[JobMapping, dict[str, Any]]] = {}
    shared: set[int] = set()
    for mapping in {id(job.mapping): job.mapping for job in imported.jobs.values()}.values():
        for name, metric in mapping.metrics.items():
            known, other = first.setdefault(name, (mapping, metric))
            if known is mapping:
                continue
            if other["type"] != metric["type"]:
                place = mapping.places[name]
                text = f"{name} is a {other['type']} in another module: here it is one, too"
                place.note(Kind.CHANGED, text)
                metric["type"] = other["type"]
                metric.pop("temporality", None)
                if "temporality" in other:
                    metric["temporality"] = other["temporality"]
            metric["help"] = other["help"]
            shared |= {id(known), id(mapping)}
    jobs = [job for job in imported.jobs.values() if id(job.mapping) in shared]
    if len({_shown(job.target) for job in jobs}) > 1:
        for job in jobs:
            job.keys["labels"] = {"target": _shown(job.target), **job.keys.get("labels", {})}
