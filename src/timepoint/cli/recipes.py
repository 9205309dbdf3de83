"""``timepoint recipes``: the configs for real APIs that ship with the program.

Owns: where recipes are, what the head of one says, what it uses, and how the list is printed. Must not know: what a
config means; a recipe is read as text and as plain YAML.

A recipe is a config whose head is comments: a sentence that says what it shows, then paragraphs that each begin with
one of the words ``API`` (product and the address of its documentation), ``Needs``, ``Limits``, ``Decided``, ``Traps``
and ``Shape`` (what is special about its answers, separated by commas).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_PARAGRAPH = re.compile(r"^([A-Z]\w+): ")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One recipe: its file's text, and what its head says. ``paragraphs`` are those after the first, by their word."""

    name: str
    text: str
    shows: str
    paragraphs: Mapping[str, str]

    @property
    def api(self) -> str:
        """The product."""
        return self.paragraphs.get("API", "").rpartition(", ")[0]

    @property
    def documentation(self) -> str:
        """Where the product's own documentation is."""
        return self.paragraphs.get("API", "").rpartition(", ")[2]

    @property
    def shapes(self) -> list[str]:
        """What is special about the answers."""
        said = self.paragraphs.get("Shape", "").rstrip(".")
        return [word for word in said.split(", ") if word]

    def uses(self) -> list[str]:
        """What the config uses to ask: credentials, paging, fan-out, and so on."""
        import yaml

        config = yaml.safe_load(self.text)
        used: dict[str, None] = {}
        for source in config["sources"].values():
            used |= dict.fromkeys(_credentials(source))
        for job in config["jobs"].values():
            used |= dict.fromkeys(_asking(job))
        ways = [word for word in used if word != _NOTHING]
        return ways if any(word in _CREDENTIALS for word in ways) else [_NOTHING, *ways]


_NOTHING = "no credentials"
_QUERY_KEY = "API key in the query"
_HEADER_KEY = "API key in a header"
_WAYS = {
    "basic_auth": "basic auth",
    "authorization": "token",
    "oauth2": "OAuth 2",
    "service_account": "Google service account",
    "login": "login for a token",
    "sigv4": "AWS SigV4",
    "signature": "signed requests",
}
_CREDENTIALS = {*_WAYS.values(), _QUERY_KEY, _HEADER_KEY}
_PAGING = {
    "next_url": "paging by next URL",
    "link": "paging by Link header",
    "cursor": "paging by cursor",
    "offset": "paging by offset",
    "page": "paging by page number",
    "last_id": "paging by last id",
    "continue_at": "paging by time",
    "one_page": "a guard against cut answers",
}
_BODIES = {"csv": "CSV", "xml": "XML", "ndjson": "NDJSON", "jsonp": "JSONP"}


def _credentials(source: Mapping[str, Any]) -> Iterator[str]:
    for key, word in _WAYS.items():
        if key in source:
            yield word
    headers = source.get("http_headers") or {}
    if any(isinstance(header, dict) and ({"files", "secrets"} & header.keys()) for header in headers.values()):
        yield _HEADER_KEY
    if any(isinstance(value, dict) or "${" in str(value) for value in (source.get("params") or {}).values()):
        yield _QUERY_KEY
    if "quota" in source:
        yield "quota"


def _asking(job: Mapping[str, Any]) -> Iterator[str]:
    request = job.get("request") or {}
    if "each" in job:
        yield "fan-out"
    yield from (word for kind, word in _PAGING.items() if kind in (request.get("paging") or {}))
    if "post" in request:
        yield _posting(request)
    decode = request.get("decode")
    if decode in _BODIES:
        yield _BODIES[decode]
    yield from (f"transform by {kind}" for kind in ("jq", "python") if kind in (job.get("transform") or {}))


def _posting(request: Mapping[str, Any]) -> str:
    if "text" in request:
        return "text as the body"
    body = request.get("json")
    query = body.get("query") if isinstance(body, dict) else None
    return "GraphQL" if isinstance(query, str) and "{ " in query else "POST"


def directory() -> Traversable:
    """Where the recipes are: in the installed package, or in ``examples`` of the checkout that it is run from."""
    package = files("timepoint")
    installed = package / "recipes"
    return installed if installed.is_dir() else Path(str(package)).parents[1] / "examples"


def all_recipes() -> list[Recipe]:
    """Every recipe, by name."""
    paths = [path for path in directory().iterdir() if path.name.endswith(".yaml")]
    return [
        read_recipe(path.name.removesuffix(".yaml"), path.read_text("utf-8"))
        for path in sorted(paths, key=lambda path: path.name)
    ]


def read_recipe(name: str, text: str) -> Recipe:
    """A recipe by what its head says. Paragraphs may be wrapped; an empty comment line divides nothing more."""
    told: dict[str, list[str]] = {"": []}
    word = ""
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        said = line.removeprefix("#").strip()
        match = _PARAGRAPH.match(said)
        if match:
            word = match[1]
            said = said[match.end() :]
        if said:
            told.setdefault(word, []).append(said)
    paragraphs = {word: " ".join(lines) for word, lines in told.items() if word}
    return Recipe(name, text, " ".join(told[""]), paragraphs)


def found(recipes: Sequence[Recipe], words: Sequence[str]) -> list[Recipe]:
    """The recipes that hold every word, in any of what the list shows of them or in their text."""
    return [
        recipe
        for recipe in recipes
        if all(word.lower() in "\n".join([recipe.name, recipe.text, *recipe.uses()]).lower() for word in words)
    ]


@click.group(invoke_without_command=True, subcommand_metavar="[show NAME]")
@click.option(
    "--search",
    "words",
    metavar="WORD",
    multiple=True,
    help="Only recipes that hold WORD: a product, a unit, 'paging', 'XML'. Given twice, both must be there.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@click.pass_context
def recipes(context: click.Context, words: tuple[str, ...], *, as_json: bool) -> None:
    """List complete configs for real APIs, which ship with this program.

    The first line of each says what it shows, the second what is special about the answers and what the request uses.

    \b
    Examples:
      timepoint recipes
      timepoint recipes --search paging --search cost
      timepoint recipes show opencost > opencost.yaml
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped
    if context.invoked_subcommand is not None:
        return
    chosen = found(all_recipes(), words)
    if as_json:
        click.echo(json.dumps([_as_object(recipe) for recipe in chosen], indent=2))
        return
    if not chosen:
        raise click.ClickException(f"no recipe holds {' and '.join(repr(word) for word in words)}")
    click.echo("\n".join(_lines(chosen)))


def _as_object(recipe: Recipe) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "api": recipe.api,
        "documentation": recipe.documentation,
        "shows": recipe.shows,
        "shapes": recipe.shapes,
        "uses": recipe.uses(),
    }


def _lines(chosen: Sequence[Recipe]) -> Iterator[str]:
    width = max(len(recipe.name) for recipe in chosen)
    for recipe in chosen:
        yield f"{recipe.name:<{width}}  {recipe.shows}"
        yield f"{'':<{width}}  {'; '.join(filter(None, [', '.join(recipe.shapes), ', '.join(recipe.uses())]))}"


@recipes.command()
@click.argument("name")
def show(name: str) -> None:
    """Print the recipe NAME: a config that can be redirected into a file, changed and used.

    \b
    Example:
      timepoint recipes show github_traffic > github.yaml
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped
    known = {recipe.name: recipe for recipe in all_recipes()}
    recipe = known.get(name.removesuffix(".yaml"))
    if recipe is None:
        close = [each for each in known if name in each] or get_close_matches(name, known, 1)
        hint = f", did you mean {' or '.join(close)}?" if close else "; `timepoint recipes` lists them"
        raise click.UsageError(f"there is no recipe {name!r}{hint}")
    click.echo(recipe.text, nl=False)
