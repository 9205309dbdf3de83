"""``timepoint recipes``: what is listed and printed, and that the recipes are in everything that is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.cli.support import call
from tests.conftest import ROOT
from timepoint.cli.recipes import read_recipe

EXAMPLES = {path.stem: path.read_text("utf-8") for path in (ROOT / "examples").glob("*.yaml")}

RECIPE = """\
# Rain in a town, hour by
# hour, from Drops.
#
# API: Drops (weather), https://drops.example/docs
# Needs: a key.
# Traps: none of
# them.
# Shape: parallel lists, local time.
sources:
  drops: {url: "https://drops.example", http_headers: {X-Key: {files: [key]}}}
jobs:
  rain: {source: drops, every: 1h, each: {town: [Here]}, request: {get: /rain, decode: csv}}
"""


def test_every_recipe_is_listed() -> None:
    """Each file of the examples has its name and its first sentence in the list."""
    output = call("recipes").output
    assert {line.split()[0] for line in output.splitlines() if not line.startswith(" ")} == EXAMPLES.keys()


def test_a_recipe_is_printed_as_it_is() -> None:
    """What ``show`` prints can be redirected into a file: it is the recipe, byte for byte."""
    for name, text in EXAMPLES.items():
        assert call("recipes", "show", name).stdout == text


def test_the_head_is_read() -> None:
    """A head gives its first sentence, the product, its documentation and the shapes, over wrapped lines."""
    recipe = read_recipe("rain", RECIPE)
    assert recipe.shows == "Rain in a town, hour by hour, from Drops."
    assert (recipe.api, recipe.documentation) == ("Drops (weather)", "https://drops.example/docs")
    assert recipe.shapes == ["parallel lists", "local time"]
    assert recipe.paragraphs["Traps"] == "none of them."


def test_what_a_recipe_uses_comes_from_its_keys() -> None:
    """Credentials, fan-out and the decoder are those of the config, whatever its head says."""
    assert read_recipe("rain", RECIPE).uses() == ["API key in a header", "fan-out", "CSV"]


def test_search_wants_every_word() -> None:
    """Each word narrows the list, wherever it stands and in whatever case."""
    names = [one["name"] for one in json.loads(call("recipes", "--search", "GRAPHITE", "--json").output)]
    assert "graphite" in "".join(names)
    assert call("recipes", "--search", "graphite", "--search", "nowhere-at-all").exit_code == 1


def test_json_says_what_the_list_says() -> None:
    """A program gets one object for each recipe, with the documentation of the API."""
    listed = json.loads(call("recipes", "--json").output)
    assert [one["name"] for one in listed] == sorted(EXAMPLES)
    assert all(one["shows"] and one["uses"] for one in listed)


def test_a_wrong_name_says_which_was_meant() -> None:
    """A part of a name is enough to be told the name."""
    result = call("recipes", "show", "opencos")
    assert result.exit_code == 2
    assert "did you mean opencost" in result.stderr


def _built(directory: Path, *arguments: str, source: Path = ROOT) -> Path:
    """What hatchling builds of a directory."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(directory), *arguments]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (path,) = directory.iterdir()
    return path


def _names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {Path(name).name for name in archive.namelist() if name.startswith("timepoint/recipes/")}


def test_a_wheel_holds_the_recipes_and_finds_them(tmp_path: Path) -> None:
    """The wheel has the configs and nothing else of the examples, and its command lists them from there."""
    wheel = _built(tmp_path / "dist", "-t", "wheel")
    assert _names(wheel) == {f"{name}.yaml" for name in EXAMPLES}
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    program = "from timepoint.cli.recipes import directory; print(directory())"
    environ = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    told = subprocess.run([sys.executable, "-c", program], env=environ, check=True, capture_output=True, text=True)
    assert Path(told.stdout.strip()) == tmp_path / "site" / "timepoint" / "recipes"


def test_a_wheel_of_the_source_archive_holds_them_too(tmp_path: Path) -> None:
    """What a distributor builds from the source archive has the same recipes."""
    archive = _built(tmp_path / "dist", "-t", "sdist")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    assert _names(_built(tmp_path / "again", "-t", "wheel", source=source)) == {f"{name}.yaml" for name in EXAMPLES}


def test_an_editable_install_reads_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An editable wheel holds no copy, which would grow old: the recipes are those of the checkout."""
    from hatchling.build import build_editable

    monkeypatch.chdir(ROOT)
    assert _names(tmp_path / build_editable(str(tmp_path))) == set()
