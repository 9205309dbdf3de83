"""Where the requests of a json_exporter go: targets that stand in the scrape config of Prometheus.

Owns: targets from a Prometheus config and from the command line. Must not know: modules, metrics.

json_exporter is told by Prometheus what to ask: ``/probe?module=M&target=URL``, once in each scrape interval. The usual
scrape config has the URLs as targets and moves them to the parameter by relabeling; that is taken for granted here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from timepoint.importing.notes import Kind
from timepoint.importing.reading import Node

DEFAULT_MODULE = "default"
DEFAULT_EVERY = "1m"
PLACEHOLDER = "https://change-me.invalid/"


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that is asked for a module, how often, with labels that Prometheus gave it and parameters of the probe."""

    module: str
    url: str
    every: str = DEFAULT_EVERY
    labels: tuple[tuple[str, str], ...] = ()
    params: tuple[tuple[str, str], ...] = ()

    @property
    def origin(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.url).query, keep_blank_values=True)

    @property
    def has_credentials(self) -> bool:
        return "@" in urlsplit(self.url).netloc


def given_target(text: str, every: str) -> Target:
    """A target of the command line: ``URL``, or ``MODULE=URL``. Raises ValueError with a sentence."""
    module, equals, url = text.partition("=")
    if not equals or "/" in module or ":" in module:
        module, url = DEFAULT_MODULE, text
    return Target(module, _checked(url), every)


def _checked(url: str) -> str:
    whole = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(whole)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ValueError(f"{url!r} is no URL of http or https")
    return whole


@dataclass(slots=True)
class ScrapeConfigs:
    """The scrape configs of a Prometheus that ask a json_exporter."""

    prometheus: Node
    modules: frozenset[str]
    found: list[Target] = field(default_factory=list)

    def targets(self) -> list[Target]:
        """All targets of all scrape configs that name one of the modules."""
        node = self.prometheus
        default = (node.node("global") or node).text("scrape_interval") or DEFAULT_EVERY
        for scrape in node.nodes("scrape_configs"):
            if self._is_ours(scrape):
                self._scrape(scrape, scrape.text("scrape_interval") or default)
        return self.found

    def _is_ours(self, scrape: Node) -> bool:
        if not scrape.text("metrics_path").endswith("/probe"):
            return False
        params = scrape.node("params")
        named = params.list_of_texts("module") if params is not None else []
        return bool(self.modules & set(named)) if named else DEFAULT_MODULE in self.modules

    def _scrape(self, scrape: Node, every: str) -> None:
        params = scrape.node("params")
        given = {name: params.list_of_texts(name) for name in params.data} if params is not None else {}
        module = (given.get("module") or [DEFAULT_MODULE])[0]
        others = tuple((n, values[0]) for n, values in given.items() if n not in ("module", "target") and values)
        for url in given.get("target", []):
            self._add(scrape, module, url, every, (), others)
        for group in scrape.nodes("static_configs"):
            labels = group.texts("labels")
            chosen = labels.pop("__param_module", module)
            every_one = labels.pop("__scrape_interval__", every)
            kept = tuple((name, value) for name, value in labels.items() if not name.startswith("__"))
            for url in [] if "target" in given else group.list_of_texts("targets"):
                self._add(group, chosen, url, every_one, kept, others)
        for key in scrape.data:
            if key.endswith("_sd_configs"):
                scrape.note(
                    Kind.DECIDE, "targets that Prometheus discovers are not known here: give them by --target", key
                )

    def _add(self, node: Node, module: str, url: str, every: str, labels: Any, params: Any) -> None:
        try:
            checked = _checked(url)
        except ValueError as error:
            node.note(Kind.LOST, str(error))
            return
        self.found.append(Target(module, checked, every, labels, params))


def targets_of(targets: list[Target], module: str, every: str) -> Iterator[Target]:
    """The targets of a module; a placeholder if there is none."""
    found = [target for target in targets if target.module == module]
    yield from dict.fromkeys(found) if found else [Target(module, PLACEHOLDER, every)]
