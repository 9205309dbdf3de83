"""What stands in the pages is true where a program can tell: links, configs, commands, queries."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from tests.docs.pages import PAGES, ROOT, USER_PAGES, Block, anchors, blocks, command_lines, links, name, prose
from timepoint.cli.main import main
from timepoint.config import load_config

ENVIRON = {
    "ENERGY_TOKEN": "t",
    "DEFAULT_BEARER_TOKEN": "b",
    "ENERGY_PASSWORD": "p",
    "ENERGY_KEY": "k",
    "AWS_ACCESS_KEY_ID": "a",
}
OWN_TESTS = {*(ROOT / "docs" / name for name in ("reference/mapping.md", "shapes.md"))}
OWN_TESTS |= {*(ROOT / "docs" / "gallery").glob("*.md")}
YAML = [block for block in blocks("yaml") if block.page not in OWN_TESTS]
PROMQL = blocks("promql")


def content(block: Block) -> Any:
    """What a block of YAML says."""
    return yaml.safe_load(block.text)


def of_kind(key: str) -> list[Block]:
    """The blocks that have a key at the top."""
    return [block for block in YAML if key in content(block)]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Each relative link names a file of the project, and a heading that this file has."""
    lost = []
    for link in links(page):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("block", of_kind("jobs"), ids=str)
def test_every_whole_config_loads(block: Block, tmp_path: Path) -> None:
    """A block with sources and jobs is a config that can run."""
    path = tmp_path / "config.yaml"
    path.write_text(block.text)
    assert load_config(path, ENVIRON).jobs


@pytest.mark.parametrize("block", of_kind("request"), ids=str)
def test_every_request_is_one_that_a_job_can_have(block: Block, tmp_path: Path) -> None:
    """A block with a request alone is one of a config that can run."""
    path = tmp_path / "config.yaml"
    metric = {"type": "gauge", "help": "A value.", "value": "$.value"}
    job = {"source": "api", "every": "1h", **content(block), "metrics": {"api_value": metric}}
    path.write_text(yaml.safe_dump({"sources": {"api": {"url": "https://api.example"}}, "jobs": {"job": job}}))
    assert load_config(path, ENVIRON).jobs


@pytest.mark.parametrize("block", [block for block in of_kind("sources") if "jobs" not in content(block)], ids=str)
def test_every_source_is_one_that_a_config_can_have(block: Block, tmp_path: Path) -> None:
    """A block with sources alone is good with a job for each of them, and warns of nothing but absent files."""
    path = tmp_path / "config.yaml"
    metric = {"type": "gauge", "help": "Power.", "value": "$.watts"}
    jobs = {
        source: {"source": source, "every": "30m", "request": {"get": "/"}, "metrics": {f"{source}_watts": metric}}
        for source in content(block)["sources"]
    }
    path.write_text(block.text + yaml.safe_dump({"jobs": jobs}))
    warnings = load_config(path, ENVIRON).warnings
    assert [str(warning) for warning in warnings if "is not there now" not in str(warning)] == []


@pytest.mark.parametrize("block", [block for block in of_kind("remote_write") if "jobs" not in content(block)], ids=str)
def test_receivers_alone_load(block: Block, tmp_path: Path) -> None:
    """A block of receivers is accepted, with a metric that goes to all of them."""
    path = tmp_path / "config.yaml"
    metric = {"type": "gauge", "help": "Power.", "value": "$.x", "deliver": "remote_write"}
    job = {"source": "api", "every": "10m", "request": {"get": "/x"}, "metrics": {"x_watts": metric}}
    more = {"sources": {"api": {"url": "https://api.internal"}}, "jobs": {"x": job}}
    path.write_text(block.text + yaml.safe_dump(more))
    warnings = load_config(path, ENVIRON).warnings
    assert [str(warning) for warning in warnings if "is not there now" not in str(warning)] == []


def test_every_block_of_yaml_is_looked_at() -> None:
    """No block of YAML escapes the tests by being of an unknown kind."""
    known = {"jobs", "sources", "remote_write", "scrape_configs", "groups", "request"}
    known |= {"tls_server_config", "livenessProbe"}  # tests/server/web looks at these
    assert [str(block) for block in YAML if not known & set(content(block))] == []


@pytest.mark.parametrize("block", of_kind("scrape_configs"), ids=str)
def test_prometheus_takes_the_scrape_configs(block: Block, tmp_path: Path, promtool: str) -> None:
    """``promtool check config`` accepts each scrape config, and each has honor_labels.

    Debian builds it without Kubernetes: there discovery is replaced by a fixed target.
    """
    config = content(block)
    for job in config["scrape_configs"]:
        if job.pop("kubernetes_sd_configs", None) is not None:
            job["static_configs"] = [{"targets": ["127.0.0.1:8080"]}]
    path = tmp_path / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    result = subprocess.run([promtool, "check", "config", path], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert all(job["honor_labels"] is True for job in config["scrape_configs"])


@pytest.mark.parametrize("block", of_kind("groups"), ids=str)
def test_prometheus_takes_the_rules(block: Block, tmp_path: Path, promtool: str) -> None:
    """``promtool check rules`` accepts each group of rules."""
    assert_rules(block.text, tmp_path, promtool)


@pytest.mark.parametrize("block", PROMQL, ids=str)
def test_prometheus_takes_the_queries(block: Block, tmp_path: Path, promtool: str) -> None:
    """Each block of PromQL is an expression, as ``promtool check rules`` reads it."""
    rule = {"groups": [{"name": "docs", "rules": [{"record": "docs:query", "expr": block.text}]}]}
    assert_rules(yaml.safe_dump(rule), tmp_path, promtool)


def assert_rules(text: str, directory: Path, promtool: str) -> None:
    """A file of rules has no mistake."""
    path = directory / "rules.yml"
    path.write_text(text)
    result = subprocess.run([promtool, "check", "rules", path], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", USER_PAGES, ids=name)
def test_every_command_line_can_be_typed(page: Path) -> None:
    """Each ``timepoint ...`` names a command and options that there are, with values that they take."""
    assert [" ".join(line) for line in command_lines(page) if not is_known(line)] == []


def is_known(line: list[str]) -> bool:
    """Whether the words after ``timepoint`` are a command with options it has."""
    context = click.Context(main, info_name="timepoint", **main.context_settings)
    if not line or line[0].startswith("-"):
        return set(line) <= {"--help", "--version", "-h"}
    command = main.get_command(context, line[0])
    if command is None:
        return False
    try:
        inner = click.Context(command, context)  # a command keeps the --help that it was first asked for
        given, _, _ = command.make_parser(inner).parse_args(list(line[1:]))
        for parameter in command.params:
            value = given.get(str(parameter.name))
            is_file = isinstance(parameter.type, click.Path)  # the reader's, not ours
            if isinstance(parameter, click.Option) and isinstance(value, str) and not is_file:
                parameter.type_cast_value(inner, value)
    except click.UsageError:
        return False
    return True


def test_command_lines_are_found() -> None:
    """The search sees consoles, indented lines and sentences; without it the test above could not fail."""
    found = {name(page): [line[0] for line in command_lines(page) if line] for page in USER_PAGES}
    assert {"check", "preview", "run"} <= set(found["README.md"])
    assert {"demo", "check", "preview", "run"} <= set(found["docs/tutorial.md"])
    assert {"poll", "serve", "run"} <= set(found["docs/operations.md"])
    assert not is_known(["run", "--web.listen"])
    assert not is_known(["runs", "energy.yaml"])
    assert not is_known(["run", "energy.yaml", "--poller-deadline", "soon"])


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_page_speaks_of_a_machine_or_a_tracker(page: Path) -> None:
    """No path of somebody's machine, and no number of an issue."""
    text = page.read_text("utf-8")
    assert re.findall(r"(?<![\w.])/(?:work|tmp|root|home|Users)/\S*", text) == []
    assert re.findall(r"(?<![\w&/(#])#\d+\b(?!-)|\b[Ii]ssue \d+", prose(page)) == []


def test_the_index_names_every_page() -> None:
    """docs/README.md links each page for users, and the design notes as a whole."""
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in links(index)}
    wanted = {page for page in USER_PAGES if page.parent in {ROOT / "docs", ROOT / "docs" / "reference"}} - {index}
    assert {name(page) for page in wanted - linked} == set()
    assert ROOT / "docs" / "design" / "README.md" in linked
