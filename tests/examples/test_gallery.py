"""The gallery says what the recipes give."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examples.gallery import PAGES, PATHS, SHAPES, TOPICS, index_page, metrics_of, page
from timepoint.cli.recipes import all_recipes

RECIPES = {recipe.name: recipe for recipe in all_recipes()}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_page_is_current(path: Path) -> None:
    """Each page is what ``python -m tests.examples.gallery`` writes; call it after a change on purpose."""
    assert path.read_text("utf-8") == page(path)


def test_there_are_no_other_pages() -> None:
    """No page of a topic that is gone stays behind."""
    assert {path.stem for path in PAGES.glob("*.md")} == {"README", *TOPICS}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_shows_metrics_of_its_body(name: str) -> None:
    """The body gives metrics, and no row or value of it is a reject."""
    metrics, told = metrics_of(name)
    assert metrics
    assert "rejected" not in told


def test_every_recipe_has_one_topic() -> None:
    """The topics are a partition of the recipes."""
    named = [name for _, names in TOPICS.values() for name in names.split()]
    assert sorted(named) == sorted(RECIPES)


def test_the_index_finds_every_recipe_by_what_it_is() -> None:
    """Each shape that a recipe names, and each way to ask that it uses, has its line in the index."""
    index = index_page(list(RECIPES.values()))
    for recipe in RECIPES.values():
        lines = [line for line in index.splitlines() if f"#{recipe.name})" in line]
        words = {line.split(" | ")[0].removeprefix("| ") for line in lines}
        assert {*recipe.shapes, *recipe.uses()} <= words


def test_every_shape_is_shown() -> None:
    """No word of the index is without a recipe."""
    assert {shape for recipe in RECIPES.values() for shape in recipe.shapes} == SHAPES.keys()
