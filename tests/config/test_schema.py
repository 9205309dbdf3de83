"""The JSON Schema that editors use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.config.corpus import BAD, bad_files
from tests.config.json_schema import Schema
from timepoint.config import json_schema
from timepoint.config.checks import Check
from timepoint.config.places import Findings, Places
from timepoint.config.yaml import read_yaml

ROOT = Path(__file__).resolve().parents[2]
GOOD = sorted((ROOT / "examples").glob("*.yaml")) + sorted((ROOT / "src/timepoint/demo").glob("*.yaml"))
# What a schema can see of a file. It cannot see these: a number as written, numbers that JSON does not have, and
# what the environment holds.
SHAPE = {Check.UNKNOWN_KEY, Check.MISSING_KEY, Check.WRONG_KIND, Check.BAD_CHOICE, Check.OUT_OF_RANGE, Check.ONE_OF}
SHAPE |= {Check.DURATION, Check.SIZE}
UNSEEN = {"wrong_kind--value-is-nan", "duration--no-unit", "duration--too-long", "duration--zero", "size--zero"}


SCHEMA = Schema(json_schema())


def read(path: Path) -> Any:
    """The data of a config file."""
    return read_yaml(path.read_text(encoding="utf-8"), Findings(Places(path.name)))


def nodes(schema: Any, where: str = "$") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object inside a schema, with its place."""
    if isinstance(schema, dict):
        yield where, schema
        for key, child in schema.items():
            if key not in ("examples", "default"):
                yield from nodes(child, f"{where}.{key}")
    elif isinstance(schema, list):
        for index, child in enumerate(schema):
            yield from nodes(child, f"{where}[{index}]")


def test_every_key_has_a_description() -> None:
    """Each key says what it is for, in a sentence."""
    keys = {
        f"{where}.{name}": child.get("description", "")
        for where, node in nodes(json_schema())
        for name, child in node.get("properties", {}).items()
        if isinstance(child, dict)
    }
    assert len(keys) > 80
    assert [where for where, text in keys.items() if not text or text[-1] not in ".)" or not text[0].isupper()] == []


def test_every_key_has_an_example() -> None:
    """Each key shows how it is written."""
    keys = [
        f"{where}.{name}"
        for where, node in nodes(json_schema())
        for name, child in node.get("properties", {}).items()
        if isinstance(child, dict) and not child.get("examples")
    ]
    assert keys == []


def test_examples_fit() -> None:
    """The example of a key is a value that the key may have."""
    root = json_schema()
    schema = Schema(root)
    for where, node in nodes(root):
        for name, child in node.get("properties", {}).items():
            for example in child.get("examples", ()) if isinstance(child, dict) else ():
                if name not in ("jobs", "metrics", "sources"):  # shortened there to be readable
                    assert list(schema._node(child, example, f"{where}.{name}")) == []


def test_no_generated_titles() -> None:
    """The schema has one title, its own."""
    assert [where for where, node in nodes(json_schema()) if isinstance(node.get("title"), str)] == ["$"]


def test_is_json() -> None:
    """The schema can be written as JSON."""
    assert json.loads(json.dumps(json_schema())) == json_schema()


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_configs_fit(path: Path) -> None:
    """Every example that ships fits the schema."""
    assert SCHEMA.complaints(read(path)) == []


@pytest.mark.parametrize(
    "path", [path for path in bad_files() if path.stem.partition("--")[0] in SHAPE], ids=lambda path: path.stem
)
def test_bad_shapes_do_not_fit(path: Path) -> None:
    """What is wrong by its shape alone is wrong in an editor too."""
    assert bool(SCHEMA.complaints(read(path))) is (path.stem not in UNSEEN)


def test_configs_with_other_mistakes_fit() -> None:
    """A schema that refuses more than the exporter does would hinder: warnings fit."""
    warned = [path for path in bad_files() if Check(path.stem.partition("--")[0]).is_warning]
    assert warned
    assert [path.stem for path in warned if SCHEMA.complaints(read(path))] == []
    assert BAD.is_dir()
